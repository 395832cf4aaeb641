"""Pairs of short filters along one axis, taps in ascending order as PyWavelets sums them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


@kernel
def split_last(
    a: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    turned: NDArray[np.int64],
    lows: NDArray[Any],
    highs: NDArray[Any],
) -> None:
    """Filter along the last axis.

    Args:
        a: Shape ``(line, n + taps - 1)``; sample ``i`` of the result begins at ``a[i + taps - 1]``
            and goes back.
        low: Taps of the first filter.
        high: Taps of the second.
        turned: How many first taps of each sample are summed in descending order, shape ``(n,)``.
        lows: Out, shape ``(line, n)``.
        highs: Out, same shape.
    """
    lines, n = lows.shape
    taps = low.size
    for line in range(lines):
        for i in range(n):
            lows[line, i] = a[line, i + taps - 1] * low[0]
            highs[line, i] = a[line, i + taps - 1] * high[0]
        for j in range(1, taps):
            for i in range(n):
                lows[line, i] += a[line, i + taps - 1 - j] * low[j]
                highs[line, i] += a[line, i + taps - 1 - j] * high[j]
        for i in range(n):
            if turned[i] > 1:
                end = i + taps - 1
                lows[line, i], highs[line, i] = 0, 0
                for k in range(taps):
                    j = turned[i] - 1 - k if k < turned[i] else k
                    lows[line, i] += a[line, end - j] * low[j]
                    highs[line, i] += a[line, end - j] * high[j]


@kernel
def split_middle(
    a: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    turned: NDArray[np.int64],
    lows: NDArray[Any],
    highs: NDArray[Any],
) -> None:
    """Filter along the middle axis of ``a``, shape ``(plane, n + taps - 1, column)``."""
    planes, n, columns = lows.shape
    taps = low.size
    for plane in range(planes):
        for i in range(n):
            end = i + taps - 1
            for k in range(taps):
                j = turned[i] - 1 - k if k < turned[i] else k
                row, first, second = a[plane, end - j], low[j], high[j]
                out_low, out_high = lows[plane, i], highs[plane, i]
                if k == 0:
                    for column in range(columns):
                        out_low[column] = row[column] * first
                        out_high[column] = row[column] * second
                else:
                    for column in range(columns):
                        out_low[column] += row[column] * first
                        out_high[column] += row[column] * second
