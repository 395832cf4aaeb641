"""The store from Python: one matrix in four forms, what is missing told with its reason."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime

import numpy as np
import pytest

import radlas
from radlas.errors import ConfigError
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.store.snapshots import create_snapshot

from .conftest import feature_row, fill


@pytest.fixture(scope="module", params=["folder", "bucket"])
def frozen(request, tmp_path_factory):
    """Three cases: a ring for one, a ring of undefined values for one, none for the third."""
    folder = tmp_path_factory.mktemp("api")
    address = str(folder / "store")
    if request.param == "bucket":
        request.getfixturevalue("object_storage")
        address = f"s3://radlas/{uuid.uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADLAS_HOME", str(folder / "home"))
        yield described(fill(init_store(address)))


def described(filled):
    """The same with features, opened at a snapshot."""
    rows = [
        feature_row("a", "ring_0_10", firstorder_Mean=1.5),
        feature_row("b", "ring_0_10") | {"reason": "empty_ring"},
    ]
    delta.append(filled, "radiomics", rows, run_id="r")
    vectors = []
    for place, case in enumerate("ab"):
        row = feature_row(case, "whole", feature_set="d-1", layer="layer4")
        row.pop("image_type")
        vectors.append(row | {"vector": [1.0, float(place)]})
    delta.append(filled, "deep", vectors, run_id="r")
    ended = {
        "run_id": "r",
        "task_key": "k",
        "stage": "extract",
        "centre": "c1",
        "case_id": "c",
        "feature_set": "d-1",
        "attempt": 1,
        "state": "quarantined",
        "reason": "flat_image",
        "message": "",
        "recorded_at": datetime.now(UTC),
    }
    before = {"task_key": "other rules", "recorded_at": datetime(2026, 1, 1, tzinfo=UTC)}
    outcomes = [  # by three rules for one case, two ended in the same moment
        ended | {"task_key": "l", "attempt": 2, "reason": "no_tumour"},
        ended,
        ended | before | {"reason": "no_space"},
    ]
    delta.append(filled, "outcomes", outcomes, run_id="r")
    create_snapshot(filled, "x")
    return radlas.open(str(filled.place)).snapshot("x")


RING = "ring_0_10__original__firstorder_Mean"
TUMOUR = "tumour__original__firstorder_Mean"
DEEP = ["whole__layer4__000", "whole__layer4__001"]


def test_what_is_missing_has_its_reason(frozen):
    found = frozen.missing().set_index(["case_id", "roi"])
    assert found["reason"].to_dict() == {
        ("b", "ring_0_10"): "empty_ring",
        ("c", "ring_0_10"): "no_row",
        ("c", "whole"): "no_tumour",
    }
    assert found.index[found["has_row"]].to_list() == [("b", "ring_0_10")]
    X = frozen.matrix()
    assert X[RING].isna().to_dict() == {"a": False, "b": True, "c": True}


def test_the_matrix_is_the_same_in_every_form(frozen):
    X = frozen.matrix()
    assert list(X.columns) == [RING, TUMOUR, *DEEP]
    values, cases, columns = frozen.matrix(to="numpy")
    np.testing.assert_array_equal(values, X.to_numpy())
    assert (cases, columns) == (["a", "b", "c"], list(X.columns))
    arrow = frozen.matrix(to="arrow")
    assert arrow.column_names == ["case_id", *columns]
    assert arrow.column(RING).to_pylist() == [1.5, None, None]
    polars = frozen.matrix(to="polars")
    assert polars[RING].to_list() == [1.5, None, None]
    assert polars[TUMOUR].to_list() == X[TUMOUR].to_list()


def test_blocks_are_chosen_by_roi_image_type_and_depth(frozen):
    for asked, columns in (
        ({"deep": False}, [RING, TUMOUR]),
        ({"roi": "tumour"}, [TUMOUR]),
        ({"roi": "tumour", "deep": True}, [TUMOUR, *DEEP]),
        ({"roi": "whole"}, DEEP),
        ({"roi": "tumour", "image_type": "original", "deep": True}, [TUMOUR, *DEEP]),
        ({"feature_sets": ["d-1"]}, DEEP),
    ):
        assert list(frozen.matrix(**asked).columns) == columns, asked


def test_rows_are_given_in_the_form_that_was_asked_for(frozen):
    sql = "select case_id, firstorder_Mean from radiomics where roi = ? order by case_id"
    frame = frozen.query(sql, ["tumour"])
    assert frame["firstorder_Mean"].tolist() == [0.0, 1.0, 2.0]
    assert frozen.query(sql, ["tumour"], to="arrow").column("case_id").to_pylist() == list("abc")
    assert frozen.query(sql, ["tumour"], to="polars").rows() == [("a", 0.0), ("b", 1.0), ("c", 2.0)]
    with pytest.raises(ConfigError, match="no form 'excel'"):
        frozen.query(sql, ["tumour"], to="excel")


def test_a_live_store_has_no_single_answer_to_all(filled):
    with pytest.raises(ConfigError, match="several recipes"):
        radlas.open(str(filled.place)).matrix()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"roi": "tumor"},
            "no row is of the ROI 'tumor'\n  try: there are: ring_0_10, tumour, whole",
        ),
        (
            {"image_type": "orig"},
            "the image type or layer 'orig'\n  try: there are: layer4, original",
        ),
        ({"feature_sets": ["p-1", "p-9"]}, "the feature set 'p-9'\n  try: there are: d-1, p-1"),
        ({"perturbation": "rot+4"}, "the perturbation 'rot+4'\n  try: there are: none"),
        (
            {"roi": "tumour", "image_type": "layer4"},
            "no row of tumour is of the image type or layer 'layer4'\n  try: there are: original",
        ),
        ({"roi": "whole", "deep": False}, "ROI 'whole'\n  try: there are: ring_0_10, tumour"),
        ({"roi": ["tumour"]}, "the ROI ['tumour']\n  try: there are: ring_0_10, tumour, whole"),
        ({"to": "excel"}, "no form 'excel'\n  try: pandas, polars, arrow, numpy"),
    ],
)
def test_a_name_that_no_row_has_gives_no_empty_matrix(frozen, asked, told):
    with pytest.raises(ConfigError) as caught:
        frozen.matrix(**asked)
    assert told in str(caught.value)


def test_one_feature_set_may_be_named_without_a_list(frozen):
    assert list(frozen.matrix(feature_sets="d-1").columns) == DEEP


def test_perturbed_copies_have_a_matrix_of_their_own(filled):
    copy = {"perturbation": "rot+4", "reason": "empty_ring"}
    moved = [feature_row("a", roi, firstorder_Mean=7.0) | copy for roi in ("tumour", "ring_0_10")]
    delta.append(filled, "radiomics", moved, run_id="r")
    create_snapshot(filled, "moved")
    frozen = radlas.open(str(filled.place)).snapshot("moved")
    assert frozen.matrix()[TUMOUR].to_list() == [0.0, 1.0, 2.0]
    X = frozen.matrix(perturbation="rot+4")
    assert X[TUMOUR].to_list()[0] == 7.0
    assert X[TUMOUR].isna().to_list() == [False, True, True]
    assert frozen.missing().empty, "of no case a copy was to be expected"


def test_values_in_numpy_may_be_changed(frozen):
    """scikit-learn's imputers with ``copy=False`` would end in an error of numpy's."""
    values, *_ = frozen.matrix(to="numpy")
    values[np.isnan(values)] = 0.0
    assert np.isfinite(values).all()
    assert frozen.matrix()[RING].isna().sum() == 2


def test_values_of_a_query_may_have_names(frozen):
    sql = "select case_id from radiomics where roi = $roi and firstorder_Mean > $least"
    assert frozen.query(sql, {"roi": "tumour", "least": 1.5})["case_id"].to_list() == ["c"]
    sql = "select count(*) n from radiomics where roi = ?"
    assert frozen.query(sql, "tumour")["n"].to_list() == [3]


def test_an_open_store_tells_what_it_is(frozen):
    place = frozen.store.place
    assert repr(frozen) == f"<radlas store {place}, x@1>"
    assert repr(radlas.open(str(place))) == f"<radlas store {place}, live>"


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    init_store(tmp_path / "sarcoma")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert radlas.open("~/sarcoma").snapshots() == []


@pytest.mark.parametrize(
    "value", [np.int64(2), np.int32(2), np.uint8(2), np.float32(2), np.float64(2), np.bool_(True)]
)
def test_a_value_of_a_query_may_be_numpys(frozen, value):
    """As an element of a column is; DuckDB knows of them the double alone."""
    assert frozen.query("select ? x", [value])["x"][0] == value
    assert frozen.query("select $x x", {"x": value})["x"][0] == value
    assert frozen.query("select ? x", np.array([value]))["x"][0] == value


@pytest.mark.parametrize(
    ("sql", "params", "told"),
    [
        ("select ?", (), "a place for a value, ? or $name, and no value was given"),
        ("select $a", {}, "a place for a value"),
        ("select ?, ?", [1], "Values were not provided"),
        ("select $a", {"b": 1}, "Values were not provided"),
        ("select ?", [1, 2], "excess parameters"),
    ],
)
def test_values_that_do_not_fit_their_places_are_told_as_that(frozen, sql, params, told):
    """And not that the statement is of a kind that takes none, with a list of views."""
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        frozen.query(sql, params)
    assert "a value for every ?" in caught.value.hint


@pytest.mark.parametrize("given", [None, 3, "", "../..", "3be6621a", "3BE6" * 8, "3be6" * 8 + "\n"])
def test_what_is_no_case_id_is_told_as_that_and_not_as_a_fault_of_the_store(frozen, given):
    for asked in (frozen.volume, frozen.masks, lambda case: frozen.as_described(case, "p-1")):
        with pytest.raises(ConfigError) as caught:
            asked(given)
        assert caught.value.what == f"no case id: {given!r}"
        assert "all 32 digits" in caught.value.hint


@pytest.mark.parametrize("given", [None, 3, ["x"]])
def test_what_is_no_text_is_told_where_one_is_asked_for(frozen, given):
    for what, asked in (
        ("label of a snapshot", frozen.snapshot),
        ("query", frozen.query),
        ("feature set", lambda name: frozen.as_described("3be6" * 8, name)),
    ):
        with pytest.raises(ConfigError, match=f"no {what}: ") as caught:
            asked(given)
        assert caught.value.hint
