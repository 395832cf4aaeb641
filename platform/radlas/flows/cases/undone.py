"""What of a scan is still to be done or told, and what the ledger holds already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radlas.flows.batch import unsettled
from radlas.flows.cases.earlier import Earlier
from radlas.flows.cases.exams import IngestTask
from radlas.ingest.base import Refusal
from radlas.model import Outcome
from radlas.store.layout import Store
from radlas.store.ledger import Standing, standings
from radlas.volumes.zarr import is_committed

_REFUSED = "quarantined"


@dataclass(frozen=True)
class Undone:
    """A scan without what earlier runs settled.

    Attributes:
        tasks: To be done.
        refusals: To be told.
        known: How many are settled, by state.
        settled: Their states, by fingerprint.
    """

    tasks: tuple[IngestTask, ...]
    refusals: tuple[Outcome, ...]
    known: Mapping[str, int]
    settled: Mapping[str, str]


def undone(
    store: Store,
    tasks: Sequence[IngestTask],
    refused: Sequence[tuple[Refusal, Outcome]],
    earlier: Earlier,
) -> Undone:
    """What the ledger does not hold.

    Args:
        store: The store.
        tasks: Of all exams of a scan.
        refused: What the scan refuses, and as the ledger would hold it.
        earlier: What earlier ingests of the centre left.
    """

    def stands(task: IngestTask) -> bool:
        # What was stored, missed its mask for a day and is whole again is said once more, or the
        # case would stand as it was on that day for good.
        return task.case_id not in earlier.ill and is_committed(store.place, task.case_id)

    keys = {*(task.key for task in tasks), *(outcome.key for _, outcome in refused)}
    seen = standings(store, "ingest", keys)
    todo, known = unsettled(seen, tasks, is_there=stands)
    new = tuple(outcome for _, outcome in refused if earlier.is_new(outcome, seen))
    held = len(refused) - len(new)
    return Undone(
        todo,
        new,
        {**known, _REFUSED: known.get(_REFUSED, 0) + held} if held else known,
        _settled(tasks, refused, {*(one.key for one in todo), *(one.key for one in new)}, seen),
    )


def _settled(
    tasks: Sequence[IngestTask],
    refused: Sequence[tuple[Refusal, Outcome]],
    open_keys: set[str],
    seen: Mapping[str, Standing],
) -> dict[str, str]:
    done = {one.exam.fingerprint: seen[one.key].state for one in tasks if one.key not in open_keys}
    told = {one.fingerprint: _REFUSED for one, outcome in refused if outcome.key not in open_keys}
    return done | told
