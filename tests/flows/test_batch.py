"""How outcomes are committed: many together where they come fast, none left lying where not."""

from __future__ import annotations

import itertools

import pytest

from radlas.engine.base import Done
from radlas.flows import batch
from radlas.flows.base import Plan
from radlas.flows.extract import ExtractTask
from radlas.store import delta
from radlas.store.layout import init_store


def outcomes(store, number):
    tasks = (
        ExtractTask(f"k{n}", "a", f"c{n}", f"s{n}", store.place, "toy", "{}", "toy-1", "d")
        for n in range(number)
    )
    return [Done(task, result={}) for task in tasks]


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
