"""Few large parts instead of many small ones, and room made of what nobody can reach.

Compaction changes no row: what a table says, and so every snapshot's identity, stays the same.
Files that a snapshot's version names are never removed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from radlas.errors import StoreError
from radlas.places.answers import again_if_cut
from radlas.places.folder import Folder
from radlas.store import delta
from radlas.store.layout import Store
from radlas.store.log import (
    added,
    in_plain_words,
    log_place,
    open_log,
    parts_of,
    removed,
    unreadable_log,
    write_log,
)
from radlas.store.parts import Part, part_name, read_part, write_parts
from radlas.tables import TABLES, Table

MANY = 20  # parts of a partition: beyond, opening them costs more than reading
LARGE = 128 << 20  # bytes of a part that is left as it is
RETENTION_HOURS = 72  # an orphan may be a part that somebody is about to commit


@dataclass(frozen=True)
class Compaction:
    """What became of one table.

    Attributes:
        parts_before: In the newest version.
        parts_after: The same, afterwards.
        bytes_before: Of those parts.
        bytes_after: The same, afterwards.
    """

    table: str
    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int


def compact(store: Store, name: str, *, many: int = MANY) -> Compaction:
    """Merge the small parts of every partition that has more than ``many`` of them.

    Each commit replaces exactly the parts that were read: if another process committed meanwhile,
    it looks again, so no row is lost and none is there twice. Small partitions share one, since
    each reads the log anew, and what it merges anew if others came first is bounded.
    """
    table = TABLES[name]
    before = delta.parts(store, name)
    for bundles in _shared(_bundles(before, many)):
        delta.commit(store, table, partial(_merge, store, table, bundles))
    after = delta.parts(store, name)
    return Compaction(name, len(before), len(after), _bytes(before), _bytes(after))


def vacuum(
    store: Store, name: str, pinned: Sequence[int], *, hours: int = RETENTION_HOURS
) -> list[str]:
    """Remove files that neither the newest nor a pinned version names.

    Args:
        store: The store.
        name: Table of ``radlas.tables``.
        pinned: Versions that snapshots stand on.
        hours: Younger files stay: a writer may be about to commit them.

    Returns:
        Paths that were removed: the log also names parts that an earlier one removed.

    Raises:
        StoreError: A link leads out of the table's folder to a file that would be removed.
    """
    log = open_log(store, name)
    if log is None:
        return []
    store.place.sweep("lake")
    keep = sorted({version for version in pinned if version >= 0} | {log.version()})

    def removed_if(dry_run: bool) -> list[str]:
        return again_if_cut(
            lambda: log.vacuum(
                retention_hours=hours,
                dry_run=dry_run,
                enforce_retention_duration=False,
                full=True,
                keep_versions=keep,
            )
        )

    where = log_place(store, TABLES[name])
    try:
        with in_plain_words(where):
            own = set(store.place.names(part_name(TABLES[name])))
            told = removed_if(dry_run=True)  # the other may break off in the middle
            _refuse_others(store, TABLES[name], told, own)
            removed_if(dry_run=False)
            return [path for path in told if part_name(TABLES[name], path) in own]
    except DeltaError as error:  # a version that a snapshot stands on is lost
        raise unreadable_log(name, where, str(error).splitlines()[0]) from error


def _refuse_others(store: Store, table: Table, paths: Sequence[str], own: Set[str]) -> None:
    """Nobody's files are removed because a link to them lies in a store: Delta goes through it."""
    if not isinstance(store.place, Folder):
        return  # a bucket has no links
    names = (part_name(table, path) for path in paths)
    others = (name for name in names if name not in own and store.place.size(name) is not None)
    if other := next(others, ""):
        what = f"a link leads out of the store to files that are not its own: {other}"
        raise StoreError(what, str(store.place), "nothing was removed there; remove that link")


def _merge(store: Store, table: Table, bundles: Sequence[list[Part]], log: DeltaTable) -> None:
    here = {part.path for part in parts_of(log, table)}
    actions: list[AddAction | RemoveAction] = []
    for bundle in bundles:
        if here.issuperset(part.path for part in bundle):  # else another compaction came first
            actions += _merged(store, table, bundle)
    if actions:
        schema = delta.schema_of(log, table)
        write_log(store, log, table, schema, actions, metadata={"compaction": table.name})


def _merged(
    store: Store, table: Table, bundle: Sequence[Part]
) -> Iterator[AddAction | RemoveAction]:
    rows = pa.concat_tables(
        (read_part(store.place, table, part.path) for part in bundle), promote_options="default"
    )
    yield from map(removed, bundle)
    yield from map(added, write_parts(store.place, table, rows))


def _bundles(parts: Sequence[Part], many: int) -> Iterator[list[Part]]:
    """Small parts that will be one, where a partition has too many of them."""

    def place(part: Part) -> list[tuple[str, str]]:
        return sorted(part.partition.items())

    for _, group in itertools.groupby(sorted(parts, key=place), key=place):
        small = [part for part in group if part.size < LARGE]
        if len(small) <= many:
            continue
        bundle: list[Part] = []
        for part in small:
            bundle.append(part)
            if _bytes(bundle) >= LARGE:
                yield bundle
                bundle = []
        if len(bundle) > 1:
            yield bundle


def _shared(bundles: Iterable[list[Part]]) -> Iterator[list[list[Part]]]:
    """Bundles that are merged in one commit."""
    together: list[list[Part]] = []
    for bundle in bundles:
        together.append(bundle)
        if sum(map(_bytes, together)) >= LARGE:
            yield together
            together = []
    if together:
        yield together


def _bytes(parts: Sequence[Part]) -> int:
    return sum(part.size for part in parts)
