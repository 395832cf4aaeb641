"""What changed between two snapshots: cases, rows, recipes."""

from __future__ import annotations

from typing import Any

import duckdb

from radlas.store.layout import Store
from radlas.store.snapshots import PINNED, Snapshot, open_snapshot
from radlas.tables import TABLES, Table


def diff_snapshots(store: Store, old: Snapshot, new: Snapshot) -> dict[str, Any]:
    """Differences from ``old`` to ``new``.

    Returns:
        ``same``; ``cases`` and ``feature_sets`` added and removed; per table the rows added,
        removed and changed (a changed row keeps its key).
    """
    with open_snapshot(store, old) as before, open_snapshot(store, new) as after:
        tables = {name: _rows(TABLES[name], before, after) for name in PINNED}
    return {
        "old": old.label,
        "new": new.label,
        "same": old.id == new.id,
        "cases": _sets(old.cases, new.cases),
        "feature_sets": _sets(old.feature_sets, new.feature_sets),
        "tables": tables,
    }


def _sets(old: tuple[str, ...], new: tuple[str, ...]) -> dict[str, list[str]]:
    return {"added": sorted(set(new) - set(old)), "removed": sorted(set(old) - set(new))}


def _rows(
    table: Table, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection
) -> dict[str, int]:
    names = sorted(set(_columns(table, before)) | set(_columns(table, after)))
    old, new = (_hashes(table, one, names) for one in (before, after))
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": sum(old[key] != new[key] for key in old.keys() & new.keys()),
    }


def _columns(table: Table, connection: duckdb.DuckDBPyConnection) -> list[str]:
    names = connection.sql(f"select * from {table.name} limit 0").columns
    return [name for name in names if name not in table.volatile]


def _hashes(
    table: Table, connection: duckdb.DuckDBPyConnection, names: list[str]
) -> dict[tuple[str, ...], str]:
    """Key to hash of the row; a column that this side does not have reads as NULL."""
    here = set(_columns(table, connection))
    values = ", ".join(f'"{name}"' if name in here else f'null as "{name}"' for name in names)
    key = ", ".join(table.key)
    rows = connection.sql(
        f"select {key}, md5(to_json(t)::varchar) from (select {values} from {table.name}) t"
    ).fetchall()
    return {tuple(map(str, row[:-1])): row[-1] for row in rows}
