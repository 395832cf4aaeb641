"""Local linear regression: a smooth line through a cloud, as R's ``lowess`` draws it."""

from __future__ import annotations

import numpy as np

from radlas.learn.statistics.delong import Floats

SPAN = 2 / 3  # share of the rows that a local line is fitted to, as in R
STEP = 0.01  # of the range: curves are interpolated within it


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


def _window(x: Floats, here: int, left: int, width: int) -> int:
    """Where the window of the nearest ``width`` rows begins."""
    while left + width < len(x) and x[here] - x[left] > x[left + width] - x[here]:
        left += 1
    return left


def _local_line(x: Floats, y: Floats, at: float, width: int, reach: float) -> float:
    """Fit at one place; rows begin with the window, and those beyond it may tie with its last."""
    radius = max(at - x[0], x[width - 1] - at)
    ends = int(np.searchsorted(x, at + radius, side="right"))
    x, y = x[:ends], y[:ends]
    weight = _tricube(np.abs(x - at), radius) if radius > 0 else np.ones(ends)
    weight /= weight.sum()
    centre = float(weight @ x)
    spread = float(weight @ (x - centre) ** 2)
    if reach > 0 and np.sqrt(spread) > 0.001 * reach:
        weight = weight * (1 + (at - centre) / spread * (x - centre))
    return float(weight @ y)


def _tricube(distance: Floats, radius: float) -> Floats:
    """Weights of rows so far away; cubes are multiplied out as in R, as powers take far longer."""
    share = distance / radius
    rest: Floats = 1 - share * share * share
    weight = rest * rest * rest
    weight[distance <= 0.001 * radius] = 1.0
    weight[distance > 0.999 * radius] = 0.0
    return weight


def _onward(x: Floats, fitted: Floats, here: int, delta: float) -> tuple[int, int]:
    """The last row that is settled, and the next to fit: the farthest within ``delta``."""
    last, row = here, here + 1
    while row < len(x) and x[row] <= x[here] + delta:
        if x[row] == x[last]:
            fitted[row], last = fitted[last], row
        row += 1
    return last, max(last + 1, row - 1)
