"""A recursive filter of fourth order along the lines of a volume, there and back.

Lines are taken sixteen at a time, so that the recursion, which has to wait for itself along a line,
runs in the processor's vectors across lines. Sums are taken in ITK's order: the result is ITK's,
bit by bit. Coefficients: ``filters.log.coefficients``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

LINES = 16
# So many rows on, in a buffer with the rows of sixteen lines one after the other.
ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT = (np.uint64(rows * LINES) for rows in range(1, 9))


@kernel
def _forward(
    x: NDArray[np.float64], y: NDArray[np.float64], stop: int, k: NDArray[np.float64]
) -> None:
    """The causal part of rows ``0`` to ``stop``; before the first row the line is constant."""
    for i in range(min(4, stop)):
        for lane in range(LINES):
            edge = x[lane]
            told = x[i * LINES + lane] * k[0]
            for j in range(1, 4):
                told += x[max(i - j, 0) * LINES + lane] * k[j]
            before = y[(i - 1) * LINES + lane] * k[8] if i >= 1 else edge * k[12]
            for j in range(2, 5):
                before += y[(i - j) * LINES + lane] * k[7 + j] if i >= j else edge * k[11 + j]
            y[i * LINES + lane] = told - before
    n0, n1, n2, n3 = k[0], k[1], k[2], k[3]
    d1, d2, d3, d4 = k[8], k[9], k[10], k[11]
    for row in range(4, stop):
        for lane in range(LINES):
            i = np.uint64(row * LINES) + np.uint64(lane)
            told = ((x[i] * n0 + x[i - ONE] * n1) + x[i - TWO] * n2) + x[i - THREE] * n3
            before = ((y[i - ONE] * d1 + y[i - TWO] * d2) + y[i - THREE] * d3) + y[i - FOUR] * d4
            y[i] = told - before


@kernel
def _begin_backward(x: NDArray[np.float64], n: int, k: NDArray[np.float64]) -> None:
    """The anticausal part of the last four rows; beyond the last row the line is constant.

    That of row ``i`` replaces ``x[i + 4]``, which is not needed any more; ``x`` has ``n + 4`` rows.
    """
    last = (n - 1) * LINES
    m1, m2, m3, m4 = k[4], k[5], k[6], k[7]
    d1, d2, d3 = k[8], k[9], k[10]
    for lane in range(LINES):
        i = last + lane
        edge, one, two = x[i], x[i - LINES], x[i - 2 * LINES]
        e1, e2, e3, e4 = edge * k[16], edge * k[17], edge * k[18], edge * k[19]
        flat = ((edge * m1 + edge * m2) + edge * m3) + edge * m4
        z0 = flat - (((e1 + e2) + e3) + e4)
        z1 = flat - (((z0 * d1 + e2) + e3) + e4)
        told = ((one * m1 + edge * m2) + edge * m3) + edge * m4
        z2 = told - (((z1 * d1 + z0 * d2) + e3) + e4)
        told = ((two * m1 + one * m2) + edge * m3) + edge * m4
        z3 = told - (((z2 * d1 + z1 * d2) + z0 * d3) + e4)
        x[i + LINES], x[i + 2 * LINES] = z3, z2
        x[i + 3 * LINES], x[i + 4 * LINES] = z1, z0


@kernel
def _backward(x: NDArray[np.float64], n: int, start: int, k: NDArray[np.float64]) -> None:
    """The anticausal part from row ``n - 1`` down to ``start``; row ``i`` of it at ``x[i + 4]``."""
    _begin_backward(x, n, k)
    m1, m2, m3, m4 = k[4], k[5], k[6], k[7]
    d1, d2, d3, d4 = k[8], k[9], k[10], k[11]
    for row in range(n - 5, start - 1, -1):
        for lane in range(LINES):
            i = np.uint64(row * LINES) + np.uint64(lane)
            told = ((x[i + ONE] * m1 + x[i + TWO] * m2) + x[i + THREE] * m3) + x[i + FOUR] * m4
            after = ((x[i + FIVE] * d1 + x[i + SIX] * d2) + x[i + SEVEN] * d3) + x[i + EIGHT] * d4
            x[i + FOUR] = told - after


@kernel
def _window(
    lows: NDArray[np.int64], highs: NDArray[np.int64], first: int, width: int
) -> tuple[int, int]:
    """What sixteen lines need together."""
    low, high = lows[first], highs[first]
    for line in range(first, first + width):
        low, high = min(low, lows[line]), max(high, highs[line])
    return low, high


@kernel
def filter_last(
    a: NDArray[Any],
    k: NDArray[np.float64],
    start: int,
    stop: int,
    lows: NDArray[np.int64],
    highs: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Filter along the last axis.

    Args:
        a: Shape ``(line, n)`` with ``n`` at least 4.
        k: 20 coefficients.
        start: First column wanted.
        stop: One past the last.
        lows: Of each line, the first column that matters to these; from there on backwards the
            line is taken for constant.
        highs: One past the last that matters; at least 4 more than ``lows``, or none of the line
            is wanted if it is less.
        out: Out, shape ``(line, stop - start)``; 0 where nothing was wanted.
    """
    lines, n = a.shape
    x, y = np.zeros((n + 4) * LINES), np.empty(n * LINES)
    for first in range(0, lines, LINES):
        width = min(LINES, lines - first)
        low, high = _window(lows, highs, first, width)
        if high <= low:
            out[first : first + width] = 0
            continue
        for row in range(high - low):
            i, j = np.uint64(row * LINES), np.uint64(low + row)
            if width == LINES:  # a number the compiler knows
                for lane in range(LINES):
                    x[i + np.uint64(lane)] = a[np.uint64(first + lane), j]
            else:
                for lane in range(width):
                    x[i + np.uint64(lane)] = a[np.uint64(first + lane), j]
        _forward(x, y, stop - low, k)
        _backward(x, high - low, start - low, k)
        for row in range(stop - start):
            i, j = np.uint64((row + start - low) * LINES), np.uint64(row)
            for lane in range(width):
                at = i + np.uint64(lane)
                out[np.uint64(first + lane), j] = y[at] + x[at + FOUR]


@kernel
def filter_middle(
    a: NDArray[Any],
    k: NDArray[np.float64],
    start: int,
    stop: int,
    lows: NDArray[np.int64],
    highs: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Filter along the middle axis of ``a``, ``(plane, n, column)``; else as ``filter_last``.

    ``lows`` and ``highs`` have the shape ``(plane * column,)``.
    """
    planes, n, columns = a.shape
    x, y = np.zeros((n + 4) * LINES), np.empty(n * LINES)
    for plane in range(planes):
        for first in range(0, columns, LINES):
            width = min(LINES, columns - first)
            low, high = _window(lows, highs, plane * columns + first, width)
            if high <= low:
                out[plane, :, first : first + width] = 0
                continue
            for row in range(high - low):
                i, j = np.uint64(row * LINES), np.uint64(low + row)
                if width == LINES:  # a number the compiler knows
                    for lane in range(LINES):
                        x[i + np.uint64(lane)] = a[plane, j, np.uint64(first + lane)]
                else:
                    for lane in range(width):
                        x[i + np.uint64(lane)] = a[plane, j, first + lane]
            _forward(x, y, stop - low, k)
            _backward(x, high - low, start - low, k)
            for row in range(stop - start):
                i, j = np.uint64((row + start - low) * LINES), np.uint64(row)
                if width == LINES:
                    for lane in range(LINES):
                        at = i + np.uint64(lane)
                        out[plane, j, np.uint64(first + lane)] = y[at] + x[at + FOUR]
                else:
                    for lane in range(width):
                        at = i + np.uint64(lane)
                        out[plane, j, first + lane] = y[at] + x[at + FOUR]


@kernel
def add_scaled(total: NDArray[np.float32], part: NDArray[np.float32], weight: float) -> None:
    """``total += part * weight`` of flat arrays, in float64 and rounded once."""
    for i in range(total.size):
        at = np.uint64(i)
        total[at] = np.float32(np.float64(total[at]) + np.float64(part[at]) * weight)
