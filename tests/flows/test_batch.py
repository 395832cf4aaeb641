"""How outcomes are committed: many together where they come fast, none left lying where not."""

from __future__ import annotations

import itertools
import math
import os
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radlas.engine.base import Done, measure
from radlas.errors import DataError, StoreError, WorkerError
from radlas.flows import batch
from radlas.flows.base import Plan, _checked
from radlas.flows.cases.extract_case import ExtractTask
from radlas.flows.cases.row_warnings import RowWarnings
from radlas.flows.cases.storable import unstorable
from radlas.model import Outcome
from radlas.places.answers import unusable
from radlas.store import delta
from radlas.store.layout import init_store


def outcomes(store, number):
    of = (store.place, "toy", "{}", "{}", "toy-1", "d", store.store_id)
    tasks = (ExtractTask(f"k{n}", "a", f"c{n}", f"s{n}", *of) for n in range(number))
    return [Done(task, result={}) for task in tasks]


def described(task, **values):
    row = {"case_id": task.case_id, "centre": "a", "subject_id": "s", "feature_set": "toy-1"}
    row |= {"roi": "tumour", "image_type": "original", "reason": "", "input_digest": "d"}
    return {"radiomics": (row | values,)}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"firstorder_Mean": float("nan")}, "firstorder_Mean holds what is no number, or NaN"),
        ({"toy_Mean": np.float32("inf")}, "toy_Mean holds what is no number"),
        ({"toy_Mean": "much"}, "toy_Mean holds what is no number"),
        ({"firstorder_Mean": 2**53 + 1}, "firstorder_Mean holds what is no number"),
        ({"grey_levels": 1.5}, "grey_levels holds what is no whole number"),
        ({"grey_levels": "many"}, "grey_levels holds what is no whole number"),
        ({"grey_levels": 2**70}, "grey_levels holds what is no whole number"),
        ({"aggregation": "\udcff"}, "aggregation holds what is no text"),
        ({"aggregation": ["3d"]}, "aggregation holds what is no text"),
        ({"aggregation": 3}, "aggregation holds what is no text"),
        ({'a"b': 1.0}, "is no name of a column"),
        ({"firstorder_mean": 1.0}, "would stand beside firstorder_Mean"),
        ({"toy_mean": 1.0, "toy_Mean": 1.0}, "column toy_mean would stand beside toy_Mean"),
    ],
)
def test_a_row_that_cannot_be_stored_costs_its_own_task_and_no_other(tmp_path, values, told):
    """An extractor of somebody else's once gives nonsense: the other cases are stored."""
    store = init_store(tmp_path / "store")
    bad, *good = outcomes(store, 3)
    good_values = {"firstorder_Mean": 1.0, "toy_Mean": np.float32(2), "grey_levels": np.int64(3)}
    done = [replace(bad, result=described(bad.task, **values))]
    done += [replace(one, result=described(one.task, **good_values)) for one in good]
    look = RowWarnings().look  # as extract does: it compares numbers
    report = batch.commit_batches(store, "extract", Plan(), iter(done), tolerated=0, look=look)
    assert (report.data["ok"], report.data["failed"]) == (2, 1)
    (case,) = report.data["cases"]
    assert case["reason"] == "bug"
    assert told in case["message"]
    stored = delta.read(store, "radiomics", ["case_id", "firstorder_Mean"]).to_pylist()
    assert sorted(row["case_id"] for row in stored) == ["c1", "c2"]


def warned(*rows):
    """Of rows, each of a feature set, of an aggregation and with so many grey levels."""
    seen = RowWarnings()
    names = ("feature_set", "aggregation", "grey_levels")
    told = tuple({"image_type": "original"} | dict(zip(names, row, strict=True)) for row in rows)
    seen.look(Outcome("key", "extract", "a", "case", "ok", rows={"radiomics": told}))
    return seen.warnings()


def test_two_profiles_in_one_recipe_are_no_two_ways_of_one():
    """Each aggregates as it was asked to: slices have nothing to do with it."""
    assert not warned(("pyradiomics-1", "3d_average", 9), ("ibsi-2", "3d_merged", 9))


def test_rows_are_warned_of_by_their_feature_set_and_whatever_makes_its_bins():
    """Of several in a recipe it tells which; `bin_width` does nothing beside a fixed count."""
    many, few, ways = warned(
        ("pyradiomics-1", "3d_average", 3),
        ("pyradiomics-1", "2.5d_average", 4),
        ("ibsi-2", "3d_merged", 257),
        ("ibsi-2", "3d_merged", 256),
    )
    assert "1 row of original in ibsi-2: more than 256 grey levels; choose other bins" in many
    assert "1 row of original in pyradiomics-1: fewer than 4 grey levels; choose other bins" in few
    assert "texture in pyradiomics-1 was aggregated in different ways" in ways
    assert "(2.5d_average, 3d_average), by slice spacing" in ways


@pytest.mark.parametrize("good", [[], [1.0, -2.5], [3, np.float32(1), 0.5], [3.4e38]])
def test_a_vector_of_finite_numbers_is_stored(good):
    assert unstorable({"deep": ({"vector": good},)}) is None


@pytest.mark.parametrize(
    "bad", [[math.nan], [1.0, math.inf], [3.5e38, 1.0], [1.0, "2"], [1, 1e39], [None], (1.0,), 1.0]
)
def test_a_vector_of_anything_else_is_not(bad):
    fault = unstorable({"deep": ({"vector": bad},)})
    assert fault is not None
    assert "vector holds what is no list of numbers of single precision" in fault.what


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (None, "ok", ""),
        (DataError("no voxel", "roi", reason="empty_mask"), "quarantined", "empty_mask"),
        (StoreError("it is away", "s3://x/y", reason="bucket"), "failed", "bucket"),
    ],
)
def test_an_outcome_says_whose_task_it_was_how_it_ended_and_what_it_took(error, state, reason):
    of = ("k", "a", "c1", "s1", Path(), "toy", "{}", "{}", "toy-1", "d", "s")
    done = Done(ExtractTask(*of), result=None if error else {"radiomics": ({"roi": "x"},)})
    done = replace(done, error=error, seconds=1.5, peak_rss_mib=7.0, worker="w:1", attempt=2)
    found = batch.outcome("extract", done)
    assert (found.key, found.centre, found.case_id, found.feature_set) == ("k", "a", "c1", "toy-1")
    assert (found.stage, found.state, found.reason) == ("extract", state, reason)
    assert (found.seconds, found.peak_rss_mib, found.worker, found.attempt) == (1.5, 7.0, "w:1", 2)
    assert found.rows == ({} if error else {"radiomics": ({"roi": "x"},)})
    assert found.message == ("" if error is None else str(error))


@pytest.mark.parametrize(
    ("known", "ended", "told", "code"),
    [
        ({}, 0, None, 0),
        ({"ok": 3}, 0, "everything is stored already", 0),
        ({"ok": 3, "failed": 2}, 0, "2 stay out until they are released", 1),
        ({"ok": 3}, 2, None, 0),
    ],
)
def test_a_run_with_nothing_to_do_says_why(tmp_path, known, ended, told, code):
    store = init_store(tmp_path / "store")
    done = [replace(one, result=described(one.task)) for one in outcomes(store, ended)]
    report = batch.commit_batches(store, "extract", Plan(known=known), iter(done), tolerated=0)
    nothing = [line for line in report.lines if "nothing to do" in line]
    assert len(nothing) == bool(told)
    assert all(told in line for line in nothing)
    settled = [line for line in report.lines if "settled by earlier runs" in line]
    assert len(settled) == bool(known)
    assert report.exit_code == code
    assert report.data["inputs"] == sum(known.values()) + ended


def test_messages_stand_under_their_own_reason_three_of_each(tmp_path):
    store = init_store(tmp_path / "store")
    reasons = ["empty_mask"] * 5 + ["flat_image"]
    done = [
        replace(one, result=None, error=DataError(f"of {reason}, {number}", reason=reason))
        for number, (one, reason) in enumerate(zip(outcomes(store, 6), reasons, strict=True))
    ]
    report = batch.commit_batches(store, "extract", Plan(), iter(done), tolerated=0)
    told = [line.split(":")[0].strip() for line in report.lines if line.startswith("  ")]
    told = [line for line in told if not line.startswith(("in", "try"))]
    assert told == [
        "5 quarantined, empty_mask",
        *(f"of empty_mask, {number}" for number in range(3)),
        "1 quarantined, flat_image",
        "of flat_image, 5",
    ]


def test_who_may_no_longer_write_stores_nothing_more(tmp_path):
    """Asked before each outcome, and once more before the last ones are stored."""
    asked = []
    list(_checked(iter("abc"), lambda: asked.append(1)))
    assert len(asked) == 4

    def lost():
        raise StoreError("another run has the lease")

    with pytest.raises(StoreError, match="another run"):
        list(_checked(iter(()), lost))


def test_whatever_ends_a_task_its_case_is_named(tmp_path):
    """Of a disk nothing more is told than what it said: its text may hold a path."""
    store = init_store(tmp_path / "store")
    one, other, third = outcomes(store, 3)
    full = measure(lambda _: os.write(os.open("/dev/full", os.O_WRONLY), b"x"), one.task)
    lost = StoreError("it is away", "s3://x/y")
    gone = StoreError("there is no store", "/home/jane.doe/store", "radlas init")
    done = [full, *(replace(o, result=None, error=e) for o, e in ((other, lost), (third, gone)))]
    report = batch.commit_batches(store, "extract", Plan(), iter(done), tolerated=0)
    told = [case["message"].splitlines() for case in report.data["cases"]]
    assert told[0] == [
        "No space left on device",
        "  in: case c0, feature set toy-1",
        "  try: make room there; then run again",
    ]
    assert told[1] == ["it is away", "  in: s3://x/y"]
    where = "  in: case c2, feature set toy-1"
    assert told[2] == ["there is no store", where, "  try: radlas init"]


def test_of_several_extractors_each_that_fails_is_told(tmp_path):
    """Where one made every process die, and another gave no numbers, neither could be told."""
    store = init_store(tmp_path / "store")
    died = WorkerError("the process died", reason="bug")
    done = [
        replace(one, task=replace(one.task, feature_set=feature_set), result=None, error=died)
        for feature_set in ("toy-1", "toy-2")
        for one in outcomes(store, 4)
    ]
    report = batch.commit_batches(store, "extract", Plan(), iter(done), tolerated=0)
    assert [line.strip() for line in report.lines if "in:" in line] == [
        "in: case c0, feature set toy-1",
        "in: case c0, feature set toy-2",
        "in: case c1, feature set toy-1",
    ]


def test_a_server_that_stays_away_is_not_waited_for_by_every_case(tmp_path):
    """Each would wait half a minute: a thousand cases took a night, and the end was known."""
    store, away = init_store(tmp_path / "store"), unusable("it is away", "s3://x/y")
    served = [True, False, False, True, *[False] * 20]
    done = [
        one if is_served else replace(one, result=None, error=away)
        for one, is_served in zip(outcomes(store, 24), served, strict=True)
    ]
    left = iter(done)
    with pytest.raises(StoreError, match="it is away") as caught:
        batch.commit_batches(store, "extract", Plan(), left, tolerated=0)
    assert "run the same command again" in caught.value.hint
    assert len(list(left)) == 24 - 4 - batch.AWAY
    states = delta.read(store, "outcomes", ["state"]).column("state").to_pylist()
    assert sorted(states) == ["failed"] * 5 + ["ok"] * 2, "what was finished is stored"


def test_rows_of_one_key_are_refused_not_dropped(tmp_path):
    """The lake keeps the first of a key: which of two values that is, nobody has decided."""
    store = init_store(tmp_path / "store")
    (done,) = outcomes(store, 1)
    (row,) = described(done.task, firstorder_Mean=1.0)["radiomics"]
    other = row | {"image_type": "square"}
    twice = {"radiomics": (row, other, row | {"firstorder_Mean": 2.0})}
    report = batch.commit_batches(
        store, "extract", Plan(), iter([replace(done, result=twice)]), tolerated=0
    )
    (case,) = report.data["cases"]
    assert (
        "two rows of radiomics are of the same roi tumour, image_type original" in case["message"]
    )
    assert delta.read(store, "radiomics", ["case_id"]).num_rows == 0


class Clock:
    """Stands in for ``time``: every look at it is so much later."""

    def __init__(self, step: float) -> None:
        self.monotonic = itertools.count(0.0, step).__next__


@pytest.mark.parametrize(
    ("step", "commits"),
    [
        (0.0, 1),  # all at once: what the end of the run commits
        (0.021, 2),  # 96 outcomes are two seconds
        (0.5, 5),  # 32 outcomes at least
        (25.0, 50),  # after a minute whatever there is: three looks
    ],
)
def test_outcomes_share_a_commit(tmp_path, monkeypatch, step, commits):
    store = init_store(tmp_path / "store")
    monkeypatch.setattr(batch, "time", Clock(step))
    report = batch.commit_batches(store, "extract", Plan(), iter(outcomes(store, 150)), tolerated=0)
    assert report.data["ok"] == 150
    assert delta.version(store, "outcomes") == commits  # the table itself was the first
    assert len(delta.read(store, "outcomes", ["task_key"])) == 150


class Rows(dict[str, object]):
    """A dict to which a weak reference can be held."""


def test_rows_that_are_in_the_lake_are_not_held_until_the_run_ends(tmp_path, monkeypatch):
    """What is kept of a case is how it ended: ten thousand cases of features are a gigabyte."""
    monkeypatch.setattr(batch, "HASTE", 0.0)
    store = init_store(tmp_path / "store")
    made: list[weakref.ref[Rows]] = []
    most = 0

    def described_one_by_one():
        nonlocal most
        for one in outcomes(store, 5 * batch.BATCH):
            rows = Rows(described(one.task, firstorder_Mean=1.0))
            made.append(weakref.ref(rows))
            yield replace(one, result=rows)
            del rows
            most = max(most, sum(ref() is not None for ref in made))

    batch.commit_batches(store, "extract", Plan(), described_one_by_one(), tolerated=0)
    assert most <= batch.BATCH + 1
    assert delta.read(store, "radiomics").num_rows == 5 * batch.BATCH
