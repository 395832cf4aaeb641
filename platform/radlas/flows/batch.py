"""Case by case: outcomes from finished tasks, committed in batches, told in full."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from radlas.engine.base import Done
from radlas.errors import DataError
from radlas.flows.base import Plan, Report
from radlas.flows.cases.storable import unstorable
from radlas.model import Outcome, Row
from radlas.reasons import REASONS
from radlas.store.layout import Store
from radlas.store.ledger import Recorder, Standing
from radlas.words import counted

BATCH = 32  # outcomes per commit at least: files of a useful size, little lost by a kill
HASTE = 2.0  # a fast batch grows for this time [s]: a commit costs the same for many outcomes
AWAY = 3  # tasks in a row that found no server, each after half a minute: so would the rest
PATIENCE = 60.0  # a slow batch is committed after this time [s]


class CaseTask(Protocol):
    """What every task about a case carries."""

    @property
    def key(self) -> str:
        """Digest of inputs and settings."""

    @property
    def centre(self) -> str:
        """Whose case it is."""

    @property
    def case_id(self) -> str:
        """Which case it is."""

    @property
    def feature_set(self) -> str:
        """What is extracted; empty for ingest."""


T = TypeVar("T", bound=CaseTask)


def unsettled(
    known: Mapping[str, Standing],
    tasks: Sequence[T],
    is_there: Callable[[T], bool] = lambda _: True,
) -> tuple[tuple[T, ...], dict[str, int]]:
    """Tasks still to be done, and how many are settled, by state.

    ``ok`` and ``quarantined`` are settled: the same input would end the same way.

    Args:
        known: How they stand in the ledger, by their keys.
        tasks: All that were asked for.
        is_there: False if what an ``ok`` task made was lost since, or its case ended otherwise by
            another task: it is done again.
    """

    def settled(task: T) -> str:
        state = known[task.key].state if task.key in known else ""
        if state not in {"ok", "quarantined"}:
            return ""
        return state if state == "quarantined" or is_there(task) else ""

    states = [settled(task) for task in tasks]  # to look for what is there may ask a server
    still_open = tuple(task for task, state in zip(tasks, states, strict=True) if not state)
    return still_open, dict(Counter(filter(None, states)))


def commit_batches(
    store: Store,
    stage: str,
    plan: Plan[T],
    done: Iterator[Done[T, Mapping[str, tuple[Row, ...]]]],
    *,
    tolerated: int,
    look: Callable[[Outcome], None] = lambda _: None,
) -> Report:
    """Store every outcome, a batch at a time, and count: inputs = ok + quarantined + failed.

    ``look`` sees each of them, with rows that the lake can take.

    Raises:
        StoreError: The store's server went away.
    """
    recorder = Recorder(store)
    ended: list[Outcome] = []
    batch: list[Outcome] = []
    since = time.monotonic()
    try:
        for one in chain(plan.refused, (outcome(stage, task) for task in _while_served(done))):
            look(one)
            batch.append(one)
            if time.monotonic() - since > (HASTE if len(batch) >= BATCH else PATIENCE):
                recorder.record(batch)
                ended += [replace(one, rows={}) for one in batch]  # they are in the lake now
                batch, since = [], time.monotonic()
    finally:  # also when the engine is lost or somebody pressed Ctrl-C: what is done is done
        recorder.record(batch)
    return summarise(stage, plan, [*ended, *batch], tolerated=tolerated)


def _while_served(done: Iterator[Done[T, Any]]) -> Iterator[Done[T, Any]]:
    """Finished tasks, until the store's server does not answer any more, nor will for the rest."""
    unserved = 0
    for one in done:
        away = one.error is not None and one.error.reason == "bucket"
        unserved = unserved + 1 if away else 0
        yield one
        if one.error and unserved == AWAY:
            raise one.error


def outcome(stage: str, done: Done[T, Mapping[str, tuple[Row, ...]]]) -> Outcome:
    """What became of one task: ok, the data's fault, or ours."""
    rows = done.result or {}
    error = done.error or unstorable(rows)
    if error and (not error.where or Path(error.where).is_absolute()):
        # A path may hold a person's name, and the ledger travels to other sites.
        of = f"case {done.task.case_id[:8]}"
        if done.task.feature_set:  # of several extractors one is at fault, or makes the process die
            of += f", feature set {done.task.feature_set}"
        error = type(error)(error.what, of, error.hint, error.reason)
    state = "ok" if error is None else "quarantined" if isinstance(error, DataError) else "failed"
    return Outcome(
        key=done.task.key,
        stage=stage,
        centre=done.task.centre,
        case_id=done.task.case_id,
        feature_set=done.task.feature_set,
        state=state,  # type: ignore[arg-type]  # one of the three literals above
        reason=error.reason if error else "",
        message=str(error) if error else "",
        rows={} if error else rows,
        seconds=done.seconds,
        peak_rss_mib=done.peak_rss_mib,
        worker=done.worker,
        attempt=done.attempt,
    )


def summarise(stage: str, plan: Plan[Any], ended: Iterable[Outcome], *, tolerated: int) -> Report:
    """The report of a case-by-case flow."""
    ended = list(ended)
    now = Counter(one.state for one in ended)
    states = {s: now[s] + plan.known.get(s, 0) for s in ("ok", "quarantined", "failed")}
    before = sum(plan.known.values())
    equation = " + ".join(f"{number} {state}" for state, number in states.items())
    lines = [f"{stage}: {counted(sum(states.values()), 'input')} = {equation}"]
    if before:
        lines.append(f"  {before} were settled by earlier runs and were not done again")
    if before and not ended:
        held = sum(number for state, number in plan.known.items() if state != "ok")
        lines.append(
            f"  nothing to do: {held} stay out until they are released (radlas retry), or their"
            " files or options change; radlas status says why"
            if held
            else "  nothing to do: everything is stored already"
        )
    lines += _explain(ended)
    troubled = states["quarantined"] + states["failed"]
    data = {
        "stage": stage,
        "inputs": sum(states.values()),
        **states,
        "settled_before": before,
        "reasons": dict(Counter(one.reason for one in ended if one.reason)),
        "cases": [
            {"case_id": o.case_id, "state": o.state, "reason": o.reason, "message": o.message}
            for o in ended
            if o.state != "ok"
        ],
        "notes": list(plan.notes),
    }
    return Report((*plan.notes, *lines), data, exit_code=int(troubled > tolerated))


def _explain(ended: Sequence[Outcome]) -> list[str]:
    lines = []
    troubled = [one for one in ended if one.state != "ok"]
    for (state, reason), number in sorted(Counter((o.state, o.reason) for o in troubled).items()):
        meaning = REASONS[reason].meaning if reason in REASONS else "see the message"
        lines.append(f"  {number} {state}, {reason}: {meaning}")
        for one in _examples([one for one in troubled if one.reason == reason]):
            lines += [f"    {line}" for line in one.message.splitlines()]
    return lines


def _examples(troubled: Sequence[Outcome]) -> list[Outcome]:
    """Three at most, of as many feature sets as can be: the first fault may not be the only one."""
    of_each = {id(one) for one in {one.feature_set: one for one in reversed(troubled)}.values()}
    return sorted(troubled, key=lambda one: id(one) not in of_each)[:3]
