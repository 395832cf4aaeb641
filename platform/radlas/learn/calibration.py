"""How far predicted risks agree with what happened: intercept, slope, and a smooth curve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from radlas.errors import StudyError
from radlas.learn.delong import Floats, checked

SPAN = 2 / 3  # share of the rows that a local line is fitted to, as in R's lowess
STEP = 0.01  # of the range of risks: curves are interpolated within it


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
    label, value = checked_risks(y, risk)
    means = float(value.mean()), float(label.mean())
    if label.all() or not label.any():
        return Calibration(None, None, None, *means, note="not estimable: one class only")
    if ((value == 0) | (value == 1)).any():
        return Calibration(None, None, None, *means, note="not estimable: a risk of 0 or 1")
    logit, ones = special.logit(value), np.ones((len(value), 1))
    offset = logistic(ones, label, logit)
    if np.ptp(logit) < 1e-12:
        return Calibration(_first(offset), None, None, *means, note="one risk for all: no slope")
    line = logistic(np.column_stack([ones, logit]), label)
    if line is None:
        note = "perfect separation: slope not estimable"
        return Calibration(_first(offset), None, None, *means, note=note)
    return Calibration(_first(offset), float(line[1]), float(line[0]), *means)


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
    return distances(value, smooth(value, label.astype(np.float64)))


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
    return between(value, smooth(value, label.astype(np.float64)), np.asarray(at, np.float64))


def between(risk: Floats, events: Floats, at: Floats) -> Floats:
    """The smooth share of ``events`` at other risks; NaN beyond those that were predicted."""
    order = np.argsort(risk, kind="stable")
    return np.interp(at, risk[order], events[order], left=np.nan, right=np.nan)


def smooth(x: Floats, y: Floats, *, span: float = SPAN, step: float = STEP) -> Floats:
    """Local linear regression with tricube weights, without robustness rounds.

    Args:
        x: Where, shape ``(row,)``.
        y: What, same shape.
        span: Share of the rows in a window.
        step: Share of the range within which fits are interpolated.

    Returns:
        Fitted values in the order of the rows.

    Source:
        Cleveland 1979, J Am Stat Assoc 74:829; windows, guards and interpolation as R's
        ``lowess(iter = 0)``.
    """
    order = np.argsort(x, kind="stable")
    where, what, fitted = x[order], y[order], np.empty(len(x))
    width = max(2, min(len(x), int(span * len(x) + 1e-7)))
    reach, delta = where[-1] - where[0], step * (where[-1] - where[0])
    last, here, left = -1, 0, 0
    while last < len(x) - 1:
        left = _window(where, here, left, width)
        fitted[here] = _local_line(where[left:], what[left:], where[here], width, reach)
        if here - last > 1:
            between = slice(last + 1, here)
            fitted[between] = np.interp(where[between], where[[last, here]], fitted[[last, here]])
        last, here = _onward(where, fitted, here, delta)
    result = np.empty_like(fitted)
    result[order] = fitted
    return result


def logistic(
    design: Floats, label: NDArray[np.bool_], offset: Floats | None = None
) -> Floats | None:
    """Coefficients of an unpenalised logistic regression; ``None`` if they run away (separation).

    Args:
        design: Shape ``(row, column)``, the intercept among the columns.
        label: Shape ``(row,)``.
        offset: Logits that are given, shape ``(row,)``.
    """
    beta, given = np.zeros(design.shape[1]), np.zeros(len(design)) if offset is None else offset
    for _ in range(50):
        fitted = special.expit(design @ beta + given)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        if np.linalg.cond(information) > 1e12 or not information.any():
            return None
        step = np.linalg.solve(information, design.T @ (label - fitted))
        if np.abs(step).max() < 1e-12:
            return beta
        # Far risks make a full step overshoot: at most 2 logits at once.
        beta = beta + step * min(1.0, 2.0 / float(np.abs(design @ step).max()))
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


def _window(x: Floats, here: int, left: int, width: int) -> int:
    """Where the window of the nearest ``width`` rows begins."""
    while left + width < len(x) and x[here] - x[left] > x[left + width] - x[here]:
        left += 1
    return left


def _local_line(x: Floats, y: Floats, at: float, width: int, reach: float) -> float:
    """Fit at one place; rows begin with the window, and those beyond it may tie with its last."""
    radius = max(at - x[0], x[width - 1] - at)
    distance = np.abs(x - at)
    if radius > 0:
        weight = np.where(distance <= 0.001 * radius, 1.0, (1 - (distance / radius) ** 3) ** 3)
        weight = np.where(distance <= 0.999 * radius, weight, 0.0)
    else:
        weight = (distance == 0).astype(np.float64)
    weight /= weight.sum()
    centre = float(weight @ x)
    spread = float(weight @ (x - centre) ** 2)
    if reach > 0 and np.sqrt(spread) > 0.001 * reach:
        weight = weight * (1 + (at - centre) / spread * (x - centre))
    return float(weight @ y)


def _onward(x: Floats, fitted: Floats, here: int, delta: float) -> tuple[int, int]:
    """The last row that is settled, and the next to fit: the farthest within ``delta``."""
    last, row = here, here + 1
    while row < len(x) and x[row] <= x[here] + delta:
        if x[row] == x[last]:
            fitted[row], last = fitted[last], row
        row += 1
    return last, max(last + 1, row - 1)


def _first(beta: Floats | None) -> float | None:
    return None if beta is None else float(beta[0])
