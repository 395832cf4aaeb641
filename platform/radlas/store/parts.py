"""Parquet parts of the lake: written whole under the digest of their bytes, never changed.

Partition columns are folders, not columns of the file. A part's name says what it must hold, so
damage to any byte of it can be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from radlas.digests import file_digest
from radlas.errors import StoreError, remedy
from radlas.places.place import Place
from radlas.store.schema import arrow_schema
from radlas.tables import BOOKKEEPING, Table

ROW_GROUP = 20_000  # rows: about a thousand cases
_DIGITS = 32


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table.

    Attributes:
        path: Relative to the table's folder.
        size: Bytes.
        rows: Number of rows.
        partition: Value of each partition column.
        cases: Smallest and largest case id; empty if the table has none.
    """

    path: str
    size: int
    rows: int
    partition: Mapping[str, str]
    cases: tuple[str, str] | tuple[()] = ()


def part_name(table: Table, path: str = "") -> str:
    """Where in a store a part lies, or its table's folder."""
    return f"lake/{table.name}/{path}".rstrip("/")


def write_parts(place: Place, table: Table, rows: Any) -> list[Part]:
    """Write rows, one part per partition, sorted by key.

    Args:
        place: The store's.
        table: Declares key and partitions.
        rows: Arrow table with all columns, partitions included.
    """
    order = [(name, "ascending") for name in _order(table) if name in rows.column_names]
    return [
        _write_part(place, table, values, part.sort_by(order))
        for values, part in _by_partition(table, rows)
    ]


def read_part(place: Place, table: Table, path: str, columns: Sequence[str] | None = None) -> Any:
    """A part as Arrow, with its partition columns.

    Raises:
        StoreError: It is missing or damaged.
    """
    try:
        (file,) = place.local([part_name(table, path)])
        part = pq.ParquetFile(file)
        here = [n for n in part.schema_arrow.names if columns is None or n in columns]
        data = part.read(columns=here)
        data.validate(full=True)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise _unreadable(place, table, path, error) from error
    if wrong := _misfit(table, data, columns):
        raise _damaged(place, table, path, wrong)
    for folder in PurePosixPath(path).parts:
        name, equals, value = folder.partition("=")
        if equals and name in table.partitions and (columns is None or name in columns):
            data = data.append_column(name, pa.array([value] * data.num_rows, pa.string()))
    return data


def _misfit(table: Table, rows: Any, columns: Sequence[str] | None) -> str:
    """What no radlas wrote into a part, in words: a column of another type, a row without a key."""
    declared = {field.name: field.type for field in arrow_schema(table)}
    for field in rows.schema:
        kind = declared.get(field.name, pa.float64())
        if field.type != kind:
            return f"holds {field.name} as {field.type}, not as {kind}"
    wanted = {c.name for c in table.columns if not c.nullable}.difference(BOOKKEEPING)
    asked = wanted if columns is None else wanted.intersection(columns)
    for name in sorted(asked.difference(table.partitions)):
        if name not in rows.column_names or rows.column(name).null_count:
            return f"holds a row without {name}"
    return ""


def verify_part(place: Place, table: Table, path: str) -> None:
    """Check a part's bytes against its name.

    Raises:
        StoreError: It is missing, or a byte has changed.
    """
    try:
        found = place.sha256(part_name(table, path))
    except OSError as error:
        raise _unreadable(place, table, path, error) from error
    if _name(found) != PurePosixPath(path).name:
        raise _damaged(place, table, path, "holds other bytes than were written")


def check_path(place: Place, table: Table, path: str) -> None:
    """Refuse a path that no part of a table has: its partition would be read from it, and is not.

    Raises:
        StoreError: A log or a snapshot that was edited tells of one.
    """
    folders = "".join(f"{name}=[^/]+/" for name in table.partitions)
    if not re.fullmatch(rf"{folders}[^/]+\.parquet", path):
        where = f"{place}/{part_name(table, path)}"
        hint = "somebody edited a log or a snapshot: restore both from a backup"
        raise StoreError(f"no part of {table.name} can lie here", where, hint, "damaged_log")


def _order(table: Table) -> list[str]:
    """Rows of a case lie together; partition columns are constant within a part."""
    key = [name for name in table.key if name not in table.partitions]
    return sorted(key, key=lambda name: name != "case_id")


def _by_partition(table: Table, rows: Any) -> list[tuple[dict[str, str], Any]]:
    names = list(table.partitions)
    if not names:
        return [({}, rows)]
    if lacking := [name for name in names if rows.column(name).null_count]:
        what = f"a row of {table.name} has no {lacking[0]}, and so no place in the lake"
        raise StoreError(what, "", "a defect of what made the row")
    found = rows.group_by(names).aggregate([]).sort_by([(name, "ascending") for name in names])
    groups = []
    for values in found.select(names).to_pylist():
        chosen = pc.scalar(True)
        for name, value in values.items():
            chosen = chosen & (pc.field(name) == value)
        groups.append((values, rows.filter(chosen)))
    return groups


def _write_part(place: Place, table: Table, partition: dict[str, str], rows: Any) -> Part:
    with place.staging(part_name(table)) as stage:
        file = stage / "part.parquet"
        _write_parquet(file, rows.drop_columns(list(partition)))
        folders = [f"{name}={value}" for name, value in partition.items()]
        path = "/".join([*folders, _name(file_digest(file))])
        size = file.stat().st_size
        place.keep(file, part_name(table, path))
    cases = pc.min_max(rows.column("case_id")).as_py() if "case_id" in rows.column_names else {}
    return Part(
        path=path,
        size=size,
        rows=rows.num_rows,
        partition=partition,
        cases=(cases["min"], cases["max"]) if cases else (),
    )


def _write_parquet(path: Path, rows: Any) -> None:
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    floats = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    pq.write_table(
        rows,
        path,
        compression="zstd",
        use_dictionary=texts,
        use_byte_stream_split=floats,
        row_group_size=ROW_GROUP,
    )


def _name(digest: str) -> str:
    return f"part-{digest[:_DIGITS]}.parquet"


def _unreadable(place: Place, table: Table, path: str, error: Exception) -> StoreError:
    """What the system refuses may be whole: nobody is to take a copy of yesterday for it."""
    if hint := remedy(error):
        what = f"a part cannot be read: {os.strerror(getattr(error, 'errno', 0))}"
        where = getattr(error, "filename", None) or f"{place}/{part_name(table, path)}"
        return StoreError(what, where, f"{hint}; then run again", "os_error")
    why = getattr(error, "strerror", None) or str(error)
    return _damaged(place, table, path, f"cannot be read: {why}")


def _damaged(place: Place, table: Table, path: str, why: str) -> StoreError:
    hint = "restore the file from a backup; radlas verify names all that are damaged"
    where = f"{place}/{part_name(table, path)}"
    return StoreError(f"a part {why}", where, hint, "damaged_part")
