"""Performance of predicted risks: at a threshold, along the ROC curve, and as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from radlas.errors import StudyError
from radlas.learn.delong import Floats, Interval, checked
from radlas.learn.study import Threshold


def wilson(successes: int, trials: int, *, alpha: float = 0.05) -> Interval | None:
    """Wilson's interval of a proportion; ``None`` without trials.

    Source:
        Wilson 1927, J Am Stat Assoc 22:209.
    """
    if trials == 0:
        return None
    z = float(stats.norm.isf(alpha / 2))
    share, weight = successes / trials, 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / weight
    half = z / weight * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low = 0.0 if successes == 0 else float(centre - half)
    return low, 1.0 if successes == trials else float(centre + half)


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


def brier(y: ArrayLike, risk: ArrayLike) -> float:
    """Mean squared distance of risk and outcome."""
    label, value = checked(y, risk)
    return float(np.mean((value - label) ** 2))


@dataclass(frozen=True)
class Calibration:
    """How risks compare with outcomes on the logit scale; ``None`` if not estimable.

    Attributes:
        in_the_large: Intercept with the logit of the risk as offset; 0 is perfect.
        slope: Coefficient of the logit of the risk; 1 is perfect, below 1 is overfitted.
        intercept: The intercept that goes with ``slope``.
        mean_risk: Compare with ``prevalence``.
    """

    in_the_large: float | None
    slope: float | None
    intercept: float | None
    mean_risk: float
    prevalence: float
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def calibration(y: ArrayLike, risk: ArrayLike) -> Calibration:
    """Calibration in the large, and slope.

    Args:
        y: Labels 0 or 1, shape ``(row,)``.
        risk: Probabilities, shape ``(row,)``.

    Raises:
        StudyError: A risk lies outside [0, 1].
    """
    label, value = checked(y, risk)
    if ((value < 0) | (value > 1)).any():
        raise StudyError("risks must lie in [0, 1]", hint="pass probabilities, not scores")
    means = float(value.mean()), float(label.mean())
    if label.all() or not label.any():
        return Calibration(None, None, None, *means, note="not estimable: one class only")
    if ((value == 0) | (value == 1)).any():
        return Calibration(None, None, None, *means, note="not estimable: a risk of 0 or 1")
    logit, ones = special.logit(value), np.ones((len(value), 1))
    offset = _newton(ones, label, logit)
    if np.ptp(logit) < 1e-12:
        return Calibration(_first(offset), None, None, *means, note="one risk for all: no slope")
    line = _newton(np.column_stack([ones, logit]), label, np.zeros(len(value)))
    if line is None:
        note = "perfect separation: slope not estimable"
        return Calibration(_first(offset), None, None, *means, note=note)
    return Calibration(_first(offset), float(line[1]), float(line[0]), *means)


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
    called = value[None, :] >= edges[:, None]
    return called[:, label].mean(axis=1), (~called[:, ~label]).mean(axis=1)


def _newton(design: Floats, label: NDArray[np.bool_], offset: Floats) -> Floats | None:
    """Logistic regression with an offset, unpenalised; ``None`` if it runs away (separation)."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        fitted = special.expit(design @ beta + offset)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        if np.linalg.cond(information) > 1e12 or not information.any():
            return None
        step = np.linalg.solve(information, design.T @ (label - fitted))
        if np.abs(step).max() < 1e-12:
            return beta
        # Far risks make a full step overshoot: at most 2 logits at once.
        beta = beta + step * min(1.0, 2.0 / float(np.abs(design @ step).max()))
    return None


def _first(beta: Floats | None) -> float | None:
    return None if beta is None else float(beta[0])
