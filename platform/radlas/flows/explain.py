"""Explain: SHAP of the primary model, Grad-CAM of its deep part, on the external centre."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt

from radlas.engine.base import Done
from radlas.errors import ConfigError, DataError, StoreError
from radlas.flows.activation import case_map, in_words, model_extractor
from radlas.flows.base import Flow, Plan, Report
from radlas.flows.blocks import as_fitted
from radlas.flows.dataset import Dataset, load_dataset
from radlas.flows.montage import covers, montage, spread, without_map
from radlas.flows.networks import network_warnings, plainly
from radlas.flows.shapley import shap_told
from radlas.flows.train import fitted_or_raise
from radlas.flows.validate import ModelConfig, ModelTask, model_task
from radlas.learn.explain import deep_head, deep_parts
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.models import (
    EXPLANATION,
    VALIDATION,
    find_beside,
    keep_beside,
    model_folder,
    model_name,
    read_beside,
    read_card,
)
from radlas.store.travel import merged_cases

CAM_FOLDER = "cam"
AWAY = "the images are at another site"
SHOWN = 8  # patients in the montage


class ExplainConfig(ModelConfig):
    """Which published model, and how many maps."""

    maps: NonNegativeInt | None = Field(
        default=None, description="Grad-CAM cases, evenly spaced over the risks; none for all."
    )
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )
    region: str = Field(
        default="", description="Whose deep part is mapped; the whole image if the model takes it."
    )
    layer: Literal["layer3", "layer4"] = Field(
        default="layer4", description="Whose cells the maps are made of."
    )


@dataclass(frozen=True)
class ExplainTask:
    """SHAP of all external cases (no case given), or the Grad-CAM of one."""

    store: str
    name: str
    number: int
    case_id: str = ""
    weights: Path | None = None
    region: str = ""
    layer: str = "layer4"
    head: tuple[tuple[float, ...], float] = ((), 0.0)  # of the model's deep part
    sanity: bool = False  # a map of every randomised network costs as much as the map


@dataclass(frozen=True)
class Asked:
    """What one explanation is to hold, and where it goes.

    Attributes:
        chosen: Cases to be mapped, as validation lists them.
        absent: External cases that cannot be mapped, each with the reason.
    """

    target: ModelTask
    file: str
    folder: str
    region: str = ""
    chosen: Sequence[Mapping[str, Any]] = ()
    absent: Mapping[str, str] = field(default_factory=dict)


def plan(config: ExplainConfig) -> Plan[ExplainTask]:
    """One task for SHAP, one per map; none if this version was explained already.

    Maps of another region or layer are added to an explanation; SHAP is told once.

    Raises:
        ConfigError: The version was not validated: its external cases may not be looked at yet.
        StudyError: The model takes no deep features of the region.
    """
    store, target = open_store(config.store), model_task(config)
    study = StudyConfig.parse(read_card(store, target.name, target.number)["study"])
    deep = any(study.blocks[block].deep for block in study.models[study.primary])
    wanted = config.maps if deep else 0
    known = find_beside(store, target.name, target.number, EXPLANATION)
    if known and known["cam"] is None and wanted != 0:
        known = None  # it was asked for no map, and is now: all is told anew
    file, folder = _files(config, known) if wanted != 0 else (EXPLANATION, CAM_FOLDER)
    stored = find_beside(store, target.name, target.number, file)
    if known and stored and covers(stored, wanted):
        return Plan(known={"ok": 1}, extra=Asked(target, file, folder))
    if file == EXPLANATION:
        known = None  # more maps than before: what they tell together is told anew, with the rest
    validation = find_beside(store, target.name, target.number, VALIDATION)
    if not validation:
        raise ConfigError(
            "not validated yet", f"{target.name}@{target.number}", "radlas validate first"
        )
    rows = validation["models"][study.primary]["predictions"]
    elsewhere = merged_cases(store)
    here = [row for row in rows if row["case"] not in elsewhere] if deep else []
    chosen = spread(here, config.maps)
    model = load(model_folder(store, target.name, target.number) / study.primary)
    region = config.region or deep_parts(model)[0][0] if chosen else ""
    head = _head(store, target, study, model, region) if chosen else ((), 0.0)
    task = ExplainTask(target.store, target.name, target.number, weights=config.weights)
    mapped = replace(task, region=region, layer=config.layer, head=head)
    maps = tuple(
        replace(mapped, case_id=row["case"], sanity=not number)
        for number, row in enumerate(reversed(chosen))  # of the highest risk first: it is checked
    )
    shap = () if known else (task,)
    absent = {row["case"]: AWAY for row in rows if row["case"] in elsewhere} if deep else {}
    asked = Asked(target, file, folder, region, chosen, absent if wanted != 0 else {})
    return Plan(tasks=shap, gpu_tasks=maps, extra=asked)


def _files(config: ExplainConfig, known: Mapping[str, Any] | None) -> tuple[str, str]:
    """Where an explanation goes, and its maps: the first under the names that a report reads."""
    if known is None:
        return EXPLANATION, CAM_FOLDER
    region = config.region or known["cam"]["region"]
    if (region, config.layer) == (known["cam"]["region"], known["cam"]["layer"]):
        return EXPLANATION, CAM_FOLDER
    suffix = f"{region}-{config.layer}"
    return EXPLANATION.replace(".json", f"-{suffix}.json"), f"{CAM_FOLDER}-{suffix}"


def _head(
    store: Store, target: ModelTask, study: StudyConfig, model: FittedModel, region: str
) -> tuple[tuple[float, ...], float]:
    """The deep part of the score of external cases; all of them are of one centre.

    Raises:
        StudyError: The model takes no deep features of the region.
    """
    line = None
    if model.harmonises:
        rows = _rows(store, target, study, (str(study.external_centre),))
        (line,) = model.lines(as_fitted(rows.X, model, rows.people), rows.people["centre"]).values()
    weights, bias = deep_head(model, region=region, line=line)
    return tuple(weights.tolist()), bias


def _rows(store: Store, target: ModelTask, study: StudyConfig, centres: tuple[str, ...]) -> Dataset:
    card = read_card(store, target.name, target.number)
    return load_dataset(store, load_snapshot(store, card["snapshot"]), study, centres)


def work(task: ExplainTask) -> dict[str, Any]:
    """One explanation."""
    store = open_store(task.store)
    return _cam(store, task) if task.case_id else _shap(store, task)


def commit(
    config: ExplainConfig,
    plan: Plan[ExplainTask],
    done: Iterator[Done[ExplainTask, dict[str, Any]]],
) -> Report:
    """Write all explanations beside the model: maps as NIfTI, some slices for the report.

    A case that cannot be mapped is told with the reason, and takes nothing from the others.
    """
    asked: Asked = plan.extra
    store, version = open_store(config.store), (asked.target.name, asked.target.number)
    label, folder = f"{asked.target.name}@{asked.target.number}", asked.folder
    shown = {row["case"] for row in spread(asked.chosen, SHOWN)}
    found, absent = {}, dict(asked.absent)
    for one in done:
        if one.task.case_id and isinstance(one.error, (DataError, StoreError)):
            absent[one.task.case_id] = one.error.what
            continue
        part = fitted_or_raise(one)
        if case := one.task.case_id:
            keep_beside(store, *version, f"{folder}/{case}.nii.gz", part.pop("nifti"))
            picture = part.pop("slice")
            if case in shown:
                keep_beside(store, *version, f"{folder}/{case}.npz", picture)
        found[case] = part
    card = read_card(store, *version)
    warnings = network_warnings(store, card["feature_sets"])
    if not found:
        if absent:
            raise StoreError(
                without_map(absent), label, "radlas ingest the images again, or --maps 0"
            )
        known = read_beside(store, *version, asked.file)
        where = f"{store.place}/{model_name(*version)}"
        return Report(
            (f"explain: {label} is explained already, see {asked.file} in {where}", *warnings),
            known,
        )
    cases = [
        {"case_id": row["case"], "label": row["label"], "risk": row["risk"], **found[row["case"]]}
        for row in asked.chosen
        if row["case"] in found
    ]
    study = StudyConfig.parse(card["study"])
    note = without_map(absent)
    result: dict[str, Any] = {"cam": montage(study.primary, asked.region, cases, note)}
    result["asked_maps"] = config.maps
    nothing = note or "the primary model has no deep block, or no map was asked for"
    result["missing"] = {} if cases else {"cam": nothing}
    result["warnings"] = plainly(warnings)
    told = f"maps of {asked.region} at {plan.gpu_tasks[0].layer}" if plan.gpu_tasks else ""
    if shap := found.get(""):
        result["shap"] = shap
        shares = ", ".join(f"{b['block']} {b['share']:.0%}" for b in shap["blocks"])
        told = f"share of |SHAP| by block: {shares or 'none'}"
    keep_beside(store, *version, asked.file, result)
    lines = [f"explain: {label}, {told}", *([f"  {note}"] if note else []), *warnings]
    return Report((*lines, *in_words(result["cam"], f"{model_name(*version)}/{folder}")), result)


def _shap(store: Store, task: ExplainTask) -> dict[str, Any]:
    study = StudyConfig.parse(read_card(store, task.name, task.number)["study"])
    model = load(model_folder(store, task.name, task.number) / study.primary)
    target = ModelTask(task.store, task.name, task.number)
    external = _rows(store, target, study, (str(study.external_centre),))
    training = _rows(store, target, study, study.training_centres)
    rows, background = (
        model.inputs(as_fitted(one.X, model, one.people), one.people["centre"])
        for one in (external, training)
    )
    return shap_told(model, rows, background, study)


def _cam(store: Store, task: ExplainTask) -> dict[str, Any]:
    return case_map(
        store,
        task.case_id,
        task.head,
        _extractor(task.store, task.name, task.number, task.weights, task.region),
        region=task.region,
        layer=task.layer,
        sanity=task.sanity,
    )


@lru_cache(maxsize=1)
def _extractor(store: str, name: str, number: int, weights: Path | None, region: str) -> Any:
    """Kept per process: with weights from a file, making it reads them."""
    opened = open_store(store)
    return model_extractor(opened, read_card(opened, name, number), weights, region)


explain = Flow("explain", ExplainConfig, plan, work, commit)
