"""What a statistic is of all patients but one, for each of them at once: what BCa intervals ask."""

from __future__ import annotations

import numpy as np

from radlas.learn.statistics.delong import Floats


def brier_without(truth: Floats, risk: Floats) -> Floats:
    """``brier`` without each row in turn, shape ``(row,)``.

    Args:
        truth: Labels 0.0 or 1.0, shape ``(row,)``.
        risk: Their risks.
    """
    error = (risk - truth) ** 2
    without: Floats = (error.sum() - error) / (len(error) - 1)
    return without


def f1_without(truth: Floats, score: Floats, threshold: float) -> Floats:
    """``f1_score`` without each row in turn; NaN where nobody else is or is called positive."""
    label, called = truth == 1, score >= threshold
    hits = np.sum(label & called) - (label & called)
    total = np.sum(label) + np.sum(called) - label - called.astype(np.int64)
    without = np.full(len(truth), np.nan)
    np.divide(2 * hits, total, out=without, where=total > 0)
    return without


def average_precision_without(truth: Floats, score: Floats) -> Floats:
    """``average_precision`` without each row in turn; NaN where no positive is left.

    Down the ranks, a step ``found - found before`` weighs the precision ``found / called``. Without
    a row, the steps above it stand as they are; in those below it is neither called nor found.
    """
    levels, place = np.unique(-score, return_inverse=True)
    hits = np.bincount(place, weights=truth, minlength=len(levels))
    found, called = np.cumsum(hits), np.cumsum(np.bincount(place, minlength=len(levels)))
    above = np.concatenate([[0.0], np.cumsum(hits * found / called)])[place]
    without = np.empty(len(truth))
    for label in (0.0, 1.0):
        rest = np.maximum(called - 1, 1)  # of nobody called there is no step either
        below = hits * (found - label) / rest
        own = (hits - label) * (found - label) / rest
        tail = below.sum() - np.cumsum(below)
        rows = truth == label
        left = found[-1] - label
        sums = above[rows] + own[place[rows]] + tail[place[rows]]
        without[rows] = sums / left if left else np.nan
    return without
