"""What every extractor promises, ours and third parties': found by itself in the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radlas.config import Config
from radlas.digests import digest_of
from radlas.errors import ConfigError, WorkerError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor, recipe
from radlas.features.promises import check_description
from radlas.model import Description, FeatureRow, Roi, Volume
from radlas.registry import Registry
from radlas.tables import TABLES
from radlas.testing import check_extractor, small_case

# What makes ours quick on a small case; a third party's extractor runs with its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "deep": {"size": (16, 16, 16)},
    "radiomics": {"image_types": {"original": {}, "log": {"sigma": [2]}, "wavelet": {}}},
}


class ToyExtractor:
    """The smallest extractor there can be: the mean inside each ROI."""

    Settings = Config
    table = "radiomics"
    columns = ("toy_Mean",)
    gpu = False

    def __init__(self, settings: Config) -> None:
        self.settings = settings

    label = "toy"
    versions = {"toy": "1"}  # noqa: RUF012 - as small as it gets

    def describe(self, volume: Volume, rois: dict[str, Roi]) -> Description:
        means = {name: volume.voxels[roi.mask].mean(dtype=float) for name, roi in rois.items()}
        rows = (FeatureRow(name, "original", {"toy_Mean": float(m)}) for name, m in means.items())
        return Description(tuple(rows))


TOY = Registry("radlas.extractors", {"toy": f"{__name__}:ToyExtractor"})


@pytest.mark.parametrize("name", [*EXTRACTORS, "toy"])
def test_an_extractor_keeps_what_it_promises(name):
    """Every name of the registry, and a toy put beside them in one line."""
    check_extractor(make_extractor(TOY if name == "toy" else EXTRACTORS, name, SMALL.get(name, {})))


class Odd(ToyExtractor):
    """A toy that breaks a promise."""

    def __init__(self, fault: Any) -> None:
        super().__init__(Config())
        self._fault, self.calls = fault, 0

    def describe(self, volume: Volume, rois: dict[str, Roi]) -> Description:
        self.calls += 1
        return Description(*self._fault(self.calls, volume, super().describe(volume, rois).rows))


def changing_voxels(_, volume, rows):
    volume.voxels[0] = 0
    return (rows,)


def with_value(value: float | None, reason: str = ""):
    return (FeatureRow("tumour", "original", {"toy_Mean": value}, reason=reason),)


# Told by what is wrong with the rows of a call, of an image.
BROKEN = {
    "a second look at the same case gives other rows": lambda call, _, __: (
        with_value(float(call)),
    ),
    "the same voxels as int16 give other rows": lambda _, volume, __: (
        with_value(float(volume.voxels.itemsize)),
    ),
    "it changes the voxels, the masks or the affine": changing_voxels,
    "a value is no number, or NaN or infinite": lambda *_: (with_value(float("nan")),),
    "toy_Mean is None, and no `reason` of the row says why": lambda *_: (with_value(None),),
    "None needs a `reason`, and a `reason` None": lambda *_: (with_value(1.0, "empty_mask"),),
    "no reason of radlas.reasons: bored": lambda *_: (with_value(None, "bored"),),
    "two rows are of the same ROI": lambda _, __, rows: (rows + rows,),
    "not among its `columns`: other": lambda *_: (
        (FeatureRow("tumour", "original", {"other": 1.0}),),
    ),
    "a row holds a vector, and the table radiomics has no place for that": lambda *_: (
        (FeatureRow("tumour", "original", vector=(1.0,)),),
    ),
    "image_type holds what is no text": lambda *_: ((FeatureRow("tumour", 7, {"toy_Mean": 1.0}),),),
    "grey_levels holds what is no whole number": lambda *_: (
        (FeatureRow("tumour", "original", {"toy_Mean": 1.0}, grey_levels=2.5),),
    ),
    "what is told of a ROI is str, not columns": lambda _, __, rows: (rows, ("tumour",)),
    "it says nothing of a case that is whole": lambda *_: ((),),
    "facts of a ROI are no columns of `rois`: depth": lambda _, __, rows: (
        rows,
        ({"roi": "tumour", "reader": "", "origin": "prepared", "depth": 1},),
    ),
    "the ROI 'moon' is neither generated nor prepared, or has no row": lambda _, __, rows: (
        rows,
        ({"roi": "moon", "reader": "", "origin": "generated"},),
    ),
    "it cannot be sent to a worker": lambda _, __, rows: (rows,),  # as no lambda can
}


@pytest.mark.parametrize("told", BROKEN)
def test_a_broken_promise_is_told(told):
    with pytest.raises(AssertionError, match="extractor Odd breaks what it promises") as caught:
        check_extractor(Odd(BROKEN[told]))
    assert told in str(caught.value)


def test_what_a_maker_brings_of_his_own_is_looked_at():
    """A case without ROIs is one of which a toy says nothing."""
    volume, _ = small_case()
    with pytest.raises(AssertionError, match="it says nothing"):
        check_extractor(make_extractor(TOY, "toy", {}), volume, {})


def test_the_recipe_is_json_and_names_the_feature_set():
    for name in EXTRACTORS:
        extractor = make_extractor(EXTRACTORS, name, SMALL.get(name, {}))
        made = recipe(name, extractor)
        assert feature_set_name(name, extractor) == f"{extractor.label}-{digest_of(made)[:8]}"
        assert extractor.label.replace("-", "").isalnum()
        assert extractor.table in TABLES
        assert extractor.versions


def test_a_third_party_registers_in_one_line():
    volume, rois = small_case()
    rows = make_extractor(TOY, "toy", {}).describe(volume, rois).rows
    assert [row.roi for row in rows] == ["tumour", "edema"]
    assert rows[0].values["toy_Mean"] > rows[1].values["toy_Mean"]


def test_settings_of_another_kind_are_the_extractors_defect(monkeypatch):
    """They would have no digest, and so make no feature set."""
    monkeypatch.setattr(ToyExtractor, "Settings", dict)
    with pytest.raises(ConfigError, match=r"its `Settings` are no radlas\.config\.Config"):
        make_extractor(TOY, "toy", {})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"label": "my features/v2"}, "label 'my features/v2' is not letters"),
        ({"label": None}, "label None"),
        ({"table": "shapes"}, "table 'shapes' is neither radiomics nor deep"),
        ({"versions": None}, "`versions` are no mapping"),
        ({"versions": {"toy": 1}}, "`versions` are no mapping"),
    ],
)
def test_an_extractor_that_would_name_no_feature_set_is_refused(said, told):
    """A slash in a label made a folder: its rows had no feature set, and no query found them."""
    odd = make_extractor(TOY, "toy", {})
    for name, value in said.items():
        setattr(odd, name, value)
    with pytest.raises(ConfigError) as caught:
        feature_set_name("toy", odd)
    assert told in caught.value.what
    assert caught.value.where == "extractor toy"


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "`describe` returned NoneType, not Description"),
        ([FeatureRow("tumour", "original")], "`describe` returned list, not Description"),
        (Description(({"toy_Mean": 1.0},)), "a row of `describe` is dict, not FeatureRow"),
        (
            Description((FeatureRow("tumour", "original", {"case_id": 1.0}),)),
            "a value is called case_id, which says something of its row",
        ),
        (
            Description((FeatureRow("tumour", "grid__fine", {"toy_Mean": 1.0}),)),
            "'grid__fine' in a column's name, whose parts are joined by `__`",
        ),
        (
            Description((FeatureRow("tumour_", "original", {"toy_Mean": 1.0}),)),
            "'tumour_' in a column's name, whose parts are joined by `__`",
        ),
        (
            Description((FeatureRow("tumour", "original", vector=(1.0,)),)),
            "a row holds a vector, and the table radiomics has no place for that",
        ),
        (
            Description((FeatureRow("tumour", "original"),), ("tumour",)),
            "what is told of a ROI is str, not columns of `rois`",
        ),
        # Looking at them uses them up: nothing would be stored, and the case called done.
        (
            Description(one for one in (FeatureRow("tumour", "original", {"toy_Mean": 1.0}),)),
            "the rows of a Description are generator, not tuple",
        ),
        # The lake would hold a row without its key, and be taken for damaged from then on.
        (
            Description(
                (FeatureRow("shell", "original"),), ({"roi": "shell", "origin": "generated"},)
            ),
            "what is told of a ROI has no reader, a text; a reader may be empty",
        ),
        (
            Description((FeatureRow("tumour", "original", {"toy_Mean": 1.0}, reason=None),)),
            "the reason of a row is no text; where there is none, it is empty",
        ),
        (
            Description((FeatureRow("tumour", "original", {"toy_Mean": 1.0}, perturbation=None),)),
            "the perturbation of a row is no text; where there is none, it is empty",
        ),
        (
            Description((FeatureRow("tumour", "original", {"toy_Mean": None}),)),
            "toy_Mean is None, and no `reason` of the row says why",
        ),
        # It stood in `missing`, and in what travels to other sites, whatever it said.
        (
            Description((FeatureRow("tumour", "original", {"toy_Mean": None}, reason="toy:odd"),)),
            "no reason of radlas.reasons: toy:odd",
        ),
        # A whole run ended in a defect of ours, and what it had of other cases was not stored.
        (
            Description((FeatureRow("tumour", "original", {7: 1.0}),)),
            "7 is no text, and so names no value",
        ),
        (
            Description(
                (FeatureRow("shell", "original"),),
                ({"roi": "shell", "reader": "", "origin": "generated", 3: 1},),
            ),
            "3 is no text, and so no column of `rois`",
        ),
        # These cost their own task, and were told as a defect of ours.
        (
            Description((FeatureRow("tumour", "original", None),)),
            "the values of a row are NoneType, not names with values",
        ),
        (
            Description((FeatureRow("tumour", "original", [("toy_Mean", 1.0)]),)),
            "the values of a row are list, not names with values",
        ),
        (
            Description((FeatureRow("tumour", "original", vector=None),)),
            "the vector of a row is NoneType, not tuple; without one, it is empty",
        ),
        (
            Description((FeatureRow("tumour", "original", vector=np.ones(3)),)),
            "a row holds a vector, and the table radiomics has no place for that",
        ),
    ],
)
def test_what_is_no_description_is_the_extractors_defect(returned, told):
    with pytest.raises(WorkerError) as caught:
        check_description(returned, "radiomics")
    assert caught.value.what == told
    assert "a defect of the extractor" in caught.value.hint
