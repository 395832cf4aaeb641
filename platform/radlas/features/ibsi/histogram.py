"""The histogram of grey levels, as the IBSI reference manual describes it. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.features.ibsi.statistics import Features, as_numbers, summary

Counts = NDArray[np.int64]


def histogram(levels: NDArray[np.integer]) -> Features:
    """The 23 features of the histogram of grey levels.

    Bins run from level 1 to the highest level that occurs; empty ones between count as bins.
    Entropy and uniformity bear the names that PyRadiomics gives them.

    Args:
        levels: Grey levels of the ROI, shape ``(voxel,)``, at least 1 each.

    Returns:
        Values by column, ``histogram_Mean`` and so on, ``firstorder_Entropy`` [bit] and
        ``firstorder_Uniformity``. ``None``: gradients of a histogram of one bin, and what
        ``statistics`` leaves undefined.

    Raises:
        DataError: ``empty_mask``.
        ValueError: A level is below 1: they were made wrongly.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Intensity histogram features".

    Examples:
        >>> found = histogram(np.array([1, 1, 1, 3, 4]))
        >>> found["histogram_Mode"], found["histogram_MinimumGradient"]
        (1.0, -3.0)
    """
    found = summary(as_numbers(levels))
    if levels.min() < 1:
        raise ValueError(f"grey levels begin at 1, not at {levels.min()}")
    counts = np.bincount(levels)[1:]
    found |= {"Mode": _mode(counts), **_gradients(counts)}
    return {f"histogram_{name}": value for name, value in found.items()} | _shares(counts)


def _mode(counts: Counts) -> float:
    """The most frequent level; of several the one next to the mean, of two the lower one."""
    levels = np.arange(1, counts.size + 1)
    modes = levels[counts == counts.max()]
    # Distances from the mean times the number of voxels: integers, so that a tie is a tie.
    distances = np.abs(modes * counts.sum() - (levels * counts).sum())
    return float(modes[np.argmin(distances)])


def _gradients(counts: Counts) -> Features:
    names = [f"{end}Gradient{what}" for end in ("Maximum", "Minimum") for what in ("", "Level")]
    if counts.size < 2:
        return dict.fromkeys(names)
    slopes = np.gradient(counts.astype(np.float64))
    top, bottom = int(slopes.argmax()), int(slopes.argmin())  # of equal ones the lowest level
    values = (slopes[top], top + 1, slopes[bottom], bottom + 1)
    return dict(zip(names, map(float, values), strict=True))


def _shares(counts: Counts) -> Features:
    shares = counts[counts > 0] / counts.sum()
    return {
        "firstorder_Entropy": float(-(shares * np.log2(shares)).sum()) + 0.0,  # no -0
        "firstorder_Uniformity": float(np.square(shares).sum()),
    }
