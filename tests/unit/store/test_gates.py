"""Gates of a snapshot: each finds what it is for, all are told at once, and some refuse."""

from __future__ import annotations

import duckdb
import pytest

from radlas.errors import ConfigError, StoreError
from radlas.store import delta
from radlas.store.frozen import load_snapshot, read_snapshots
from radlas.store.gates import MEANINGS, Gates, examine, refuse, said
from radlas.store.snapshots import create_snapshot

from .conftest import case_row, feature_row, here


def findings(snapshot):
    return {one["gate"]: one for one in snapshot.validation["findings"]}


@here
def test_a_sound_snapshot_has_no_findings(filled):
    snapshot, _ = create_snapshot(filled, "x")
    assert snapshot.validation["findings"] == []
    assert snapshot.validation["gates"]["max_null_rate"] == 0.1
    assert load_snapshot(filled, "x") == snapshot


@here
def test_a_case_without_rows_is_counted_by_feature_set_and_centre(filled):
    delta.append(filled, "cases", [case_row("d"), case_row("e", "c2")], run_id="r")
    snapshot, _ = create_snapshot(filled, "x")
    found = findings(snapshot)["expected_rows"]
    assert not found["refuses"]
    assert found["examples"] == [
        {"where": "p-1, c1", "found": 1.0},
        {"where": "p-1, c2", "found": 1.0},
    ]
    with pytest.raises(StoreError, match=r"expected_rows .*: 1 at p-1, c1 and 1 more") as caught:
        create_snapshot(filled, "y", gates=Gates(refuse=("expected_rows",)))
    assert caught.value.reason == "gates"
    assert [one.label for one in read_snapshots(filled)] == ["x@1"], "nothing is written"


@here
def test_undefined_values_beyond_the_limit_are_told_with_their_column(filled):
    values = {"a": 1.0, "b": 2.0, "c": None}
    rows = [feature_row(case, "ring", firstorder_Mean=value) for case, value in values.items()]
    delta.append(filled, "radiomics", rows, run_id="r")
    (one,) = findings(create_snapshot(filled, "x")[0]).values()
    assert one["examples"] == [
        {"where": "p-1, ring__original__firstorder_Mean", "found": pytest.approx(1 / 3)}
    ]
    assert (
        create_snapshot(filled, "y", gates=Gates(max_null_rate=0.5))[0].validation["findings"] == []
    )


@here
def test_a_constant_column_is_told_and_one_that_a_recipe_does_not_make_is_not(filled):
    rows = [feature_row(c, "ring", firstorder_Mean=5.0) for c in "abc"]
    delta.append(filled, "radiomics", rows, run_id="r")
    found = findings(create_snapshot(filled, "x")[0])
    assert list(found) == ["constant"]
    assert found["constant"]["many"] == 1


@here
def test_few_cases_of_a_centre_are_told(filled):
    gates = Gates(min_cases_per_centre=4)
    found = findings(create_snapshot(filled, "x", gates=gates)[0])
    assert found["cases_per_centre"]["examples"] == [{"where": "c1", "found": 3.0}]


def damaged():
    """What the lake does not let in: a key twice, and numbers that are none."""
    connection = duckdb.connect()
    for table, more in {
        "cases": "",
        "rois": ", '' as roi, '' as reader, '' as feature_set",
        "clinical": "",
        "radiomics": ", 'p' as feature_set, 'tumour' as roi, 'original' as image_type,"
        " '' as perturbation, x as glcm_Contrast",
        "deep": ", 'd' as feature_set, 'whole' as roi, 'layer4' as layer",
    }.items():
        connection.execute(
            f"create table {table} as select case_id, 'c' as centre, case_id as subject_id {more}"
            " from (values ('a', 1.0::double), ('b', 'inf'::double), ('b', 'nan'::double))"
            " t(case_id, x)"
        )
    return connection


def test_doubled_keys_and_numbers_that_are_none_refuse():
    report = examine(damaged(), Gates())
    found = {one["gate"]: one for one in report["findings"]}
    assert found["unique_keys"]["refuses"]
    assert found["finite"]["refuses"]
    assert {one["where"] for one in found["unique_keys"]["examples"]} == {
        "cases",
        "rois",
        "clinical",
        "radiomics",
        "deep",
    }
    with pytest.raises(StoreError, match=r"finite .*; unique_keys .*: 1 at cases and 4 more"):
        refuse(report)


def test_a_gate_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="refuse"):
        Gates.parse({"refuse": ["sound"]})


def test_every_gate_is_said_in_words():
    finding = {"gate": "finite", "meaning": MEANINGS["finite"], "many": 1}
    finding["examples"] = [{"where": "here", "found": 1.0}]
    assert said(finding) == "finite (NaN or infinity in a column of features): 1 at here"
