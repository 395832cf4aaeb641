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
def test_rows_that_are_expected_are_those_of_every_kind_that_any_case_has(store):
    """Counted by hand: kinds of a feature set times cases of a centre, less what is there."""
    cases = {"a": "c1", "b": "c1", "c": "c2"}
    delta.append(store, "cases", [case_row(case, of) for case, of in cases.items()], run_id="r")
    rows = [
        ("a", "tumour", "original", ""),
        ("a", "tumour", "original", "rot+4"),
        ("b", "tumour", "original", ""),
        ("b", "tumour", "wavelet", ""),
        ("c", "ring", "original", ""),
    ]
    radiomics = [
        feature_row(case, roi, kind, centre=cases[case], perturbation=change)
        for case, roi, kind, change in rows
    ]
    delta.append(store, "radiomics", radiomics, run_id="r")
    deep = []
    for case, roi, layer in (("a", "whole", "l3"), ("a", "whole", "l4"), ("c", "tumour", "l4")):
        row = feature_row(case, roi, feature_set="d-1", centre=cases[case], layer=layer)
        row.pop("image_type")
        deep.append(row)
    delta.append(store, "deep", deep, run_id="r")
    found = findings(create_snapshot(store, "x")[0])["expected_rows"]
    assert {one["where"]: one["found"] for one in found["examples"]} == {
        "p-1, c1": 4 * 2 - 4,
        "p-1, c2": 4 * 1 - 1,
        "d-1, c1": 3 * 2 - 2,
        "d-1, c2": 3 * 1 - 1,
    }


@here
def test_copies_that_were_changed_count_for_no_share_and_no_constant(filled):
    """Of cases alone a model is made: copies would hide what these lack, or are all alike in."""
    ring = [feature_row(case, "ring", firstorder_Mean=5.0) for case in "abc"]
    ring[0]["firstorder_Mean"] = None
    copies = [
        feature_row("a", "ring", firstorder_Mean=float(n), perturbation=f"rot+{n}")
        for n in range(9)
    ]
    delta.append(filled, "radiomics", [*ring, *copies], run_id="r")
    found = findings(create_snapshot(filled, "x")[0])
    assert found["null_rate"]["examples"][0]["found"] == pytest.approx(1 / 3)
    assert found["constant"]["many"] == 1


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
@pytest.mark.parametrize("cases", ["a", "ab", "abc"])
def test_a_constant_column_is_told_and_one_that_a_recipe_does_not_make_is_not(filled, cases):
    """Of one case nothing is constant."""
    rows = [feature_row(c, "ring", firstorder_Mean=5.0) for c in cases]
    delta.append(filled, "radiomics", rows, run_id="r")
    found = findings(create_snapshot(filled, "x")[0])
    found.pop("expected_rows", None)
    where = [{"where": "p-1, ring__original__firstorder_Mean", "found": 1.0}]
    told = {gate: one["examples"] for gate, one in found.items()}
    assert told == ({"constant": where} if len(cases) > 1 else {})


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
