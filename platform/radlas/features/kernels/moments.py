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
    second, third, fourth = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    absolute, energy = np.zeros(LANES), np.zeros(LANES)
    for k in range(values.size):
        lane = np.uint64(k % LANES)
        value = values[np.uint64(k)]
        apart = value - mean
        squared = apart * apart
        shifted = value + shift
        second[lane] += squared
        third[lane] += squared * apart
        fourth[lane] += squared * squared
        absolute[lane] += abs(apart)
        energy[lane] += shifted * shifted
    return second.sum(), third.sum(), fourth.sum(), absolute.sum(), energy.sum()


@kernel
def robust_deviation(values: NDArray[np.float64], low: float, high: float) -> float:
    """Mean absolute deviation of the values between two bounds, both included."""
    sums = np.zeros(LANES)
    kept = 0
    for k in range(values.size):
        value = values[np.uint64(k)]
        if low <= value <= high:
            sums[np.uint64(k % LANES)] += value
            kept += 1
    mean = sums.sum() / kept
    sums[:] = 0.0
    for k in range(values.size):
        value = values[np.uint64(k)]
        if low <= value <= high:
            sums[np.uint64(k % LANES)] += abs(value - mean)
    return sums.sum() / kept
