"""The ledger: what became of every task. Nothing is planned twice, nothing vanishes."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
    state: str
    reason: str
    message: str


def standings(store: Store, stage: str | None = None) -> dict[str, Standing]:
    """The newest outcome of every task, by task key."""
    names = ("task_key", "stage", "centre", "case_id", "state", "reason", "message")
    table = delta.read(store, "outcomes", [*names, "attempt", "recorded_at", "run_id"])
    rows = sorted(
        table.to_pylist(), key=lambda row: (row["recorded_at"], row["attempt"], row["run_id"])
    )
    return {
        row["task_key"]: Standing(*(row[name] for name in names))
        for row in rows
        if stage is None or row["stage"] == stage
    }


class Recorder:
    """The single writer of one run: stamps rows with run and time, commits them in order.

    Args:
        store: The store; the caller holds its write lock.
    """

    def __init__(self, store: Store) -> None:
        self.run_id = uuid.uuid4().hex
        self._appender = delta.Appender(store, self.run_id)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Commit a batch of outcomes: first the rows of every table, last the ledger.

        A crash in between leaves rows whose outcome is not told; the task is then planned again,
        and its rows, being stored under their keys, are not stored twice.
        """
        for name in sorted({name for outcome in outcomes for name in outcome.rows}):
            self.append(name, [row for one in outcomes for row in one.rows.get(name, ())])
        self.append("outcomes", [_row(one) for one in outcomes])

    def append(self, table: str, rows: Sequence[Row]) -> int:
        """Append rows of one table; how many were new."""
        stamp = {"run_id": self.run_id, "recorded_at": datetime.now(UTC)}
        return self._appender.append(table, [row | stamp for row in rows])


def release(store: Store, reason: str) -> int:
    """Let every task that stands quarantined or failed under ``reason`` be planned again."""
    held = [s for s in standings(store).values() if s.reason == reason and s.state != "ok"]
    outcomes = [
        Outcome(s.key, s.stage, s.centre, s.case_id, "released", message=f"was {s.state}")
        for s in held
        if s.state in {"quarantined", "failed"}
    ]
    Recorder(store).record(outcomes)
    return len(outcomes)


def count(standing: Iterable[Standing]) -> dict[str, Counter[str]]:
    """States per stage."""
    counts: dict[str, Counter[str]] = {}
    for one in standing:
        counts.setdefault(one.stage, Counter())[one.state] += 1
    return counts


def _row(outcome: Outcome) -> Row:
    return {
        "task_key": outcome.key,
        "stage": outcome.stage,
        "centre": outcome.centre,
        "case_id": outcome.case_id,
        "attempt": outcome.attempt,
        "state": outcome.state,
        "reason": outcome.reason,
        "message": outcome.message,
        "seconds": outcome.seconds,
        "peak_rss_mib": outcome.peak_rss_mib,
        "worker": outcome.worker,
    }
