"""What changed between two snapshots: cases, rows, cells, columns, settings.

Rows are told apart by their digests; values are read only where digests differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.recipes import list_recipes, load_recipe
from radlas.store.snapshots import PINNED, open_snapshot
from radlas.tables import BOOKKEEPING, ROW_DIGEST, VIEW_KEYS

_NO_CELLS = {*BOOKKEEPING, "revision"}
_AT_ONCE = 20  # columns of all changed rows in memory


def diff_snapshots(store: Store, old: Snapshot, new: Snapshot) -> dict[str, Any]:
    """Differences from ``old`` to ``new``.

    Returns:
        ``same``; ``cases`` and ``feature_sets`` added and removed; per table the rows ``added``,
        ``removed`` and ``changed`` (a changed row keeps its key), ``cells`` changed by column, the
        ``changed_rows`` by key, and columns ``columns_added`` and ``columns_removed``; and
        ``settings``, what differs between recipes of one extractor of which one went, one came.
    """
    with open_snapshot(store, old) as before, open_snapshot(store, new) as after:
        tables = {name: _table(name, before, after) for name in PINNED}
    sets = _sets(old.feature_sets, new.feature_sets)
    return {
        "old": old.label,
        "new": new.label,
        "same": old.id == new.id,
        "cases": _sets(old.cases, new.cases),
        "feature_sets": sets,
        "settings": _settings(store, sets["removed"], sets["added"]),
        "tables": tables,
    }


def _sets(old: Sequence[str], new: Sequence[str]) -> dict[str, list[str]]:
    return {"added": sorted(set(new) - set(old)), "removed": sorted(set(old) - set(new))}


def _table(
    name: str, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection
) -> dict[str, Any]:
    was, now = (_digests(name, one) for one in (before, after))
    columns = _sets(*(_columns(name, one) for one in (before, after)))
    with _apart() as apart:
        apart.register("was", _keys(name, before, _only_in(was, now)))
        apart.register("now", _keys(name, after, _only_in(now, was)))
        key = ", ".join(VIEW_KEYS[name])
        both = f"was join now using ({key})"
        pairs = apart.sql(f"select was.digest as old, now.digest as new from {both}")
        changed = pairs.to_arrow_table()
        keys = apart.sql(f"select {key} from {both} order by all").to_arrow_table()
        ((added, removed),) = apart.sql(
            f"select (select count(*) from now anti join was using ({key})),"
            f" (select count(*) from was anti join now using ({key}))"
        ).fetchall()
        cells = _cells(name, before, after, changed)
    return {
        "added": added,
        "removed": removed,
        "changed": len(changed),
        "cells": {column: number for column, number in sorted(cells.items()) if number},
        "changed_rows": [list(one) for one in zip(*keys.to_pydict().values(), strict=True)],
        "columns_added": columns["added"],
        "columns_removed": columns["removed"],
    }


def _digests(name: str, connection: duckdb.DuckDBPyConnection) -> Any:
    table = connection.sql(f"select {ROW_DIGEST.name} from {name}").to_arrow_table()
    return table.column(0).combine_chunks()


def _only_in(one: Any, other: Any) -> Any:
    return one.filter(pc.invert(pc.is_in(one, value_set=other)))


def _keys(name: str, connection: duckdb.DuckDBPyConnection, digests: Any) -> Any:
    """Keys of the rows of these digests, as texts, each with its ``digest``."""
    key = (f"coalesce({column}::varchar, 'None') as {column}" for column in VIEW_KEYS[name])
    return _where(name, connection, [*key, f"{ROW_DIGEST.name} as digest"], digests)


def _cells(
    name: str, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection, changed: Any
) -> dict[str, int]:
    """In how many of the changed rows each column differs; a few columns at a time.

    Args:
        name: Of the table.
        before: The one snapshot.
        after: The other.
        changed: Table of the digests ``old`` and ``new`` of each row that changed.
    """
    there = [connection.sql(f"from {name} limit 0").columns for connection in (before, after)]
    columns = sorted({*there[0], *there[1]} - _NO_CELLS)
    found = dict[str, int]()
    for first in range(0, len(columns) if len(changed) else 0, _AT_ONCE):
        some = columns[first : first + _AT_ONCE]
        sides = zip((before, after), there, ("old", "new"), strict=True)
        with _apart() as apart:
            apart.register("changed", changed)
            for connection, known, side in sides:
                of = [f'"{one}"' if one in known else f'null as "{one}"' for one in some]
                rows = [*of, f'{ROW_DIGEST.name} as "{side}"']
                apart.register(f"rows_{side}", _where(name, connection, rows, changed[side]))
            counts = (f'count_if(o."{one}" is distinct from n."{one}")' for one in some)
            joined = "changed join rows_old o using (old) join rows_new n using (new)"
            (numbers,) = apart.sql(f"select {', '.join(counts)} from {joined}").fetchall()
        found |= zip(some, numbers, strict=True)
    return found


def _apart() -> duckdb.DuckDBPyConnection:
    """For rows of two snapshots; it puts nothing down where others might read it."""
    return duckdb.connect(config={"temp_directory": ""})


def _where(
    name: str, connection: duckdb.DuckDBPyConnection, columns: Sequence[str], digests: Any
) -> Any:
    connection.register("wanted", pa.table({"digest": digests}))
    sql = f"select {', '.join(columns)} from {name} semi join wanted on digest = {ROW_DIGEST.name}"
    try:
        return connection.sql(sql).to_arrow_table()
    finally:
        connection.unregister("wanted")


def _columns(name: str, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Columns with a value: another recipe's columns, all NULL here, are no part of this."""
    every = connection.sql(f"select * from {name} limit 0").columns
    counts = ", ".join(f'count("{column}")' for column in every)
    filled = connection.sql(f"select {counts} from {name}").fetchall()[0]
    return [column for column, number in zip(every, filled, strict=True) if number]


def _settings(store: Store, removed: Sequence[str], added: Sequence[str]) -> list[dict[str, Any]]:
    """For each pair of an old and a new recipe of one extractor: the settings that differ."""
    known = set(list_recipes(store))
    found = []
    for one in removed:
        for other in added:
            if one.rpartition("-")[0] == other.rpartition("-")[0] and {one, other} <= known:
                old, new = (_flat(load_recipe(store, name)) for name in (one, other))
                changed = {
                    key: [old.get(key), new.get(key)]
                    for key in sorted(old.keys() | new.keys())
                    if old.get(key) != new.get(key)
                }
                found.append({"old": one, "new": other, "changed": changed})
    return found


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    if not isinstance(value, Mapping):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, one in value.items():
        flat |= _flat(one, f"{path}.{key}" if path else str(key))
    return flat
