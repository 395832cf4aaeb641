"""How the store stands: counts per stage, feature sets, damage."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radlas.errors import StoreError, refused
from radlas.model import Row
from radlas.store import delta
from radlas.store.frozen import load_snapshot, snapshot_labels
from radlas.store.known import known_cases
from radlas.store.layout import Store
from radlas.store.ledger import case_counts
from radlas.store.log import check_log
from radlas.store.parts import part_name, verify_part
from radlas.store.recipes import check_recipe, list_recipes
from radlas.store.snapshots import verify_snapshot
from radlas.store.travel import merged_cases, unfinished_merges
from radlas.tables import TABLES
from radlas.volumes.record import KnownCase
from radlas.volumes.zarr import verify_case


def status(store: Store) -> dict[str, Any]:
    """Cases, how each ended last in every stage, what is in trouble and why, what took long."""
    cases = Counter(delta.read(store, "cases", ["centre"]).column("centre").to_pylist())
    standing = case_counts(store)
    trouble: Counter[tuple[str, str, str]] = Counter()
    stages: dict[str, Counter[str]] = {}
    centres: dict[str, dict[str, Counter[str]]] = {}
    for stage, centre, state, reason, number in (tuple(one.values()) for one in standing):
        stages.setdefault(stage, Counter())[state] += number
        centres.setdefault(stage, {}).setdefault(centre, Counter())[state] += number
        if state in {"quarantined", "failed", "released"}:
            trouble[stage, state, reason] += number
    return {
        "store": str(store.place),
        "cases": dict(sorted(cases.items())),
        "stages": {stage: dict(states) for stage, states in stages.items()},
        "centres": {
            stage: {centre: dict(states) for centre, states in sorted(found.items())}
            for stage, found in centres.items()
        },
        "trouble": [
            {"stage": stage, "state": state, "reason": reason, "tasks": number}
            for (stage, state, reason), number in sorted(trouble.items())
        ],
        "unfinished_merges": unfinished_merges(store),
        "slowest": _slowest(store),
        "feature_sets": list_recipes(store),
        "snapshots": snapshot_labels(store),
    }


def _slowest(store: Store, shown: int = 3) -> list[Row]:
    """The tasks that took longest, a few of every stage and feature set."""
    columns = ["stage", "feature_set", "centre", "case_id", "seconds", "peak_rss_mib"]
    table = delta.read(store, "outcomes", columns)
    table = table.filter(pc.greater(table.column("seconds"), 0))
    order = [("stage", "ascending"), ("feature_set", "ascending"), ("seconds", "descending")]
    table = table.sort_by([*order, ("case_id", "ascending")])
    placed = table.append_column("place", pa.array(np.arange(table.num_rows)))
    kinds = placed.group_by(["stage", "feature_set"]).aggregate([("place", "min")])
    bounds = [*sorted(kinds.column("place_min").to_pylist()), table.num_rows]
    found = [
        table.slice(first, min(shown, end - first)).to_pylist()
        for first, end in itertools.pairwise(bounds)
    ]
    return list(itertools.chain.from_iterable(found))


def verify(store: Store) -> list[str]:
    """Read every volume, mask, part of the lake, snapshot and recipe again.

    Returns:
        One message per damage, none if all is whole.
    """
    damage: list[str] = []
    whole: set[str] = set()
    with _noted(damage):
        elsewhere = merged_cases(store)
        told = known_cases(store)
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
    with _noted(damage):
        for label in snapshot_labels(store):
            with _noted(damage):
                verify_snapshot(store, load_snapshot(store, label), whole)
    with _noted(damage):
        for feature_set in list_recipes(store):
            with _noted(damage):
                check_recipe(store, feature_set)
    return list(dict.fromkeys(damage))  # a part is damaged once, whatever stands on it


@contextmanager
def _noted(damage: list[str]) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        damage.append(str(error))
    except OSError as error:  # a disk that fails is what people look for here
        damage.append(str(refused(error)))


def _check_case(store: Store, case_id: str, told: KnownCase) -> None:
    content, geometry = verify_case(store.place, case_id)
    untold = content["masks"].keys() - told.masks.keys()
    if untold or told.contradictions(content, geometry):
        raise StoreError(
            "the tables speak of other voxels, masks or spacing than the volume holds",
            f"case {case_id}",
            "ingest this centre again into a new store; do not mix two versions of an exam",
            "catalogue",
        )
