"""What a protocol means before anything is fitted: classes, what they carry, what it will cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radlas.errors import StudyError
from radlas.flows.study.controls import MEANING, Controls
from radlas.learn.study import CONTROL, VARIANT, StudyConfig
from radlas.learn.support import FEWEST, external_support, training_support
from radlas.report.format import fixed
from radlas.words import counted

Json = dict[str, Any]
# Seconds of one fit of the pipeline on one core: at least; per column of 129 rows; and what RFE
# takes of those, in the space of the rows or of the columns, whichever are fewer.
_BEGIN, _PER_COLUMN, _LEAVING = 0.03, 6.5e-5, 5.5e-5


def class_lines(study: StudyConfig, classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Outcome counts of every centre, one line each, and what they keep `validate` from.

    Raises:
        StudyError: The external centre has no case.
    """
    lines = []
    for row in classes:
        role = "external" if row["centre"] == study.external_centre else "training"
        lines.append(
            f"  {row['centre']} ({role}): {row['positive']} positive, {row['negative']} negative,"
            f" {row['excluded']} excluded"
        )
    if study.external_centre and not any(r["centre"] == study.external_centre for r in classes):
        raise StudyError(
            f"no case of the external centre {study.external_centre}",
            study.name,
            "freeze a snapshot that holds it, or correct external_centre",
        )
    return [*lines, *_unvalidated(study, classes)]


def _unvalidated(study: StudyConfig, classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """That the external centre has too few cases, though another snapshot may have more."""
    policy = study.harmonise
    adapts = policy.method != "none" and policy.on_unseen == "adapt"
    wanted = policy.minimum if adapts else 1
    return [
        f"  ! {counted(row['positive'] + row['negative'], 'labelled case')} of the external centre"
        f" {row['centre']}, {wanted} are needed{' to adapt to it' if adapts else ''}: what is"
        " trained on this snapshot cannot be validated"
        for row in classes
        if row["centre"] == study.external_centre and row["positive"] + row["negative"] < wanted
    ]


def study_support(
    study: StudyConfig, classes: Sequence[Mapping[str, Any]], candidates: dict[str, int]
) -> Json:
    """What the patients of a study can carry: ``training``, ``external``, ``candidates``."""

    def counted(external: bool) -> tuple[int, int]:
        rows = [row for row in classes if (row["centre"] == study.external_centre) == external]
        return sum(row["positive"] for row in rows), sum(row["negative"] for row in rows)

    return {
        "candidates": candidates,
        "training": training_support(*counted(False), candidates),
        "external": external_support(*counted(True), alpha=study.alpha),
    }


def support_lines(support: Json) -> list[str]:
    """The same for a person."""
    training, external = support["training"], support["external"]
    low, high = training["parameters"].values()
    lines = [
        f"  training: {counted(training['n'], 'subject')}, {training['events']} in the smaller"
        f" class: they carry {low} to {high} fitted parameters"
    ]
    lines += [
        f"  {model}: {counted(support['candidates'][model], 'candidate feature')},"
        f" {fixed(share, 2)} of the smaller class for each"
        for model, share in training["per_candidate"].items()
        if share is not None
    ]
    if external["n"] and not external["auc"]:
        lines.append(
            f"  ! external: {counted(external['n'], 'subject')}, of one class fewer than {FEWEST}:"
            " how exactly they will tell an AUC, if at all, cannot be said"
        )
    for area, half in zip(external["auc"][1:2], external["halves"][1:2], strict=True):
        seen = half["detectable"]  # no two AUCs are farther apart than this one is from 0
        below = "any difference" if seen > area["auc"] else f"a difference below {seen:.2f}"
        lines.append(
            f"  external: with {counted(external['n'], 'subject')} the 95 % interval of an AUC of"
            f" {area['auc']:g} is about ±{area['half_width']:.2f}; between two equal subgroups"
            f" {below} would be missed more often than once in five"
        )
    return lines


def control_lines(controls: Controls) -> list[str]:
    """Which controls are fitted beside the models, and which are not, with the reason."""
    fitted = [name.removeprefix(CONTROL) for name in controls.models]
    lines = [f"  control {name}: {MEANING[name]}" for name in MEANING if name in fitted]
    return [*lines, *(f"  no control {name}: {why}" for name, why in controls.missing.items())]


def variant_lines(changes: Mapping[str, str], unfit: Mapping[str, str]) -> list[str]:
    """The same of sensitivity analyses, each by what it changes."""
    lines = []
    for model, what in changes.items():
        name, why = model.removeprefix(VARIANT), unfit.get(model)
        lines.append(f"  no sensitivity {name}: {why}" if why else f"  sensitivity {name}: {what}")
    return lines


def cost_line(
    study: StudyConfig, rows: int, candidates: Mapping[str, int], beside: Mapping[str, StudyConfig]
) -> str:
    """About how long it will take, from what fits of this size took elsewhere.

    Args:
        study: The protocol.
        rows: Training cases.
        candidates: Model to columns.
        beside: Controls and variants, and the protocol of each.
    """
    part = rows / 129
    seconds, narrow = 0.0, {f"{CONTROL}{name}" for name in ("volume", "clinical", "centre")}
    for model in (*candidates, *beside):
        plan = beside.get(model, study).splits
        tuned = plan.folds * plan.repeats + 1
        columns = 0 if model in narrow else candidates.get(model, candidates[study.primary])
        fits = tuned * (plan.inner_folds + 1)
        fits += study.stability.bootstraps if model == study.primary else 0
        leaving = _LEAVING * min(part, columns / 129)
        seconds += fits * (_BEGIN + columns * part * (_PER_COLUMN + leaving))
    minutes = max(1, round(seconds / 2 / 60))
    told = counted(minutes, "minute") if minutes < 90 else f"{round(minutes / 60)} hours"
    return f"  about {told} on two workers"
