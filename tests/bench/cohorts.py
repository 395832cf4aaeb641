"""A study's lake without volumes: 203 patients of three centres, signal planted in features."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.store import delta
from radlas.store.layout import Store, init_store
from radlas.store.recipes import save_recipe
from radlas.tables import RADIOMICS_FEATURES

CENTRES = {"centre-a": 51, "centre-b": 78, "centre-c": 74}
TYPES = ("original", *(f"log-sigma-{n}-0-mm-3D" for n in range(1, 9)))
DEEP = 512
NETWORKS = {"trained": "0" * 64, "random": "random"}

STUDY = """
name: bench
outcome: {positive: [high], negative: [low]}
blocks: {tumour: {roi: tumour}, ring: {roi: ring_0_10}, deep: {deep: true}}
models: {intratumoral: [tumour], intra-peritumoral: [tumour, ring], dlr: [tumour, ring, deep]}
primary: dlr
training_centres: [centre-a, centre-b]
external_centre: centre-c
splits: {folds: 5, repeats: 10, inner_folds: 5}
selection: {rfe_features: [10, 20, 40], c: [0.05, 0.1, 0.2, 0.5, 1.0]}
stability: {bootstraps: 200}
subgroups: {age_years: [60], sex: null, site_group: null}
seed: 0
"""


def make_study_store(root: Path, *, seed: int = 0, features: int = 100) -> Store:
    """Cases, clinical records, two ROIs with nine image types, and two networks' features."""
    store, rng = init_store(root), np.random.default_rng(seed)
    rows = [
        {"case_id": hashlib.sha256(f"{seed}:{n}".encode()).hexdigest()[:32], "centre": centre}
        for n, centre in enumerate(c for c, count in CENTRES.items() for _ in range(count))
    ]
    grade = rng.random(len(rows)) < 0.6
    common = [
        one | {"subject_id": f"s-{one['case_id'][:8]}", "run_id": "b", "recorded_at": _now()}
        for one in rows
    ]
    delta.append(store, "cases", [_case(one, rng) for one in common], run_id="b")
    delta.append(
        store,
        "clinical",
        [_record(one, bool(high), rng) for one, high in zip(common, grade, strict=True)],
        run_id="b",
    )
    hidden = rng.normal(size=(len(rows), 24))
    planted = {"tumour": (0, 0.9), "ring_0_10": (8, 0.8), "whole": (16, 0.8)}
    for first, gain in planted.values():
        hidden[:, first : first + 2] += gain * grade[:, None]
    _radiomics(store, common, hidden, planted, rng, features)
    _deep(store, common, hidden[:, 16:], rng)
    return store


def _now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def _case(one: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    spacing = {"spacing_x_mm": 0.8, "spacing_y_mm": 0.8, "spacing_z_mm": 5.0}
    facts = {"voxel_digest": one["case_id"], "synthetic": True, "manufacturer": "maker"}
    return one | spacing | facts | {"age_years": float(rng.integers(20, 90)), "sex": "F"}


def _record(one: dict[str, Any], high: bool, rng: np.random.Generator) -> dict[str, Any]:
    kept = {key: one[key] for key in ("subject_id", "centre", "run_id", "recorded_at")}
    return kept | {
        "grade": "high" if high else "low",
        "sex": str(rng.choice(["F", "M"])),
        "age_years": float(rng.integers(20, 90)),
        "site_group": str(rng.choice(["lower limb", "upper limb", "trunk"])),
        "revision": 1,
    }


def _mixed(
    hidden: NDArray[np.float64], columns: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Features as families of near-copies around a few hidden causes, and noise of their own."""
    weights = rng.normal(size=(hidden.shape[1], columns))
    weights *= rng.random(weights.shape) < 0.3
    return hidden @ weights + rng.choice([0.3, 1.0], columns) * rng.normal(
        size=(len(hidden), columns)
    )


def _radiomics(  # noqa: PLR0917 - one bench, one call
    store: Store,
    common: list[dict[str, Any]],
    hidden: NDArray[np.float64],
    planted: dict[str, tuple[int, float]],
    rng: np.random.Generator,
    features: int,
) -> None:
    recipe = {"table": "radiomics", "settings": {}, "versions": {}}
    save_recipe(store, "pyradiomics-00000000", recipe)
    names = RADIOMICS_FEATURES[:features]
    for roi in ("tumour", "ring_0_10"):
        first, _ = planted[roi]
        values = _mixed(hidden[:, first : first + 8], len(names) * len(TYPES), rng)
        rows = []
        for place, one in enumerate(common):
            for number, kind in enumerate(TYPES):
                part = values[place, number * len(names) : (number + 1) * len(names)]
                facts = {"feature_set": "pyradiomics-00000000", "roi": roi, "image_type": kind}
                facts |= {"perturbation": "", "reason": "", "input_digest": one["case_id"]}
                rows.append(one | facts | dict(zip(names, part.tolist(), strict=True)))
        delta.append(store, "radiomics", rows, run_id="b")


def _deep(
    store: Store,
    common: list[dict[str, Any]],
    hidden: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    for kind, digest in NETWORKS.items():
        name = f"resnet18-medicalnet-{kind}-00000000"
        recipe = {"table": "deep", "settings": {"variant": "medicalnet", "seed": 0}}
        save_recipe(store, name, recipe | {"versions": {"weights": digest}})
        seen = hidden if kind == "trained" else rng.normal(size=hidden.shape)
        values = _mixed(seen, DEEP, rng).astype(np.float32)
        facts = {"feature_set": name, "roi": "whole", "layer": "layer4", "reason": ""}
        rows = [
            one | facts | {"vector": vector.tolist(), "input_digest": one["case_id"]}
            for one, vector in zip(common, values, strict=True)
        ]
        delta.append(store, "deep", rows, run_id="b")
