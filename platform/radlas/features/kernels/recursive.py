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


@kernel
def _forward(
    x: NDArray[np.float64], y: NDArray[np.float64], stop: int, k: NDArray[np.float64]
) -> None:
    """The causal part of rows ``0`` to ``stop``; before the first row the line is constant."""
    for i in range(min(4, stop)):
        for lane in range(LINES):
            edge = x[0, lane]
            told = x[i, lane] * k[0]
            for j in range(1, 4):
                told += x[max(i - j, 0), lane] * k[j]
            before = y[i - 1, lane] * k[8] if i >= 1 else edge * k[12]
            for j in range(2, 5):
                before += y[i - j, lane] * k[7 + j] if i >= j else edge * k[11 + j]
            y[i, lane] = told - before
    n0, n1, n2, n3 = k[0], k[1], k[2], k[3]
    d1, d2, d3, d4 = k[8], k[9], k[10], k[11]
    for row in range(4, stop):
        i = np.uint64(row)
        a, b, c = i - np.uint64(1), i - np.uint64(2), i - np.uint64(3)
        d = i - np.uint64(4)
        for step in range(LINES):
            lane = np.uint64(step)
            told = ((x[i, lane] * n0 + x[a, lane] * n1) + x[b, lane] * n2) + x[c, lane] * n3
            before = ((y[a, lane] * d1 + y[b, lane] * d2) + y[c, lane] * d3) + y[d, lane] * d4
            y[i, lane] = told - before


@kernel
def _begin_backward(x: NDArray[np.float64], n: int, k: NDArray[np.float64]) -> None:
    """The anticausal part of the last four rows; beyond the last row the line is constant.

    That of row ``i`` replaces ``x[i + 4]``, which is not needed any more; ``x`` has ``n + 4`` rows.
    """
    last = n - 1
    m1, m2, m3, m4 = k[4], k[5], k[6], k[7]
    d1, d2, d3 = k[8], k[9], k[10]
    for lane in range(LINES):
        edge, one, two = x[last, lane], x[last - 1, lane], x[last - 2, lane]
        e1, e2, e3, e4 = edge * k[16], edge * k[17], edge * k[18], edge * k[19]
        flat = ((edge * m1 + edge * m2) + edge * m3) + edge * m4
        z0 = flat - (((e1 + e2) + e3) + e4)
        z1 = flat - (((z0 * d1 + e2) + e3) + e4)
        told = ((one * m1 + edge * m2) + edge * m3) + edge * m4
        z2 = told - (((z1 * d1 + z0 * d2) + e3) + e4)
        told = ((two * m1 + one * m2) + edge * m3) + edge * m4
        z3 = told - (((z2 * d1 + z1 * d2) + z0 * d3) + e4)
        x[last + 1, lane], x[last + 2, lane] = z3, z2
        x[last + 3, lane], x[last + 4, lane] = z1, z0


@kernel
def _backward(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    n: int,
    start: int,
    stop: int,
    k: NDArray[np.float64],
    sums: NDArray[np.float32],
) -> None:
    """The anticausal part down to row ``start``, added to the causal one in ``y``.

    Args:
        sums: Out, single precision, shape ``(stop - start, LINES)``.
    """
    _begin_backward(x, n, k)
    m1, m2, m3, m4 = k[4], k[5], k[6], k[7]
    d1, d2, d3, d4 = k[8], k[9], k[10], k[11]
    for row in range(n - 5, stop - 1, -1):  # nobody asks for these, but the recursion does
        i = np.uint64(row)
        for step in range(LINES):
            lane = np.uint64(step)
            told = (
                (x[i + np.uint64(1), lane] * m1 + x[i + np.uint64(2), lane] * m2)
                + x[i + np.uint64(3), lane] * m3
            ) + x[i + np.uint64(4), lane] * m4
            after = (
                (x[i + np.uint64(5), lane] * d1 + x[i + np.uint64(6), lane] * d2)
                + x[i + np.uint64(7), lane] * d3
            ) + x[i + np.uint64(8), lane] * d4
            x[i + np.uint64(4), lane] = told - after
    for row in range(max(n - 4, start), stop):
        for lane in range(LINES):
            sums[row - start, lane] = np.float32(y[row, lane] + x[row + 4, lane])
    for row in range(min(n - 5, stop - 1), start - 1, -1):
        i = np.uint64(row)
        at = np.uint64(row - start)
        for step in range(LINES):
            lane = np.uint64(step)
            told = (
                (x[i + np.uint64(1), lane] * m1 + x[i + np.uint64(2), lane] * m2)
                + x[i + np.uint64(3), lane] * m3
            ) + x[i + np.uint64(4), lane] * m4
            after = (
                (x[i + np.uint64(5), lane] * d1 + x[i + np.uint64(6), lane] * d2)
                + x[i + np.uint64(7), lane] * d3
            ) + x[i + np.uint64(8), lane] * d4
            found = told - after
            x[i + np.uint64(4), lane] = found
            sums[at, lane] = np.float32(y[i, lane] + found)


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
    x, y = np.zeros((n + 4, LINES)), np.empty((n, LINES))
    sums = np.empty((stop - start, LINES), np.float32)
    for first in range(0, lines, LINES):
        width = min(LINES, lines - first)
        low, high = _window(lows, highs, first, width)
        if high <= low:
            out[first : first + width] = 0
            continue
        for step in range(width):
            line, lane = np.uint64(first + step), np.uint64(step)
            for i in range(high - low):
                x[np.uint64(i), lane] = a[line, np.uint64(low + i)]
        _forward(x, y, stop - low, k)
        _backward(x, y, high - low, start - low, stop - low, k, sums)
        for step in range(width):
            line, lane = np.uint64(first + step), np.uint64(step)
            for row in range(stop - start):
                out[line, np.uint64(row)] = sums[np.uint64(row), lane]


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
    x, y = np.zeros((n + 4, LINES)), np.empty((n, LINES))
    sums = np.empty((stop - start, LINES), np.float32)
    for plane in range(planes):
        for first in range(0, columns, LINES):
            width = min(LINES, columns - first)
            low, high = _window(lows, highs, plane * columns + first, width)
            if high <= low:
                out[plane, :, first : first + width] = 0
                continue
            for row in range(high - low):
                i, j = np.uint64(row), np.uint64(low + row)
                if width == LINES:  # a number the compiler knows
                    for lane in range(LINES):
                        x[i, np.uint64(lane)] = a[plane, j, np.uint64(first + lane)]
                else:
                    for lane in range(width):
                        x[i, lane] = a[plane, j, first + lane]
            _forward(x, y, stop - low, k)
            _backward(x, y, high - low, start - low, stop - low, k, sums)
            for row in range(stop - start):
                i = np.uint64(row)
                if width == LINES:
                    for lane in range(LINES):
                        out[plane, i, np.uint64(first + lane)] = sums[i, np.uint64(lane)]
                else:
                    for lane in range(width):
                        out[plane, i, first + lane] = sums[i, lane]


@kernel
def add_scaled(total: NDArray[np.float32], part: NDArray[np.float32], weight: float) -> None:
    """``total += part * weight`` of flat arrays, in float64 and rounded once."""
    for i in range(total.size):
        at = np.uint64(i)
        total[at] = np.float32(np.float64(total[at]) + np.float64(part[at]) * weight)
