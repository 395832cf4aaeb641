"""How far predicted risks agree with what happened: intercept, slope, and a smooth curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from radlas.errors import StudyError
from radlas.learn.statistics.delong import Floats, checked
from radlas.learn.statistics.lowess import smooth

_FAR = 1e9  # a bound beyond which there is none


@dataclass(frozen=True)
class Calibration:
    """How risks compare with outcomes on the logit scale; ``None`` if not estimable.

    Attributes:
        in_the_large: Intercept with the logit of the risk as offset; 0 is perfect.
        slope: Coefficient of the logit of the risk; 1 is perfect, below 1 is overfitted.
        intercept: The intercept that goes with ``slope``.
        mean_risk: Compare with ``prevalence``.
        in_the_large_interval: Profile likelihood interval, lower and upper bound.
        slope_interval: The same.
    """

    in_the_large: float | None
    slope: float | None
    intercept: float | None
    mean_risk: float
    prevalence: float
    note: str = ""
    in_the_large_interval: tuple[float, float] | None = None
    slope_interval: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def calibration(y: ArrayLike, risk: ArrayLike, *, alpha: float = 0.05) -> Calibration:
    """Calibration in the large, and slope.

    Args:
        y: Labels 0 or 1, shape ``(row,)``.
        risk: Probabilities, shape ``(row,)``.
        alpha: One minus the confidence level.

    Raises:
        StudyError: A risk lies outside [0, 1].

    Source:
        Cox 1958, Biometrika 45:562; intervals by profile likelihood, Venzon & Moolgavkar 1988,
        Appl Stat 37:87.
    """
    label, value = checked_risks(y, risk)
    means = float(value.mean()), float(label.mean())
    if label.all() or not label.any():
        return Calibration(None, None, None, *means, note="not estimable: one class only")
    if ((value == 0) | (value == 1)).any():
        return Calibration(None, None, None, *means, note="not estimable: a risk of 0 or 1")
    logit = special.logit(value)
    level = _level(label, logit)
    around = _profiled(label, lambda by: logit + by, level, alpha)
    if np.ptp(logit) < 1e-12:
        note = "one risk for all: no slope"
        return Calibration(level, None, None, *means, note, around)
    line = logistic(np.column_stack([np.ones(len(logit)), logit]), label)
    if line is None:
        note = "perfect separation: slope not estimable"
        return Calibration(level, None, None, *means, note, around)

    def tilted(by: float) -> Floats:
        sloped: Floats = by * logit
        return sloped + _level(label, sloped)

    intercept, slope = line.tolist()
    beside = _profiled(label, tilted, slope, alpha)
    return Calibration(level, slope, intercept, *means, "", around, beside)


def calibration_errors(y: ArrayLike, risk: ArrayLike) -> dict[str, float]:
    """Distances between risks and the smooth share of events there.

    Returns:
        ``ici`` (mean over rows), ``e50``, ``e90`` and ``emax``, all in units of risk [1].

    Raises:
        StudyError: A risk lies outside [0, 1].

    Source:
        Austin & Steyerberg 2019, Stat Med 38:4051; the curve as rms' ``val.prob`` draws it.
    """
    label, value = checked_risks(y, risk)
    return distances(value, smooth_share(value, label))


def smooth_share(risk: Floats, label: NDArray[np.bool_]) -> Floats:
    """Smooth share of events at every risk; a local line that leaves [0, 1] is cut there.

    Else a share of 1.2 would lie 1.2 from a risk of 0, or -0.1 farther from a low risk than any
    share can. Where the line stays inside, it is that of rms' ``val.prob``.
    """
    share: Floats = np.clip(smooth(risk, label.astype(np.float64)), 0, 1)
    return share


def distances(risk: Floats, events: Floats) -> dict[str, float]:
    """As ``calibration_errors``, from the smooth share of ``events`` at every risk."""
    gap = np.abs(events - risk)
    return {
        "ici": float(gap.mean()),
        "e50": float(np.median(gap)),
        "e90": float(np.quantile(gap, 0.9)),
        "emax": float(gap.max()),
    }


def calibration_curve(y: ArrayLike, risk: ArrayLike, at: ArrayLike) -> Floats:
    """Smooth share of events at the risks ``at``; NaN beyond the risks that were predicted."""
    label, value = checked_risks(y, risk)
    return between(value, smooth_share(value, label), np.asarray(at, np.float64))


def between(risk: Floats, events: Floats, at: Floats) -> Floats:
    """The smooth share of ``events`` at other risks; NaN beyond those that were predicted."""
    order = np.argsort(risk, kind="stable")
    return np.interp(at, risk[order], events[order], left=np.nan, right=np.nan)


def logistic(design: Floats, label: NDArray[np.bool_]) -> Floats | None:
    """Coefficients of an unpenalised logistic regression; ``None`` if they run away (separation).

    Columns are taken apart first, so that neither their scales nor how far they lie from 0 matter.

    Args:
        design: Shape ``(row, column)``, the intercept among the columns.
        label: Shape ``(row,)``.
    """
    length = np.sqrt((design**2).sum(axis=0))
    if not length.all() or label.all() or not label.any():
        return None
    columns, mixing = np.linalg.qr(design / length)
    if np.linalg.cond(mixing) > 1e12:
        return None
    score = columns @ (columns.T @ np.full(len(label), special.logit(label.mean())))
    for _ in range(100):
        fitted = special.expit(score)
        information = columns.T @ (columns * (fitted * (1 - fitted))[:, None])
        if np.linalg.cond(information) > 1e12 or not information.any():
            return None
        step: Floats = columns @ np.linalg.solve(information, columns.T @ (label - fitted))
        if np.abs(step).max() < 1e-11:
            beta: Floats = np.linalg.solve(mixing, columns.T @ score) / length
            return beta
        # Far risks make a full step overshoot: at most 2 logits at once.
        score = score + step * min(1.0, 2.0 / float(np.abs(step).max()))
    return None


def checked_risks(y: ArrayLike, risk: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Labels as bool and risks as float64.

    Raises:
        StudyError: As for ``checked``, or a risk lies outside [0, 1].
    """
    label, value = checked(y, risk)
    if ((value < 0) | (value > 1)).any():
        raise StudyError("risks must lie in [0, 1]", hint="pass probabilities, not scores")
    return label, value


def _level(label: NDArray[np.bool_], logits: Floats) -> float:
    """What all logits must be moved by so that the risks' mean is the share of events."""
    share = special.logit(label.mean())
    low, high = share - logits.max(), share - logits.min()

    def excess(by: float) -> float:
        return float((special.expit(logits + by) - label).mean())

    if high - low < 1e-12 or excess(low) >= 0 or excess(high) <= 0:  # one risk, up to rounding
        return float(low + high) / 2
    return float(optimize.brentq(excess, low, high, xtol=1e-13))


def _profiled(
    label: NDArray[np.bool_], logits: Callable[[float], Floats], best: float, alpha: float
) -> tuple[float, float] | None:
    """Where a parameter's best likelihood has fallen by half a chi-square; ``None`` if nowhere.

    Args:
        label: Shape ``(row,)``.
        logits: The likeliest with a given value of the parameter.
        best: Its estimate.
        alpha: One minus the confidence level.
    """
    lowest = _log_likelihood(label, logits(best)) - float(stats.chi2.ppf(1 - alpha, 1)) / 2

    def above(value: float) -> float:
        return _log_likelihood(label, logits(value)) - lowest

    bounds = []
    for side in (-1.0, 1.0):
        reach = 0.1
        while above(best + side * reach) > 0:
            reach *= 2
            if reach > _FAR:
                return None
        bounds.append(optimize.brentq(above, best, best + side * reach, xtol=1e-12))
    return bounds[0], bounds[1]


def _log_likelihood(label: NDArray[np.bool_], logits: Floats) -> float:
    return float(np.where(label, -np.logaddexp(0, -logits), -np.logaddexp(0, logits)).sum())
