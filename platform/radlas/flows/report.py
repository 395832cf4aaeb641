"""Report: everything known of one published model, on one self-contained page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from radlas.engine.base import Done
from radlas.flows.base import Flow, Plan, Report, check_page
from radlas.flows.explain import CAM_FOLDER
from radlas.flows.maps.slices import of_slice
from radlas.flows.pages import evidence
from radlas.flows.pages import evidence_origin as origin
from radlas.flows.pages import evidence_validation as more
from radlas.flows.pages.gallery import gallery
from radlas.flows.study.networks import network_warnings, without_marks
from radlas.flows.study.published import load_model, study_of
from radlas.flows.train import fitted_or_raise
from radlas.flows.validate import ModelConfig, ModelTask, model_task
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig
from radlas.places.documents import Document
from radlas.places.stages import whole
from radlas.report import checklists
from radlas.report.evidence.explanation import CamImage
from radlas.report.render import Page, compose
from radlas.report.thumbnail import Thumbnail
from radlas.store.frozen import Snapshot, load_snapshot
from radlas.store.layout import Store, open_store
from radlas.store.models import (
    EXPLANATION,
    PAGE,
    VALIDATION,
    drop_beside,
    find_beside,
    keep_beside,
    model_folder,
    model_name,
    read_card,
)

NUMBERS, TABLES = "results.json", "figures"
Load = Callable[[str], FittedModel]  # a model of the version by its name


class Made(NamedTuple):
    """A report and the evidence it was made of."""

    evidence: dict[str, Any]
    report: Page


class ReportConfig(ModelConfig):
    """Which published model, and where a copy of the page goes."""

    out: Path | None = None


def plan(config: ReportConfig) -> Plan[ModelTask]:
    """One task.

    Raises:
        ConfigError: There is no such model, or ``out`` cannot be written.
    """
    if config.out is not None:
        check_page(config.out)
    task = model_task(config)
    return Plan(tasks=(task,), extra=task)


def work(task: ModelTask) -> Made:
    """Gather the evidence and render it: the same version gives the same bytes."""
    found, pictures = gather(task)
    return Made(found, compose(found, cam_images(task), pictures))


def commit(
    config: ReportConfig,
    plan: Plan[ModelTask],
    done: Iterator[Done[ModelTask, Made]],
) -> Report:
    """Write the page and its numbers beside the model, and a copy where it was asked for."""
    store, version = open_store(config.store), (plan.extra.name, plan.extra.number)
    folder, size = f"{store.place}/{model_name(*version)}", 0
    for one in done:
        made = fitted_or_raise(one)
        page = made.report.html
        size = len(page.encode())
        _keep(store, version, made)
        if config.out is not None:
            with whole(config.out) as file:
                file.write_text(page, encoding="utf-8")
    path = str(config.out or f"{folder}/{PAGE}")
    warnings = network_warnings(store, read_card(store, *version)["feature_sets"])
    lines = (
        f"report: {path} ({size / 1e6:.1f} MB, one file, opens without network)",
        f"  every number of it: {folder}/{NUMBERS}; what each figure shows: {folder}/{TABLES}/",
    )
    data = {"report": path, "results": f"{folder}/{NUMBERS}", "warnings": without_marks(warnings)}
    return Report((*lines, *warnings), data)


def _keep(store: Store, version: tuple[str, int], made: Made) -> None:
    """Beside the model, the page last: who finds it finds what it names.

    Another that is there goes first: a kill leaves no old page beside newer numbers.
    """
    page = made.report.html.encode()
    drop_beside(store, *version, PAGE, unless=page)
    for key, table in made.report.tables.items():
        keep_beside(store, *version, f"{TABLES}/{key}.csv", table.encode())
    keep_beside(store, *version, NUMBERS, made.evidence)
    keep_beside(store, *version, PAGE, page)


def gather(task: ModelTask) -> tuple[dict[str, Any], dict[str, Thumbnail]]:
    """The evidence of one version, as ``radlas.report.evidence.page`` describes it; its images."""
    store = open_store(task.store)
    card = read_card(store, task.name, task.number)
    study = study_of(card)
    snapshot = load_snapshot(store, card["snapshot"])
    load = partial(load_model, store, task.name, task.number)
    validated = find_beside(store, task.name, task.number, VALIDATION)
    explained: dict[str, Any] = find_beside(store, task.name, task.number, EXPLANATION) or {}
    cohort = evidence.cohort(store, snapshot, study, card)
    looks = validated["look"] if validated else 0
    trained_on = validated.get("trained_on", []) if validated else []
    label, verbs = f"{task.name}@{task.number}", _verbs(validated, explained)
    shown, pictures = gallery(store, snapshot, study, validated=validated is not None)
    found = {
        **_heading(study, snapshot),
        "provenance": origin.provenance(store, card, snapshot, label, study, verbs=verbs),
        "banners": origin.banners(store, card),
        **cohort,
        "gallery": shown,
        "models": _models(load, card, study, validated),
        "primary": study.primary,
        "comparisons": evidence.comparisons(validated["comparisons"]) if validated else [],
        "subgroups": evidence.subgroup_rows(validated["subgroups"]) if validated else [],
        "shap": _shap(explained, validated),
        "cam": explained.get("cam"),
        "looks": looks,
        **_believable(load, card, study, validated),
        "limits": origin.limits(study, card, cohort, looks, trained_on, explained=explained),
    }
    found["missing"] = _missing(study, validated, explained, found) | explained.get("missing", {})
    return {**found, "checklists": checklists.fill(found)}, pictures


def _heading(study: StudyConfig, snapshot: Snapshot) -> dict[str, Any]:
    """Which question, by which protocol, asked of which rows."""
    outcome = study.outcome
    return {
        "title": f"{outcome.positive_name} against {outcome.negative_name}: {study.name}",
        "outcome": {
            "name": outcome.column,
            "positive": outcome.positive_name,
            "negative": outcome.negative_name,
        },
        "study": study.model_dump(mode="json"),
        "snapshot": {
            "name": snapshot.name,
            "version": snapshot.number,
            "id": snapshot.id,
            "created_at": snapshot.created_at,
            "cases_per_centre": {c: n["cases"] for c, n in snapshot.counts.items()},
        },
    }


def _verbs(validated: dict[str, Any] | None, explained: dict[str, Any]) -> list[str]:
    """What was run to come here, after training."""
    done = {"validate": validated, "explain": explained, "report": True}
    return [verb for verb, found in done.items() if found]


def _believable(
    load: Load, card: Document, study: StudyConfig, validated: Document | None
) -> dict[str, Any]:
    """Support, controls, stability and what else stands beside the models' numbers."""
    controls = {name: load(name) for name in card["controls"]}
    variants = {name: load(name) for name in card.get("sensitivity", {})}
    groups = validated["subgroups"] if validated else {}
    return {
        "support": more.support(card),
        "honesty": more.honesty(controls, card, validated),
        "left_out": more.left_out(card),
        "folds": more.folds(card),
        "differences": more.differences(groups),
        "interactions": more.interactions(groups),
        "stability": more.stability(load(study.primary)),
        "centres": card["centres_told"],
        "harmonising": more.harmonising(
            validated["models"][study.primary] if validated else None,
            validated["controls"] if validated else {},
            study,
        ),
        "sensitivity": more.sensitivity(variants, card, study, validated),
        "scored": _scored(validated) if validated else 0,
    }


def cam_images(task: ModelTask) -> dict[str, CamImage]:
    """The slices of the Grad-CAM montage, as the flow `explain` stored them."""
    folder = model_folder(open_store(task.store), task.name, task.number) / CAM_FOLDER
    return {path.stem: of_slice(path) for path in sorted(folder.glob("*.npz"))}


def _models(
    load: Load, card: Document, study: StudyConfig, validated: Document | None
) -> dict[str, Any]:
    return {
        name: evidence.model_evidence(
            load(name),
            card["training"][name],
            validated["models"][name] if validated else None,
        )
        for name in study.models
    }


def _shap(explained: dict[str, Any], validated: Document | None) -> dict[str, Any] | None:
    if validated is None or "shap" not in explained:
        return None
    predictions = validated["models"][explained["shap"]["model"]]["predictions"]
    labels = Document({row["case"]: row["label"] for row in predictions}, validated.where)
    return evidence.shap_evidence(explained["shap"], labels)


def _scored(validated: dict[str, Any]) -> int:
    """How many models this look has seen; one that could not be judged has seen nothing."""
    beside = (validated["controls"], validated["sensitivity"]["variants"])
    return len(validated["models"]) + sum(
        "missing" not in one for made in beside for one in made.values()
    )


def _missing(
    study: StudyConfig,
    validated: dict[str, Any] | None,
    explained: dict[str, Any],
    found: dict[str, Any],
) -> dict[str, str]:
    """Why a section is empty; nothing of one that is not."""
    missing: dict[str, str] = {}
    if not explained:
        missing |= dict.fromkeys(("shap", "cam"), _unexplained(study))
    if validated is None:
        why = "radlas validate was not run"
        if study.external_centre is None:
            why = "The study names no external centre."
        missing |= dict.fromkeys(("external", "comparisons", "subgroups"), why)
    elif not found["comparisons"]:
        missing["comparisons"] = "The study has one model."
    if validated is not None and not found["subgroups"]:
        missing["subgroups"] = "The study declares none."
    outside = [one["external"] for one in found["models"].values() if one["external"]]
    one_class = "All external patients are of one class."
    if outside and not any(one["roc"] for one in outside):
        missing["roc"] = one_class
    if outside and not any("decision" in one for one in outside):
        missing["decisions"] = one_class
    if not any(found["honesty"].values()):
        missing["honesty"] = "The study declares none."
    if not study.stability.bootstraps:
        missing["stability"] = "The study asks for no resamples (stability.bootstraps: 0)."
    if not any(found["sensitivity"].values()):
        missing["sensitivity"] = "The study declares none."
    mass = [one for case in (found["cam"] or {"cases": []})["cases"] for one in case["mass"]]
    if found["cam"] and all(one["enrichment"] is None for one in mass):
        missing["cam_mass"] = "Each map is zero everywhere, or its regions are finer than a cell."
    return missing


def _unexplained(study: StudyConfig) -> str:
    if study.external_centre is None:
        return "The study names no external centre, and its cases are those that are explained."
    return "radlas explain was not run"


report = Flow("report", ReportConfig, plan, work, commit)
