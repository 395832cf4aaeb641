"""Intraclass correlation: how much of a feature's spread is the patient's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from radlas.errors import StudyError

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # of a feature's largest value: what varies less varies by rounding only
Form = Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]


@dataclass(frozen=True, eq=False)
class Icc:
    """Coefficients with their intervals, NaN where not estimable; all of shape ``(feature,)``."""

    value: Floats
    low: Floats
    high: Floats


def icc(ratings: ArrayLike, *, form: Form = "ICC(A,1)", alpha: float = 0.05) -> Icc:
    """ICC of one rating, by analysis of variance, every feature at once.

    Args:
        ratings: Shape ``(subject, rater, feature)``, or ``(subject, rater)`` for one feature;
            raters are readers, repeats or perturbations. A subject with a missing rating is left
            out of that feature.
        form: ``ICC(A,1)`` two-way, absolute agreement; ``ICC(C,1)`` two-way, consistency;
            ``ICC(1,1)`` one-way.
        alpha: One minus the confidence level.

    Returns:
        NaN for a feature with fewer than two complete subjects or whose subjects
            differ by rounding only.

    Raises:
        StudyError: There are fewer than two raters.

    Source:
        McGraw & Wong 1996, Psychol Methods 1:30; Shrout & Fleiss 1979, Psychol Bull 86:420.
    """
    values = np.asarray(ratings, dtype=np.float64)
    values = values[:, :, None] if values.ndim == 2 else values
    if values.shape[1] < 2:
        raise StudyError(f"{values.shape[1]} ratings per subject cannot be compared")
    n, squares = _squares(values)
    k = values.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {"ICC(1,1)": _one_way, "ICC(A,1)": _agreement, "ICC(C,1)": _consistency}[form](
            n, k, squares, alpha
        )
    enough = (n >= 2) & (np.sqrt(squares.rows) > ROUNDING * _largest(values))
    return Icc(*(np.where(enough, one, np.nan) for one in found))


def _largest(values: Floats) -> Floats:
    """Largest magnitude of each feature, 0 where all is missing."""
    known = np.where(np.isfinite(values), np.abs(values), 0.0)
    largest: Floats = known.max(axis=(0, 1), initial=0.0)
    return largest


@dataclass(frozen=True, eq=False)
class _Squares:
    """Mean squares: between subjects, between raters, within subjects, residual."""

    rows: Floats
    columns: Floats
    within: Floats
    error: Floats


def _squares(values: Floats) -> tuple[Floats, _Squares]:
    complete = np.asarray(np.isfinite(values).all(axis=1))  # (subject, feature)
    n, k = complete.sum(axis=0).astype(np.float64), values.shape[1]
    kept = np.where(complete[:, None, :], values, 0.0)
    safe = np.maximum(n, 1)
    grand = kept.sum(axis=(0, 1)) / (safe * k)
    centred = np.where(complete[:, None, :], kept - grand, 0.0)  # large means lose no digits
    row_means, column_means = centred.mean(axis=1), centred.sum(axis=0) / safe
    between = k * (row_means**2).sum(axis=0)
    raters = n * (column_means**2).sum(axis=0)
    total = (centred**2).sum(axis=(0, 1))
    deviation = np.where(
        complete[:, None, :], centred - row_means[:, None, :] - column_means[None], 0.0
    )
    residual = (deviation**2).sum(axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return n, _Squares(
            between / (n - 1),
            raters / (k - 1),
            np.maximum(total - between, 0) / (n * (k - 1)),
            residual / ((n - 1) * (k - 1)),
        )


Bounds = tuple[Floats, Floats, Floats]


def _one_way(n: Floats, k: int, ms: _Squares, alpha: float) -> Bounds:
    ratio = ms.rows / ms.within
    low = ratio / stats.f.isf(alpha / 2, n - 1, n * (k - 1))
    high = ratio * stats.f.isf(alpha / 2, n * (k - 1), n - 1)
    value = (ms.rows - ms.within) / (ms.rows + (k - 1) * ms.within)
    return value, _of_ratio(low, k), _of_ratio(high, k)


def _consistency(n: Floats, k: int, ms: _Squares, alpha: float) -> Bounds:
    ratio = ms.rows / ms.error
    rest = (n - 1) * (k - 1)
    low = ratio / stats.f.isf(alpha / 2, n - 1, rest)
    high = ratio * stats.f.isf(alpha / 2, rest, n - 1)
    value = (ms.rows - ms.error) / (ms.rows + (k - 1) * ms.error)
    return value, _of_ratio(low, k), _of_ratio(high, k)


def _agreement(n: Floats, k: int, ms: _Squares, alpha: float) -> Bounds:
    value = (ms.rows - ms.error) / (ms.rows + (k - 1) * ms.error + k * (ms.columns - ms.error) / n)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    freedom = (a * ms.columns + b * ms.error) ** 2 / (
        (a * ms.columns) ** 2 / (k - 1) + (b * ms.error) ** 2 / ((n - 1) * (k - 1))
    )
    down, up = stats.f.isf(alpha / 2, n - 1, freedom), stats.f.isf(alpha / 2, freedom, n - 1)
    shared = k * ms.columns + (k * n - k - n) * ms.error
    low = n * (ms.rows - down * ms.error) / (down * shared + n * ms.rows)
    high = n * (up * ms.rows - ms.error) / (shared + n * up * ms.rows)
    perfect = value == 1
    return value, np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)


def _of_ratio(ratio: Floats, k: int) -> Floats:
    bound: Floats = np.where(np.isinf(ratio), 1.0, (ratio - 1) / (ratio + k - 1))
    return bound
