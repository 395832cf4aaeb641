"""Stability: which features say the same of a patient when image, contour or reader change.

The answer is frozen under its own digest, which a study names; it is made of training patients only
and looks at no outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from radlas.engine.base import Done
from radlas.errors import ConfigError, StudyError
from radlas.features.chains import SHUFFLED
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.study.blocks import block_sets
from radlas.flows.study.dataset import check_centres, load_people
from radlas.flows.train import fitted_or_raise
from radlas.learn.design import block_columns
from radlas.learn.statistics.icc import Form, icc
from radlas.learn.study import StudyConfig
from radlas.store.frozen import Snapshot, load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.matrix import feature_matrix
from radlas.store.recipes import alike
from radlas.store.snapshots import open_snapshot
from radlas.store.stable_features import save_stable_features


class StabilityConfig(StoreConfig):
    """Whose features, on which snapshot, and what counts as stable."""

    study: Path = Field(description="YAML protocol: its training centres and its blocks.")
    snapshot: str = Field(description="NAME or NAME@N.")
    readers: tuple[str, ...] = Field(
        default=(), description="Feature sets of different readers; none: perturbed copies."
    )
    form: Form = Field(default="ICC(A,1)", description="ICC(A,1), ICC(C,1) or ICC(1,1).")
    threshold: float = Field(
        default=0.75,
        gt=0,
        lt=1,
        description="A feature is stable if the lower 95 % bound of its ICC is no less [1].",
    )


@dataclass(frozen=True)
class StabilityTask:
    """The features of one recipe over its perturbed copies, or of several readers."""

    store: str
    snapshot: str
    centres: tuple[str, ...]
    feature_sets: tuple[str, ...]
    raters: tuple[str, ...]
    form: Form


def plan(config: StabilityConfig) -> Plan[StabilityTask]:
    """One task per recipe with perturbed copies, or one for all readers.

    Raises:
        ConfigError: A feature set is not in the snapshot.
        StudyError: No recipe of the study has perturbed copies, or there is one reader; a training
            centre has no case, or a subject has several: each would be rated as a patient.
    """
    store, study = open_store(config.store), StudyConfig.read(config.study)
    snapshot = load_snapshot(store, config.snapshot)
    centres = study.training_centres
    check_centres(load_people(store, snapshot), centres, snapshot)
    if config.readers:
        _check_readers(store, config.readers, snapshot)
        task = StabilityTask(
            config.store, snapshot.label, centres, config.readers, config.readers, config.form
        )
        return Plan(tasks=(task,), extra=(study, snapshot))
    blocks = block_sets(store, snapshot.feature_sets, study)
    sets = {name for block, name in blocks.items() if study.blocks[block].table == "radiomics"}
    tasks = []
    for name in sorted(sets):
        with open_snapshot(store, snapshot) as connection:
            rows = connection.sql(
                "select distinct perturbation from radiomics where feature_set = ? order by 1",
                params=[name],
            ).fetchall()
        changes = tuple(one for (one,) in rows if one != SHUFFLED)
        if len(changes) > 1:
            tasks.append(
                StabilityTask(config.store, snapshot.label, centres, (name,), changes, config.form)
            )
    if not tasks:
        raise StudyError(
            "no feature set of the study was extracted with perturbed copies",
            f"snapshot {snapshot.label}",
            "extract with `perturbations: {...}`, or name the feature sets of two readers",
        )
    return Plan(tasks=tuple(tasks), extra=(study, snapshot))


def work(task: StabilityTask) -> dict[str, Any]:
    """ICC of every feature over the training subjects."""
    store = open_store(task.store)
    snapshot = load_snapshot(store, task.snapshot)
    readers = len(task.feature_sets) > 1
    with open_snapshot(store, snapshot) as connection:
        known = dict(connection.sql("select case_id, centre from cases").fetchall())
        frames = [
            feature_matrix(connection, (rater,))
            if readers
            else feature_matrix(connection, task.feature_sets, perturbation=rater)
            for rater in task.raters
        ]
    cases = [case for case in sorted(known) if known[case] in task.centres]
    # What only patients of other centres have is no column here: they would decide what is rated.
    frames = [frame.reindex(cases).dropna(axis=1, how="all") for frame in frames]
    # And what a rater has of nobody is not rated: refused, for nothing says that it is stable.
    columns = sorted({name for frame in frames for name in frame})
    ratings = np.stack([frame.reindex(columns=columns).to_numpy() for frame in frames], axis=1)
    found = icc(ratings, form=task.form)
    rated = np.isfinite(ratings).any(axis=2).all(axis=1)  # by all: no other subject is compared
    return {
        "feature_sets": list(task.feature_sets),
        "raters": list(task.raters),
        "subjects": int(rated.sum()),
        "features": {
            name: None if np.isnan(low) else [float(value), float(low)]
            for name, value, low in zip(columns, found.value, found.low, strict=True)
        },
    }


def commit(
    config: StabilityConfig,
    plan: Plan[StabilityTask],
    done: Iterator[Done[StabilityTask, dict[str, Any]]],
) -> Report:
    """Freeze the mask under its digest."""
    study, snapshot = plan.extra
    parts = sorted((fitted_or_raise(one) for one in done), key=lambda part: part["feature_sets"])
    if len(parts) > 1:  # recipes that both describe a ROI name its features alike
        sets = block_sets(open_store(config.store), snapshot.feature_sets, study)
        parts = [_taken(part, study, sets) for part in parts]
    rated = {name: found for part in parts for name, found in part["features"].items()}
    stable = {name for name, found in rated.items() if found and found[1] >= config.threshold}
    mask = {
        "snapshot_id": snapshot.id,
        "centres": sorted(study.training_centres),
        "form": config.form,
        "threshold": config.threshold,
        "parts": parts,
        "refused": sorted(set(rated) - stable),
    }
    digest = save_stable_features(open_store(config.store), mask)
    lines = [
        f"stability: {len(stable)} of {len(rated)} features are stable: {config.form} with a lower"
        f" bound of {config.threshold:g} or more",
        *(_told(part) for part in parts),
        f"  mask {digest}; in the study: stability: {{mask: {digest}}}",
    ]
    return Report(tuple(lines), {"mask": digest, "stable": len(stable), "rated": len(rated)})


def _taken(part: dict[str, Any], study: StudyConfig, sets: Mapping[str, str]) -> dict[str, Any]:
    """Of what a recipe rated, what the study takes from it."""
    rated = part["features"]
    taken = {
        name
        for block, feature_set in sets.items()
        if feature_set in part["feature_sets"]
        for name in block_columns(rated, study.blocks[block])
    }
    return {**part, "features": {name: rated[name] for name in rated if name in taken}}


def _told(part: dict[str, Any]) -> str:
    kind = "readers" if len(part["feature_sets"]) > 1 else "copies, one of them unchanged"
    return (
        f"  {', '.join(part['feature_sets'])}: {len(part['raters'])} {kind}, of"
        f" {part['subjects']} training subjects"
    )


def _check_readers(store: Store, readers: Sequence[str], snapshot: Snapshot) -> None:
    if len(set(readers)) < 2:
        raise StudyError("one reader cannot be compared", hint="name the feature sets of two")
    if len(set(readers)) < len(readers):  # would agree with himself
        raise StudyError("a reader is named twice", hint="name every feature set once")
    absent = sorted(set(readers) - set(snapshot.feature_sets))
    if absent:
        raise ConfigError(
            f"no feature set {absent[0]} in the snapshot",
            f"snapshot {snapshot.label}",
            f"there are: {', '.join(snapshot.feature_sets)}",
        )
    for other in readers[1:]:
        if not alike(store, readers[0], other):  # the ICC would be the settings', not the readers'
            raise StudyError(
                f"{readers[0]} and {other} differ in more than who drew",
                f"snapshot {snapshot.label}",
                "extract both with the same settings but for `reader`; radlas features show tells"
                " them",
            )


stability = Flow("stability", StabilityConfig, plan, work, commit)
