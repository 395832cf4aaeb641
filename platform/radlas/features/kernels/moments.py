"""Sums over an ROI's intensities.

Eight partial sums in a fixed order: as fast as the processor's vectors allow, and the same on each
processor, whatever the width of its vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

LANES = 8


@kernel
def extent_and_sum(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Smallest value, largest value and sum."""
    low = np.full(LANES, np.inf)
    high = np.full(LANES, -np.inf)
    sums = np.zeros(LANES)
    whole = values.size - values.size % LANES
    for block in range(0, whole, LANES):
        for lane in range(LANES):
            value = values[np.uint64(block + lane)]
            low[lane] = min(low[lane], value)
            high[lane] = max(high[lane], value)
            sums[lane] += value
    for k in range(whole, values.size):
        low[0] = min(low[0], values[k])
        high[0] = max(high[0], values[k])
        sums[0] += values[k]
    return low.min(), high.max(), sums.sum()


@kernel
def central_sums(
    values: NDArray[np.float64], mean: float, shift: float
) -> tuple[float, float, float, float, float]:
    """Sums of squared, cubed, fourth and absolute differences from the mean, and of squares.

    Args:
        mean: What is subtracted.
        shift: Added to the values before they are squared for the last sum.
    """
    sums = np.zeros((5, LANES))
    whole = values.size - values.size % LANES
    for block in range(0, whole, LANES):
        for lane in range(LANES):
            value = values[np.uint64(block + lane)]
            apart = value - mean
            squared = apart * apart
            sums[0, lane] += squared
            sums[1, lane] += squared * apart
            sums[2, lane] += squared * squared
            sums[3, lane] += abs(apart)
            sums[4, lane] += (value + shift) * (value + shift)
    for k in range(whole, values.size):
        apart = values[k] - mean
        sums[0, 0] += apart * apart
        sums[1, 0] += apart * apart * apart
        sums[2, 0] += apart * apart * (apart * apart)
        sums[3, 0] += abs(apart)
        sums[4, 0] += (values[k] + shift) * (values[k] + shift)
    return sums[0].sum(), sums[1].sum(), sums[2].sum(), sums[3].sum(), sums[4].sum()


@kernel
def _kept(
    values: NDArray[np.float64], low: float, high: float, centre: float, away: bool
) -> tuple[float, float]:
    """Sum and number of the values between two bounds, or of their distances from a centre."""
    sums, numbers = np.zeros(LANES), np.zeros(LANES)
    whole = values.size - values.size % LANES
    for block in range(0, whole, LANES):
        for lane in range(LANES):
            value = values[np.uint64(block + lane)]
            weight = 1.0 if (value >= low) & (value <= high) else 0.0
            sums[lane] += weight * (abs(value - centre) if away else value)
            numbers[lane] += weight
    for k in range(whole, values.size):
        if low <= values[k] <= high:
            sums[0] += abs(values[k] - centre) if away else values[k]
            numbers[0] += 1
    return sums.sum(), numbers.sum()


@kernel
def robust_deviation(values: NDArray[np.float64], low: float, high: float) -> float:
    """Mean absolute deviation of the values between two bounds, both included."""
    total, number = _kept(values, low, high, 0.0, False)
    apart, number = _kept(values, low, high, total / number, True)
    return apart / number
