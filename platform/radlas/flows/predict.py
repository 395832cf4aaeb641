"""Predict: one case in, a risk out, with what drove it and what was unusual about the case."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydantic import Field

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.blocks import as_fitted, random_weights, study_matrix
from radlas.flows.dataset import load_dataset, read_people
from radlas.flows.validate import ModelConfig, model_task
from radlas.learn.explain import explain as shap_values
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.store.layout import open_store
from radlas.store.models import model_folder, read_card
from radlas.store.query import connect
from radlas.store.snapshots import load_snapshot


class PredictConfig(ModelConfig):
    """Which published model, and which cases of the store."""

    cases: tuple[str, ...] = Field(min_length=1, description="Case ids, or their first digits.")


def predict(config: PredictConfig) -> Report:
    """The primary model's risk for each case, against its locked threshold.

    Raises:
        ConfigError: A case is unknown or ambiguous.
        StudyError: A case lacks a whole block of the model's features.
    """
    store, task = open_store(config.store), model_task(config)
    card = read_card(store, task.name, task.number)
    study = StudyConfig.parse(card["study"])
    model = load(model_folder(store, task.name, task.number) / study.primary)
    primary = study.model_copy(update={"models": {study.primary: study.models[study.primary]}})
    with connect(store) as live:
        people = read_people(live)
        cases = list(dict.fromkeys(_case(live, one) for one in config.cases))
        there = people.loc[_company(model, people, cases)]
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
    risks, centres = model.risk(X, there["centre"]), people["centre"].loc[cases]
    rows = [
        {
            "case_id": case,
            "centre": centre,
            "known_centre": centre in study.training_centres,
            "risk": float(risks[case]),
            "threshold": float(model.threshold),
            "call": "positive" if risks[case] >= model.threshold else "negative",
            "drivers": _drivers(explained.values.loc[case]),
            **_unusual(X.loc[case], background, model),
        }
        for case, centre in centres.items()
    ]
    label = f"{task.name}@{task.number}"
    warnings = random_weights(store, card["feature_sets"])
    data = {"model": label, "rows": rows, "warnings": warnings}
    return Report(tuple(_told(label, card, rows, warnings)), data)


def _company(model: FittedModel, people: Any, cases: list[str]) -> list[str]:
    """The cases, and those by whose images a harmoniser adapts to their new centre."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt":
        return cases
    new = set(people["centre"].loc[cases]) - set(step.centres_)
    others = people.index[people["centre"].isin(new)]
    return [*cases, *(case for case in others if case not in set(cases))]


def _case(connection: Any, given: str) -> str:
    found = connection.sql(
        "select case_id from cases where starts_with(case_id, ?)", params=[given]
    ).fetchall()
    if len(found) != 1:
        raise ConfigError(
            f"{len(found)} cases start with {given!r}", "predict", "give more digits of one case"
        )
    return str(found[0][0])


def _drivers(values: Any) -> list[dict[str, Any]]:
    largest = values.abs().sort_values(ascending=False).index[:3]
    return [{"feature": str(name), "logit": float(values[name])} for name in largest]


def _unusual(row: Any, background: Any, model: Any) -> dict[str, list[str]]:
    """Features of the signature that are missing here, or beyond what training ever saw."""
    names = [name for name in model.signature["feature"] if name in background.columns]
    low, high = background[names].min(), background[names].max()
    values = row[names]
    beyond = (values < low) | (values > high)
    return {
        "imputed": [str(name) for name in names if pd.isna(values[name])],
        "out_of_range": [str(name) for name in names if beyond[name]],
    }


def _told(label: str, card: Any, rows: list[dict[str, Any]], warnings: list[str]) -> list[str]:
    lines = [f"predict: {label}, model {card['study']['primary']}", *warnings]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        lines.append(
            f"  case {row['case_id'][:8]} ({row['centre']}): risk {row['risk']:.3f}, {row['call']}"
            f" at {row['threshold']:.3f}"
        )
        if not row["known_centre"]:
            lines.append("    centre not seen in training: its scanner may shift the risk")
        lines += [f"    {d['logit']:+.2f} logit  {d['feature']}" for d in row["drivers"]]
        lines += [f"    missing, the training median is used: {name}" for name in row["imputed"]]
        lines += [f"    beyond training range: {name}" for name in row["out_of_range"]]
    return lines
