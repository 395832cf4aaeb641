"""Train: every model of a study on its training centres, from a frozen snapshot."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

from radlas.digests import digest_of
from radlas.engine.base import Done
from radlas.errors import StudyError
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.blocks import block_sets, check_pretraining, random_weights
from radlas.flows.dataset import load_dataset, load_people
from radlas.learn.design import class_tables
from radlas.learn.evaluate import internal
from radlas.learn.fit import fit_model
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import save
from radlas.learn.study import StudyConfig
from radlas.store.layout import open_store
from radlas.store.models import find_version, model_name, publish
from radlas.store.snapshots import load_snapshot
from radlas.version import __version__

_PACKAGES = ("numpy", "scikit-learn", "shap", "pyradiomics", "torch", "simpleitk", "zarr", "duckdb")


class TrainConfig(StoreConfig):
    """Which study on which snapshot."""

    study: Path = Field(description="YAML protocol of the study.")
    snapshot: str = Field(description="NAME or NAME@N.")


@dataclass(frozen=True)
class TrainTask:
    """One model of the study."""

    store: str
    snapshot: str
    study: StudyConfig
    model: str


def plan(config: TrainConfig) -> Plan[TrainTask]:
    """One task per model; nothing if this snapshot, study and code were trained already.

    Raises:
        ConfigError: The study or the snapshot does not exist or does not validate.
        StudyError: The snapshot cannot support the study.
    """
    store, study = open_store(config.store), StudyConfig.read(config.study)
    snapshot = load_snapshot(store, config.snapshot)
    key = training_key(snapshot.id, study)
    number = find_version(store, study.name, key)
    people = load_people(store, snapshot).reset_index()
    used = people[people["centre"].isin([*study.training_centres, study.external_centre])]
    classes = [table._asdict() for table in class_tables(used, study.outcome)]
    sets = sorted(set(block_sets(store, snapshot.feature_sets, study).values()))
    card = {
        "key": key,
        "study": study.model_dump(mode="json"),
        "study_digest": study.digest(),
        "snapshot": snapshot.label,
        "snapshot_id": snapshot.id,
        "feature_sets": sets,
        "packages": packages(),
        "synthetic": bool(used["synthetic"].fillna(False).any()),
        "classes": classes,
        "radlas": __version__,
    }
    notes = [f"study {study.name} on snapshot {snapshot.label}", *_class_lines(study, classes)]
    notes += [*check_pretraining(store, sets, used, study), *random_weights(store, sets)]
    if number is not None:
        return Plan(known={"ok": len(study.models)}, notes=tuple(notes), extra=(card, number))
    load_dataset(store, snapshot, study, study.training_centres)  # refuses before anything runs
    root = config.store
    tasks = tuple(TrainTask(root, snapshot.label, study, model) for model in study.models)
    return Plan(tasks=tasks, notes=tuple(notes), extra=(card, None))


def work(task: TrainTask) -> FittedModel:
    """Fit one model on the training centres; the external centre is never loaded.

    Raises:
        StudyError: The rows cannot support the model.
    """
    store = open_store(task.store)
    snapshot = load_snapshot(store, task.snapshot)
    rows = load_dataset(store, snapshot, task.study, task.study.training_centres)
    people = rows.people
    return fit_model(rows.X, rows.y, people["subject_id"], people["centre"], task.study, task.model)


def commit(
    config: TrainConfig, plan: Plan[TrainTask], done: Iterator[Done[TrainTask, FittedModel]]
) -> Report:
    """Publish one version that holds all models of the study.

    Raises:
        StudyError: A model could not be fitted; nothing is published.
    """
    card, number = plan.extra
    name, store = card["study"]["name"], open_store(config.store)
    if number is not None:
        path = f"{store.place}/{model_name(name, number)}"
        line = f"train: {name}@{number} was made from just this already: {path}"
        return Report((*plan.notes, line), {"model": name, "version": number, "new": False})
    models = {one.task.model: fitted_or_raise(one) for one in done}
    ordered = [models[model] for model in card["study"]["models"]]
    results = {model.model: internal(model) for model in ordered}

    def fill(folder: Path) -> None:
        for model in ordered:
            save(model, folder / model.model)

    card["created_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    card["models"] = {m.model: {"digest": m.digest(), **m.parameters} for m in ordered}
    card["training"] = {
        model: {
            "n": found["n"],
            "positives": found["positives"],
            "auc": found["auc"],
            "folds": found["folds"],
        }
        for model, found in results.items()
    }
    number = publish(store, name, card, fill)
    lines = [*plan.notes, f"train: published {name}@{number}"]
    lines += [_told(model, results[model.model]) for model in ordered]
    return Report(tuple(lines), {"model": name, "version": number, "new": True, **card})


def packages() -> dict[str, str]:
    """Versions of what computes numbers, as they are now."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def training_key(snapshot_id: str, study: StudyConfig) -> str:
    """What a version is made from: the same key gives the same models."""
    return digest_of([snapshot_id, study.digest(), __version__])


def fitted_or_raise(done: Done[Any, Any]) -> Any:
    """The result of a task that may not fail.

    Raises:
        RadlasError: What the task raised.
    """
    if done.error is not None:
        raise done.error
    return done.result


def _class_lines(study: StudyConfig, classes: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in classes:
        role = "external" if row["centre"] == study.external_centre else "training"
        lines.append(
            f"  {row['centre']} ({role}): {row['positive']} positive, {row['negative']} negative,"
            f" {row['excluded']} excluded"
        )
    if study.external_centre and not any(r["centre"] == study.external_centre for r in classes):
        raise StudyError(f"no case of the external centre {study.external_centre}", study.name)
    return lines


def _told(model: FittedModel, found: dict[str, Any]) -> str:
    folds = found["folds"]
    return (
        f"  {model.model}: {len(model.signature) - 1} of {len(model.columns)} features, out-of-fold"
        f" AUC {folds['mean']:.3f} (SD {folds['sd']:.3f} over {folds['count']} folds),"
        f" threshold locked at {model.threshold:.3f}"
    )


train = Flow("train", TrainConfig, plan, work, commit)
