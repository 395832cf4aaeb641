"""Voxels as standard deviations from a mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


@kernel
def z_scores(a: NDArray[Any], mean: float, deviation: float, scale: float, out: Any) -> None:
    """In double precision, then rounded to that of ``out``.

    Args:
        a: Shape ``(z, y, x)``.
        mean: What becomes 0.
        deviation: What becomes ``scale``, counted from the mean.
        scale: Of one ``deviation`` in ``out``.
        out: Written; same shape.
    """
    for z in range(a.shape[0]):
        for y in range(a.shape[1]):
            row, found = a[z, y], out[z, y]
            for x in range(row.size):
                found[x] = (np.float64(row[x]) - mean) / deviation * scale
