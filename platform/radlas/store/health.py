"""How the store stands: counts per stage, feature sets, damage."""

from __future__ import annotations

from typing import Any

from radlas.errors import StoreError
from radlas.store import delta
from radlas.store.layout import Store
from radlas.store.ledger import case_standings, count
from radlas.store.recipes import list_recipes
from radlas.store.snapshots import list_snapshots, verify_snapshot
from radlas.volumes.zarr import input_digests, read_record, verify_case


def status(store: Store) -> dict[str, Any]:
    """Cases per centre, the standing of every task per stage, and what is in trouble, with why."""
    standing = case_standings(store)
    cases = delta.read(store, "cases", ["centre"]).column("centre").to_pylist()
    trouble: dict[tuple[str, str, str], int] = {}
    for one in standing:
        if one.state in {"quarantined", "failed"}:
            key = (one.stage, one.state, one.reason)
            trouble[key] = trouble.get(key, 0) + 1
    return {
        "store": str(store.root),
        "cases": {centre: cases.count(centre) for centre in sorted(set(cases))},
        "stages": {stage: dict(states) for stage, states in count(standing).items()},
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
    for case_id, digests in sorted(_catalogue(store).items()):
        try:
            verify_case(store.root, case_id)
            _check_catalogue(case_id, digests, input_digests(read_record(store.root, case_id)))
        except StoreError as error:
            damage.append(str(error))
    for snapshot in list_snapshots(store):
        try:
            verify_snapshot(store, snapshot)
        except StoreError as error:
            damage.append(str(error))
    return damage


def _catalogue(store: Store) -> dict[str, list[Any]]:
    """What the tables say of every case's voxels and drawn masks."""
    found: dict[str, list[Any]] = {
        row["case_id"]: [row["voxel_digest"], []]
        for row in delta.read(store, "cases", ["case_id", "voxel_digest"]).to_pylist()
    }
    columns = ["case_id", "roi", "reader", "feature_set", "mask_digest"]
    for row in delta.read(store, "rois", columns).to_pylist():
        if not row["feature_set"] and row["case_id"] in found:
            found[row["case_id"]][1].append([row["roi"], row["reader"], row["mask_digest"]])
    return found


def _check_catalogue(case_id: str, told: list[Any], there: list[Any]) -> None:
    if [told[0], sorted(told[1])] != there:
        raise StoreError(
            "the tables speak of other voxels or masks than the volume holds",
            f"case {case_id}",
            "ingest this centre again into a new store; do not mix two versions of an exam",
            "catalogue",
        )
