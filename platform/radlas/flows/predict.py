"""Predict: one case in, a risk out, with how sure it is, what drove it and what was unusual."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from radlas.errors import ConfigError, RadlasError
from radlas.flows import evidence
from radlas.flows.activation import case_map, model_extractor
from radlas.flows.base import Report
from radlas.flows.blocks import as_fitted, random_weights, study_matrix
from radlas.flows.dataset import load_dataset, read_people
from radlas.flows.intervals import interval
from radlas.flows.validate import ModelConfig, model_task
from radlas.learn.applicability import beyond, signature_names
from radlas.learn.explain import Explanation, deep_head, deep_parts
from radlas.learn.explain import explain as shap_values
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.stability import resampled_risks
from radlas.learn.study import StudyConfig
from radlas.report.patient import render_patient
from radlas.store.layout import Store, open_store
from radlas.store.models import model_folder, read_card
from radlas.store.query import connect
from radlas.store.snapshots import load_snapshot

DRIVERS = 3  # on the terminal
_CENTRE = {
    "error": "The model does not harmonise centres it was not fitted on.",
    "raw": "Its features were taken as they are.",
    "adapt": "Its features were brought to those of training by its own cases, without labels.",
}


class PredictConfig(ModelConfig):
    """Which published model, and which cases of the store."""

    cases: tuple[str, ...] = Field(min_length=1, description="Case ids, or their first digits.")
    out: Path | None = Field(default=None, description="Folder for a page of each case.")
    weights: Path | None = Field(
        default=None, description="The network's file, if the deep features were made with one."
    )


def predict(config: PredictConfig) -> Report:
    """The primary model's risk for each case, against its locked threshold.

    Raises:
        ConfigError: A case is unknown or ambiguous, or ``out`` is no folder.
        StudyError: A case lacks a whole block of the model's features.
    """
    if config.out is not None and not config.out.is_dir():
        raise ConfigError("no such folder", str(config.out), "make it first")
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
    risks = model.risk(X, there["centre"])
    sure = _resampled(model, X, there["centre"], study.alpha)
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
            **_unusual(X.loc[case], background, model),
        }
        for case in cases
    ]
    warnings = random_weights(store, card["feature_sets"])
    lines = _told(label, card, rows, warnings)
    if config.out is not None:
        asked = _Asked(config, store, card, model, label, model.lines(X, there["centre"]))
        lines += [f"  page: {_page(asked, row)}" for row in rows]
    return Report(tuple(lines), {"model": label, "rows": rows, "warnings": warnings})


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
    """Features of the signature that are missing here, or beyond what training ever saw."""
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


@dataclass(frozen=True, eq=False)
class _Asked:
    """What pages are made of, beside their rows; ``lines`` by centre, as ``model.lines``."""

    config: PredictConfig
    store: Store
    card: dict[str, Any]
    model: FittedModel
    label: str
    lines: dict[str, pd.DataFrame]


def _page(asked: _Asked, row: dict[str, Any]) -> Path:
    """Write one case's page; what cannot be shown is said there."""
    card, model, out = asked.card, asked.model, asked.config.out
    study = StudyConfig.parse(card["study"])
    cam, image, why = _map(asked, row)
    pooled = model.out_of_fold()
    classes = {"negative": 0, "positive": 1}
    note = "" if model.resamples.size else "no interval: the model was not resampled"
    outcome = study.outcome
    patient = {
        **{key: row[key] for key in ("case_id", "centre", "known_centre", "threshold", "base")},
        **{key: row[key] for key in ("drivers", "imputed", "out_of_range")},
        **{key: row[key] for key in ("resampled", "otherwise")},
        "signature": len(model.signature) - 1,
        "centre_note": _CENTRE[study.harmonise.on_unseen] if model.harmonises else "",
        "model": asked.label,
        "primary": study.primary,
        "outcome": {
            "name": outcome.column,
            "positive": outcome.positive_name,
            "negative": outcome.negative_name,
        },
        "banners": evidence.banners(asked.store, card),
        "risk": interval(row["risk"], row["interval"], note=note),
        "training": {
            name: pooled.loc[pooled["label"] == label, "probability"].tolist()
            for name, label in classes.items()
        },
        "cam": cam,
        "missing": {"cam": why} if why else {},
        "provenance": {
            "Model": f"{asked.label}, digest {model.digest()[:16]}",
            "Snapshot": f"{card['snapshot']}, {card['snapshot_id'][:16]}",
            "Feature sets": ", ".join(card["feature_sets"]),
            "Software": f"radlas {card['radlas']}",
        },
    }
    assert out is not None  # noqa: S101 - asked by the caller
    path = out / f"{row['case_id'][:12]}.html"
    path.write_text(render_patient(patient, image), encoding="utf-8")
    return path


def _map(asked: _Asked, row: dict[str, Any]) -> tuple[dict[str, Any] | None, Any, str]:
    """The Grad-CAM of one case with its slice, or why there is none."""
    store, line = asked.store, asked.lines.get(row["centre"])
    parts = deep_parts(asked.model)
    if not parts:
        return None, None, "There is no map: the model takes no deep features."
    region, layer = parts[0]
    try:
        extractor = model_extractor(store, asked.card, asked.config.weights)
        head = deep_head(asked.model, region=region, line=line)
        found = case_map(
            store, row["case_id"], head, extractor, region=region, layer=layer, sanity=False
        )
    except RadlasError as error:  # the risk stands without a map
        return None, None, f"There is no map: {error.what}. {error.hint}"
    with np.load(io.BytesIO(found["slice"]), allow_pickle=False) as stored:
        image = {
            **{name: stored[name] for name in ("image", "map", "tumour", "ring")},
            "spacing_mm": tuple(map(float, stored["spacing_mm"])),
            "scale_max": float(stored["scale_max"]),
        }
    case = {"case_id": row["case_id"], "label": None, "risk": row["risk"], "mass": found["mass"]}
    cam = {
        "model": asked.card["study"]["primary"],
        "region": region,
        "cell_mm": found["cell_mm"],
        "layer": found["layer"],
        "cases": [case | {"note": found["note"]}],
    }
    return cam, image, ""


def _told(label: str, card: Any, rows: list[dict[str, Any]], warnings: list[str]) -> list[str]:
    lines = [f"predict: {label}, model {card['study']['primary']}", *warnings]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        sure = "({:.3f} to {:.3f}), ".format(*row["interval"]) if row["interval"] else ""
        lines.append(
            f"  case {row['case_id'][:8]} ({row['centre']}): risk {row['risk']:.3f} {sure}"
            f"{row['call']} at {row['threshold']:.3f}"
        )
        if row["otherwise"]:
            lines.append(
                f"    {row['otherwise']} of {row['resampled']} resampled models call it otherwise"
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
