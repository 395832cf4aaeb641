"""What the tables tell of every case: to check volumes against, stored ones and those to come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from radlas.model import Row
from radlas.store import delta
from radlas.store.layout import Store
from radlas.volumes.record import KnownCase
from radlas.volumes.zarr import array_name

_SPACING = ("spacing_x_mm", "spacing_y_mm", "spacing_z_mm")


def known_cases(store: Store, only: Collection[str] | None = None) -> dict[str, KnownCase]:
    """What the tables say of cases' voxels, drawn masks and spacing, by case.

    Args:
        store: The store.
        only: Case ids that are asked for; None for all.
    """
    # Cases first: an ingest beside this commits them after their masks.
    columns = ["case_id", "voxel_digest", *_SPACING]
    rows = _only(delta.read(store, "cases", columns), "case_id", only).to_pylist()
    masks: dict[str, dict[str, str]] = defaultdict(dict)
    rois = drawn_masks(store, ["case_id", "roi", "reader", "mask_digest"])
    for row in _only(rois, "case_id", only).to_pylist():
        masks[row["case_id"]][array_name(row["roi"], row["reader"])] = row["mask_digest"]
    return {
        row["case_id"]: KnownCase(row["voxel_digest"], masks[row["case_id"]], _spacing(row))
        for row in rows
    }


def drawn_masks(store: Store, columns: Sequence[str]) -> Any:
    """Rows of ``rois`` that people drew, as Arrow: no extractor made their masks."""
    rows = delta.read(store, "rois", [*columns, "feature_set"])
    return rows.filter(pc.equal(rows.column("feature_set"), "")).select(columns)


@dataclass(frozen=True)
class KnownPatient:
    """What the headers of a subject's stored exams say of them.

    Attributes:
        sexes: ``F`` and ``M``, if stated.
        issuers: Keyed digests of what names who gave the identifier.
    """

    sexes: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()


def known_patients(store: Store, only: Collection[str]) -> dict[str, KnownPatient]:
    """What the tables say of some subjects with an exam.

    Args:
        store: The store.
        only: Subject ids that are asked for.
    """
    sexes: dict[str, set[str]] = defaultdict(set)
    issuers: dict[str, set[str]] = defaultdict(set)
    cases = delta.read(store, "cases", ["subject_id", "sex", "issuer"])
    for row in _only(cases, "subject_id", only).to_pylist():
        sexes[row["subject_id"]] |= {row["sex"]} & {"F", "M"}
        issuers[row["subject_id"]] |= set((row["issuer"] or "").split(",")) - {""}
    return {one: KnownPatient(frozenset(sexes[one]), frozenset(issuers[one])) for one in sexes}


def known_centres(store: Store) -> set[str]:
    """Centres that have a case or a clinical record."""
    tables = (delta.read(store, name, ["centre"]) for name in ("cases", "clinical"))
    return {centre for table in tables for centre in table.column("centre").to_pylist()}


def _only(rows: Any, column: str, wanted: Collection[str] | None) -> Any:
    """Rows of what is asked for, in Arrow: a night brings a few of a hundred thousand cases."""
    if wanted is None:
        return rows
    asked = pa.array(sorted(wanted), pa.string())
    return rows.filter(pc.is_in(rows.column(column), value_set=asked))


def _spacing(row: Row) -> tuple[float, ...]:
    edges = [edge for name in _SPACING if (edge := row.get(name)) is not None]
    return tuple(edges) if len(edges) == len(_SPACING) else ()
