"""Snapshots: what was frozen stays, whatever is written later; identity is content."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from radlas.cli import app
from radlas.errors import ConfigError, StoreError
from radlas.store import delta
from radlas.store.diff import diff_snapshots
from radlas.store.frozen import load_snapshot, read_snapshots, save_snapshot
from radlas.store.matrix import feature_matrix
from radlas.store.query import connect
from radlas.store.recipes import save_recipe
from radlas.store.snapshots import create_snapshot, open_snapshot, verify_snapshot

from .conftest import case_row, feature_row, here, overwrite, part_names

SNAPSHOT = "snapshots/x@1.json"


def test_later_rows_do_not_move_a_snapshot(filled):
    snapshot, _ = create_snapshot(filled, "x")
    delta.append(filled, "cases", [case_row("d")], run_id="r")
    delta.append(filled, "radiomics", [feature_row("d"), feature_row("a", "edema")], run_id="r")
    with open_snapshot(filled, snapshot) as connection:
        assert connection.sql("select count(*) from radiomics").fetchall() == [(3,)]
        assert connection.sql("select count(*) from cases").fetchall() == [(3,)]
    verify_snapshot(filled, snapshot)


@here
def test_many_snapshots_are_listed_in_the_memory_of_one(filled, address):
    """Each names all of its cases: hundreds of them took gigabytes."""
    one, _ = create_snapshot(filled, "x")
    many = replace(one, cases=tuple(f"{n:032x}" for n in range(10_000)))
    for number in range(2, 32):
        save_snapshot(filled, replace(many, number=number))
    assert CliRunner().invoke(app, ["snapshot", "list", "--store", address]).exit_code == 0
    tracemalloc.start()
    said = CliRunner().invoke(app, ["snapshot", "list", "--store", address, "--json"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [s["cases"] for s in json.loads(said.stdout)["snapshots"]] == [3, *[10_000] * 30]
    assert peak < 8e6  # 30 of them are 27 MB


def test_unchanged_content_gives_the_same_snapshot_back(filled):
    first, new = create_snapshot(filled, "x")
    again, newer = create_snapshot(filled, "x")
    assert (new, newer) == (True, False)
    assert again == first
    assert [s.label for s in read_snapshots(filled)] == ["x@1"]


@here
def test_the_same_rows_in_other_files_have_the_same_identity(filled, new_store):
    """One commit of three rows, or three commits in another order: one content, one id."""
    other = new_store("other")
    for i, case in reversed(list(enumerate("abc"))):
        delta.append(other, "cases", [case_row(case)], run_id="q")
        row = feature_row(case, firstorder_Mean=float(i))
        delta.append(other, "radiomics", [row], run_id="q")
    assert create_snapshot(other, "y")[0].id == create_snapshot(filled, "x")[0].id


@here
def test_a_column_another_recipe_added_changes_no_identity(filled):
    first, _ = create_snapshot(filled, "x", feature_sets=["p-1"])
    toy = feature_row("a", feature_set="toy-1", toy=1.0)
    delta.append(filled, "radiomics", [toy], run_id="r")
    assert create_snapshot(filled, "x", feature_sets=["p-1"]) == (first, False)


@here
def test_one_changed_value_is_another_snapshot(filled, new_store):
    other = new_store("other")
    delta.append(other, "cases", [case_row(case) for case in "abc"], run_id="r")
    rows = [
        feature_row(c, firstorder_Mean=float(i) + (c == "b") * 1e-9) for i, c in enumerate("abc")
    ]
    delta.append(other, "radiomics", rows, run_id="r")
    assert create_snapshot(other, "x")[0].id != create_snapshot(filled, "x")[0].id


@here
def test_a_cohort_query_selects_cases_and_their_rows(filled):
    sql = "select case_id from radiomics where firstorder_Mean >= 1"
    snapshot, _ = create_snapshot(filled, "x", cohort_sql=sql)
    assert snapshot.cases == ("b", "c")
    assert snapshot.tables["radiomics"]["rows"] == 2


@here
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "x y"}, "not a snapshot name"),
        ({"name": "x", "cohort_sql": "select 1 one"}, "no column `case_id`"),
        ({"name": "x", "cohort_sql": "select 'zz' case_id"}, "gives 1 case, 1 of them unknown"),
        ({"name": "x", "cohort_sql": "select case_id from cases where false"}, "gives 0 cases"),
        ({"name": "x", "feature_sets": ["nope-1"]}, "no rows of feature set nope-1"),
    ],
)
def test_a_wrong_selection_is_refused_with_its_reason(filled, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        create_snapshot(filled, **kwargs)
    assert [*read_snapshots(filled)] == []


def test_a_snapshot_file_is_never_rewritten(filled, monkeypatch):
    create_snapshot(filled, "x")
    before = filled.place.read(SNAPSHOT)
    delta.append(filled, "cases", [case_row("d")], run_id="r")
    monkeypatch.setattr("radlas.store.snapshots.newest_snapshot", lambda *_: None)  # a lost race
    with pytest.raises(StoreError, match="exists already"):
        create_snapshot(filled, "x")
    assert filled.place.read(SNAPSHOT) == before
    assert filled.place.names("snapshots") == [SNAPSHOT]


def test_verify_finds_one_changed_byte(filled):
    snapshot, _ = create_snapshot(filled, "x")
    (name,) = part_names(filled, "radiomics")
    whole = filled.place.read(name)
    for at in np.random.default_rng(0).choice(len(whole), 20, replace=False):
        overwrite(filled, name, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StoreError, match="a part holds other bytes than were written"):
            verify_snapshot(filled, snapshot)
    overwrite(filled, name, whole)
    verify_snapshot(filled, snapshot)


@here
@pytest.mark.parametrize("changed", [{"id": "0" * 64}, {"cases": ["a"]}, {"feature_sets": []}])
def test_verify_holds_the_snapshots_own_file_to_its_id(filled, changed):
    """What models were made from is told by the id, and whose they are by the cases beside it."""
    create_snapshot(filled, "x")
    told = json.loads(filled.place.read(SNAPSHOT)) | changed
    filled.place.replace(SNAPSHOT, json.dumps(told).encode())
    with pytest.raises(StoreError, match="its id is of other contents"):
        verify_snapshot(filled, load_snapshot(filled, "x"))


@here
def test_verify_counts_the_cases_of_every_centre_again(filled):
    """They stand beside the id, and people read them before anything else."""
    create_snapshot(filled, "x")
    text = filled.place.read(SNAPSHOT)
    assert text.count(b'"cases": 3') == 1
    filled.place.replace(SNAPSHOT, text.replace(b'"cases": 3', b'"cases": 7'))
    with pytest.raises(StoreError, match="it counts other cases and subjects per centre"):
        verify_snapshot(filled, load_snapshot(filled, "x"))


def test_verify_finds_rows_that_were_taken_out_of_a_version(filled):
    """The files are whole; the log was made to name fewer of them."""
    delta.append(filled, "radiomics", [feature_row("a", "edema")], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    newest = f"lake/radiomics/_delta_log/{snapshot.versions['radiomics']:020}.json"
    lines = filled.place.read(newest).decode().splitlines()
    kept = [line for line in lines if '"add"' not in line]
    filled.place.replace(newest, ("\n".join(kept) + "\n").encode())
    with pytest.raises(StoreError, match="the log of radiomics names other parts than were frozen"):
        verify_snapshot(filled, snapshot)
    old = replace(snapshot, parts={})  # of a version of radlas that kept no list
    with pytest.raises(StoreError, match="table radiomics no longer holds what was frozen"):
        verify_snapshot(filled, old)


def test_opening_a_snapshot_reads_no_log(filled, monkeypatch):
    """However long the history grew, and with the same rows as by the log."""
    snapshot, _ = create_snapshot(filled, "x")
    sql = "select * from radiomics order by case_id"
    with open_snapshot(filled, replace(snapshot, parts={})) as connection:
        by_log = connection.sql(sql).to_arrow_table()
    monkeypatch.setattr(delta, "open_log", None)
    with open_snapshot(filled, load_snapshot(filled, "x")) as connection:
        assert connection.sql(sql).to_arrow_table().equals(by_log)


@here
def test_of_a_table_that_a_snapshot_does_not_name_it_holds_no_row(filled):
    """It is of a radlas that had no such table; what was written there since is not its own."""
    snapshot, _ = create_snapshot(filled, "x")
    row = feature_row("a", "whole", feature_set="d-1") | {"layer": "layer4", "vector": [1.0]}
    row.pop("image_type")
    delta.append(filled, "deep", [row], run_id="r")
    older = replace(
        snapshot,
        feature_sets=("d-1", "p-1"),
        **{
            name: {table: one for table, one in getattr(snapshot, name).items() if table != "deep"}
            for name in ("versions", "parts")
        },
    )
    with open_snapshot(filled, older) as connection:
        assert connection.sql("from deep").fetchall() == []


@here
def test_an_unknown_label_lists_what_there_is(filled):
    create_snapshot(filled, "x")
    with pytest.raises(ConfigError, match="no snapshot 'y'") as caught:
        load_snapshot(filled, "y")
    assert "x@1" in caught.value.hint


def test_a_damaged_snapshot_file_is_named(filled):
    create_snapshot(filled, "x")
    filled.place.replace(SNAPSHOT, b'{"name": "x"}')
    with pytest.raises(StoreError, match="damaged: "):
        load_snapshot(filled, "x")


def test_a_damaged_older_file_keeps_no_new_one_from_being_made(filled):
    """Only the newest is compared with; what is pinned by the older one is another question."""
    create_snapshot(filled, "x")
    delta.append(filled, "cases", [case_row("d")], run_id="r")
    second, _ = create_snapshot(filled, "x")
    filled.place.replace(SNAPSHOT, b'{"name": "x"}')
    assert create_snapshot(filled, "x") == (second, False)
    delta.append(filled, "cases", [case_row("e")], run_id="r")
    assert create_snapshot(filled, "x")[0].label == "x@3"


@here
def test_diff_counts_cases_and_rows_added_removed_and_changed(filled):
    old, _ = create_snapshot(filled, "x")
    delta.append(filled, "cases", [case_row("d")], run_id="r")
    delta.append(filled, "radiomics", [feature_row("d"), feature_row("a", "edema")], run_id="r")
    new, _ = create_snapshot(
        filled, "x", cohort_sql="select case_id from cases where case_id > 'a'"
    )
    found = diff_snapshots(filled, old, new)
    assert found["cases"] == {"added": ["d"], "removed": ["a"]}
    radiomics = found["tables"]["radiomics"]
    assert {name: radiomics[name] for name in ("added", "removed", "changed")} == {
        "added": 1,
        "removed": 1,
        "changed": 0,
    }
    assert diff_snapshots(filled, old, old)["same"]


@here
def test_diff_names_changed_records_cells_columns_and_settings(filled):
    """A second look at a patient's file, and a second recipe beside the first."""
    settings = {"bin_width": 25.0, "filters": {"log": [1.0]}}
    save_recipe(filled, "p-1", {"extractor": "radiomics", "settings": settings})
    save_recipe(filled, "p-2", {"extractor": "radiomics", "settings": settings | {"bin_width": 10}})
    record = {"subject_id": "sa", "centre": "c1", "grade": "2", "sex": "F", "revision": 1}
    delta.append(filled, "clinical", [record], run_id="r")
    old, _ = create_snapshot(filled, "x", feature_sets=["p-1"])
    delta.append(filled, "clinical", [record | {"grade": "3", "revision": 2}], run_id="r")
    again = [feature_row(c, feature_set="p-2", toy_shell=1.0) for c in "abc"]
    delta.append(filled, "radiomics", again, run_id="r")
    new, _ = create_snapshot(filled, "x", feature_sets=["p-2"])
    found = diff_snapshots(filled, old, new)
    clinical = found["tables"]["clinical"]
    assert (clinical["added"], clinical["removed"], clinical["changed"]) == (0, 0, 1)
    assert clinical["cells"] == {"grade": 1}
    assert clinical["changed_rows"] == [["sa"]]
    assert found["settings"] == [
        {"old": "p-1", "new": "p-2", "changed": {"settings.bin_width": [25.0, 10]}}
    ]
    radiomics = found["tables"]["radiomics"]
    assert radiomics["columns_added"] == ["toy_shell"]
    assert radiomics["columns_removed"] == ["firstorder_Mean"]


@here
def test_the_matrix_shows_a_missing_ring_as_missing(filled):
    ring = feature_row("b", "ring_0_10", firstorder_Mean=9.0)
    delta.append(filled, "radiomics", [ring], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    with open_snapshot(filled, snapshot) as connection:
        X = feature_matrix(connection, snapshot.feature_sets)
    assert list(X.index) == ["a", "b", "c"]
    assert list(X.columns) == [
        "ring_0_10__original__firstorder_Mean",
        "tumour__original__firstorder_Mean",
    ]
    assert X["ring_0_10__original__firstorder_Mean"].isna().tolist() == [True, False, True]


@here
@pytest.mark.parametrize("only", [[], ["b"], ["c", "a"], ["a", "b", "c"], ["nobody's", "b"]])
def test_the_matrix_of_some_cases_is_their_rows_of_all_of_it(filled, only):
    deep = [feature_row(case, "whole", feature_set="d-1") for case in "ac"]
    for row in deep:
        del row["image_type"]
        row |= {"layer": "layer4", "vector": [1.0, 2.0], "device": "cpu"}
    delta.append(filled, "deep", deep, run_id="r")
    ring = feature_row("b", "ring_0_10", firstorder_Mean=9.0)
    delta.append(filled, "radiomics", [ring], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    with open_snapshot(filled, snapshot) as connection:
        X = feature_matrix(connection, snapshot.feature_sets)
        some = feature_matrix(connection, snapshot.feature_sets, only=only)
    expected = X[X.index.isin(only)].dropna(axis=1, how="all")
    pd.testing.assert_frame_equal(some, expected, check_index_type=False, check_column_type=False)


@here
@pytest.mark.parametrize(
    "wanted", [[], ["ring_0_10__original__firstorder_Mean"], ["whole__layer4__"], ["tumour__"]]
)
def test_the_matrix_of_some_columns_is_those_of_all_of_it(filled, wanted):
    row = feature_row("a", "whole", feature_set="d-1") | {"layer": "layer4", "vector": [1.0, 2.0]}
    row.pop("image_type")
    delta.append(filled, "deep", [row], run_id="r")
    ring = feature_row("b", "ring_0_10", firstorder_Mean=9.0, firstorder_Range=2.0)
    delta.append(filled, "radiomics", [ring], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    with open_snapshot(filled, snapshot) as connection:
        X = feature_matrix(connection, snapshot.feature_sets)
        some = feature_matrix(
            connection, snapshot.feature_sets, wanted=lambda name: name.startswith(tuple(wanted))
        )
    expected = X[[name for name in X if name.startswith(tuple(wanted))]]
    assert len(X.columns) == 5
    pd.testing.assert_frame_equal(some, expected, check_column_type=False)


@here
@pytest.mark.parametrize("shorter", [[3.0], [3.0, 4.0]])
def test_vectors_of_different_lengths_lend_no_case_anothers_numbers(filled, shorter):
    vectors = {"a": [0.0, 1.0, 2.0], "b": shorter}
    rows = [
        {**feature_row(case), "feature_set": "d-1", "layer": "layer4", "vector": vector}
        for case, vector in vectors.items()
    ]
    for row in rows:
        del row["image_type"]
    delta.append(filled, "deep", rows, run_id="r")
    with connect(filled) as connection, pytest.raises(StoreError, match=r"hold \d to 3") as caught:
        feature_matrix(connection, ["d-1"])
    assert caught.value.where == "feature set d-1, case b"


@here
def test_deep_vectors_become_numbered_columns(filled):
    row = feature_row("a", "whole", feature_set="d-1") | {"layer": "layer4", "vector": [1.0, 2.0]}
    row.pop("image_type")
    delta.append(filled, "deep", [row], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    with open_snapshot(filled, snapshot) as connection:
        X = feature_matrix(connection, ("d-1",))
    assert X.loc["a"].tolist() == [1.0, 2.0]
    assert list(X.columns) == ["whole__layer4__000", "whole__layer4__001"]


def test_a_snapshot_binds_no_file_outside_of_its_store(filled, tmp_path):
    """Its JSON comes with a store that was copied: a part may be called as any file is."""
    create_snapshot(filled, "x")
    (part, *_) = part_names(filled, "cases")
    (tmp_path / "secret.parquet").write_bytes(filled.place.read(part))
    for path in ("../../../secret.parquet", "a/../../../../secret.parquet", "..", "a\0b"):
        frozen = json.loads(filled.place.read(SNAPSHOT))
        frozen["parts"]["cases"] = [path]
        overwrite(filled, SNAPSHOT, json.dumps(frozen).encode())
        with (
            pytest.raises(StoreError, match="a name in it leads out of it"),
            open_snapshot(filled, load_snapshot(filled, "x")),
        ):
            raise AssertionError("it was opened")


@here
@pytest.mark.parametrize("path", ["x", "part-0.parquet", "feature_set=a/centre=b/part-0"])
def test_a_part_that_lies_where_none_can_is_told(filled, path):
    """Its partition is read from its path: a query ended as a defect of radlas."""
    create_snapshot(filled, "x")
    frozen = json.loads(filled.place.read(SNAPSHOT))
    frozen["parts"]["radiomics"].append(path)
    overwrite(filled, SNAPSHOT, json.dumps(frozen).encode())
    with (
        pytest.raises(StoreError, match="no part of radiomics can lie here") as told,
        open_snapshot(filled, load_snapshot(filled, "x")),
    ):
        raise AssertionError("it was opened")
    assert told.value.where.endswith(f"lake/radiomics/{path}")


@pytest.mark.parametrize(
    "change",
    [
        {"parts": [1]},
        {"parts": {"cases": [7]}},
        {"counts": {"a": 3}},
        {"number": "1"},
        {"cases": "abc"},
        {"validation": []},
        {"name": None},
        {"more": 1},
        {"versions": {"cases": -2}},
        {"versions": {"nothing": 1}},
        {"counts": {"a": {"cases": -3, "subjects": 1}}},
        {"tables": {"nothing": {"rows": 1, "digest": ""}}},
        {"validation": {"findings": [{"examples": 3}]}},
    ],
)
def test_a_snapshot_of_another_form_is_told_as_damaged(filled, change):
    create_snapshot(filled, "x")
    frozen = json.loads(filled.place.read(SNAPSHOT)) | change
    overwrite(filled, SNAPSHOT, json.dumps(frozen).encode())
    with pytest.raises(StoreError, match=f"damaged: `?{next(iter(change))}"):
        load_snapshot(filled, "x")


@here
def test_a_snapshot_is_what_its_file_is_called_or_none(filled):
    """A model made of one that was given another name would ask for it in vain."""
    create_snapshot(filled, "x")
    filled.place.replace("snapshots/y@7.json", filled.place.read(SNAPSHOT))
    with pytest.raises(StoreError, match="it says that it is x@1") as caught:
        load_snapshot(filled, "y")
    assert caught.value.where.endswith("y@7.json")
