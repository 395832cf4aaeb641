"""The ledger's order is that of what happened, whatever the clocks of the machines say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from radlas.flows import extract
from radlas.model import Outcome
from radlas.store import delta, ledger, query
from radlas.store.ledger import Recorder, as_it_ended, case_standings, release, standings

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
    bind = query._bind

    def bind_and_wait(*args):
        bind(*args)
        next(writer, None)

    for _ in range(steps % 4):
        next(writer, None)
    if steps < 4:
        monkeypatch.setattr(query, "_bind", bind_and_wait)
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

    before = extract._cases(store)
    monkeypatch.setattr(delta, "read", read_and_wait)
    assert extract._cases(store) == before


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
