"""Pairs of short filters along one axis, taps in ascending order as PyWavelets sums them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

BLOCK = 512  # columns whose sums stay near the processor from tap to tap


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
    """Filter along the middle axis of ``a``, shape ``(plane, n + taps - 1, column)``.

    Two taps at a time, of which there is always an even number.
    """
    planes, n, columns = lows.shape
    taps = low.size
    for plane in range(planes):
        for first in range(0, columns, BLOCK):
            stop = min(first + BLOCK, columns)
            for i in range(n):
                end = i + taps - 1
                for k in range(0, taps, 2):
                    j = turned[i] - 1 - k if k < turned[i] else k
                    m = turned[i] - 2 - k if k + 1 < turned[i] else k + 1
                    one, other = end - j, end - m
                    l1, l2, h1, h2 = low[j], low[m], high[j], high[m]
                    if k == 0:
                        for step in range(first, stop):
                            c = np.uint64(step)
                            u, v = a[plane, one, c], a[plane, other, c]
                            lows[plane, i, c] = u * l1 + v * l2
                            highs[plane, i, c] = u * h1 + v * h2
                    else:
                        for step in range(first, stop):
                            c = np.uint64(step)
                            u, v = a[plane, one, c], a[plane, other, c]
                            lows[plane, i, c] = (lows[plane, i, c] + u * l1) + v * l2
                            highs[plane, i, c] = (highs[plane, i, c] + u * h1) + v * h2
