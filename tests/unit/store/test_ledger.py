"""The ledger's order is that of what happened, whatever the clocks of the machines say."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from radlas.flows import extract, ingest
from radlas.model import Outcome
from radlas.store import binding, delta, ledger, query
from radlas.store.health import status
from radlas.store.ledger import Recorder, as_it_ended, case_standings, mend, release, standings

from .conftest import case_row, here


def ended(state, **more):
    return Outcome("k", "ingest", "c1", "a", state, **more)


def exam():
    """Of a case with a mask."""
    mask = {**case_row("a"), "roi": "tumour", "reader": "", "feature_set": "", "mask_digest": "m"}
    del mask["voxel_digest"]
    return ended("ok", rows={"cases": (case_row("a"),), "rois": (mask,)})


@pytest.mark.parametrize("hours", [0, 1, -1])
def test_what_was_done_last_stands_though_another_machines_clock_is_wrong(
    store, monkeypatch, hours
):
    """Else a case that is stored would count as released, and be done again in every run."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    Recorder(store).record([ended("quarantined", reason="empty_mask")])
    with monkeypatch.context() as there:
        there.setattr(ledger, "datetime", Wrong)
        assert release(store, "empty_mask") == 1
        assert standings(store)["k"].state == "released"
    Recorder(store).record([ended("ok")])
    assert standings(store)["k"].state == "ok"
    assert [one.state for one in case_standings(store)] == ["ok"]


@here
@pytest.mark.parametrize("steps", range(8))
def test_whoever_reads_beside_an_ingest_finds_what_the_ledger_tells_and_a_cases_masks(
    store, monkeypatch, steps
):
    """At whatever step of the reader, and of the writer, the other one comes between."""
    writer = _stepwise(store, exam(), monkeypatch)
    bind = binding._bind

    def bind_and_wait(*args):
        bind(*args)
        next(writer, None)

    for _ in range(steps % 4):
        next(writer, None)
    if steps < 4:
        monkeypatch.setattr(binding, "_bind", bind_and_wait)
    lacking = "select case_id from cases where case_id not in (select case_id from rois)"
    untold = "select case_id from latest where case_id not in (select case_id from cases)"
    with query.connect(store) as connection:
        assert connection.sql(lacking).fetchall() == connection.sql(untold).fetchall() == []


def _stepwise(store, outcome, monkeypatch):
    """A run that records an outcome, one table at each step."""
    waiting = []
    with monkeypatch.context() as patch:
        patch.setattr(delta.Appender, "append", lambda _, *args: waiting.append(args))
        Recorder(store).record([outcome])
    for name, rows in waiting:
        delta.append(store, name, rows, run_id="r")
        yield


@here
def test_an_extraction_beside_an_ingest_plans_no_case_without_its_masks(store, monkeypatch):
    """It would look for a case of no mask, find one of some, and call the store damaged."""
    delta.append(store, "cases", [case_row("b")], run_id="r")
    read = delta.read

    def read_and_wait(*args):
        found = read(*args)
        monkeypatch.setattr(delta, "read", read)
        Recorder(store).record([exam()])
        return found

    before, _ = extract._cases(store)
    monkeypatch.setattr(delta, "read", read_and_wait)
    found, _ = extract._cases(store)
    assert found == before


@pytest.mark.parametrize("state", ["quarantined", "failed"])
def test_a_case_that_was_released_and_not_done_again_ended_as_it_did(store, state):
    Recorder(store).record([ended(state, reason="empty_mask")])
    (before,) = case_standings(store)
    assert release(store, "empty_mask") == 1
    (one,) = case_standings(store)
    assert (one.state, as_it_ended(one).state, as_it_ended(one).reason) == (
        "released",
        state,
        "empty_mask",
    )
    assert as_it_ended(before) == before


def test_a_refusal_that_is_over_stands_nowhere_and_comes_back_if_it_is_told_again(store):
    refused = ended("quarantined", reason="no_image")
    Recorder(store).record([refused])
    (one,) = case_standings(store)
    Recorder(store).record([mend(one)])
    assert (case_standings(store), status(store)["stages"]) == ([], {})
    assert standings(store)["k"].state == "mended"
    Recorder(store).record([refused])
    assert [one.state for one in case_standings(store)] == ["quarantined"]


@here
def test_only_what_stands_under_a_reason_is_released_by_it(store):
    """Not what fails for another one, nor what failed for this one before it went well."""
    cases = {"a": "empty_mask", "b": "flat_image", "c": "empty_mask"}
    told = [
        Outcome(case, "ingest", "c1", case, "failed", reason=reason)
        for case, reason in cases.items()
    ]
    Recorder(store).record(told)
    Recorder(store).record([Outcome("c", "ingest", "c1", "c", "ok")])
    assert release(store, "empty_mask") == 1
    stand = {one.case_id: (one.state, one.reason) for one in case_standings(store)}
    assert stand == {
        "a": ("released", "empty_mask"),
        "b": ("failed", "flat_image"),
        "c": ("ok", ""),
    }


def ledger_of(count, cases, seed=0):
    """Rows of many runs, some at one time, in no order."""
    rng = random.Random(seed)  # noqa: S311 - rows, not secrets
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(count):
        stage, case = rng.choice(["ingest", "extract"]), rng.randrange(cases)
        yield {
            "run_id": f"run{n % 7}-{n}",
            "task_key": f"{stage}-{case}-{rng.randrange(2)}",
            "stage": stage,
            "centre": f"c{case % 3}",
            "case_id": f"{case:06}",
            "feature_set": "" if stage == "ingest" else f"set-{rng.randrange(2)}",
            "attempt": rng.randrange(2),
            "state": rng.choice(["ok", "quarantined", "failed", "released"]),
            "reason": rng.choice(["", "empty_mask"]),
            "message": "",
            "seconds": float(rng.randrange(4)),
            "recorded_at": now + timedelta(seconds=rng.randrange(20)),
        }


@here
@pytest.mark.parametrize("seed", range(3))
def test_what_stands_is_the_last_that_was_told_of_a_task_and_of_a_case(store, seed):
    rows = list(ledger_of(300, 12, seed))
    # Of one kind, which is neither first nor last, there is less than is shown of each.
    rows[0] |= {"stage": "extract", "feature_set": "set-00", "seconds": 9.0}
    delta.append(store, "outcomes", rows[:150], run_id="r")
    delta.append(store, "outcomes", rows[150:], run_id="r")
    rows.sort(key=lambda row: (row["recorded_at"], row["attempt"], row["run_id"]))
    tasks = {row["task_key"]: row for row in rows}
    found = standings(store)
    assert {key: one.state for key, one in found.items()} == {
        k: r["state"] for k, r in tasks.items()
    }
    assert list(found) == list(tasks)
    with query.connect(store) as connection:
        latest = connection.sql("select task_key, state from latest").fetchall()
    assert dict(latest) == {key: one.state for key, one in found.items()}
    asked = set(list(tasks)[::3]) | {"unheard of"}
    assert standings(store, "ingest", asked) == {
        key: one for key, one in found.items() if key in asked and one.stage == "ingest"
    }
    cases = {(row["stage"], row["case_id"], row["feature_set"]): row for row in rows}
    stand = case_standings(store)
    assert [(one.key, one.state) for one in stand] == [
        (row["task_key"], row["state"]) for row in cases.values()
    ]
    failed = [one for one in stand if (one.stage, one.state) == ("extract", "failed")]
    assert case_standings(store, stage="extract", states={"failed"}) == failed
    told = status(store)
    assert told["stages"] == {
        stage: Counter(one.state for one in stand if one.stage == stage)
        for stage in dict.fromkeys(one.stage for one in stand)
    }
    slowest = [(row["stage"], row["feature_set"], row["seconds"]) for row in told["slowest"]]
    assert slowest == [
        (*kind, seconds)
        for kind in sorted({(row["stage"], row["feature_set"]) for row in rows})
        for seconds in sorted(
            (r["seconds"] for r in rows if (r["stage"], r["feature_set"]) == kind), reverse=True
        )[:3]
        if seconds
    ]


@here
def test_a_long_ledger_is_counted_without_an_object_for_each_outcome(store):
    """A million of them were two gigabytes, and twenty seconds of every status."""
    outcomes = 20_000
    delta.append(store, "outcomes", list(ledger_of(outcomes, 2_000)), run_id="r")
    status(store)  # what is imported and compiled at the first call
    tracemalloc.start()
    status(store)
    assert case_standings(store, states={"unheard of"}) == ingest._history(store) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * outcomes  # a row as a mapping has a kilobyte
