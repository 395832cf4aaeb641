"""Refusals that are over: what a scan could not take alone is sound by a later one.

They stand under names of their own: a mask that lacks its image, a file that cannot be read, a
subject without a series that is wanted. No exam comes under those names, so none would end them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from radlas.errors import StoreError
from radlas.ingest.base import NO_SEQUENCE, FileRef, Scan
from radlas.ingest.files import place_of, rooted
from radlas.ingest.sequences import OTHER, STIR, T1, T2FS
from radlas.model import Outcome
from radlas.store.layout import Store
from radlas.store.ledger import Standing, mend
from radlas.store.sources import read_sources

_SERIES = {T2FS, STIR, T1, OTHER}  # masks are refused under a modality


def mended(
    scan: Scan, ill: Sequence[Standing], named: Callable[[str, str], str], source: Path | None
) -> tuple[Outcome, ...]:
    """What ends the refusals that a scan has an answer to.

    Args:
        scan: Of the source.
        ill: Cases that stand refused.
        named: The case id of a subject and a series.
        source: Where the exams lie; None if a file's place in it tells no source from another.
    """
    if not ill:
        return ()
    found = {named(*name) for name in _sound(scan, source)}
    found -= {named(one.subject, one.series) for one in scan.refusals}
    return tuple(mend(one) for one in ill if one.case_id in found)


def only_source(store: Store, centre: str, source: Path) -> Path | None:
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
