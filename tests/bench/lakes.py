"""Lakes of a wished size, for the benches: lognormal features, some whole, some undefined."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from radlas.digests import digest_of
from radlas.store import delta
from radlas.store.compact import compact
from radlas.store.delta import Appender
from radlas.store.layout import Store, init_store
from radlas.store.schema import arrow_schema
from radlas.tables import RADIOMICS_FEATURES, TABLES
from radlas.volumes.zarr import volume_name

CENTRES = ("hospital-a", "hospital-b", "hospital-c", "tcia")
FEATURE_SET = "pyradiomics-000000000000"
BATCH = 500  # cases of one commit


def case_ids(count: int) -> list[str]:
    """Pseudonyms as ingest makes them: no order, no pattern."""
    return [hashlib.sha256(str(n).encode()).hexdigest()[:32] for n in range(count)]


def image_types(count: int) -> list[str]:
    return ["original", *(f"log-sigma-{n}-0-mm-3D" for n in range(1, count))]


def make_lake(root: Path, cases: int, types: int, features: int = 100, *, rois: int = 1) -> Store:
    """A store with one feature set, committed a thousand cases at a time and compacted."""
    store = init_store(root)
    appender = Appender(store, "bench")
    rng = np.random.default_rng(0)
    names = case_ids(cases)
    for start in range(0, cases, BATCH):
        batch = names[start : start + BATCH]
        appender.append("cases", case_rows(batch))
        appender.append("radiomics", feature_rows(batch, types, features, rois, rng))
    for name in ("cases", "radiomics"):
        compact(store, name)
    return store


def multiply(store: Store, copies: int) -> None:
    """So many more of every case of a store, each under a name of its own; also again and again."""
    here = Path(str(store.place))
    kept = {name: delta.read(store, name).to_pylist() for name in ("cases", "rois")}
    named: dict[str, list[dict[str, Any]]] = {"cases": [], "rois": []}
    for copy in range(copies):
        new = {row["case_id"]: _name(row, len(kept["cases"]) + copy) for row in kept["cases"]}
        for name, rows in kept.items():
            named[name] += [row | {"case_id": new[row["case_id"]]} for row in rows]
        for old, name in new.items():
            shutil.copytree(
                here / volume_name(old), here / volume_name(name), copy_function=os.link
            )
    for name, rows in named.items():
        delta.append(store, name, rows, run_id="bench")


def _name(row: dict[str, Any], copy: int) -> str:
    return digest_of([row["case_id"], copy])[:32]


def case_rows(names: Sequence[str]) -> list[dict[str, Any]]:
    return [common(name) | {"voxel_digest": name, "synthetic": True} for name in names]


def common(name: str) -> dict[str, Any]:
    centre = CENTRES[int(name[:4], 16) % len(CENTRES)]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    who = {"case_id": name, "centre": centre, "subject_id": f"s-{name}"}
    return who | {"run_id": "bench", "recorded_at": now}


def feature_rows(
    names: Sequence[str], types: int, features: int, rois: int, rng: np.random.Generator
) -> Any:
    kinds = [
        (f"roi{n}" if n else "tumour", kind) for n in range(rois) for kind in image_types(types)
    ]
    count = len(names) * len(kinds)
    declared = arrow_schema(TABLES["radiomics"])
    facts = [common(name) for name in names for _ in kinds]
    columns: dict[str, Any] = {key: [one[key] for one in facts] for key in facts[0]}
    columns |= {
        "feature_set": [FEATURE_SET] * count,
        "roi": [roi for _ in names for roi, _ in kinds],
        "image_type": [kind for _ in names for _, kind in kinds],
        "perturbation": [""] * count,
        "aggregation": ["3D"] * count,
        "grey_levels": np.full(count, 32),
        "reason": [""] * count,
        "input_digest": [name * 2 for name in names for _ in kinds],
    }
    for place, name in enumerate(RADIOMICS_FEATURES[:features]):
        values = rng.lognormal(mean=place % 7, sigma=0.5, size=count)
        if place % 20 == 0:
            values = np.rint(values * 100)
        columns[name] = pa.array(values, mask=rng.random(count) < 0.02)
    fields = pa.schema([declared.field(name) for name in columns])
    return pa.table(
        [pa.array(v, f.type) for v, f in zip(columns.values(), fields, strict=True)], schema=fields
    )
