"""Clinical records: every change is a revision; a later table adds to a record, never blanks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from radlas.model import Row
from radlas.store import delta
from radlas.store.layout import Store
from radlas.tables import BOOKKEEPING

_NOT_CONTENT = {"subject_id", "centre", "revision", *BOOKKEEPING}


def newest_records(store: Store) -> dict[str, Row]:
    """The newest revision of every subject's record."""
    rows = delta.read(store, "clinical").to_pylist()
    return {row["subject_id"]: row for row in sorted(rows, key=lambda row: row["revision"])}


def revisions(known: dict[str, Row], given: Iterable[Row]) -> list[Row]:
    """The rows to append so that the newest revisions say what was given. Pure.

    Args:
        known: Newest stored record by subject.
        given: Records as read, ``subject_id``, ``centre`` and columns; ``None`` says nothing.
    """
    newest = dict(known)
    new = []
    for record in given:
        old = newest.get(record["subject_id"], {})
        told = {name: value for name, value in record.items() if value is not None}
        merged = {name: value for name, value in old.items() if name not in _NOT_CONTENT} | told
        if any(merged[name] != old.get(name) for name in merged.keys() - _NOT_CONTENT) or not old:
            row = merged | {"revision": old.get("revision", 0) + 1}
            newest[record["subject_id"]] = row
            new.append(row)
    return new


def kept(known: Mapping[str, Row], given: Sequence[Row]) -> dict[str, int]:
    """How many stored values stay where new records have none, by column. Pure.

    Of columns that some new record fills: a table without a column says nothing of it.

    Args:
        known: Newest stored record by subject.
        given: Records as for ``revisions``.
    """
    filled = {name for record in given for name, value in record.items() if value is not None}
    stays = Counter(
        name
        for record in given
        for name in filled - _NOT_CONTENT
        if record[name] is None and known.get(record["subject_id"], {}).get(name) is not None
    )
    return dict(sorted(stays.items()))
