"""Predict: one case in, a risk out, with how sure it is, what drove it and what was unusual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.blocks import as_fitted, block_sets, study_matrix
from radlas.flows.dataset import load_dataset, read_people
from radlas.flows.networks import network_warnings, plainly
from radlas.flows.patient_page import Asked, write_page
from radlas.flows.validate import ModelConfig, model_task
from radlas.learn.applicability import beyond, signature_names
from radlas.learn.explain import Explanation
from radlas.learn.explain import explain as shap_values
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.stability import resampled_risks
from radlas.learn.study import StudyConfig
from radlas.report.format import digits_apart
from radlas.store.layout import Store, open_store
from radlas.store.models import model_folder, read_card
from radlas.store.query import connect
from radlas.store.recipes import load_recipe
from radlas.store.snapshots import load_snapshot
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
        StudyError: A case lacks a whole block of the model's features.
    """
    if config.out is not None:
        _make_folder(config.out)
    store, task = open_store(config.store), model_task(config)
    card = read_card(store, task.name, task.number)
    study = StudyConfig.parse(card["study"])
    model = load(model_folder(store, task.name, task.number) / study.primary)
    primary = study.model_copy(update={"models": {study.primary: study.models[study.primary]}})
    with connect(store) as live:
        people = read_people(live)
        cases = list(dict.fromkeys(_case(live, one) for one in config.cases))
        described = _described(live, store, card["feature_sets"], primary)
        there = people.loc[_company(model, people, cases, described)]
        X = as_fitted(study_matrix(live, store, card["feature_sets"], primary, there), model, there)
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
    risks, own = model.risk(X, there["centre"]), _own_risks(model)
    sure = _resampled(model, X, there["centre"], study.alpha)
    trained = people["subject_id"].isin(model.oof["subject"])
    label = f"{task.name}@{task.number}"
    rows = [
        {
            "case_id": case,
            "centre": str(people["centre"].loc[case]),
            "known_centre": people["centre"].loc[case] in study.training_centres,
            "risk": float(risks[case]),
            **sure.get(case, {"interval": None, "resampled": 0, "otherwise": 0}),
            "threshold": float(model.threshold),
            "call": "positive" if risks[case] >= model.threshold else "negative",
            "base": explained.base,
            "drivers": _drivers(explained, case),
            "adapted_by": _adapted_by(model, there["centre"], case),
            "trained_on": bool(trained[case]),
            "out_of_fold": own.get(case),
            **_unusual(seen.loc[case], pool, model),
        }
        for case in cases
    ]
    warnings = network_warnings(store, card["feature_sets"])
    lines = _told(label, card, rows, warnings)
    if config.out is not None:
        asked = Asked(store, card, model, label, model.lines(X, there["centre"]), config.weights)
        lines += [f"  page: {write_page(asked, row, config.out)}" for row in rows]
    return Report(tuple(lines), {"model": label, "rows": rows, "warnings": plainly(warnings)})


def _company(model: FittedModel, people: Any, cases: list[str], described: set[str]) -> list[str]:
    """The cases, and those by whose images a harmoniser adapts to their new centre."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt":
        return cases
    new = set(people["centre"].loc[cases]) - set(step.centres_)
    others = people.index[people["centre"].isin(new) & people.index.isin(described)]
    return [*cases, *(case for case in others if case not in set(cases))]


def _described(
    connection: Any, store: Store, available: Sequence[str], study: StudyConfig
) -> set[str]:
    """Cases that have rows of every feature set the model takes."""
    found: list[set[str]] = []
    for name in set(block_sets(store, available, study).values()):
        table = load_recipe(store, name)["table"]
        sql = f"select distinct case_id from {table} where feature_set = ?"
        found.append({case for (case,) in connection.sql(sql, params=[name]).fetchall()})
    return set.intersection(*found) if found else set()


def _adapted_by(model: FittedModel, centres: Any, case: str) -> int:
    """How many cases of its centre the case's features were brought to training by."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt" or centres[case] in set(step.centres_):
        return 0
    return int((centres == centres[case]).sum())


def _own_risks(model: FittedModel) -> dict[str, float]:
    """Training cases, each with the risk that models not of it gave."""
    pooled = model.out_of_fold().set_index("case")["probability"]
    return {str(case): float(risk) for case, risk in pooled.items()}


def _case(connection: Any, given: str) -> str:
    found = connection.sql(
        "select case_id from cases where starts_with(case_id, ?)", params=[given]
    ).fetchall()
    if len(found) != 1:
        raise ConfigError(
            f"{len(found)} cases start with {given!r}", "predict", "give more digits of one case"
        )
    return str(found[0][0])


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


def _unusual(row: Any, background: Any, model: Any) -> dict[str, list[Any]]:
    """Features of the signature that are missing here, or beyond what training ever saw.

    Both as the model sees them: harmonised, if it harmonises.
    """
    names = signature_names(model, background)
    low, high = background[names].min(), background[names].max()
    values, unseen = row[names], beyond(row.to_frame().T, background, names).iloc[0]
    return {
        "imputed": [str(name) for name in names if pd.isna(values[name])],
        "out_of_range": [
            {
                "feature": str(name),
                "value": float(values[name]),
                "low": float(low[name]),
                "high": float(high[name]),
            }
            for name in names
            if unseen[name]
        ],
    }


def _own(risk: float | None) -> str:
    """What a patient of the training is told; no risk if that was by another exam."""
    if risk is None:
        return "    another exam of this patient was trained on: its risk is no new patient's"
    return f"    this case was trained on: models that had not seen it gave {risk:.3f}"


def _told(label: str, card: Any, rows: list[dict[str, Any]], warnings: list[str]) -> list[str]:
    lines = [f"predict: {label}, model {card['study']['primary']}", *warnings]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        sure = "({:.3f} to {:.3f}), ".format(*row["interval"]) if row["interval"] else ""
        digits = digits_apart(row["risk"], row["threshold"])
        lines.append(
            f"  case {row['case_id'][:8]} ({row['centre']}): risk {row['risk']:.{digits}f} {sure}"
            f"{row['call']} at {row['threshold']:.{digits}f}"
        )
        if row["interval"] and not row["interval"][0] <= row["risk"] <= row["interval"][1]:
            lines.append("    its risk lies outside what resampled models give")
        if row["otherwise"]:
            lines.append(
                f"    {row['otherwise']} of {row['resampled']} resampled models call it otherwise"
            )
        if row["trained_on"]:
            lines.append(_own(row["out_of_fold"]))
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
