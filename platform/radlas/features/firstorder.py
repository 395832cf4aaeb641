"""First-order features of an ROI, as PyRadiomics defines them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.features.families import Values
from radlas.features.kernels.levels import order_statistics
from radlas.features.kernels.moments import central_sums, robust_deviation

EPSILON = 2.0**-52
PERCENTS = (10, 25, 50, 75, 90)


def first_order(
    values: NDArray[np.float64],
    present: NDArray[np.int64],
    *,
    extent: tuple[float, float],
    total: float,
    voxel_volume: float,
    shift: float = 0.0,
) -> Values:
    """The 18 first-order features.

    Args:
        values: Intensities of the ROI, shape ``(voxel,)``, at least one.
        present: Voxels of each grey level.
        extent: Lowest and highest of ``values``.
        total: Their sum.
        voxel_volume: Volume of a voxel [mm3].
        shift: Added before intensities are squared.
    """
    n = values.size
    low, high = extent
    mean = total / n if high > low else low  # of equal voxels rounding would leave a skewness of 1
    second, third, fourth, absolute, energy = central_sums(values, mean, shift)
    variance = second / n
    spread = variance or 1.0
    p10, p25, median, p75, p90 = percentiles(values, extent)
    shares = present[present > 0] / n
    found = {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -float((shares * np.log2(shares + EPSILON)).sum()),
        "InterquartileRange": p75 - p25,
        "Kurtosis": fourth / n / spread**2,
        "Maximum": high,
        "Mean": mean,
        "MeanAbsoluteDeviation": absolute / n,
        "Median": median,
        "Minimum": low,
        "Range": high - low,
        "RobustMeanAbsoluteDeviation": robust_deviation(values, p10, p90),
        "RootMeanSquared": float(np.sqrt(energy / n)),
        "Skewness": third / n / spread**1.5,
        "TotalEnergy": energy * voxel_volume,
        "Uniformity": float((shares * shares).sum()),
        "Variance": variance,
    }
    return {
        f"firstorder_{name}": float(value) if np.isfinite(value) else None
        for name, value in found.items()
    }


def percentiles(
    values: NDArray[np.float64], extent: tuple[float, float]
) -> tuple[float, float, float, float, float]:
    """The percentiles of ``PERCENTS``, interpolated as ``numpy.percentile`` does."""
    places = [(values.size - 1) * (percent / 100) for percent in PERCENTS]
    below = [int(place) for place in places]
    last = values.size - 1
    wanted = np.array(sorted({min(at, last) for start in below for at in (start, start + 1)}))
    found = np.empty(wanted.size)
    cells = np.empty(values.size, dtype=np.uint16)
    order_statistics(values, *extent, wanted, found, cells)
    sorted_at = dict(zip(wanted.tolist(), found.tolist(), strict=True))
    p10, p25, p50, p75, p90 = (
        _between(sorted_at[start], sorted_at[min(start + 1, last)], place - start)
        for start, place in zip(below, places, strict=True)
    )
    return p10, p25, p50, p75, p90


def _between(low: float, high: float, share: float) -> float:
    apart = high - low
    return high - apart * (1 - share) if share >= 0.5 else low + apart * share
