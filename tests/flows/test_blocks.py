"""The columns a study asks for: each from one feature set, and no case without any."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml

from radlas.errors import StudyError
from radlas.flows.study import blocks as module
from radlas.flows.study.blocks import block_sets, study_matrix
from radlas.flows.study.dataset import read_people
from radlas.learn.study import StudyConfig
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.store.query import connect
from radlas.store.recipes import save_recipe

from .conftest import STUDY

CASES = {"a1": "centre-a", "b1": "centre-b", "b2": "centre-b"}


@pytest.fixture
def store(tmp_path):
    """Three cases, described by two recipes; of the ring only two by the second."""
    store = init_store(tmp_path / "store")
    told = {"run_id": "r", "recorded_at": datetime.now(UTC)}
    cases = [
        {"case_id": case, "centre": centre, "subject_id": f"s-{case}", "voxel_digest": case, **told}
        for case, centre in CASES.items()
    ]
    delta.append(store, "cases", cases, run_id="r")
    for number, name in enumerate(("p-1", "p-2"), 1):
        save_recipe(store, name, {"table": "radiomics", "versions": {}})
        rows = [
            {**case, "feature_set": name, "roi": roi, "image_type": "original", "reason": ""}
            | {"input_digest": "x", "firstorder_Mean": float(number)}
            for case in cases
            for roi in ("tumour", "ring_0_10")
            if (name, roi, case["case_id"]) != ("p-2", "ring_0_10", "b2")
        ]
        for row in rows:
            row.pop("voxel_digest")
        delta.append(store, "radiomics", rows, run_id="r")
    return store


def study(blocks, **values):
    plain = yaml.safe_load(STUDY) | {"controls": [], "sensitivity": {}}
    models = {"both": list(blocks)}
    return StudyConfig.parse(
        plain | {"blocks": blocks, "models": models, "primary": "both"} | values
    )


def matrix(store, protocol):
    with connect(store) as live:
        return study_matrix(live, store, ("p-1", "p-2"), protocol, read_people(live))


TUMOUR, RING = "tumour__original__firstorder_Mean", "ring_0_10__original__firstorder_Mean"


def test_every_block_has_the_columns_of_its_own_feature_set(store):
    blocks = {
        "inside": {"roi": "tumour", "feature_set": "p-1"},
        "around": {"roi": "ring_0_10", "feature_set": "p-2"},
    }
    found = matrix(store, study(blocks, impute_missing_blocks=True))
    assert list(found.index) == sorted(CASES)
    assert found[TUMOUR].tolist() == [1.0, 1.0, 1.0]
    assert found[RING].fillna(0).tolist() == [2.0, 2.0, 0.0]


def test_a_column_that_two_feature_sets_have_is_refused_and_of_one_it_stands_once(store):
    same = {"roi": "tumour", "feature_set": "p-1"}
    assert list(matrix(store, study({"one": same, "again": same})).columns) == [TUMOUR]
    other = {"roi": "tumour", "feature_set": "p-2"}
    with pytest.raises(StudyError, match=f"{TUMOUR} would come from p-1 and from p-2") as raised:
        matrix(store, study({"first": same, "second": other}))
    assert "differ in ROI" in raised.value.hint


def test_cases_without_a_block_are_counted_by_centre(store):
    blocks = {"around": {"roi": "ring_0_10", "feature_set": "p-2"}}
    with pytest.raises(StudyError, match="1 of 3 cases have no value of block around: 1 of centre"):
        matrix(store, study(blocks))


def test_of_all_that_is_stored_a_study_reads_its_own_cases_and_columns_alone(store, monkeypatch):
    """A registry holds a hundred thousand cases, and a study of it two centres and one ROI."""
    whole, read = module.feature_matrix, []

    def seen(*words, **asked):
        read.append(whole(*words, **asked))
        return read[-1]

    monkeypatch.setattr(module, "feature_matrix", seen)
    protocol = study({"inside": {"roi": "tumour", "feature_set": "p-1"}})
    with connect(store) as live:
        people = read_people(live)
        people = people[people["centre"] == "centre-b"]
        found = study_matrix(live, store, ("p-1", "p-2"), protocol, people)
    (one,) = read
    assert (list(one.index), list(one.columns)) == (["b1", "b2"], [TUMOUR])
    assert found[TUMOUR].tolist() == [1.0, 1.0]


def test_cases_that_lack_a_block_that_others_have_are_counted_though_no_other_is_read(store):
    protocol = study({"around": {"roi": "ring_0_10", "feature_set": "p-2"}})
    with connect(store) as live:
        people = read_people(live).loc[["b2"]]
        with pytest.raises(StudyError, match="1 of 1 cases have no value of block around"):
            study_matrix(live, store, ("p-1", "p-2"), protocol, people)


def test_a_block_that_names_no_feature_set_takes_the_only_one(store):
    protocol = study({"inside": {"roi": "tumour"}})
    assert block_sets(store, ["p-2"], protocol) == {"inside": "p-2"}
    with pytest.raises(StudyError, match="block inside needs one radiomics feature set") as raised:
        block_sets(store, ["p-1", "p-2"], protocol)
    assert "blocks.inside.feature_set" in raised.value.hint
    with pytest.raises(StudyError, match="there are none"):
        block_sets(store, [], protocol)
    named = study({"inside": {"roi": "tumour", "feature_set": "p-3"}})
    with pytest.raises(StudyError, match="there are p-1, p-2"):
        block_sets(store, ["p-1", "p-2"], named)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"roi": "tumor"}, "its ROIs are: ring_0_10, tumour"),
        ({"roi": "tumour", "image_types": ["log-9"]}, "its image types or layers are: original"),
        ({"roi": "tumour", "families": ["glcmm"]}, "its families are: firstorder"),
        ({"roi": "tumour", "features": ["glcm_Idn"]}, "its features are: firstorder_Mean"),
    ],
)
def test_a_block_that_selects_nothing_is_told_what_there_is(store, asked, told):
    """Of the feature set, not of what the other blocks have selected from it."""
    with pytest.raises(StudyError, match="block other selects nothing") as caught:
        matrix(store, study({"other": asked | {"feature_set": "p-1"}}))
    assert caught.value.hint == told
    assert caught.value.where.endswith("feature set p-1")
