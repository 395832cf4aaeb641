"""What a version says of itself: what it was made from, and how it did in training."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from radlas.digests import digest_of
from radlas.flows.study.blocks import block_sets
from radlas.flows.study.sensitivity import variants
from radlas.learn.design import class_tables
from radlas.learn.evaluate import compare_folds
from radlas.learn.fitted import FittedModel
from radlas.learn.study import CONTROL, VARIANT, StudyConfig
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.version import __version__

_FIT = ("numpy", "scipy", "scikit-learn", "numba")
_PACKAGES = (*_FIT, "shap", "pyradiomics", "torch", "simpleitk", "zarr", "duckdb")
Card = dict[str, Any]


def made_from(store: Store, snapshot: Snapshot, study: StudyConfig, used: pd.DataFrame) -> Card:
    """What a version is made from, before anything is fitted; ``used`` are its patients."""
    return {
        "key": training_key(snapshot.id, study),
        "study": study.model_dump(mode="json"),
        "study_digest": study.digest(),
        "snapshot": snapshot.label,
        "snapshot_id": snapshot.id,
        "feature_sets": sorted(set(block_sets(store, snapshot.feature_sets, study).values())),
        "packages": packages(),
        "synthetic": bool(used["synthetic"].fillna(False).any()),
        "classes": [table._asdict() for table in class_tables(used, study.outcome)],
        "radlas": __version__,
    }


def told_of_models(
    study: StudyConfig, made: Mapping[str, FittedModel], found: Mapping[str, Any]
) -> Card:
    """What a version says of the study's own models."""
    models = [made[name] for name in study.models]
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "models": {one.model: {"digest": one.digest(), **one.parameters} for one in models},
        "training": {name: _trained(found[name]) for name in study.models},
        "folds_compared": compare_folds(models, alpha=study.alpha),
    }


def told_beside(
    study: StudyConfig,
    found: Mapping[str, Any],
    refused: Mapping[str, str],
) -> Card:
    """The same of what stands beside them, and why some of it does not."""

    def absent(kind: str) -> dict[str, str]:
        return {m.removeprefix(kind): why for m, why in refused.items() if m.startswith(kind)}

    others = variants(study)
    return {
        "controls": {n: _trained(one) for n, one in found.items() if n.startswith(CONTROL)},
        "controls_missing": absent(CONTROL),
        "sensitivity": {n: _trained(one) for n, one in found.items() if n in others},
        "sensitivity_missing": absent(VARIANT),
    }


def packages() -> dict[str, str]:
    """Versions of what computes numbers, as they are now."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def fitted_by() -> dict[str, str]:
    """Versions of radlas and of those packages that a fit hangs on."""
    return {"radlas": __version__} | {name: version(name) for name in _FIT}


def training_key(snapshot_id: str, study: StudyConfig) -> str:
    """What a version is made from: the same key gives the same models."""
    return digest_of([snapshot_id, study.digest(), __version__])


def _trained(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("n", "positives", "auc", "folds", "centres")}
