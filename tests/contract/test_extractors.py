"""What every extractor promises, ours and third parties': found by itself in the registry."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from radlas.config import Config
from radlas.digests import digest_of
from radlas.errors import ConfigError, WorkerError
from radlas.features import EXTRACTORS
from radlas.features.base import checked, feature_set_name, make_extractor, recipe
from radlas.geometry import make_geometry
from radlas.model import Description, FeatureRow, Roi, Volume
from radlas.reasons import REASONS
from radlas.registry import Registry
from radlas.tables import ROIS, TABLES

SHAPE = (8, 30, 28)
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


def case() -> tuple[Volume, dict[str, Roi]]:
    """Whole numbers that int16 and float32 both hold; a tumour, an edema, some air."""
    chance = np.random.default_rng(0)
    voxels = chance.normal(20, 4, size=SHAPE)
    voxels[:, 3:27, 3:25] = chance.normal(300, 30, size=(8, 24, 22))
    tumour, edema = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    tumour[2:6, 10:18, 9:16] = True
    edema[2:6, 18:22, 9:16] = True
    voxels[tumour] += 300
    geometry = make_geometry(SHAPE, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
    rois = {"tumour": Roi("tumour", tumour, "seg"), "edema": Roi("edema", edema, "seg")}
    return Volume(voxels.round(), geometry), rois


def with_dtype(volume: Volume, dtype: Any) -> Volume:
    return Volume(volume.voxels.astype(dtype), volume.geometry)


@pytest.fixture(scope="module", params=[*EXTRACTORS, "toy"])
def extractor(request):
    """Every name of the registry, and a toy put beside them in one line."""
    name = request.param
    return make_extractor(TOY if name == "toy" else EXTRACTORS, name, SMALL.get(name, {}))


@pytest.fixture(scope="module")
def found(extractor):
    volume, rois = case()
    return extractor.describe(with_dtype(volume, np.float32), rois)


def test_a_second_look_gives_the_same_rows(extractor, found):
    volume, rois = case()
    assert extractor.describe(with_dtype(volume, np.float32), rois) == found


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_the_pixel_type_leaves_no_trace(extractor, found, dtype):
    volume, rois = case()
    assert extractor.describe(with_dtype(volume, dtype), rois) == found


def test_the_inputs_are_left_as_they_were(extractor):
    volume, rois = case()
    volume = with_dtype(volume, np.float32)
    arrays = [volume.voxels, volume.geometry.affine, *(roi.mask for roi in rois.values())]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    extractor.describe(volume, rois)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_values_are_finite_numbers_in_declared_columns_or_none(extractor, found):
    assert found.rows
    for row in found.rows:
        assert set(row.values) <= set(extractor.columns)
        for value in row.values.values():
            assert value is None or (type(value) is float and np.isfinite(value))
        assert np.isfinite(row.vector).all()


def test_a_row_is_a_vector_or_values_as_its_table_wants(extractor, found):
    assert extractor.table in {"radiomics", "deep"}
    for row in found.rows:
        assert bool(row.vector) == (extractor.table == "deep")
        assert bool(row.values) == (extractor.table == "radiomics")


def test_missing_values_have_a_documented_reason(found):
    for row in found.rows:
        assert (None in row.values.values()) == bool(row.reason)
        for told in row.reason.split():  # of the row, or of one family: `glcm:no_neighbours`
            assert told.rpartition(":")[2] in REASONS


def test_no_two_rows_have_one_key(found):
    keys = [(row.roi, row.image_type) for row in found.rows]
    assert len(set(keys)) == len(keys)


def test_described_rois_have_columns_of_their_table_and_a_row_each(found):
    for facts in found.rois:
        assert set(facts) <= set(ROIS.names)
        assert facts["origin"] in {"generated", "prepared"}
        assert facts["roi"] in {row.roi for row in found.rows}


def test_an_extractor_and_its_rows_travel_to_a_worker(extractor, found):
    volume, rois = case()
    clone = pickle.loads(pickle.dumps(extractor))  # noqa: S301 - our own bytes
    assert clone.describe(with_dtype(volume, np.float32), rois) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_the_recipe_is_json_and_names_the_feature_set(extractor):
    made = recipe("any", extractor)
    assert feature_set_name("any", extractor) == f"{extractor.label}-{digest_of(made)[:8]}"
    assert extractor.label.replace("-", "").isalnum()
    assert extractor.table in TABLES
    assert extractor.versions


def test_a_third_party_registers_in_one_line():
    volume, rois = case()
    rows = make_extractor(TOY, "toy", {}).describe(volume, rois).rows
    assert [row.roi for row in rows] == ["tumour", "edema"]
    assert rows[0].values["toy_Mean"] > rows[1].values["toy_Mean"]


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
    ],
)
def test_what_is_no_description_is_the_extractors_defect(returned, told):
    with pytest.raises(WorkerError) as caught:
        checked(returned)
    assert caught.value.what == told
    assert "a defect of the extractor" in caught.value.hint
