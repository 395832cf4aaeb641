"""Predict: one case in, a risk out, with what drove it and what was unusual about the case."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from radlas.errors import ConfigError
from radlas.flows.base import Report
from radlas.flows.validate import ModelConfig, model_task
from radlas.learn.explain import explain as shap_values
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.store.layout import open_store
from radlas.store.matrix import feature_matrix
from radlas.store.models import model_path, read_card
from radlas.store.query import connect
from radlas.store.snapshots import load_snapshot, open_snapshot


class PredictConfig(ModelConfig):
    """Which published model, and which cases of the store."""

    cases: tuple[str, ...] = Field(min_length=1, description="Case ids, or their first digits.")


def predict(config: PredictConfig) -> Report:
    """The primary model's risk for each case, against its locked threshold.

    Raises:
        ConfigError: A case is unknown, ambiguous, or lacks the features the model takes.
    """
    store, task = open_store(config.store), model_task(config)
    card = read_card(store, task.name, task.number)
    study = StudyConfig.parse(card["study"])
    model = load(model_path(store, task.name, task.number) / study.primary)
    with connect(store) as live:
        chosen = [_case(live, given) for given in config.cases]
        X = feature_matrix(live, tuple(card["feature_sets"])).reindex(chosen)
        centres = dict(live.sql("select case_id, centre from cases").fetchall())
    with open_snapshot(store, load_snapshot(store, card["snapshot"])) as frozen:
        known = feature_matrix(frozen, tuple(card["feature_sets"]))
        trained = [row["case"] for _, row in model.oof.iterrows()]
    missing = [c for c in chosen if X.loc[c].isna().all()]
    if missing:
        raise ConfigError(
            "no features of the model's feature sets", f"case {missing[0]}", "radlas extract first"
        )
    background = known.loc[sorted(set(trained))]
    explained = shap_values(model, X, background)
    risks = model.risk(X)
    rows = [
        {
            "case_id": case,
            "centre": centres[case],
            "known_centre": centres[case] in study.training_centres,
            "risk": float(risks[case]),
            "threshold": float(model.threshold),
            "call": "positive" if risks[case] >= model.threshold else "negative",
            "drivers": _drivers(explained.values.loc[case]),
            "out_of_range": _outside(X.loc[case], background, model),
        }
        for case in chosen
    ]
    return Report(
        tuple(_told(task, card, rows)), {"model": f"{task.name}@{task.number}", "rows": rows}
    )


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


def _outside(row: Any, background: Any, model: Any) -> list[str]:
    """Features of the signature beyond what training ever saw: the model extrapolates there."""
    names = [name for name in model.signature["feature"] if name in background.columns]
    low, high = background[names].min(), background[names].max()
    values = row[names]
    return [str(name) for name in names if values[name] < low[name] or values[name] > high[name]]


def _told(task: Any, card: Any, rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"predict: {task.name}@{task.number}, model {card['study']['primary']}"]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        lines.append(
            f"  case {row['case_id'][:8]} ({row['centre']}): risk {row['risk']:.3f}, {row['call']}"
            f" at {row['threshold']:.3f}"
        )
        if not row["known_centre"]:
            lines.append("    centre not seen in training: no harmonising is applied")
        lines += [f"    {d['logit']:+.2f} logit  {d['feature']}" for d in row["drivers"]]
        lines += [f"    beyond training range: {name}" for name in row["out_of_range"]]
    return lines
