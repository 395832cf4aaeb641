"""What a locked model does on patients it has not seen: JSON-ready, ``None`` with a note."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from radlas.errors import StudyError
from radlas.learn.delong import auc, paired
from radlas.learn.fitted import FittedModel
from radlas.learn.metrics import at_threshold, brier, calibration, holm, roc_points

ENOUGH = 100  # events and non-events below which calibration is no claim (Snell 2021)
Json = dict[str, Any]


def evaluate(
    model: FittedModel, X: pd.DataFrame, y: ArrayLike, *, subjects: ArrayLike, alpha: float = 0.05
) -> Json:
    """External evaluation at the model's locked threshold; nothing is fitted.

    Args:
        model: The model as it stands.
        X: Raw features, one row per case; the index names the cases.
        y: Labels 0 or 1 in the order of the rows; so are ``subjects``.
        subjects: Each once, and none that the model was trained on.
        alpha: One minus the confidence level.

    Returns:
        ``model digest`` and what ``performance`` returns, and ``predictions``: list of
        ``case subject label risk``.

    Raises:
        StudyError: A subject has several rows or belongs to the training data, or columns
            are absent.
    """
    who, label = np.asarray(subjects).astype(str), np.asarray(y)
    _check_subjects(model, who)
    risk = model.risk(X)
    rows = zip(X.index.astype(str), who, label.tolist(), risk.tolist(), strict=True)
    return {
        "model": model.model,
        "digest": model.digest(),
        **performance(label, risk, model.threshold, alpha=alpha),
        "predictions": [
            {"case": case, "subject": subject, "label": int(truth), "risk": value}
            for case, subject, truth, value in rows
        ],
    }


def internal(model: FittedModel, *, alpha: float = 0.05) -> Json:
    """Out-of-fold performance on the training subjects.

    Returns:
        What ``performance`` returns for the pooled risks, and ``folds``: ``count mean sd`` of
        the AUC inside each fold, which is another estimand.
    """
    pooled = model.out_of_fold()
    areas = model.folds["auc"].to_numpy(dtype=np.float64)
    found = performance(pooled["label"], pooled["probability"], model.threshold, alpha=alpha)
    found["notes"].append("the threshold was chosen on these risks: its figures are optimistic")
    folds = {"count": len(areas), "mean": float(areas.mean()), "sd": float(areas.std(ddof=1))}
    return {"model": model.model, "digest": model.digest(), **found, "folds": folds}


def performance(y: ArrayLike, risk: ArrayLike, threshold: float, *, alpha: float = 0.05) -> Json:
    """All figures of one set of risks.

    Returns:
        ``n positives negatives``, ``auc`` (``AucEstimate``), ``decision`` (``at_threshold``),
        ``brier``, ``calibration`` (``Calibration``), ``roc`` (lists ``threshold sensitivity
        specificity``; the first threshold is ``None``: nobody is positive), ``notes``.
    """
    area = auc(y, risk, alpha=alpha)
    fit = calibration(y, risk)
    notes = [note for note in (area.note, fit.note) if note]
    if min(area.positives, area.negatives) < ENOUGH:
        notes.append(
            f"{area.positives} events and {area.negatives} non-events cannot support a claim"
            f" about calibration; {ENOUGH} of each are the least"
        )
    return {
        "n": area.positives + area.negatives,
        "positives": area.positives,
        "negatives": area.negatives,
        "auc": area.as_dict(),
        "decision": at_threshold(y, risk, threshold, alpha=alpha),
        "brier": brier(y, risk),
        "calibration": fit.as_dict(),
        "roc": _roc(y, risk, area.auc),
        "notes": notes,
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


def _check_subjects(model: FittedModel, who: ArrayLike) -> None:
    names = pd.Series(who)
    if names.duplicated().any():
        raise StudyError(
            f"{names[names.duplicated()].nunique()} subjects have several rows",
            str(names[names.duplicated()].iloc[0]),
            "choose one case per subject: intervals assume independent rows",
        )
    seen = sorted(set(names) & set(model.oof["subject"]))
    if seen:
        raise StudyError(
            f"{len(seen)} subjects of the evaluation were trained on",
            f"model {model.model}, subject {seen[0]}",
            "evaluate on the external centre only; see `internal` for training subjects",
        )


def _roc(y: ArrayLike, risk: ArrayLike, area: float | None) -> Json | None:
    if area is None:
        return None
    points = roc_points(y, risk)
    return {
        "threshold": [None, *points["threshold"].tolist()[1:]],
        "sensitivity": points["sensitivity"].tolist(),
        "specificity": points["specificity"].tolist(),
    }


def with_holm(rows: list[Json]) -> list[Json]:
    """The same rows with ``p_holm`` beside ``p``: adjusted over all of them."""
    adjusted = holm([row["p"] for row in rows])
    return [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]
