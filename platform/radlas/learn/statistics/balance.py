"""How far two groups of patients differ, in standard deviations: whatever their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def mean_difference(one: ArrayLike, other: ArrayLike) -> float | None:
    """Standardised difference of means, ``one`` minus ``other``; missing values are left out.

    Returns:
        ``None`` if a group has fewer than two values, or neither varies by more than rounding:
            then no deviation measures the difference, be it none or total.

    Source:
        Austin 2009, Stat Med 28:3083; beyond 0.1 groups are commonly called unbalanced.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (one, other))
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if min(len(a), len(b)) < 2:
        return None
    spread = float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    largest = float(np.abs(np.concatenate([a, b])).max())
    return float(a.mean() - b.mean()) / spread if spread > 1e-12 * largest else None


def share_difference(one: tuple[int, int], other: tuple[int, int]) -> float | None:
    """Standardised difference of two shares, each given as a count and its whole.

    Returns:
        ``None`` if a group is empty, or neither varies: all against none too, which no deviation
            measures.
    """
    if not one[1] or not other[1]:
        return None
    p, q = one[0] / one[1], other[0] / other[1]
    spread = float(np.sqrt((p * (1 - p) + q * (1 - q)) / 2))
    return (p - q) / spread if spread else None
