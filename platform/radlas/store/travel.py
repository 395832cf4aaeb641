"""Rows that travel between sites: features, provenance and outcomes, never images.

What is exported is itself a store, without volumes and without the site key: it can be opened,
asked and verified where it arrives. Merging appends its rows to another store, or nothing if one
of them contradicts a row that is there.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from radlas.errors import StoreError
from radlas.places.documents import document, documents, parsed
from radlas.places.place import open_place
from radlas.places.stages import located, staged, sync
from radlas.store import delta
from radlas.store.compact import compact, vacuum
from radlas.store.content import key_digests
from radlas.store.exported import (
    Tally,
    Unwatched,
    count_rows,
    opened,
    refuse_bucket,
    refuse_damage,
    stored_rows,
    tell_contents,
)
from radlas.store.forms import MERGE
from radlas.store.frozen import Snapshot, save_snapshot
from radlas.store.layout import Store, open_store, write_head
from radlas.store.pretraining import carry_notes, check_notes, digests_of
from radlas.store.query import connect
from radlas.store.recipes import list_recipes, load_recipe, refuse_others, save_recipe
from radlas.store.snapshots import open_snapshot
from radlas.tables import ROW_DIGEST, TABLES
from radlas.volumes.zarr import is_committed
from radlas.words import counted

_IN_COHORT = "case_id in (select case_id from pinned.cohort)"
_OF_RECIPES = "feature_set in (select feature_set from pinned.recipes)"
_VISIBLE = {
    "cases": _IN_COHORT,
    "rois": f"{_IN_COHORT} and (feature_set = '' or {_OF_RECIPES})",
    "clinical": f"subject_id in (select subject_id from pinned.cases where {_IN_COHORT})",
    "radiomics": f"{_IN_COHORT} and {_OF_RECIPES}",
    "deep": f"{_IN_COHORT} and {_OF_RECIPES}",
    "outcomes": _IN_COHORT,
}
_ALL = "true"
_AT_ONCE = 16  # questions to a bucket beside each other
_SHOWN = 5


def export(
    store: Store, out: Path, snapshot: Snapshot | None = None, tally: Tally | None = None
) -> dict[str, int]:
    """Write what is seen of a store as a store of its own, whole or not at all.

    The ledger goes along with what became of cases that are not stored, since none may vanish;
    only a snapshot of a chosen cohort tells of nobody else.

    Args:
        store: The store.
        out: Folder to make, or a file that ends in ``.zip``.
        snapshot: Only its rows, and itself, with the same identity; None for all rows.
        tally: Is told how far it is.

    Returns:
        Rows per table.

    Raises:
        StoreError: ``out`` exists, or a row is not what its digest says.
    """
    refuse_bucket(out)
    _refuse_taken(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with located(out), staged(out.parent) as stage:
        made = stage / "store"
        rows = _fill(store, made, snapshot, tally or Unwatched())
        if out.suffix == ".zip":
            _pack(made, stage / "packed")
            made = stage / "packed"
        sync(made)
        _refuse_taken(out)  # somebody else may have exported to it meanwhile
        made.rename(out)
        sync(out.parent)
    return rows


def _refuse_taken(out: Path) -> None:
    if out.exists():
        raise StoreError("there is something already", str(out), "choose another name")


def merge(store: Store, source: Path, tally: Tally | None = None) -> dict[str, dict[str, int]]:
    """Append another store's rows; a second time it adds nothing.

    Args:
        store: The store that grows; the caller holds its lock.
        source: An exported store, as a folder or a zip file.
        tally: Is told how far it is: every row is looked at, and then appended.

    Returns:
        Per table, how many rows were ``new`` and how many ``known``.

    Raises:
        StoreError: ``source`` is damaged, or a row or a recipe contradicts one that is there:
            nothing is written then, and the rows are named. Notes of what a network has seen
            never contradict each other: they are joined.
    """
    tally = tally or Unwatched()
    with opened(source) as other:
        refuse_damage(other, source, tally)
        recipes = {name: load_recipe(other, name) for name in list_recipes(other)}
        _refuse_contradictions(store, other, source)
        refuse_others(store, recipes)
        check_notes(store)
        _note(store, other, {})  # first, so that a kill leaves no case whose image seems lost
        carry_notes(other, store)
        for name, recipe in recipes.items():
            save_recipe(store, name, recipe)
        appender = delta.Appender(store, f"merge-{other.store_id}")
        done: dict[str, dict[str, int]] = {}
        with connect(other) as connection:
            for name, table in TABLES.items():
                done[name] = {"new": 0, "known": 0}
                for rows in stored_rows(connection, table, _ALL):
                    new = appender.append(name, rows)
                    done[name]["new"] += new
                    done[name]["known"] += rows.num_rows - new
                    tally.done(rows.num_rows)
        _note(store, other, done)
    return done


def merged_cases(store: Store) -> frozenset[str]:
    """Cases whose images are at another site, not here as well: merged ones; of an export all."""
    if store.features_only:
        return frozenset(delta.read(store, "cases", ["case_id"]).column("case_id").to_pylist())
    found: set[str] = set()
    for name in documents(store.place, "merges"):
        found.update(document(store.place, name, MERGE)["cases"])
    cases = sorted(found)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        here = list(threads.map(lambda case: is_committed(store.place, case), cases))
    return frozenset(case for case, there in zip(cases, here, strict=True) if not there)


def unfinished_merges(store: Store) -> list[str]:
    """Ids of the stores of which a merge began and has not come to its end."""
    notes = {name: document(store.place, name, MERGE) for name in documents(store.place, "merges")}
    return [PurePosixPath(name).stem for name, note in notes.items() if note.get("rows") == {}]


def _fill(store: Store, stage: Path, snapshot: Snapshot | None, tally: Tally) -> dict[str, int]:
    stage.mkdir()
    # These are that store's rows: they keep its name.
    write_head(open_place(stage), store.store_id, store.key_check, features_only=True)
    made = open_store(stage)
    counts = {}
    with open_snapshot(store, snapshot) if snapshot else connect(store) as connection:
        seen = {name: _seen(name, snapshot) for name in TABLES}
        tally.expect(count_rows(connection, seen))
        for name, table in TABLES.items():
            appender, counts[name] = delta.Appender(made, f"export-{store.store_id}"), 0
            for rows in stored_rows(connection, table, seen[name]):
                counts[name] += appender.append(name, rows)
                tally.done(rows.num_rows)
            compact(made, name, many=1)
            vacuum(made, name, (), hours=0)  # else every row travels twice
        sets = [name for (name,) in connection.sql("from pinned.recipes").fetchall()]
    for feature_set in sorted(set(sets) & set(list_recipes(store))):
        recipe = load_recipe(store, feature_set)
        save_recipe(made, feature_set, recipe)
        carry_notes(store, made, digests_of(recipe))  # whom its network saw, wherever it goes
    if snapshot is not None:
        versions, parts = delta.newest(made)
        save_snapshot(made, replace(snapshot, versions=versions, parts=parts))
    tell_contents(made, counts)
    return counts


def _seen(name: str, snapshot: Snapshot | None) -> str:
    """Which rows of a table travel, as a condition in SQL."""
    if name != "outcomes" or (snapshot is not None and snapshot.cohort_sql):
        return _VISIBLE[name]
    return _ALL if snapshot is None else f"feature_set = '' or {_OF_RECIPES}"


def _refuse_contradictions(store: Store, other: Store, source: Path) -> None:
    contradictions = [line for name in TABLES for line in _contradictions(store, other, name)]
    if contradictions:
        raise StoreError(
            "under the same key there is something else in"
            f" {counted(len(contradictions), 'row')}: {'; '.join(contradictions[:_SHOWN])}",
            str(source),
            "nothing was merged; ask that site which of the two is right",
            "conflict",
        )


def _contradictions(store: Store, other: Store, name: str) -> list[str]:
    """Rows of the other store whose key is here with another content."""
    table = TABLES[name]
    columns = [*table.key, ROW_DIGEST.name]
    here, there = (delta.read(one, name, columns) for one in (store, other))
    if not here.num_rows or not there.num_rows:
        return []
    ours, theirs = (key_digests(table.key, rows) for rows in (here, there))
    _, mine, other_ = np.intersect1d(ours, theirs, return_indices=True)
    digests = [rows.column(ROW_DIGEST.name).to_numpy() for rows in (here, there)]
    differing = other_[digests[0][mine] != digests[1][other_]]
    named = [column for column in table.key if column in there.column_names]
    keys = there.select(named).take(differing).to_pylist()
    return [f"{name} {', '.join(str(value) for value in key.values() if value)}" for key in keys]


def _note(store: Store, other: Store, done: Mapping[str, Mapping[str, int]]) -> None:
    """Keep whose cases these are: they have no volume here, and that is no damage.

    What was here before is not among them: its own rows come back to a site by way of another, and
    a volume that is lost later would pass for one that is there.
    """
    name = f"merges/{other.store_id}.json"
    theirs, ours = (
        set(delta.read(one, "cases", ["case_id"]).column("case_id").to_pylist())
        for one in (other, store)
    )

    def noted(data: bytes | None) -> bytes:
        known = [] if data is None else parsed(store.place, name, data, MERGE)["cases"]
        note: dict[str, Any] = {
            "store_id": other.store_id,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": done,
            "cases": sorted({*known, *(theirs - ours)}),
        }
        return (json.dumps(note, indent=1) + "\n").encode()

    store.place.change(name, noted)


def _pack(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w") as archive:  # Parquet is compressed already
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
