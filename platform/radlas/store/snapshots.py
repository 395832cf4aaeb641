"""Snapshots: named, numbered, immutable selections of rows, made, opened and verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import duckdb

from radlas.digests import digest_of
from radlas.errors import ConfigError, StoreError
from radlas.store import delta
from radlas.store.compact import compact
from radlas.store.content import content_digest
from radlas.store.frozen import Snapshot, check_name, newest_snapshot, save_snapshot
from radlas.store.gates import Gates, examine, refuse
from radlas.store.layout import Store
from radlas.store.parts import part_name, verify_part
from radlas.store.query import connect, run_sql
from radlas.tables import TABLES
from radlas.version import __version__
from radlas.words import counted

# They make a snapshot's identity; the ledger is kept beside it, to tell what was left out.
PINNED = ("cases", "rois", "clinical", "radiomics", "deep")


def create_snapshot(
    store: Store,
    name: str,
    *,
    cohort_sql: str = "",
    feature_sets: Sequence[str] = (),
    gates: Gates | None = None,
) -> tuple[Snapshot, bool]:
    """Freeze what the store holds now.

    Args:
        store: The store; the caller holds its write lock.
        name: Letters, digits, dashes.
        cohort_sql: Query with a column ``case_id``; empty for all cases.
        feature_sets: Names to include; empty for all.
        gates: Limits to check it against; None for the usual ones.

    Returns:
        The snapshot, and whether it is new: unchanged content gives the newest one back.

    Raises:
        ConfigError: The name, the cohort query or a feature set is wrong, or nothing is selected.
        StoreError: A gate refuses it; nothing is written then.
    """
    check_name(name)
    for table in TABLES:
        compact(store, table)  # what is pinned is read for years; every run adds to the ledger
    versions, parts = delta.newest(store)
    with connect(store, versions=versions, parts=parts) as everything:
        cases = _cohort(everything, cohort_sql)
        wanted = _feature_sets(everything, str(store.place), feature_sets)
    with connect(
        store,
        versions=versions,
        parts=parts,
        cohort=cases if cohort_sql else None,
        feature_sets=wanted if feature_sets else None,
    ) as connection:
        tables = {table: _content(connection, table) for table in PINNED}
        counts = _counts(connection)
        validation = examine(connection, gates or Gates())
    refuse(validation)
    digest, previous = _identity(cases, wanted, tables), newest_snapshot(store, name)
    if previous and previous.id == digest:
        return previous, False
    snapshot = Snapshot(
        name=name,
        number=previous.number + 1 if previous else 1,
        id=digest,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions,
        cases=cases,
        feature_sets=wanted,
        tables=tables,
        counts=counts,
        cohort_sql=cohort_sql,
        parts=parts,
        provenance={"radlas": __version__, "store_id": store.store_id},
        validation=validation,
    )
    save_snapshot(store, snapshot)
    return snapshot, True


def open_snapshot(
    store: Store, snapshot: Snapshot, *, memory: str = "", asked: str | None = None
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """A connection that sees the snapshot's rows and nothing else; see ``connect``."""
    return connect(
        store,
        versions=snapshot.versions,
        parts=snapshot.parts,
        # Without a cohort's query the pinned version names the same cases, and faster.
        cohort=snapshot.cases if snapshot.cohort_sql else None,
        feature_sets=snapshot.feature_sets,
        memory=memory,
        asked=asked,
    )


def verify_snapshot(store: Store, snapshot: Snapshot, whole: set[str] | None = None) -> None:
    """Read every byte of the pinned parts again, and check the rows against the frozen digests.

    Args:
        store: The store.
        snapshot: One of it.
        whole: Parts whose bytes were read before, as others may stand on them; this adds its own.

    Raises:
        StoreError: A part's bytes, a version's parts, a table's content or what the snapshot's own
            file says of them have changed.
    """
    where, restore = f"snapshot {snapshot.label}", "restore the lake's files from a backup"
    if _identity(snapshot.cases, snapshot.feature_sets, snapshot.tables) != snapshot.id:
        raise StoreError("its id is of other contents", where, "restore its file from a backup")
    logged = {
        table: sorted(part.path for part in delta.parts(store, table, at))
        for table, at in snapshot.versions.items()
    }
    for table, frozen in snapshot.parts.items():
        if logged.get(table) != list(frozen):
            raise StoreError(
                f"the log of {table} names other parts than were frozen", where, restore
            )
    whole = set() if whole is None else whole
    for name, paths in logged.items():  # the ledger's too: it is asked through the snapshot
        for path in paths:
            if part_name(TABLES[name], path) not in whole:
                verify_part(store.place, TABLES[name], path)
                whole.add(part_name(TABLES[name], path))
    with open_snapshot(store, snapshot) as connection:
        for table, recorded in snapshot.tables.items():
            if _content(connection, table) != recorded:
                what = f"table {table} no longer holds what was frozen"
                raise StoreError(what, where, restore)
        if _counts(connection) != snapshot.counts:
            what = "it counts other cases and subjects per centre than it holds"
            raise StoreError(what, where, "restore its file from a backup")


def _identity(cases: Sequence[str], feature_sets: Sequence[str], tables: Mapping[str, Any]) -> str:
    return digest_of({"cases": list(cases), "feature_sets": list(feature_sets), "tables": tables})


def _content(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    digests = connection.sql(f"select row_digest from {table}").to_arrow_table().column(0)
    return {"rows": len(digests), "digest": content_digest(digests)}


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    rows = connection.sql(
        "select centre, count(*), count(distinct subject_id) from cases group by 1 order by 1"
    ).fetchall()
    return {centre: {"cases": cases, "subjects": subjects} for centre, cases, subjects in rows}


def _cohort(everything: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    known = _values(everything.sql("select case_id from cases"))
    chosen, remedy = known, "ingest first: radlas ingest; then look: radlas status"
    if not known:
        raise ConfigError("the store holds no case to freeze", hint=remedy)
    if sql:
        relation = run_sql(everything, sql)
        if "case_id" not in relation.columns:
            raise ConfigError("the cohort query has no column `case_id`", sql, "select case_id …")
        chosen = _values(relation.select("case_id"))
    if not chosen or not chosen <= known:
        raise ConfigError(
            f"the cohort query gives {counted(len(chosen), 'case')},"
            f" {len(chosen - known)} of them unknown",
            sql,
            remedy,
        )
    return tuple(sorted(chosen))


def _feature_sets(
    everything: duckdb.DuckDBPyConnection, where: str, wanted: Sequence[str]
) -> tuple[str, ...]:
    known = _values(everything.sql("from pinned.recipes"))
    missing = set(wanted) - known
    if missing:
        raise ConfigError(
            f"no rows of feature set {', '.join(sorted(missing))}",
            where,
            f"there are: {', '.join(sorted(known)) or 'none; run radlas extract'}",
        )
    return tuple(sorted(wanted or known))


def _values(relation: duckdb.DuckDBPyRelation) -> set[str]:
    return set(relation.to_arrow_table().column(0).to_pylist())
