"""Train: every model of a study on its training centres, from a frozen snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from radlas.engine.base import Done
from radlas.errors import StudyError
from radlas.flows.alike import check_alike
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.study.card import fitted_by, made_from, told_beside, told_of_models
from radlas.flows.study.controls import Controls, find_controls, is_permuted, only, permuted
from radlas.flows.study.dataset import (
    Dataset,
    check_rated,
    check_strangers,
    load_dataset,
    load_people,
)
from radlas.flows.study.networks import check_pretraining, network_warnings, without_marks
from radlas.flows.study.protocol import (
    class_lines,
    control_lines,
    cost_line,
    study_support,
    support_lines,
    variant_lines,
)
from radlas.flows.study.sensitivity import changes, check_variants, variants
from radlas.flows.study.unfit import unextracted, unfit
from radlas.learn.centre import centres_told
from radlas.learn.evaluate import internal
from radlas.learn.fit import fit_part
from radlas.learn.fitted import FittedModel
from radlas.learn.parts import Part, PartFit, assemble, parts
from radlas.learn.persist import save
from radlas.learn.study import CONTROL, VARIANT, StudyConfig
from radlas.learn.training import Training, training_rows
from radlas.learn.varying import check_varying
from radlas.report.format import fixed
from radlas.store.frozen import load_snapshot
from radlas.store.layout import open_store
from radlas.store.models import find_version, model_name, publish
from radlas.words import counted


class TrainConfig(StoreConfig):
    """Which study on which snapshot."""

    study: Path = Field(description="YAML protocol of the study.")
    snapshot: str = Field(description="NAME or NAME@N.")


@dataclass(frozen=True)
class TrainTask:
    """A part of one model: of the study, of a control, or of a sensitivity analysis."""

    store: str
    snapshot: str
    study: StudyConfig
    model: str
    part: Part
    fitted_by: Mapping[str, str]  # the libraries of the plan


def plan(config: TrainConfig) -> Plan[TrainTask]:
    """Independent parts of all models; nothing if this snapshot, study and code were trained.

    Raises:
        ConfigError: The study or the snapshot does not exist or does not validate.
        StudyError: The snapshot cannot support the study.
    """
    store, study = open_store(config.store), StudyConfig.read(config.study)
    snapshot = load_snapshot(store, config.snapshot)
    cases = load_people(store, snapshot)
    check_strangers(store, snapshot, cases)
    people = cases.reset_index()
    used = people[people["centre"].isin([*study.training_centres, study.external_centre])]
    card = made_from(store, snapshot, study, used)
    controls = find_controls(store, snapshot.feature_sets, study)
    wider = check_variants(store, snapshot.feature_sets, used, study, card["feature_sets"])
    card["pretraining"] = check_pretraining(store, wider, used, study)
    warnings = network_warnings(store, wider)
    card["warnings"] = without_marks(warnings)
    notes = [f"study {study.name} on snapshot {snapshot.label}"]
    notes += [*class_lines(study, card["classes"]), *card["pretraining"], *warnings]
    number = find_version(store, study.name, card["key"])
    if number is not None:
        return Plan(known={"ok": len(study.models)}, notes=tuple(notes), extra=(card, number, {}))
    rows = load_dataset(store, snapshot, study, study.training_centres)  # refuses what cannot work
    check_rated(store, study, snapshot, rows.X.columns)
    candidates = {name: _candidates(rows, study, name) for name in study.models}
    card["support"] = support = study_support(study, card["classes"], candidates)
    lone = {name: only(controls.study, name) for name in controls.models}
    controls = controls.without(unfit(store, snapshot, cases, lone))
    absent = unfit(store, snapshot, cases, variants(study))
    others = {name: one for name, one in variants(study).items() if name not in absent}
    notes += unextracted(store, snapshot, cases, study)
    notes += [*support_lines(support), *control_lines(controls)]
    notes += variant_lines(changes(study), absent)
    asked = dict.fromkeys(controls.models, study) | others
    notes.append(cost_line(study, rows.y.size, candidates, asked))
    tasks = _tasks(config.store, snapshot.label, study, controls, others)
    tasks.sort(key=lambda task: -_weight(task, candidates, study))
    missing = {f"{CONTROL}{name}": why for name, why in controls.missing.items()} | absent
    return Plan(tasks=tuple(tasks), notes=tuple(notes), extra=(card, None, missing))


def _tasks(
    store: str,
    snapshot: str,
    study: StudyConfig,
    controls: Controls,
    others: Mapping[str, StudyConfig],
) -> list[TrainTask]:
    """The parts of the study's models, of its controls, and of its sensitivity analyses."""
    here = fitted_by()
    protocols = [(study, tuple(study.models)), (controls.study, tuple(controls.models))]
    protocols += [(protocol, (name,)) for name, protocol in others.items()]
    return [
        TrainTask(store, snapshot, only(protocol, model), model, part, here)
        for protocol, models in protocols
        for model in models
        for part in parts(protocol, model)
    ]


def work(task: TrainTask) -> PartFit:
    """Fit a part of a model on the training centres; the external centre is never loaded.

    Raises:
        StudyError: The rows cannot support the model.
        WorkerError: Other libraries are here than where it was planned.
    """
    check_alike(fitted_by(), task.fitted_by, "models")
    store = open_store(task.store)
    snapshot = load_snapshot(store, task.snapshot)
    data = load_dataset(store, snapshot, task.study, task.study.training_centres)
    check_rated(store, task.study, snapshot, data.X.columns)
    rows = _training(data, task.study, task.model)
    if is_permuted(task.model):
        rows = permuted(rows, task.study.seed)
    found = fit_part(rows, task.part, task.study)
    if task.part.final and task.model == task.study.primary:
        found = replace(found, told=centres_told(rows, task.study))
    return found


def commit(
    config: TrainConfig, plan: Plan[TrainTask], done: Iterator[Done[TrainTask, PartFit]]
) -> Report:
    """Publish one version that holds all models of the study, and its controls.

    Raises:
        StudyError: A model could not be fitted; nothing is published.
    """
    card, number, missing = plan.extra
    name, store = card["study"]["name"], open_store(config.store)
    if number is not None:
        path = f"{store.place}/{model_name(name, number)}"
        line = f"train: {name}@{number} was made from just this already: {path}"
        data = {"model": name, "version": number, "new": False, "warnings": card["warnings"]}
        return Report((*plan.notes, line), data)
    study = StudyConfig.parse(card["study"])
    fits, refused = _gathered(done)
    others = variants(study)
    made = {
        model: assemble(others.get(model, study), model, fits[model])
        for model in (*study.models, *sorted(set(fits) - set(study.models) - set(refused)))
    }
    found = {name: internal(model, alpha=study.alpha) for name, model in made.items()}
    card |= told_of_models(study, made, found) | told_beside(study, found, {**missing, **refused})
    card["centres_told"] = [told for part in fits[study.primary] for told in part.told]

    def fill(folder: Path) -> None:
        for name, model in made.items():
            save(model, folder / name)

    number = publish(store, name, card, fill)
    lines = [*plan.notes, f"train: published {name}@{number}"]
    lines += [_told(model, found[model.model]) for model in made.values()]
    lines += [f"  {model} could not be fitted: {why}" for model, why in refused.items()]
    return Report(tuple(lines), {"model": name, "version": number, "new": True, **card})


def _training(data: Dataset, study: StudyConfig, model: str) -> Training:
    people = data.people
    return training_rows(
        data.X,
        data.y,
        subjects=people["subject_id"],
        centres=people["centre"],
        study=study,
        model=model,
    )


def _candidates(data: Dataset, study: StudyConfig, model: str) -> int:
    """Columns of a model, of which every fold will have one to fit."""
    rows = _training(data, study, model)
    check_varying(rows, study, model)
    return len(rows.blocks)


def _gathered(
    done: Iterator[Done[TrainTask, PartFit]],
) -> tuple[dict[str, list[PartFit]], dict[str, str]]:
    """Parts by model; controls and variants that could not be fitted, with the reason."""
    fits: dict[str, list[PartFit]] = {}
    refused: dict[str, str] = {}
    for one in done:
        model = one.task.model
        if isinstance(one.error, StudyError) and model.startswith((CONTROL, VARIANT)):
            refused[model] = one.error.what
        else:
            fits.setdefault(model, []).append(fitted_or_raise(one))
    return fits, refused


def _weight(task: TrainTask, candidates: dict[str, int], study: StudyConfig) -> float:
    """How long a task takes, up to a factor: long ones are begun first."""
    columns = candidates.get(task.model, candidates[study.primary])
    if task.model.removeprefix(CONTROL) in {"volume", "clinical", "centre"}:
        columns = 1
    fits = len(task.part.repeats) * study.splits.folds + task.part.final
    draws = task.part.draws[1] - task.part.draws[0]
    return float(columns * (fits * (study.splits.inner_folds + 1) + draws))


def fitted_or_raise(done: Done[Any, Any]) -> Any:
    """The result of a task that may not fail.

    Raises:
        RadlasError: What the task raised.
    """
    if done.error is not None:
        raise done.error
    return done.result


def _told(model: FittedModel, found: dict[str, Any]) -> str:
    folds = found["folds"]
    told = "AUC of folds not estimable"
    if folds["count"]:  # their mean, where `model list` tells the AUC of all risks together
        spread = "" if folds["sd"] is None else f" (SD {fixed(folds['sd'])})"
        told = f"mean AUC of {counted(folds['count'], 'fold')} {fixed(folds['mean'])}{spread}"
    return (
        f"  {model.model}: {len(model.signature) - 1} of"
        f" {counted(len(model.columns), 'feature')}, {told}, threshold"
        f" locked at {fixed(model.threshold)}"
    )


train = Flow("train", TrainConfig, plan, work, commit)
