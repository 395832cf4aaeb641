"""How the store stands: counts per stage, feature sets, damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from radlas.errors import StoreError
from radlas.model import Row
from radlas.store import delta
from radlas.store.layout import Store
from radlas.store.ledger import case_standings, count
from radlas.store.log import check_log
from radlas.store.parts import part_name, verify_part
from radlas.store.recipes import list_recipes, load_recipe
from radlas.store.snapshots import load_snapshot, snapshot_labels, verify_snapshot
from radlas.store.told import told_cases
from radlas.store.travel import merged_cases
from radlas.tables import TABLES
from radlas.volumes.record import Told
from radlas.volumes.zarr import verify_case


def status(store: Store) -> dict[str, Any]:
    """Cases, how each ended last in every stage, what is in trouble and why, what took long."""
    standing = case_standings(store)
    cases = delta.read(store, "cases", ["centre"]).column("centre").to_pylist()
    trouble: dict[tuple[str, str, str], int] = {}
    centres: dict[str, dict[str, Counter[str]]] = {}
    for one in standing:
        states = centres.setdefault(one.stage, {}).setdefault(one.centre, Counter())
        states[one.state] += 1
        if one.state in {"quarantined", "failed", "released"}:
            key = (one.stage, one.state, one.reason)
            trouble[key] = trouble.get(key, 0) + 1
    return {
        "store": str(store.place),
        "cases": {centre: cases.count(centre) for centre in sorted(set(cases))},
        "stages": {stage: dict(states) for stage, states in count(standing).items()},
        "centres": {
            stage: {centre: dict(states) for centre, states in sorted(found.items())}
            for stage, found in centres.items()
        },
        "trouble": [
            {"stage": stage, "state": state, "reason": reason, "tasks": number}
            for (stage, state, reason), number in sorted(trouble.items())
        ],
        "slowest": _slowest(store),
        "feature_sets": list_recipes(store),
        "snapshots": snapshot_labels(store),
    }


def _slowest(store: Store, shown: int = 3) -> list[Row]:
    """The tasks that took longest, a few of every stage and feature set."""
    columns = ["stage", "feature_set", "centre", "case_id", "seconds", "peak_rss_mib"]
    rows = delta.read(store, "outcomes", columns).to_pylist()
    timed = [row for row in rows if row["seconds"]]
    timed.sort(key=lambda row: (row["stage"], row["feature_set"], -row["seconds"], row["case_id"]))
    kept: dict[tuple[str, str], list[Row]] = {}
    for row in timed:
        kept.setdefault((row["stage"], row["feature_set"]), []).append(row)
    return [row for rows in kept.values() for row in rows[:shown]]


def verify(store: Store) -> list[str]:
    """Read every volume, mask, part of the lake, snapshot and recipe again.

    Returns:
        One message per damage, none if all is whole.
    """
    damage: list[str] = []
    whole: set[str] = set()
    with _noted(damage):
        elsewhere = merged_cases(store)
        told = told_cases(store)
        for case_id in sorted(told.keys() - elsewhere):
            with _noted(damage):
                _check_case(store, case_id, told[case_id])
    for name, table in TABLES.items():
        with _noted(damage):
            check_log(store, name)
            for part in delta.parts(store, name):  # also what no snapshot stands on, yet
                with _noted(damage):
                    verify_part(store.place, table, part.path)
                    whole.add(part_name(table, part.path))
    for label in snapshot_labels(store):
        with _noted(damage):
            verify_snapshot(store, load_snapshot(store, label), whole)
    for feature_set in list_recipes(store):
        with _noted(damage):
            load_recipe(store, feature_set)
    return list(dict.fromkeys(damage))  # a part is damaged once, whatever stands on it


@contextmanager
def _noted(damage: list[str]) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        damage.append(str(error))


def _check_case(store: Store, case_id: str, told: Told) -> None:
    content, geometry = verify_case(store.place, case_id)
    untold = content["masks"].keys() - told.masks.keys()
    if untold or told.contradictions(content, geometry):
        raise StoreError(
            "the tables speak of other voxels, masks or spacing than the volume holds",
            f"case {case_id}",
            "ingest this centre again into a new store; do not mix two versions of an exam",
            "catalogue",
        )
