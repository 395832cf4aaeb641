"""Explain: SHAP of the primary model, Grad-CAM of its deep part, on the external centre."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt

from radlas.engine.base import Done
from radlas.errors import ConfigError, DataError, StoreError, StudyError
from radlas.flows.base import Flow, Plan, Report
from radlas.flows.maps.activation import in_words
from radlas.flows.maps.explain_case import ExplainTask, rows_of, work
from radlas.flows.maps.montage import NO_PART, covers, montage, spread, without_map
from radlas.flows.study.blocks import as_fitted
from radlas.flows.study.networks import network_warnings, without_marks
from radlas.flows.study.published import load_model, study_of
from radlas.flows.train import fitted_or_raise
from radlas.flows.validate import ModelConfig, ModelTask, model_task
from radlas.learn.explain import deep_head, scored_parts
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig
from radlas.report.qc_concerns import sided
from radlas.store import delta
from radlas.store.layout import Store, open_store
from radlas.store.models import (
    EXPLANATION,
    VALIDATION,
    find_beside,
    keep_beside,
    model_name,
    read_beside,
    read_card,
)
from radlas.store.travel import merged_cases

CAM_FOLDER = "cam"
AWAY = "the images are at another site"
SHOWN = 8  # patients in the montage
_AWAY = {"bucket", "os_error"}  # reasons


class ExplainConfig(ModelConfig):
    """Which published model, and how many maps."""

    maps: NonNegativeInt | None = Field(
        default=None,
        description="Number of Grad-CAM maps, evenly spaced over the risks; if absent, of all.",
    )
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )
    region: str = Field(
        default="",
        description="Region that is mapped; if empty the whole image, where the score is of it.",
    )
    layer: Literal["layer3", "layer4"] = Field(
        default="layer4", description="Layer of the network that the maps are made of."
    )


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
        StudyError: The model takes no deep features of the region, or there is no external centre.
    """
    store, target = open_store(config.store), model_task(config)
    study = study_of(read_card(store, target.name, target.number))
    deep = scored_parts(load_model(store, target.name, target.number, study.primary))
    wanted = config.maps if deep else 0
    known = find_beside(store, target.name, target.number, EXPLANATION)
    if known and known["cam"] is None and wanted != 0:
        known = None  # it was asked for no map, and is now: all is told anew
    file, folder = _files(config, known) if wanted != 0 else (EXPLANATION, CAM_FOLDER)
    stored = find_beside(store, target.name, target.number, file)
    if known and stored and covers(stored, wanted):
        return Plan(known={"ok": 1}, extra=Asked(target, file, folder))
    # with more maps than before, what they tell together is told anew, and the rest with it
    shap = () if known and file != EXPLANATION else (_task(config, target),)
    rows = _validated(store, target, study)["models"][study.primary]["predictions"]
    elsewhere = merged_cases(store)
    chosen = spread([row for row in rows if row["case"] not in elsewhere] if deep else [], wanted)
    absent = {row["case"]: AWAY for row in rows if row["case"] in elsewhere} if wanted != 0 else {}
    region, maps = _maps(config, store, target, study, chosen) if chosen else (config.region, ())
    asked = Asked(target, file, folder, region, chosen, absent)
    return Plan(tasks=shap, gpu_tasks=maps, extra=asked)


def _validated(store: Store, target: ModelTask, study: StudyConfig) -> dict[str, Any]:
    found = find_beside(store, target.name, target.number, VALIDATION)
    if found is not None:
        return found
    where = f"{target.name}@{target.number}"
    if study.external_centre is None:
        what = "the study names no external centre, and its cases are those that are explained"
        raise StudyError(what, where, "set external_centre and train again")
    raise ConfigError("not validated yet", where, "radlas validate first")


def _task(config: ExplainConfig, target: ModelTask) -> ExplainTask:
    return ExplainTask(target.store, target.name, target.number, weights=config.weights)


def _maps(
    config: ExplainConfig,
    store: Store,
    target: ModelTask,
    study: StudyConfig,
    chosen: Sequence[Mapping[str, Any]],
) -> tuple[str, tuple[ExplainTask, ...]]:
    """The region that is mapped, and a task for each case; that of the highest risk is checked.

    Raises:
        StudyError: No part of the score comes from the region.
    """
    model = load_model(store, target.name, target.number, study.primary)
    scored = [name for name, _ in scored_parts(model)]
    region = config.region or scored[0]
    head = _head(store, target, study, model, region)
    if region not in scored:
        raise StudyError(
            f"the signature holds no feature of {region}, so no part of the score comes from it",
            f"model {study.primary}",
            f"name one of: {', '.join(scored)}",
        )
    task = replace(_task(config, target), region=region, layer=config.layer, head=head)
    unsided = _unsided(store)
    return region, tuple(
        replace(task, case_id=row["case"], sided=row["case"] not in unsided, sanity=not number)
        for number, row in enumerate(reversed(chosen))  # the highest risk is mapped first
    )


def _unsided(store: Store) -> set[str]:
    """Cases whose files did not say how the patient lay: asked once, not for every map."""
    cases = delta.read(store, "cases", ("case_id", "flags")).to_pylist()
    return {case["case_id"] for case in cases if not sided(case)}


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
    transform = None
    if model.harmonises:
        rows = rows_of(store, target, study, (str(study.external_centre),))
        (transform,) = model.centre_transforms(
            as_fitted(rows.X, model, rows.people), rows.people["centre"]
        ).values()
    weights, bias = deep_head(model, region=region, transform=transform)
    return tuple(weights.tolist()), bias


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
    found, absent = _kept(store, asked, done)
    card = read_card(store, *version)
    warnings, note = network_warnings(store, card["feature_sets"]), without_map(absent)
    if not found:
        return _nothing_new(store, asked, note, warnings)
    cases = [
        {"case_id": row["case"], "label": row["label"], "risk": row["risk"], **found[row["case"]]}
        for row in asked.chosen
        if row["case"] in found
    ]
    primary = study_of(card).primary
    why = "" if cases or note or config.maps == 0 else NO_PART
    nothing = note or why or "no map was asked for"
    result: dict[str, Any] = {
        "cam": montage(primary, asked.region, cases, note),
        "asked_maps": config.maps,
        "missing": {} if cases else {"cam": nothing},
        "warnings": without_marks(warnings),
    }
    told = f"maps of {asked.region} at {plan.gpu_tasks[0].layer}" if plan.gpu_tasks else ""
    if shap := found.get(""):
        result["shap"] = shap
        shares = ", ".join(f"{b['block']} {b['share']:.0%}" for b in shap["blocks"])
        told = f"share of |SHAP| by block: {shares or 'none'}"
    keep_beside(store, *version, asked.file, result)
    lines = [f"explain: {_label(asked)}, {told}", *warnings]
    lines[1:1] = [f"  {said}" for said in (note, why and f"no map: {why}") if said]
    seen = in_words(result["cam"], f"{model_name(*version)}/{asked.folder}")
    return Report((*lines, *seen), result)


def _label(asked: Asked) -> str:
    return f"{asked.target.name}@{asked.target.number}"


def _kept(
    store: Store, asked: Asked, done: Iterator[Done[ExplainTask, dict[str, Any]]]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What was found by case, maps and slices written; cases without a map, with the reason."""
    shown = {row["case"] for row in spread(asked.chosen, SHOWN)}
    name, number = asked.target.name, asked.target.number
    found, absent = {}, dict(asked.absent)
    for one in done:
        case = one.task.case_id
        if case and one.error and _lasts(one.error):
            absent[case] = one.error.what
            continue
        found[case] = part = fitted_or_raise(one)
        if case:
            keep_beside(store, name, number, f"{asked.folder}/{case}.nii.gz", part.pop("nifti"))
            picture = part.pop("slice")
            if case in shown:
                keep_beside(store, name, number, f"{asked.folder}/{case}.npz", picture)
    return found, absent


def _lasts(error: Exception) -> bool:
    """Whether it is of the case; else a server or a mount was away, and it is tried again."""
    damage = isinstance(error, StoreError) and error.reason not in _AWAY
    return damage or isinstance(error, DataError)


def _nothing_new(store: Store, asked: Asked, note: str, warnings: Sequence[str]) -> Report:
    """What was explained before, as it stands.

    Raises:
        StoreError: It was not, and no case could be mapped.
    """
    if note:
        raise StoreError(note, _label(asked), "radlas ingest the images again, or --maps 0")
    version = (asked.target.name, asked.target.number)
    where = f"{asked.file} in {store.place}/{model_name(*version)}"
    lines = [f"explain: {_label(asked)} is explained already, see {where}", *warnings]
    stored = read_beside(store, *version, asked.file)
    if stored.get("missing", {}).get("cam") == NO_PART:  # --layer asks for maps
        lines.insert(1, f"  no map: {NO_PART}")
    return Report(tuple(lines), stored)


explain = Flow("explain", ExplainConfig, plan, work, commit)
