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
    old, new = _hashes(table, before), _hashes(table, after)
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": sum(old[key] != new[key] for key in old.keys() & new.keys()),
    }


def _hashes(table: Table, connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, ...], str]:
    """Key to hash of the row; columns without a value in it do not count, nor do volatile ones."""
    volatile = ", ".join(table.volatile)
    key = ", ".join(table.key)
    rows = connection.sql(
        f"select {key}, md5(to_json(c)::varchar) from"
        f" (select {key}, (select c from (select t.* exclude ({volatile})) c) c from {table.name} t)"
    ).fetchall()
    return {tuple(map(str, row[:-1])): row[-1] for row in rows}
