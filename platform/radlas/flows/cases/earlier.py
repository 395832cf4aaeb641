"""What earlier ingests of a centre refused: of which it is told again, and what is over.

What a scan cannot take alone stands under a name of its own: a mask that lacks its image, a file
that cannot be read, a subject without a series that is wanted. No exam comes under those names, so
none would end them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from radlas.errors import StoreError
from radlas.ingest.base import NO_SEQUENCE, FileRef, Scan
from radlas.ingest.files import place_of, rooted
from radlas.ingest.sequences import OTHER, STIR, T1, T2FS
from radlas.model import Outcome
from radlas.store.layout import Store
from radlas.store.ledger import Standing, case_standings, mend
from radlas.store.sources import read_sources

_ILL = ("quarantined", "failed", "released")
_SERIES = {T2FS, STIR, T1, OTHER}  # masks are refused under a modality


@dataclass(frozen=True)
class Earlier:
    """How cases of earlier ingests ended, those that are not ok.

    Attributes:
        ill: That stand refused, failed or released.
        anew: Of which a refusal is told even if it was told before.
        source: Where the exams lie; None if a file's place in it tells no source from another.
    """

    ill: Mapping[str, Standing]
    anew: frozenset[str]
    source: Path | None

    def is_new(self, refusal: Outcome, seen: Mapping[str, Standing]) -> bool:
        """Whether the ledger is to hold a refusal, or does so already.

        Args:
            refusal: Of a scan.
            seen: How the scan's tasks stand, by their keys.
        """
        if refusal.case_id in self.anew or refusal.key not in seen:
            return True
        return seen[refusal.key].state == "released"

    def mended(self, scan: Scan, named: Callable[[str, str], str]) -> tuple[Outcome, ...]:
        """What ends the refusals that a scan has an answer to.

        Args:
            scan: Of the source.
            named: The case id of a subject and a series.
        """
        if not self.ill:
            return ()
        found = {named(*name) for name in _sound(scan, self.source)}
        found -= {named(one.subject, one.series) for one in scan.refusals}
        return tuple(mend(one) for case_id, one in self.ill.items() if case_id in found)


def earlier_ingests(store: Store, centre: str, source: Path) -> Earlier:
    """What earlier ingests left that is not ok, for one that reads a source of a centre."""
    ended = case_standings(store, stage="ingest", states=(*_ILL, "mended"))
    only = _only_source(store, centre, source)
    # Under whichever of its tasks what is mended is refused; of several sources one may lack for
    # good what another has, and each would end what the other tells, every night.
    again = {"released", "mended"} if only else {"released"}
    return Earlier(
        {one.case_id: one for one in ended if one.state in _ILL},
        frozenset(one.case_id for one in ended if one.state in again),
        only,
    )


def _only_source(store: Store, centre: str, source: Path) -> Path | None:
    """The source, if a centre's exams were read from no other: exports call their files alike.

    A list that knows not even this one was lost, and tells nothing of others.
    """
    try:
        noted = read_sources(store)
    except (OSError, StoreError):  # told when this one is noted
        return None
    images = [one for one in noted if one.get("importer") != "table"]
    read = [one.get("source") for one in images if one.get("centre") == centre]
    return source if read and all(one == str(source.absolute()) for one in read) else None


def _sound(scan: Scan, source: Path | None) -> Iterator[tuple[str, str]]:
    """Subjects and series under which a scan would have refused what it can take."""
    for exam in scan.exams:
        yield exam.subject, NO_SEQUENCE
        yield from exam.parts
    yield from ((one.subject, NO_SEQUENCE) for one in scan.refusals if one.sequence in _SERIES)
    if source is None:
        return
    root = rooted(source)
    for ref in {*scan.read, *(FileRef(ref.path) for ref in scan.read)}:  # archives, too
        if ref.path.is_relative_to(root):  # not so if the source is a list of files elsewhere
            yield "", place_of(ref, root)
