"""Every figure of one set of risks: JSON-ready, ``None`` with a note for what is not estimable."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radlas.learn.metrics import (
    at_threshold,
    average_precision,
    brier,
    f1_score,
    precision_points,
    roc_points,
)
from radlas.learn.statistics.calibration import (
    between,
    calibration,
    checked_risks,
    distances,
    smooth_share,
)
from radlas.learn.statistics.decision import decision_curve
from radlas.learn.statistics.delong import Floats, auc
from radlas.learn.statistics.intervals import bootstrap, predictive_values, resamples
from radlas.learn.statistics.left_out import average_precision_without, brier_without, f1_without
from radlas.learn.study import StudyConfig

ENOUGH = 100  # events and non-events below which calibration is no claim (Snell 2021)
CURVE_DRAWS = 200  # resamples of a smooth curve
POINTS = 41  # of a curve
Json = dict[str, Any]


def performance(y: ArrayLike, risk: ArrayLike, threshold: float, *, alpha: float = 0.05) -> Json:
    """What can be said without resampling.

    Returns:
        ``n positives negatives``, ``auc`` (``AucEstimate``), ``decision`` (``at_threshold``),
        ``brier``, ``calibration`` (``Calibration``), ``roc`` (lists ``threshold sensitivity
        specificity``; the first threshold is ``None``: nobody is positive), ``notes``.
    """
    area = auc(y, risk, alpha=alpha)
    fit = calibration(y, risk, alpha=alpha)
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
        "roc": _roc(y, risk) if area.auc is not None else None,
        "notes": notes,
    }


def full_performance(y: ArrayLike, risk: ArrayLike, threshold: float, study: StudyConfig) -> Json:
    """All of ``performance``, and what resampled subjects and smooth curves add to it.

    Returns:
        Besides: ``intervals`` (``brier f1 average_precision``, each as ``bootstrap`` returns it),
        ``precision_recall`` (lists ``recall precision``), ``elsewhere`` (per declared prevalence
        ``prevalence ppv npv``), ``calibration_errors`` (``ici e50 e90 emax``, and ``ici_interval``
        of resamples: a distance grows with noise, so it is no confidence interval),
        ``calibration_curve`` (lists ``risk events low high``) and ``decision_curve``.
    """
    found = performance(y, risk, threshold, alpha=study.alpha)
    if not found["positives"] or not found["negatives"]:
        return found
    settings = {"alpha": study.alpha, "seed": study.seed}
    statistics = {
        "brier": (brier, brier_without),
        "f1": (partial(f1_score, threshold=threshold), partial(f1_without, threshold=threshold)),
        "average_precision": (average_precision, average_precision_without),
    }
    points = precision_points(y, risk)
    return {
        **found,
        "intervals": {
            name: bootstrap(y, risk, statistic, without=without, **settings)  # type: ignore[arg-type]
            for name, (statistic, without) in statistics.items()
        },
        "precision_recall": {n: points[n].tolist() for n in ("recall", "precision")},
        "elsewhere": _elsewhere(found["decision"], study),
        **_smooth(y, risk, study),
        "decision_curve": decision_curve(
            y,
            risk,
            np.linspace(*study.decision_range, POINTS).tolist(),
            **settings,  # type: ignore[arg-type]
        ),
    }


def _elsewhere(decision: Json, study: StudyConfig) -> list[Json]:
    found, spared = (
        (decision[name]["successes"], decision[name]["trials"])
        for name in ("sensitivity", "specificity")
    )
    return [
        {"prevalence": share, **predictive_values(found, spared, share, alpha=study.alpha)}
        for share in study.prevalences
    ]


def _smooth(y: ArrayLike, risk: ArrayLike, study: StudyConfig) -> Json:
    """The calibration curve with its band, and the distances that follow from it."""
    label, value = checked_risks(y, risk)
    if np.ptp(value) < 1e-12:
        return {"calibration_errors": None, "calibration_curve": None}
    grid = np.linspace(value.min(), value.max(), POINTS)
    rows = resamples(len(label), CURVE_DRAWS, study.seed)
    some = (one for one in rows if np.ptp(value[one]) > 0)
    fits = ((value[one], smooth_share(value[one], label[one])) for one in some)
    drawn = [(between(*one, grid), distances(*one)["ici"]) for one in fits]
    curves, means = np.stack([curve for curve, _ in drawn]), [mean for _, mean in drawn]
    levels = [study.alpha / 2, 1 - study.alpha / 2]
    low, high = _band(curves, levels)
    events = smooth_share(value, label)
    interval = np.quantile(means, levels).tolist()
    return {
        "calibration_errors": {**distances(value, events), "ici_interval": interval},
        "calibration_curve": {
            "risk": grid.tolist(),
            "events": between(value, events, grid).tolist(),
            "low": low,
            "high": high,
        },
    }


def _band(curves: Floats, levels: list[float]) -> list[list[float | None]]:
    """Pointwise percentiles where at least half of the resampled curves reach."""
    reached = np.isfinite(curves).mean(axis=0) >= 0.5
    bounds = np.full((2, curves.shape[1]), np.nan)
    bounds[:, reached] = np.nanquantile(curves[:, reached], levels, axis=0)
    return [[float(x) if np.isfinite(x) else None for x in row] for row in bounds]


def _roc(y: ArrayLike, risk: ArrayLike) -> Json:
    points = roc_points(y, risk)
    return {
        "threshold": [None, *points["threshold"].tolist()[1:]],
        "sensitivity": points["sensitivity"].tolist(),
        "specificity": points["specificity"].tolist(),
    }
