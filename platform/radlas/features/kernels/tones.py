"""Neighbourhood grey tone differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

FEATURES = "Coarseness Contrast Busyness Complexity Strength".split()


@kernel
def tone_features(
    voxels: NDArray[np.float64],
    differences: NDArray[np.float64],
    levels: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """The features of ``FEATURES``.

    Args:
        voxels: Voxels of each level, above 0.
        differences: Sum over them of ``|level - mean of the neighbours|``.
        levels: Grey levels, ascending.
        out: Out, shape ``(feature,)``.
    """
    n = levels.size
    total = voxels.sum()
    apart = differences.sum()
    coarse = contrast = busy = complexity = strength = 0.0
    for i in range(n):
        p = voxels[i] / total
        coarse += p * differences[i]
        for j in range(i):
            q = voxels[j] / total
            far = float(levels[i] - levels[j])
            contrast += 2 * p * q * far * far
            busy += 2 * abs(levels[i] * p - levels[j] * q)
            complexity += 2 * far * (p * differences[i] + q * differences[j]) / (p + q)
            strength += 2 * (p + q) * far * far
    out[0] = 1 / coarse if coarse else 1e6
    out[1] = contrast * apart / total / (n * (n - 1)) if n > 1 else 0.0
    out[2] = coarse / busy if busy else 0.0
    out[3] = complexity / total
    out[4] = strength / apart if apart else 0.0
