"""The lake's tables: append by key, one atomic commit, read at a pinned version.

Delta through ``deltalake`` gives the log; Parquet is written by pyarrow alone. What the log does
not check is checked here: that a file exists before it is added, that a key is stored once, that
new columns are declared before rows carry them. ``deltalake`` must not be used after a fork.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction

from radlas.digests import digest_of
from radlas.errors import StoreError
from radlas.model import Row
from radlas.store.layout import Store
from radlas.store.schema import arrow_schema
from radlas.tables import TABLES, Table

_CONFIGURATION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.dataSkippingStatsColumns": "case_id",
}


def table_path(store: Store, name: str) -> Path:
    """Folder of a table."""
    return store.root / "lake" / name


def version(store: Store, name: str) -> int | None:
    """Newest version of a table; None if nothing was ever written."""
    path = str(table_path(store, name))
    return DeltaTable(path).version() if DeltaTable.is_deltatable(path) else None


def files(store: Store, name: str, at: int | None = None) -> list[str]:
    """Parquet files of a table at a version, by default the newest; empty if there is none."""
    newest = version(store, name)
    if newest is None or at == -1:
        return []
    table = DeltaTable(str(table_path(store, name)), version=newest if at is None else at)
    return sorted(unquote(uri) for uri in table.file_uris())


def read(
    store: Store, name: str, columns: Sequence[str] | None = None, at: int | None = None
) -> Any:
    """A table as Arrow, with its partition columns, by default whole and newest."""
    declared = arrow_schema(TABLES[name])
    root = table_path(store, name)
    parts = [_read_part(uri, root, TABLES[name], columns) for uri in files(store, name, at)]
    if not parts:
        return pa.schema(
            [f for f in declared if columns is None or f.name in columns]
        ).empty_table()
    return pa.concat_tables(parts, promote_options="default")


def stored_keys(store: Store, name: str) -> set[tuple[str, ...]]:
    """Keys of all rows of a table."""
    key = TABLES[name].key
    table = read(store, name, key)
    columns = (table.column(column).to_pylist() for column in key)
    return {tuple(map(_text, values)) for values in zip(*columns, strict=True)}


def _text(value: Any) -> str:
    """A part of a key. A column declared later is NULL in older rows, and means nothing there."""
    return "" if value is None else str(value)


class Appender:
    """Appends rows whose key is not stored yet, batch after batch of one run.

    The stored keys of a table are read once: the caller holds the store's write lock, so nobody
    else adds any meanwhile, and a batch costs what it holds, not what the lake holds.

    Args:
        store: The store.
        run_id: Kept in every commit's metadata.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._seen: dict[str, set[tuple[str, ...]]] = {}

    def append(self, name: str, rows: Iterable[Row]) -> int:
        """Append to a table in one atomic commit; how many rows were new.

        Args:
            name: Table of ``radlas.tables``.
            rows: One mapping per row; keys the table does not declare become nullable float64
                columns.
        """
        table = TABLES[name]
        new = self._unseen(table, rows)
        if new:
            _commit(self._store, table, list(new.values()), self._run_id)
            self._seen[name] |= new.keys()  # only now: a commit that failed stored nothing
        return len(new)

    def _unseen(self, table: Table, rows: Iterable[Row]) -> dict[tuple[str, ...], Row]:
        if table.name not in self._seen:
            self._seen[table.name] = stored_keys(self._store, table.name)
        seen = self._seen[table.name]
        keyed: dict[tuple[str, ...], Row] = {}
        for row in rows:
            key = tuple(_text(row.get(column)) for column in table.key)
            if key not in seen:
                keyed.setdefault(key, row)
        return keyed


def append(store: Store, name: str, rows: Iterable[Row], *, run_id: str) -> int:
    """Append one batch; see ``Appender``."""
    return Appender(store, run_id).append(name, rows)


def _commit(store: Store, table: Table, rows: Sequence[Row], run_id: str) -> None:
    delta = _open_or_create(store, table)
    schema = _widen(delta, table, rows)
    actions: list[AddAction | RemoveAction] = [
        _write_part(store, table, part, values, schema)
        for values, part in _by_partition(table, rows)
    ]
    delta.create_write_transaction(
        actions,
        mode="append",
        schema=Schema.from_arrow(schema),
        partition_by=list(table.partitions),
        commit_properties=CommitProperties(custom_metadata={"run_id": run_id}),
    )


def _open_or_create(store: Store, table: Table) -> DeltaTable:
    path = str(table_path(store, table.name))
    if DeltaTable.is_deltatable(path):
        return DeltaTable(path)
    return DeltaTable.create(
        path,
        schema=Schema.from_arrow(arrow_schema(table)),
        partition_by=list(table.partitions),
        configuration=_CONFIGURATION,
    )


def _widen(delta: DeltaTable, table: Table, rows: Sequence[Row]) -> Any:
    """The table's schema, after adding columns that rows carry and the table does not."""
    known = pa.schema(delta.schema().to_arrow()).names
    extra = sorted({name for row in rows for name in row} - set(known))
    declared = arrow_schema(table)

    def fields(names: Sequence[str]) -> Any:
        floats = pa.float64()
        return pa.schema(
            [declared.field(n) if n in declared.names else pa.field(n, floats) for n in names]
        )

    if extra:
        delta.alter.add_columns(Schema.from_arrow(fields(extra)).fields)
    return fields([*known, *extra])


def _by_partition(table: Table, rows: Sequence[Row]) -> list[tuple[tuple[str, ...], list[Row]]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in table.partitions), []).append(row)
    return sorted(groups.items())


def _write_part(
    store: Store, table: Table, rows: Sequence[Row], values: tuple[str, ...], schema: Any
) -> AddAction:
    rows = sorted(rows, key=lambda row: tuple(_text(row.get(column)) for column in table.key))
    keys = [[_text(row.get(column)) for column in table.key] for row in rows]
    folder = "/".join(f"{n}={v}" for n, v in zip(table.partitions, values, strict=True))
    name = f"part-{digest_of(keys)[:24]}.parquet"
    relative = f"{folder}/{name}" if folder else name
    path = table_path(store, table.name) / relative
    fields = [field for field in schema if field.name not in table.partitions]
    _write_parquet(path, pa.Table.from_pylist(list(rows), schema=pa.schema(fields)))
    return AddAction(
        path=relative,
        size=path.stat().st_size,
        partition_values=dict(zip(table.partitions, values, strict=True)),
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(_statistics(rows)),
    )


def _statistics(rows: Sequence[Row]) -> Mapping[str, Any]:
    """Counts and the range of case ids only: wide statistics make every commit slow."""
    cases = [row["case_id"] for row in rows if "case_id" in row]
    statistics: dict[str, Any] = {"numRecords": len(rows)}
    if cases:
        statistics["minValues"] = {"case_id": min(cases)}
        statistics["maxValues"] = {"case_id": max(cases)}
        statistics["nullCount"] = {"case_id": 0}
    return statistics


def _write_parquet(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    pq.write_table(
        table,
        temporary,
        compression="zstd",
        use_dictionary=texts,
        use_byte_stream_split=floats,
        row_group_size=20_000,
    )
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.rename(path)


def _read_part(uri: str, root: Path, table: Table, columns: Sequence[str] | None) -> Any:
    path = Path(uri.removeprefix("file://"))
    try:
        part = pq.ParquetFile(path)
        here = [n for n in part.schema_arrow.names if columns is None or n in columns]
        data = part.read(columns=here)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"a part cannot be read: {error}", str(path), "radlas verify") from error
    for folder in path.relative_to(root.absolute()).parts:  # not of folders the store lies in
        name, equals, value = folder.partition("=")
        if equals and name in table.partitions and (columns is None or name in columns):
            data = data.append_column(name, pa.array([value] * data.num_rows, pa.string()))
    return data
