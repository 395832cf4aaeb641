"""The lake's tables: append by key, one atomic commit, read at a pinned version.

Delta through ``deltalake`` gives the log (``log.py``); Parquet is written by pyarrow alone. What it
does not check is checked here: that a key is stored once, that new columns are declared before rows
carry them, that nobody committed since we looked. ``deltalake`` must not be used after a fork.
"""

from __future__ import annotations

import bisect
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from numpy.typing import NDArray

from radlas.errors import StoreError
from radlas.model import Row
from radlas.store.content import key_digests, row_digests
from radlas.store.layout import Store
from radlas.store.log import (
    added,
    committing,
    open_log,
    open_or_create,
    parts_of,
    settle,
    write_log,
)
from radlas.store.parts import Part, check_path, part_name, read_part, write_parts
from radlas.store.schema import arrow_schema
from radlas.tables import ROW_DIGEST, TABLES, Table

T = TypeVar("T")
_PATIENCE = 120.0  # other writers' commits take a tenth of a second each [s]


def version(store: Store, name: str) -> int | None:
    """Newest version of a table; None if nothing was ever written."""
    log = open_log(store, name)
    return None if log is None else log.version()


def parts(store: Store, name: str, at: int | None = None) -> list[Part]:
    """Parts of a table at a version, by default the newest; empty if there is none.

    Args:
        store: The store.
        name: Table of ``radlas.tables``.
        at: Version; -1 for that of a table nothing was ever written to.
    """
    log = None if at == -1 else open_log(store, name, at)
    return [] if log is None else parts_of(log, TABLES[name])


def newest(store: Store) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Newest version of every table, -1 for an empty one, and its parts: each log is read once."""
    logs = {table: open_log(store, table) for table in TABLES}
    versions = {table: -1 if log is None else log.version() for table, log in logs.items()}
    paths = {
        table: sorted(part.path for part in parts_of(log, TABLES[table])) if log else []
        for table, log in logs.items()
    }
    return versions, paths


def files(store: Store, name: str, at: int | None = None) -> list[str]:
    """Paths of a table's parts at a version, on this machine; see ``parts``."""
    return local(store, name, [part.path for part in parts(store, name, at)])


def local(store: Store, name: str, paths: Iterable[str]) -> list[str]:
    """Where parts of a table, given by their paths in it, lie on this machine, in their order."""
    table, told = TABLES[name], list(paths)
    found = store.place.local(sorted(part_name(table, path) for path in told))
    for path in told:
        check_path(store.place, table, path)
    return [str(path) for path in found]


def read(
    store: Store, name: str, columns: Sequence[str] | None = None, at: int | None = None
) -> Any:
    """A table as Arrow, with its partition columns, by default whole and newest.

    A column that was declared after a row was written is NULL there.
    """
    table = TABLES[name]
    declared = [f for f in arrow_schema(table) if columns is None or f.name in columns]
    found = [
        read_part(store.place, table, part.path, columns)
        for part in sorted(parts(store, name, at), key=lambda part: part.path)
    ]
    return pa.concat_tables([pa.schema(declared).empty_table(), *found], promote_options="default")


class Appender:
    """Appends rows whose key is not stored yet, batch after batch of one run.

    The keys of a part are read once, since parts never change: a batch costs what it holds and what
    was committed since the last, not what the lake holds. Several writers may append at once: a
    commit that finds the table moved on looks at the new parts and tries again.

    Args:
        store: The store.
        run_id: Kept in every commit's metadata.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._keys: dict[tuple[str, str], NDArray[np.bytes_]] = {}

    def append(self, name: str, rows: Iterable[Row] | pa.Table) -> int:
        """Append to a table in one atomic commit; how many rows were new.

        Args:
            name: Table of ``radlas.tables``.
            rows: One mapping per row, or an Arrow table; columns the table does not declare become
                nullable float64 columns.

        Raises:
            StoreError: A number is not finite, or other writers kept the table busy for minutes.
        """
        table = TABLES[name]
        given = _stamped(table, rows)
        if not given.num_rows:
            return 0
        refuse_infinite(given)
        keys, tried = key_digests(table.key, given), set[str]()
        return commit(self._store, table, lambda log: self._append(log, table, given, keys, tried))

    def _append(
        self, log: DeltaTable, table: Table, given: Any, keys: NDArray[np.bytes_], tried: set[str]
    ) -> int:
        """One try; ``tried`` are parts of those before: there, if only the answer was lost."""
        made = sum(part.rows for part in parts_of(log, table) if part.path in tried) if tried else 0
        new = self._unseen(log, table, given, keys)
        if not len(new):
            return made
        schema = _widened(self._store, log, table, given)
        rows = given.take(new)
        written = write_parts(self._store.place, table, rows)
        tried.update(part.path for part in written)
        actions = [added(part) for part in written]
        write_log(self._store, log, table, schema, actions, metadata={"run_id": self._run_id})
        return len(new)

    def _unseen(
        self, log: DeltaTable, table: Table, given: Any, keys: NDArray[np.bytes_]
    ) -> NDArray[np.int64]:
        """Places of the rows that are new, the first of each key."""
        asked, first = np.unique(keys, return_index=True)
        shared = [name for name in table.partitions if name in table.key]
        wanted = {name: set(given.column(name).to_pylist()) for name in shared}
        cases = sorted(set(given.column("case_id").to_pylist())) if "case_id" in table.key else []
        new = np.ones(len(first), dtype=bool)
        for part in parts_of(log, table):
            fits = all(part.partition[name] in values for name, values in wanted.items())
            if fits and not (cases and part.cases and _apart(cases, *part.cases)):
                known = self._keys_of(table, part)
                place = np.searchsorted(known, asked)
                new &= known[np.minimum(place, len(known) - 1)] != asked
        return np.sort(first[new])

    def _keys_of(self, table: Table, part: Part) -> NDArray[np.bytes_]:
        path = (table.name, part.path)
        if path not in self._keys:
            rows = read_part(self._store.place, table, part.path, table.key)
            self._keys[path] = np.sort(key_digests(table.key, rows))
        return self._keys[path]


def _apart(cases: Sequence[str], lowest: str, highest: str) -> bool:
    """Whether no case, of a sorted list, lies between a part's lowest and highest."""
    return bisect.bisect_left(cases, lowest) == bisect.bisect_right(cases, highest)


def append(store: Store, name: str, rows: Iterable[Row] | pa.Table, *, run_id: str) -> int:
    """Append one batch; see ``Appender``."""
    return Appender(store, run_id).append(name, rows)


def commit(store: Store, table: Table, change: Callable[[DeltaTable], T]) -> T:
    """Change a table; if somebody else did meanwhile, look again and start anew.

    Args:
        store: The store.
        table: Which; it is made if it is not there.
        change: Plans from the newest state it is given and ends with ``write_log``.

    Raises:
        StoreError: Others kept the table busy all the time.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            return change(open_or_create(store, table))
        except CommitFailedError:
            time.sleep(random.uniform(0.01, 0.2))  # noqa: S311 - so that two do not keep step
    raise StoreError(
        f"other runs kept table {table.name} busy for {_PATIENCE:g} s",
        str(store.place),
        "run again: what is stored is not done twice",
        "locked",
    )


def as_declared(table: Table, rows: Any) -> Any:
    """Arrow rows under the declared types; columns that are not declared are float64."""
    return rows.cast(_fields(table, rows.column_names))


def schema_of(log: DeltaTable, table: Table) -> Any:
    """A table's columns as Arrow: the declared types, and float64 for features of extractors."""
    return _fields(table, pa.schema(log.schema().to_arrow()).names)


def refuse_infinite(rows: Any) -> None:
    """Refuse NaN and infinity: undefined is NULL, and one NaN makes the mean of a column NaN.

    Raises:
        StoreError: A number is NaN or infinite, also in a list of them.
    """
    for field in rows.schema:
        column = rows.column(field.name)
        if pa.types.is_list(field.type):
            column = pc.list_flatten(column)
        if pa.types.is_floating(column.type):
            finite = pc.all(pc.is_finite(column)).as_py()
            if finite is False:
                what = f"{field.name} holds NaN or infinity"
                raise StoreError(what, "", "a defect of the extractor: undefined values are NULL")


def _stamped(table: Table, rows: Iterable[Row] | pa.Table) -> Any:
    """Rows as Arrow under the declared types, each with its digest."""
    if not isinstance(rows, pa.Table):
        listed = list(rows)
        names = dict.fromkeys(name for row in listed for name in row)
        rows = pa.Table.from_pylist(listed, schema=_fields(table, list(names)))
    rows = as_declared(table, rows)
    if ROW_DIGEST.name in rows.column_names:
        return rows
    return rows.append_column(ROW_DIGEST.name, row_digests(table, rows))


def _fields(table: Table, names: Sequence[str]) -> Any:
    declared = arrow_schema(table)
    return pa.schema(
        [declared.field(n) if n in declared.names else pa.field(n, pa.float64()) for n in names]
    )


def _widened(store: Store, log: DeltaTable, table: Table, rows: Any) -> Any:
    """The table's schema, after adding columns that rows carry and the table does not.

    Raises:
        CommitFailedError: Somebody else made the version after the one that ``log`` has seen. A
            retry of deltalake's own would take ``log`` past rows that nobody has looked at.
        StoreError: A column is called like another but for capitals, which SQL does not tell apart.
    """
    known = schema_of(log, table).names
    extra = sorted(set(rows.column_names) - set(known))
    lowered = dict[str, str]()
    for name in [*known, *extra]:
        if lowered.setdefault(name.lower(), name) != name:
            what = f"column {name} of {table.name} would stand beside {lowered[name.lower()]}"
            raise StoreError(
                what, "", "a defect of the extractor: let it call its values otherwise"
            )
    if extra:
        fields = Schema.from_arrow(_fields(table, extra)).fields
        with committing(store, table):
            log.alter.add_columns(fields, commit_properties=CommitProperties(max_commit_retries=0))
        settle(store, table, log.version())
    return _fields(table, [*known, *extra])
