"""What the tables tell of every case: to check volumes against, stored ones and those to come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from radlas.model import Row
from radlas.store import delta
from radlas.store.layout import Store
from radlas.volumes.record import KnownCase
from radlas.volumes.zarr import array_name

_SPACING = ("spacing_x_mm", "spacing_y_mm", "spacing_z_mm")


def known_cases(store: Store) -> dict[str, KnownCase]:
    """What the tables say of every case's voxels, drawn masks and spacing, by case."""
    # Cases first: an ingest beside this commits them after their masks.
    rows = delta.read(store, "cases", ["case_id", "voxel_digest", *_SPACING]).to_pylist()
    masks: dict[str, dict[str, str]] = defaultdict(dict)
    columns = ["case_id", "roi", "reader", "feature_set", "mask_digest"]
    for row in delta.read(store, "rois", columns).to_pylist():
        if not row["feature_set"]:
            masks[row["case_id"]][array_name(row["roi"], row["reader"])] = row["mask_digest"]
    return {
        row["case_id"]: KnownCase(row["voxel_digest"], masks[row["case_id"]], _spacing(row))
        for row in rows
    }


@dataclass(frozen=True)
class KnownPatient:
    """What the headers of a subject's stored exams say of them.

    Attributes:
        sexes: ``F`` and ``M``, if stated.
        issuers: Keyed digests of what names who gave the identifier.
    """

    sexes: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()


def known_patients(store: Store) -> dict[str, KnownPatient]:
    """What the tables say of every subject with an exam."""
    sexes: dict[str, set[str]] = defaultdict(set)
    issuers: dict[str, set[str]] = defaultdict(set)
    for row in delta.read(store, "cases", ["subject_id", "sex", "issuer"]).to_pylist():
        sexes[row["subject_id"]] |= {row["sex"]} & {"F", "M"}
        issuers[row["subject_id"]] |= set((row["issuer"] or "").split(",")) - {""}
    return {one: KnownPatient(frozenset(sexes[one]), frozenset(issuers[one])) for one in sexes}


def known_centres(store: Store) -> set[str]:
    """Centres that have a case or a clinical record."""
    tables = (delta.read(store, name, ["centre"]) for name in ("cases", "clinical"))
    return {centre for table in tables for centre in table.column("centre").to_pylist()}


def _spacing(row: Row) -> tuple[float, ...]:
    edges = [edge for name in _SPACING if (edge := row.get(name)) is not None]
    return tuple(edges) if len(edges) == len(_SPACING) else ()
