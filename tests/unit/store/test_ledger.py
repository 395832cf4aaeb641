"""The ledger's order is that of what happened, whatever the clocks of the machines say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from radlas.model import Outcome
from radlas.store import ledger
from radlas.store.ledger import Recorder, as_it_ended, case_standings, release, standings


def ended(state, **more):
    return Outcome("k", "ingest", "c1", "a", state, **more)


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
