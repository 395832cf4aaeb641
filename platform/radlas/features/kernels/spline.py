"""Cubic B-splines on a straight grid, in ITK's order of operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

LANES = 8
POLE = 3.0**0.5 - 2.0
TOLERANCE = 1e-10


@kernel
def prefilter(a: NDArray[np.float64]) -> None:
    """Turn samples into coefficients along the first axis, in place; ``a`` is ``(n, line)``.

    M. Unser, "Splines: a perfect fit for signal and image processing" (1999); mirrored ends.
    """
    n, lines = a.shape
    if n < 2:
        return
    gain = (1.0 - POLE) * (1.0 - 1.0 / POLE)
    for i in range(n):
        for line in range(lines):
            a[i, line] *= gain
    horizon = int(np.ceil(np.log(TOLERANCE) / np.log(abs(POLE))))
    for line in range(lines):
        a[0, line] = _begin(a, n, line, horizon)
    for i in range(1, n):
        for line in range(lines):
            a[i, line] += POLE * a[i - 1, line]
    for line in range(lines):
        end = POLE * a[n - 2, line] + a[n - 1, line]
        a[n - 1, line] = (POLE / (POLE * POLE - 1.0)) * end
    for i in range(n - 2, -1, -1):
        for line in range(lines):
            a[i, line] = POLE * (a[i + 1, line] - a[i, line])


@kernel
def _begin(a: NDArray[np.float64], n: int, line: int, horizon: int) -> float:
    power = POLE
    if horizon < n:
        total = a[0, line]
        for i in range(1, horizon):
            total += power * a[i, line]
            power *= POLE
        return total
    inverse = 1.0 / POLE
    mirrored = POLE ** (n - 1.0)
    total = a[0, line] + mirrored * a[n - 1, line]
    mirrored *= mirrored * inverse
    for i in range(1, n - 1):
        total += (power + mirrored) * a[i, line]
        power *= POLE
        mirrored *= inverse
    return total / (1.0 - power * power)


@kernel
def evaluate(
    coefficients: NDArray[np.float64],
    taps_z: NDArray[np.int64],
    weights_z: NDArray[np.float64],
    taps_y: NDArray[np.int64],
    weights_y: NDArray[np.float64],
    taps_x: NDArray[np.int64],
    weights_x: NDArray[np.float64],
    out: NDArray[Any],
) -> None:
    """The spline at every point of a new grid.

    Args:
        coefficients: Shape ``(z, y, x)``.
        taps_z: The four coefficients that matter to each new slice, shape ``(slice, 4)``.
        weights_z: Their weights, same shape; so for rows and columns.
        out: Out, shape ``(slice, row, column)``.
    """
    columns = out.shape[2]
    sums = np.empty(LANES)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for first in range(0, columns, LANES):
                width = min(LANES, columns - first)
                sums[:] = 0.0
                for p in range(4):
                    deep = weights_z[z, p]
                    for q in range(4):
                        row = coefficients[taps_z[z, p], taps_y[y, q]]
                        down = weights_y[y, q]
                        for lane in range(width):
                            x = np.uint64(first + lane)
                            at = np.uint64(lane)
                            total = sums[at]
                            for t in range(4):
                                tap = np.uint64(t)
                                weight = (weights_x[x, tap] * down) * deep
                                total += weight * row[np.uint64(taps_x[x, tap])]
                            sums[at] = total
                for lane in range(width):
                    out[z, y, first + lane] = sums[lane]


@kernel
def evaluate_slice(
    coefficients: NDArray[np.float64],
    taps_y: NDArray[np.int64],
    weights_y: NDArray[np.float64],
    taps_x: NDArray[np.int64],
    weights_x: NDArray[np.float64],
    out: NDArray[Any],
) -> None:
    """The spline in a plane at every point of a new grid; shapes as for ``evaluate``, without z."""
    columns = out.shape[1]
    sums = np.empty(LANES)
    for y in range(out.shape[0]):
        for first in range(0, columns, LANES):
            width = min(LANES, columns - first)
            sums[:] = 0.0
            for q in range(4):
                row, down = coefficients[taps_y[y, q]], weights_y[y, q]
                for lane in range(width):
                    x, at = np.uint64(first + lane), np.uint64(lane)
                    total = sums[at]
                    for t in range(4):
                        tap = np.uint64(t)
                        total += (weights_x[x, tap] * down) * row[np.uint64(taps_x[x, tap])]
                    sums[at] = total
            for lane in range(width):
                out[y, first + lane] = sums[lane]
