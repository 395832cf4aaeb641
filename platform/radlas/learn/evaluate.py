"""What a locked model does on patients it has not seen: JSON-ready, ``None`` with a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from radlas.errors import StudyError
from radlas.learn.fitted import FittedModel
from radlas.learn.metrics import holm, resampled_t
from radlas.learn.performance import full_performance, performance
from radlas.learn.statistics.delong import paired
from radlas.learn.study import StudyConfig
from radlas.words import counted

Json = dict[str, Any]


def evaluate(
    model: FittedModel,
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    subjects: ArrayLike,
    centres: ArrayLike | None = None,
    study: StudyConfig,
    full: bool = True,
) -> Json:
    """External evaluation at the model's locked threshold; nothing is fitted.

    Args:
        model: The model as it stands.
        X: Raw features, one row per case; the index names the cases.
        y: Labels 0 or 1 in the order of the rows; so are ``subjects`` and ``centres``.
        subjects: Each once, and none that the model was trained on.
        centres: Needed if the model harmonises.
        study: Gives ``alpha``, ``seed``, ``prevalences`` and ``decision_range``.
        full: Whether subjects are resampled and curves smoothed: ``full_performance``.

    Returns:
        ``model digest`` and what ``full_performance`` returns, and ``predictions``: list of
        ``case subject label risk``.

    Raises:
        StudyError: A subject has several rows or belongs to the training data, or columns
            are absent.
    """
    who, label = np.asarray(subjects).astype(str), np.asarray(y)
    _check_subjects(model, who)
    risk = model.risk(X, centres)
    rows = zip(X.index.astype(str), who, label.tolist(), risk.tolist(), strict=True)
    return {
        "model": model.model,
        "digest": model.digest(),
        **(
            full_performance(label, risk, model.threshold, study)
            if full
            else performance(label, risk, model.threshold, alpha=study.alpha)
        ),
        "predictions": [
            {"case": case, "subject": subject, "label": int(truth), "risk": value}
            for case, subject, truth, value in rows
        ],
    }


def internal(model: FittedModel, *, alpha: float = 0.05) -> Json:
    """Out-of-fold performance on the training subjects.

    Returns:
        What ``performance`` returns for the pooled risks; ``folds``: ``count mean sd`` of the AUC
        inside each fold, which is another estimand, over the folds that hold both classes (no
        ``sd`` of a single one); and ``centres``, each left out once.
    """
    pooled = model.out_of_fold()
    areas = model.folds["auc"].dropna().to_numpy(dtype=np.float64)
    found = performance(pooled["label"], pooled["probability"], model.threshold, alpha=alpha)
    found["notes"].append("the threshold was chosen on these risks: its figures are optimistic")
    folds: Json = {"count": len(areas), "mean": None, "sd": None}
    if len(areas):
        spread = float(areas.std(ddof=1)) if len(areas) > 1 else None  # of one there is none
        folds |= {"mean": float(areas.mean()), "sd": spread}
    return {
        "model": model.model,
        "digest": model.digest(),
        **found,
        "folds": folds,
        "centres": model.centres,
    }


def compare(risks: Mapping[str, pd.Series], y: ArrayLike, *, alpha: float = 0.05) -> list[Json]:
    """Every pair of models on the same cases: paired DeLong, Holm over the pairs.

    Args:
        risks: Model to risks; all with the same index in the same order.
        y: Labels 0 or 1 in that order.
        alpha: One minus the confidence level.

    Returns:
        Per pair ``first second difference statistic df p p_holm interval note``.

    Raises:
        StudyError: The models were not applied to the same cases.
    """
    indices = [series.index for series in risks.values()]
    if any(not index.equals(indices[0]) for index in indices):
        raise StudyError("models were applied to different cases", hint="use the cases of all")
    rows = [
        {"first": a, "second": b, **paired(y, risks[a], risks[b], alpha=alpha).as_dict()}
        for a, b in combinations(risks, 2)
    ]
    return with_holm(rows)


def compare_folds(models: Sequence[FittedModel], *, alpha: float = 0.05) -> list[Json]:
    """Every pair of models over the outer folds they share, Holm over the pairs.

    DeLong's test is not for this: the risks of a fold come from models that share their rows.

    Returns:
        Per pair ``first second difference statistic df p p_holm interval``.
    """
    rows = []
    for one, other in combinations(models, 2):
        both = one.folds.merge(other.folds, on=["repeat", "fold"], suffixes=("", "_other"))
        gap = (both["auc"] - both["auc_other"]).dropna()
        share = 1 / (one.folds["fold"].nunique() - 1)
        found = resampled_t(gap.tolist(), share=share, alpha=alpha)
        rows.append({"first": one.model, "second": other.model, **found})
    return with_holm(rows)


def _check_subjects(model: FittedModel, who: ArrayLike) -> None:
    names = pd.Series(who)
    if names.duplicated().any():
        raise StudyError(
            f"several rows of {counted(names[names.duplicated()].nunique(), 'subject')}",
            str(names[names.duplicated()].iloc[0]),
            "choose one case per subject: intervals assume independent rows",
        )
    seen = sorted(set(names) & set(model.oof["subject"]))
    if seen:
        raise StudyError(
            f"trained on {counted(len(seen), 'subject')} of the evaluation",
            f"model {model.model}, subject {seen[0]}",
            "evaluate on the external centre only; see `internal` for training subjects",
        )


def with_holm(rows: list[Json]) -> list[Json]:
    """The same rows with ``p_holm`` beside ``p``: adjusted over all of them."""
    adjusted = holm([row["p"] for row in rows])
    return [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]
