"""Validate: the locked models on the external centre, once, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from radlas.engine.base import Done
from radlas.errors import StudyError
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.pages.intervals import auc_interval
from radlas.flows.study.blocks import as_fitted
from radlas.flows.study.controls import find_controls, only
from radlas.flows.study.dataset import Dataset, load_dataset
from radlas.flows.study.looks import count_look, seen_lines, trained_on
from radlas.flows.study.networks import network_warnings, without_marks
from radlas.flows.study.published import load_model, study_of
from radlas.flows.study.sensitivity import against, evaluated, fewer_patients, judge_variants
from radlas.flows.train import fitted_or_raise
from radlas.learn.evaluate import compare
from radlas.learn.study import CONTROL, StudyConfig
from radlas.learn.subgroups import subgroups
from radlas.report.format import fixed
from radlas.store.frozen import Snapshot, load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.models import (
    VALIDATION,
    find_beside,
    keep_beside,
    read_beside,
    read_card,
    resolve,
)


class ModelConfig(StoreConfig):
    """Which published model."""

    model: str = Field(description="NAME (champion or newest), NAME@champion or NAME@N.")


@dataclass(frozen=True)
class ModelTask:
    """One published version, by address."""

    store: str
    name: str
    number: int


def model_task(config: ModelConfig) -> ModelTask:
    """The version a configuration names.

    Raises:
        ConfigError: There is none.
    """
    name, number = resolve(open_store(config.store), config.model)
    return ModelTask(config.store, name, number)


def plan(config: ModelConfig) -> Plan[ModelTask]:
    """One task; none if this version was validated already: a second look would be another look.

    Raises:
        StudyError: The study names no external centre.
    """
    store, task = open_store(config.store), model_task(config)
    study = study_of(read_card(store, task.name, task.number))
    if study.external_centre is None:
        raise StudyError("the study names no external centre", study.name, "set external_centre")
    if find_beside(store, task.name, task.number, VALIDATION):
        return Plan(known={"ok": 1}, extra=task)
    return Plan(tasks=(task,), extra=task)


def work(task: ModelTask) -> dict[str, Any]:
    """Evaluate every model of the version at its locked threshold; nothing is fitted."""
    store = open_store(task.store)
    card = read_card(store, task.name, task.number)
    study, version = study_of(card), (task.name, task.number)
    snapshot = load_snapshot(store, card["snapshot"])
    models = {name: load_model(store, *version, name) for name in study.models}
    rows = _external(store, snapshot, study)
    risks = {
        name: model.risk(as_fitted(rows.X, model, rows.people), rows.people["centre"])
        for name, model in models.items()
    }
    judged = {name: evaluated(model, rows, study) for name, model in models.items()}
    return {
        "centre": study.external_centre,
        "models": judged,
        "comparisons": compare(risks, rows.y, alpha=study.alpha),
        "controls": _controls(store, card, study, version, judged[study.primary]),
        "sensitivity": {
            "variants": judge_variants(store, card, study, version, judged[study.primary]),
            "patients": fewer_patients(store, snapshot, study, models[study.primary], rows),
        },
        "subgroups": {
            name: subgroups(
                risk,
                rows.y,
                rows.people,
                study.subgroups,
                minimum_per_class=study.minimum_per_class,
                margin=study.margin,
                alpha=study.alpha,
            )
            for name, risk in risks.items()
        },
    }


def _external(store: Store, snapshot: Snapshot, study: StudyConfig) -> Dataset:
    return load_dataset(store, snapshot, study, (str(study.external_centre),))


def _controls(
    store: Store,
    card: Mapping[str, Any],
    study: StudyConfig,
    version: tuple[str, int],
    primary: dict[str, Any],
) -> dict[str, Any]:
    """The controls on the same patients; a centre alone says nothing of a centre that is new.

    Returns:
        As ``judge_variants``, but ``difference`` is the primary model minus the control.
    """
    snapshot, found = load_snapshot(store, card["snapshot"]), dict[str, Any]()
    protocol = find_controls(store, snapshot.feature_sets, study).study
    for name in card["controls"]:
        if name == f"{CONTROL}centre":
            continue
        try:
            rows = _external(store, snapshot, only(protocol, name))
        except StudyError as error:  # what one control lacks takes no validation away
            found[name] = {"missing": error.what}
            continue
        judged = evaluated(load_model(store, *version, name), rows, study, full=False)
        found[name] = judged | {"difference": against(primary, judged, alpha=study.alpha)}
    return found


def commit(
    config: ModelConfig, plan: Plan[ModelTask], done: Iterator[Done[ModelTask, dict[str, Any]]]
) -> Report:
    """Write the result beside the models and count the look."""
    store, task = open_store(config.store), plan.extra
    label = f"{task.name}@{task.number}"
    for one in done:
        result = fitted_or_raise(one)
        seen = trained_on(store, result["centre"], label)
        look = count_look(store, result["centre"], label)
        found = {"look": look, "trained_on": seen, **result}
        keep_beside(store, task.name, task.number, VALIDATION, found)
    result = read_beside(store, task.name, task.number, VALIDATION)
    lines = [f"validate: {label} on centre {result['centre']} (look {result['look']} at it)"]
    lines += [_told(name, found) for name, found in result["models"].items()]
    beside = result["controls"] | result["sensitivity"]["variants"]
    lines += [_told(name, found) for name, found in beside.items() if "missing" not in found]
    lines += [f"  {name}: {one['missing']}" for name, one in beside.items() if "missing" in one]
    card = read_card(store, task.name, task.number)
    warnings = network_warnings(store, card["feature_sets"])
    warnings += seen_lines(result["centre"], result.get("trained_on", []))
    data = {
        "model": task.name,
        "version": task.number,
        "warnings": without_marks(warnings),
        **result,
    }
    return Report((*lines, *warnings), data)


def _told(name: str, found: dict[str, Any]) -> str:
    area, decision = found["auc"], found["decision"]
    if area["auc"] is None:
        return f"  {name}: AUC {area['note']}"
    bounds, _ = auc_interval(area)
    told = "{} to {}".format(*map(fixed, bounds)) if bounds else area["note"]
    f1 = "none" if decision["f1"] is None else fixed(decision["f1"])
    return (
        f"  {name}: AUC {fixed(area['auc'])} ({told}), n = {found['n']}, F1 {f1}"
        f" at the locked threshold (calling all positive: {fixed(f1_all_positive(found))})"
    )


def f1_all_positive(found: Mapping[str, Any]) -> float:
    """F1 of calling everyone positive: what any F1 has to beat."""
    return float(2 * found["positives"] / (found["n"] + found["positives"]))


validate = Flow("validate", ModelConfig, plan, work, commit)
