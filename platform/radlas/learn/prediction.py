"""What a model says of single patients: how sure it is, what drove it, what was unusual. Pure."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radlas.learn.applicability import beyond, signature_names
from radlas.learn.explain import Explanation, explain
from radlas.learn.fitted import FittedModel
from radlas.learn.stability import resampled_risks


def predictions(
    model: FittedModel,
    X: pd.DataFrame,
    centres: pd.Series,
    background: pd.DataFrame,
    trained_at: pd.Series,
    *,
    alpha: float,
) -> dict[str, dict[str, Any]]:
    """Every case's risk against the locked threshold, with what stands beside it.

    Args:
        model: The model.
        X: Raw features in the model's columns, one row per case.
        centres: The centre of each row of ``X``.
        background: The same of ALL training rows: what a case is compared with.
        trained_at: The centre of each of them.
        alpha: One minus the level of the interval.

    Returns:
        By case: ``risk threshold call``; ``base`` and ``drivers``, which sum to the logit;
        ``interval resampled otherwise``, as :func:`resampled` tells; ``imputed out_of_range``, as
        :func:`unusual` does; ``adapted_by``, with how many cases of its centre its features
        were harmonised.

    Raises:
        StudyError: A centre is new to a model that harmonises.
    """
    risks, threshold = model.risk(X, centres), float(model.threshold)
    explained = explain(model, model.inputs(X, centres), model.inputs(background, trained_at))
    seen = model.harmonised_rows(X, centres)
    odd = unusual(seen, model.harmonised_rows(background, trained_at), model)
    sure = resampled(model, seen, risks, alpha=alpha)
    return {
        str(case): {
            "risk": float(risk),
            **sure[str(case)],
            "threshold": threshold,
            "call": "positive" if risk >= threshold else "negative",
            "base": explained.base,
            "drivers": drivers(explained, case),
            "adapted_by": adapted_by(model, centres, case),
            **odd[str(case)],
        }
        for case, risk in risks.items()
    }


def resampled(
    model: FittedModel, rows: pd.DataFrame, risks: pd.Series, *, alpha: float
) -> dict[str, dict[str, Any]]:
    """Per case what resampled signatures say of it.

    Args:
        model: The model.
        rows: Its features as the model sees them: harmonised, if it harmonises.
        risks: The model's own.
        alpha: One minus the level of the interval.

    Returns:
        ``interval``, the middle of their risks; ``resampled``, how many they are; ``otherwise``,
        how many of them call the case otherwise than the model does.

    Of a model that harmonises, as far as signatures differ: all of them see the rows as this
    model's own harmoniser makes them.
    """
    if not len(model.resamples):
        return {
            str(case): {"interval": None, "resampled": 0, "otherwise": 0} for case in rows.index
        }
    drawn = resampled_risks(model.resamples, rows)
    low, high = (drawn.quantile(level, axis=1) for level in (alpha / 2, 1 - alpha / 2))
    positive = risks >= model.threshold
    otherwise = drawn.ge(model.threshold).ne(positive, axis=0).sum(axis=1)
    return {
        str(case): {
            "interval": [float(low[case]), float(high[case])],
            "resampled": drawn.shape[1],
            "otherwise": int(otherwise[case]),
        }
        for case in rows.index
    }


def drivers(explained: Explanation, case: str) -> list[dict[str, Any]]:
    """What moved the logit of a case from that of the background, the strongest first."""
    values, data = explained.values.loc[case], explained.data.loc[case]
    order = values.abs().sort_values(ascending=False, kind="stable").index
    return [
        {"feature": str(name), "logit": float(values[name]), "z": float(data[name])}
        for name in order
        if values[name] != 0
    ]


def adapted_by(model: FittedModel, centres: pd.Series, case: str) -> int:
    """With how many cases of its centre the case's features were harmonised."""
    step = model.pipeline.named_steps.get("harmonise")
    if step is None or step.on_unseen != "adapt" or centres[case] in set(step.centres_):
        return 0
    return int((centres == centres[case]).sum())


def unusual(
    rows: pd.DataFrame, background: pd.DataFrame, model: FittedModel
) -> dict[str, dict[str, list[Any]]]:
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
