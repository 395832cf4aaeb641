"""The ledger: what became of every task. Nothing is planned twice, nothing vanishes."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radlas.model import Outcome, Row
from radlas.store import delta
from radlas.store.layout import Store


@dataclass(frozen=True)
class Standing:
    """The newest outcome of one task."""

    key: str
    stage: str
    centre: str
    case_id: str
    feature_set: str
    state: str
    reason: str
    message: str


_WAS = "was "  # before the state that a released case had
_NAMES = ("task_key", "stage", "centre", "case_id", "feature_set", "state", "reason", "message")
_ORDER = ("recorded_at", "attempt", "run_id")
_CASE = ("stage", "case_id", "feature_set")
_COUNTED = ("stage", "centre", "state", "reason")


def standings(
    store: Store, stage: str | None = None, keys: Collection[str] | None = None
) -> dict[str, Standing]:
    """The newest outcome of every task, by task key.

    Args:
        store: The store.
        stage: Only this one's.
        keys: Only these tasks'; None for all.
    """
    table = delta.read(store, "outcomes", [*_NAMES, *_ORDER])
    if stage is not None:
        table = table.filter(pc.equal(table.column("stage"), stage))
    if keys is not None:
        asked = pa.array(list(keys), pa.string())
        table = table.filter(pc.is_in(table.column("task_key"), value_set=asked))
    return {row.key: row for row in _listed(_newest(table, ("task_key",)))}


def case_standings(
    store: Store,
    at: int | None = None,
    *,
    stage: str | None = None,
    states: Collection[str] | None = None,
) -> list[Standing]:
    """The newest outcome of every case in every stage and feature set.

    A case that was quarantined under one ROI map and arrived under the next is one case, and ok.
    What is mended was no case, and stands nowhere: it is told only if ``states`` name it.

    Args:
        store: The store.
        at: Version of the ledger; None for the newest.
        stage: Only this one's.
        states: Only cases that stand so; None for all.
    """
    table = delta.read(store, "outcomes", [*_NAMES, *_ORDER], at)
    if stage is not None:
        table = table.filter(pc.equal(table.column("stage"), stage))
    if states is None:
        return _listed(_standing(table))
    table, asked = _newest(table, _CASE), pa.array(sorted(states), pa.string())
    return _listed(table.filter(pc.is_in(table.column("state"), value_set=asked)))


def case_counts(store: Store) -> list[Row]:
    """How many cases stand alike: ``stage``, ``centre``, ``state``, ``reason`` and ``cases``."""
    columns = dict.fromkeys((*_CASE, *_COUNTED, *_ORDER))
    table = _standing(delta.read(store, "outcomes", list(columns)))
    table = table.append_column("place", pa.array(np.arange(table.num_rows)))
    made = [("place", "count"), ("place", "min")]
    found = table.group_by(list(_COUNTED)).aggregate(made).sort_by("place_min")
    return found.rename_columns({"place_count": "cases"}).drop_columns("place_min").to_pylist()  # type: ignore[no-any-return]  # rows


def _newest(table: Any, key: Sequence[str]) -> Any:
    """The last row of each key, in the order in which the keys came first.

    In Arrow: a ledger has millions of rows, of which people ask for few.
    """
    order = pc.sort_indices(table, [(name, "ascending") for name in _ORDER])
    place = np.empty(table.num_rows, np.int64)
    place[order.to_numpy()] = np.arange(table.num_rows)
    keyed = table.select(list(key)).append_column("place", pa.array(place))
    found = keyed.group_by(list(key)).aggregate([("place", "min"), ("place", "max")])
    return table.take(order.take(found.sort_by("place_min").column("place_max")))


def _standing(table: Any) -> Any:
    """The last row of each case, but for refusals that are over."""
    newest = _newest(table, _CASE)
    return newest.filter(pc.not_equal(newest.column("state"), "mended"))


def _listed(table: Any) -> list[Standing]:
    columns = (table.column(name).to_pylist() for name in _NAMES)
    return [Standing(*values) for values in zip(*columns, strict=True)]


class Recorder:
    """The single writer of one run: stamps rows with run and time, commits them in order.

    Args:
        store: The store; the caller holds its write lock.
    """

    def __init__(self, store: Store) -> None:
        self.run_id = uuid.uuid4().hex
        self._store, self._appender = store, delta.Appender(store, self.run_id)
        self._told: datetime | None = None

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Commit a batch of outcomes: first the rows of every table, last the ledger.

        A crash in between leaves rows whose outcome is not told; the task is then planned again,
        and its rows, being stored under their keys, are not stored twice. Of the tables `cases` is
        the last: whoever finds a case, while this goes on, finds its masks.
        """
        tables = {name for outcome in outcomes for name in outcome.rows}
        for name in sorted(tables, key=lambda name: (name == "cases", name)):
            self.append(name, [row for one in outcomes for row in one.rows.get(name, ())])
        self.append("outcomes", [_row(one) for one in outcomes])

    def append(self, table: str, rows: Sequence[Row]) -> int:
        """Append rows of one table; how many were new."""
        now = self._after_all() if table == "outcomes" and rows else datetime.now(UTC)
        stamp = {"run_id": self.run_id, "recorded_at": now}
        return self._appender.append(table, [row | stamp for row in rows])

    def _after_all(self) -> datetime:
        """Now, but after all that the ledger tells: machines' clocks differ, and it is ordered."""
        if self._told is None:
            times = delta.read(self._store, "outcomes", ["recorded_at"]).column("recorded_at")
            self._told = pc.max(times).as_py() or datetime.min.replace(tzinfo=UTC)
        self._told = max(datetime.now(UTC), self._told + timedelta(microseconds=1))
        return self._told


def in_trouble(store: Store) -> list[Standing]:
    """Every case that ended quarantined or failed last, in every stage and feature set.

    What a case came to under other files or rules before is history: to do that again would take
    the case back from where it stands.
    """
    return case_standings(store, states={"quarantined", "failed"})


def as_it_ended(standing: Standing) -> Standing:
    """A released case as it stands until it is done again; any other as it is."""
    if standing.state != "released":
        return standing
    return replace(standing, state=standing.message.removeprefix(_WAS))


def release(store: Store, reason: str) -> int:
    """Let every case that stands quarantined or failed under ``reason`` be planned again."""
    outcomes = [
        Outcome(
            s.key,
            s.stage,
            s.centre,
            s.case_id,
            "released",
            reason=s.reason,  # until it is done again, this is why it is not stored
            message=f"{_WAS}{s.state}",
            feature_set=s.feature_set,
        )
        for s in in_trouble(store)
        if s.reason == reason
    ]
    Recorder(store).record(outcomes)
    return len(outcomes)


def mend(standing: Standing) -> Outcome:
    """The outcome that ends a refusal: what a scan could not take alone is sound now."""
    return Outcome(
        standing.key,
        standing.stage,
        standing.centre,
        standing.case_id,
        "mended",
        reason=standing.reason,
        message=f"{_WAS}{as_it_ended(standing).state}",
    )


def _row(outcome: Outcome) -> Row:
    return {
        "task_key": outcome.key,
        "stage": outcome.stage,
        "centre": outcome.centre,
        "case_id": outcome.case_id,
        "feature_set": outcome.feature_set,
        "attempt": outcome.attempt,
        "state": outcome.state,
        "reason": outcome.reason,
        "message": outcome.message,
        "seconds": outcome.seconds,
        "peak_rss_mib": outcome.peak_rss_mib,
        "worker": outcome.worker,
    }
