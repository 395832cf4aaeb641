"""Performance of predicted risks: at a threshold, along curves, and compared many times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import precision_recall_curve

from radlas.errors import StudyError
from radlas.learn.settings import Threshold
from radlas.learn.statistics.delong import Floats, checked
from radlas.learn.statistics.intervals import wilson

FEWEST_FOLDS = 5  # from fewer a difference has no interval worth the name
ROUNDING = 1e-24  # variance of differences of AUC that are equal: 0.9 - 0.8 is not 0.8 - 0.7


def at_threshold(
    y: ArrayLike, score: ArrayLike, threshold: float, *, alpha: float = 0.05
) -> dict[str, Any]:
    """Decisions at one threshold; a row is called positive if ``score >= threshold``.

    Returns:
        ``threshold``, ``counts`` (``tp fp fn tn``), ``f1``, and for each of ``sensitivity
        specificity ppv npv accuracy`` a dict ``value successes trials interval`` (Wilson).
        What has no trials is ``None``.
    """
    label, value = checked(y, score)
    called = value >= threshold
    tp, fp = int((called & label).sum()), int((called & ~label).sum())
    fn, tn = int((~called & label).sum()), int((~called & ~label).sum())
    parts = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "accuracy": (tp + tn, len(label)),
    }
    return {
        "threshold": float(threshold),
        "counts": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
        **{name: _proportion(*part, alpha) for name, part in parts.items()},
    }


def choose_threshold(y: ArrayLike, score: ArrayLike, rule: Threshold) -> float:
    """The threshold a rule chooses: midway between two neighbouring scores.

    ``youden`` maximises sensitivity + specificity; of equals, the lowest threshold. ``sensitivity``
    takes the highest threshold that reaches the declared value. Tied scores give that score.

    Raises:
        StudyError: A class is missing.
    """
    label, value = checked(y, score)
    if label.all() or not label.any():
        raise StudyError("a threshold needs both classes", hint="add subjects of the other class")
    levels = np.unique(value)
    edges = np.concatenate([levels[:1], (levels[:-1] + levels[1:]) / 2])
    sensitivity, specificity = _rates(label, value, edges)
    if rule.value is not None:
        return float(edges[sensitivity >= rule.value].max())
    return float(edges[np.argmax(np.round(sensitivity + specificity, 12))])


def roc_points(y: ArrayLike, score: ArrayLike) -> pd.DataFrame:
    """The ROC curve: ``threshold``, ``sensitivity``, ``specificity``, from (0, 1) to (1, 0).

    The first threshold is ``inf``: nobody is called positive.
    """
    label, value = checked(y, score)
    edges = np.concatenate([[np.inf], np.unique(value)[::-1]])
    sensitivity, specificity = _rates(label, value, edges)
    columns = {"threshold": edges, "sensitivity": sensitivity, "specificity": specificity}
    return pd.DataFrame(columns)


def precision_points(y: ArrayLike, score: ArrayLike) -> pd.DataFrame:
    """The precision-recall curve: ``threshold``, ``recall`` (rising), ``precision``.

    The first threshold is ``inf``: nobody is called positive, and precision is 1 by convention.
    """
    label, value = checked(y, score)
    precision, recall, edges = precision_recall_curve(label, value)
    columns = {"threshold": [*edges, np.inf], "recall": recall, "precision": precision}
    return pd.DataFrame(columns).iloc[::-1].reset_index(drop=True)


def average_precision(y: ArrayLike, score: ArrayLike) -> float:
    """Area under the precision-recall steps; chance reaches the prevalence. NaN: no positives.

    scikit-learn's ``average_precision_score``, in a twentieth of its time: it is resampled.
    """
    label, value = checked(y, score)
    order = np.argsort(-value, kind="stable")
    found = np.cumsum(label[order])
    last = np.append(np.diff(value[order]) != 0, True)  # of equal scores all are called at once
    recall = np.concatenate([[0], found[last] / found[-1] if found[-1] else found[last] * np.nan])
    return float(np.sum(np.diff(recall) * found[last] / (np.flatnonzero(last) + 1)))


def f1_score(y: ArrayLike, score: ArrayLike, threshold: float) -> float:
    """F1 of calling ``score >= threshold`` positive; NaN if nobody is or is called positive."""
    label, value = checked(y, score)
    called = value >= threshold
    total = int(label.sum() + called.sum())
    return 2 * int((called & label).sum()) / total if total else float("nan")


def brier(y: ArrayLike, risk: ArrayLike) -> float:
    """Mean squared distance of risk and outcome."""
    label, value = checked(y, risk)
    return float(np.mean((value - label) ** 2))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; ``None`` stays and counts for nothing.

    Examples:
        >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = highest
    return adjusted


def benjamini_hochberg(values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values that bound the share of false findings; order and ``None`` as in ``holm``.

    Source:
        Benjamini & Hochberg 1995, J R Stat Soc B 57:289.

    Examples:
        >>> [round(p, 6) for p in benjamini_hochberg([0.01, 0.04, 0.03, 0.005])]
        [0.02, 0.04, 0.04, 0.02]
    """
    known = sorted(((p, place) for place, p in enumerate(values) if p is not None), reverse=True)
    adjusted: list[float | None] = [None] * len(values)
    lowest = 1.0
    for rank, (p, place) in enumerate(known):
        lowest = min(lowest, p * len(known) / (len(known) - rank))
        adjusted[place] = lowest
    return adjusted


def resampled_t(
    differences: Sequence[float], *, share: float, alpha: float = 0.05
) -> dict[str, Any]:
    """Whether one model beats another over repeated folds that share their training rows.

    Args:
        differences: Of a score, fold by fold, first minus second model.
        share: Test rows over training rows of a fold: 1/4 for five folds.
        alpha: One minus the confidence level.

    Returns:
        ``difference statistic df p interval``; ``None`` where the folds do not differ, or are
        fewer than ``FEWEST_FOLDS``: their spread is not known.

    Source:
        Nadeau & Bengio 2003, Mach Learn 52:239: the variance of a mean of folds that overlap.
    """
    value = np.asarray(differences, dtype=np.float64)
    mean, df = float(value.mean()), len(value) - 1
    spread = float(value.var(ddof=1)) if df else 0.0
    if spread <= ROUNDING or len(value) < FEWEST_FOLDS:
        return {"difference": mean, "statistic": None, "df": df, "p": None, "interval": None}
    error = float(np.sqrt((1 / len(value) + share) * spread))
    half = float(stats.t.isf(alpha / 2, df)) * error
    return {
        "difference": mean,
        "statistic": mean / error,
        "df": df,
        "p": float(2 * stats.t.sf(abs(mean / error), df)),
        "interval": [mean - half, mean + half],
    }


def rank_difference(
    values: Sequence[float], labels: Sequence[int]
) -> dict[str, float | int | None]:
    """Whether a quantity is larger in one class, by ranks.

    Args:
        values: One number per patient.
        labels: 1 or 0, as many.

    Returns:
        ``positives``, ``negatives``; ``median_positive``, ``median_negative``; ``superiority``, how
        often a positive exceeds a negative, ties half (0.5 is no difference); ``p``, two-sided.
        ``None`` where a class is empty.

    Source:
        Mann & Whitney 1947, as ``scipy.stats.mannwhitneyu``.
    """
    value, label = np.asarray(values, dtype=float), np.asarray(labels) == 1
    high, low = value[label], value[~label]
    counts = {"positives": len(high), "negatives": len(low)}
    if not len(high) or not len(low):
        none = ("median_positive", "median_negative", "superiority", "p")
        return {**counts, **dict.fromkeys(none)}
    test = stats.mannwhitneyu(high, low)
    return {
        **counts,
        "median_positive": float(np.median(high)),
        "median_negative": float(np.median(low)),
        "superiority": float(test.statistic / (len(high) * len(low))),
        "p": float(test.pvalue),
    }


def _proportion(successes: int, trials: int, alpha: float) -> dict[str, Any]:
    interval = wilson(successes, trials, alpha=alpha)
    return {
        "value": successes / trials if trials else None,
        "successes": successes,
        "trials": trials,
        "interval": list(interval) if interval else None,
    }


def _rates(label: NDArray[np.bool_], value: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """Sensitivity and specificity of every edge, counted in sorted scores: no table of pairs."""
    positives, negatives = np.sort(value[label]), np.sort(value[~label])
    missed, spared = (np.searchsorted(part, edges) for part in (positives, negatives))
    return (len(positives) - missed) / len(positives), spared / len(negatives)
