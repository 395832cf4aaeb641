"""What changed between two snapshots: cases, rows, cells, columns, settings.

Rows are told apart by their digests; values are read only where digests differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow.compute as pc

from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.recipes import list_recipes, load_recipe
from radlas.store.snapshots import PINNED, open_snapshot
from radlas.tables import BOOKKEEPING, ROW_DIGEST, VIEW_KEYS

_NO_CELLS = {*BOOKKEEPING, "revision"}


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
    old = _keys(name, before, _only_in(was, now))
    new = _keys(name, after, _only_in(now, was))
    columns = _sets(*(_columns(name, one) for one in (before, after)))
    changed = sorted(old.keys() & new.keys())
    earlier = _rows(name, before, [old[key] for key in changed])
    later = _rows(name, after, [new[key] for key in changed])
    cells = Counter(
        column for key in changed for column in _differing(earlier[old[key]], later[new[key]])
    )
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": len(changed),
        "cells": dict(sorted(cells.items())),
        "changed_rows": [list(key) for key in changed],
        "columns_added": columns["added"],
        "columns_removed": columns["removed"],
    }


def _digests(name: str, connection: duckdb.DuckDBPyConnection) -> Any:
    table = connection.sql(f"select {ROW_DIGEST.name} from {name}").to_arrow_table()
    return table.column(0).combine_chunks()


def _only_in(one: Any, other: Any) -> list[int]:
    only: list[int] = one.filter(pc.invert(pc.is_in(one, value_set=other))).to_pylist()
    return only


def _keys(
    name: str, connection: duckdb.DuckDBPyConnection, digests: Sequence[int]
) -> dict[tuple[str, ...], int]:
    """Keys of the rows of these digests, each with its digest."""
    found = _where(name, connection, [*VIEW_KEYS[name], ROW_DIGEST.name], digests)
    *key, of = (found.column(column).to_pylist() for column in found.column_names)
    return {tuple(map(str, values)): one for *values, one in zip(*key, of, strict=True)}


def _rows(
    name: str, connection: duckdb.DuckDBPyConnection, digests: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Whole rows by digest."""
    found = _where(name, connection, ["*"], digests).to_pylist()
    return {row[ROW_DIGEST.name]: row for row in found}


def _where(
    name: str,
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    digests: Sequence[int],
) -> Any:
    wanted = f"{ROW_DIGEST.name} in (select unnest(from_json(?, '[\"bigint\"]')))"
    sql = f"select {', '.join(columns)} from {name} where {wanted}"
    return connection.sql(sql, params=[json.dumps(digests)]).to_arrow_table()


def _columns(name: str, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Columns with a value: another recipe's columns, all NULL here, are no part of this."""
    every = connection.sql(f"select * from {name} limit 0").columns
    counts = ", ".join(f'count("{column}")' for column in every)
    filled = connection.sql(f"select {counts} from {name}").fetchall()[0]
    return [column for column, number in zip(every, filled, strict=True) if number]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = (old.keys() | new.keys()) - _NO_CELLS
    return [name for name in names if old.get(name) != new.get(name)]


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
