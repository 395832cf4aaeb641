"""Predict: one case in, a risk out, with how sure it is, what drove it and what was unusual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.blocks import as_fitted
from radlas.flows.company import gather_company, left_out_lines, refused_cases, trained_on
from radlas.flows.dataset import load_dataset
from radlas.flows.networks import network_warnings, plainly
from radlas.flows.validate import ModelConfig, model_task
from radlas.learn.applicability import beyond, signature_names
from radlas.learn.explain import Explanation
from radlas.learn.explain import explain as shap_values
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.stability import resampled_risks
from radlas.learn.study import StudyConfig
from radlas.report.format import digits_apart, fixed
from radlas.store.frozen import load_snapshot
from radlas.store.layout import open_store
from radlas.store.models import model_folder, read_card
from radlas.words import counted

DRIVERS = 3  # on the terminal


class PredictConfig(ModelConfig):
    """Which published model, and which cases of the store."""

    cases: tuple[str, ...] = Field(min_length=1, description="Case ids, or their first digits.")
    out: Path | None = Field(default=None, description="Folder for a page of each case.")
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )


def _make_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise ConfigError("no such folder", str(path.parent), "make it first")
    if path.exists() and not path.is_dir():
        raise ConfigError("this is no folder", str(path), "name another")
    path.mkdir(exist_ok=True)


def predict(config: PredictConfig) -> Report:
    """The primary model's risk for each case, against its locked threshold.

    Raises:
        ConfigError: A case is unknown or ambiguous, or ``out`` is no folder.
        StudyError: Every case lacks a whole block of the model's features. If only some do, they
            are told and the exit code is 1.
    """
    if config.out is not None:
        _make_folder(config.out)
    store, task = open_store(config.store), model_task(config)
    card = read_card(store, task.name, task.number)
    study = StudyConfig.parse(card["study"])
    model = load(model_folder(store, task.name, task.number) / study.primary)
    primary = study.model_copy(update={"models": {study.primary: study.models[study.primary]}})
    company = gather_company(store, card["feature_sets"], primary, model, config.cases)
    X, there = company.X, company.people
    training = load_dataset(
        store, load_snapshot(store, card["snapshot"]), primary, study.training_centres
    )
    background = as_fitted(training.X, model, training.people)
    explained = shap_values(
        model,
        model.inputs(X, there["centre"]),
        model.inputs(background, training.people["centre"]),
    )
    seen = model.harmonised_rows(X, there["centre"])
    pool = model.harmonised_rows(background, training.people["centre"])
    odd = _unusual(seen, pool, model)
    risks = model.risk(X, there["centre"])
    sure = _resampled(model, X, there["centre"], study.alpha)
    known = trained_on(model, training.people, there)
    label = f"{task.name}@{task.number}"
    rows = [
        {
            "case_id": case,
            "centre": str(there["centre"].loc[case]),
            "known_centre": there["centre"].loc[case] in study.training_centres,
            "risk": float(risks[case]),
            **sure.get(case, {"interval": None, "resampled": 0, "otherwise": 0}),
            "threshold": float(model.threshold),
            "call": "positive" if risks[case] >= model.threshold else "negative",
            "base": explained.base,
            "drivers": _drivers(explained, case),
            "adapted_by": _adapted_by(model, there["centre"], case),
            **known[case],
            **odd[case],
        }
        for case in company.cases
    ]
    refused = refused_cases(company)
    warnings = network_warnings(store, card["feature_sets"])
    lines = [*_told(label, card, rows, warnings), *left_out_lines(company)]
    if config.out is not None:
        from radlas.flows.patient_page import Asked, write_page  # noqa: PLC0415 - of figures and maps

        asked = Asked(store, card, model, label, model.lines(X, there["centre"]), config.weights)
        lines += [f"  page: {write_page(asked, row, config.out)}" for row in rows]
    data = {
        "model": label,
        "synthetic": card["synthetic"],
        "rows": rows,
        "refused": refused,
        "warnings": plainly(warnings),
    }
    return Report(tuple(lines), data, exit_code=1 if refused else 0)


def _adapted_by(model: FittedModel, centres: Any, case: str) -> int:
    """How many cases of its centre the case's features were brought to training by."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt" or centres[case] in set(step.centres_):
        return 0
    return int((centres == centres[case]).sum())


def _resampled(model: FittedModel, X: Any, centres: Any, alpha: float) -> dict[str, Any]:
    """Per case what resampled signatures say of it; empty without them.

    Returns:
        ``interval``, the middle of their risks; ``resampled``, how many they are; ``otherwise``,
        how many of them call the case otherwise than the model does.

    Of a model that harmonises, as far as signatures differ: all of them see the rows as this
    model's own harmoniser makes them.
    """
    if not len(model.resamples):
        return {}
    drawn = resampled_risks(model.resamples, model.harmonised_rows(X, centres))
    low, high = (drawn.quantile(level, axis=1) for level in (alpha / 2, 1 - alpha / 2))
    called = drawn.ge(model.threshold).mean(axis=1)
    positive = model.risk(X, centres) >= model.threshold
    return {
        str(case): {
            "interval": [float(low[case]), float(high[case])],
            "resampled": drawn.shape[1],
            "otherwise": round(
                (1 - called[case] if positive[case] else called[case]) * drawn.shape[1]
            ),
        }
        for case in X.index
    }


def _drivers(explained: Explanation, case: str) -> list[dict[str, Any]]:
    values, data = explained.values.loc[case], explained.data.loc[case]
    order = values.abs().sort_values(ascending=False, kind="stable").index
    return [
        {"feature": str(name), "logit": float(values[name]), "z": float(data[name])}
        for name in order
        if values[name] != 0
    ]


def _unusual(rows: Any, background: Any, model: Any) -> dict[str, dict[str, list[Any]]]:
    """Per case features of the signature that are missing, or beyond what training ever saw.

    Both as the model sees them: harmonised, if it harmonises.
    """
    names = signature_names(model, background)
    low, high = background[names].min(), background[names].max()
    missing, unseen = rows[names].isna(), beyond(rows, background, names)
    return {
        str(case): {
            "imputed": [str(name) for name in names if missing.at[case, name]],
            "out_of_range": [
                {
                    "feature": str(name),
                    "value": float(rows.at[case, name]),
                    "low": float(low[name]),
                    "high": float(high[name]),
                }
                for name in names
                if unseen.at[case, name]
            ],
        }
        for case in rows.index
    }


def _own(row: dict[str, Any]) -> str:
    """What a patient of the training is told; no risk if that was by another exam."""
    if row["trained_as"] is None:
        return "    another exam of this patient was trained on: its risk is no new patient's"
    which = "case" if row["trained_as"] == row["case_id"] else "image"
    name = "" if which == "case" else f", as case {row['trained_as'][:8]}"
    told = f"models that had not seen it gave {fixed(row['out_of_fold'])}"
    return f"    this {which} was trained on{name}: {told}"


def _told(label: str, card: Any, rows: list[dict[str, Any]], warnings: list[str]) -> list[str]:
    lines = [f"predict: {label}, model {card['study']['primary']}", *warnings]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        sure = "({} to {}), ".format(*map(fixed, row["interval"])) if row["interval"] else ""
        digits = digits_apart(row["risk"], row["threshold"])
        lines.append(
            f"  case {row['case_id'][:8]} ({row['centre']}): risk {fixed(row['risk'], digits)}"
            f" {sure}{row['call']} at {fixed(row['threshold'], digits)}"
        )
        if row["interval"] and not row["interval"][0] <= row["risk"] <= row["interval"][1]:
            lines.append("    its risk lies outside what resampled models give")
        if row["otherwise"]:
            lines.append(
                f"    {row['otherwise']} of {row['resampled']} resampled models call it otherwise"
            )
        if row["trained_on"]:
            lines.append(_own(row))
        if row["adapted_by"]:
            lines.append(
                f"    brought to training by the {counted(row['adapted_by'], 'case')} of its centre"
                " described now: with others its risk would differ"
            )
        if not row["known_centre"]:
            lines.append("    centre not seen in training: its scanner may shift the risk")
        lines += [f"    {d['logit']:+.2f} logit  {d['feature']}" for d in row["drivers"][:DRIVERS]]
        lines += [f"    missing, the training median is used: {name}" for name in row["imputed"]]
        lines += [
            f"    beyond training range: {one['feature']} = {one['value']:.4g}, seen"
            f" {one['low']:.4g} to {one['high']:.4g}"
            for one in row["out_of_range"]
        ]
    return lines
