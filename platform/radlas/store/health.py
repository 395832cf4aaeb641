"""How the store stands: counts per stage, feature sets, damage."""

from __future__ import annotations

from typing import Any

from radlas.errors import StoreError
from radlas.store import delta
from radlas.store.layout import Store
from radlas.store.ledger import count, standings
from radlas.store.recipes import list_recipes
from radlas.store.snapshots import list_snapshots, verify_snapshot
from radlas.volumes.zarr import verify_case


def status(store: Store) -> dict[str, Any]:
    """Cases per centre, the standing of every task per stage, and what is in trouble, with why."""
    standing = standings(store)
    cases = delta.read(store, "cases", ["centre"]).column("centre").to_pylist()
    trouble: dict[tuple[str, str, str], int] = {}
    for one in standing.values():
        if one.state in {"quarantined", "failed"}:
            key = (one.stage, one.state, one.reason)
            trouble[key] = trouble.get(key, 0) + 1
    return {
        "store": str(store.root),
        "cases": {centre: cases.count(centre) for centre in sorted(set(cases))},
        "stages": {stage: dict(states) for stage, states in count(standing.values()).items()},
        "trouble": [
            {"stage": stage, "state": state, "reason": reason, "tasks": number}
            for (stage, state, reason), number in sorted(trouble.items())
        ],
        "feature_sets": list_recipes(store),
        "snapshots": [snapshot.label for snapshot in list_snapshots(store)],
    }


def verify(store: Store) -> list[str]:
    """Read every volume, mask and snapshot again; one message per damage, none if all is whole."""
    damage = []
    for case_id in sorted(delta.read(store, "cases", ["case_id"]).column("case_id").to_pylist()):
        try:
            verify_case(store.root, case_id)
        except StoreError as error:
            damage.append(str(error))
    for snapshot in list_snapshots(store):
        try:
            verify_snapshot(store, snapshot)
        except StoreError as error:
            damage.append(str(error))
    return damage
