"""From intensities to grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels.levels import digitise

HIGHEST = 2_000  # the tables of the sweep grow with the square of the levels


@dataclass(frozen=True, eq=False)
class Levels:
    """Grey levels of an ROI's voxels.

    Attributes:
        levels: From 1, shape ``(voxel,)``.
        present: Voxels of each level, from level 0, which has none.
    """

    levels: NDArray[np.uint16]
    present: NDArray[np.int64]


def fixed_width_edges(low: float, high: float, *, width: float) -> NDArray[np.float64]:
    """Bin edges of equal width that are multiples of it, as PyRadiomics sets them.

    In float64 whatever the image's type, as numpy 1 computed them: numpy 2 stays in the type of
    the voxels, where 8 bits overflow into a single bin.

    Args:
        low: The lowest intensity of the ROI.
        high: The highest.
        width: Width of a level [unit of the image].
    """
    edges = np.arange(low - low % width, high + 2 * width, width)
    return edges if edges.size > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def fixed_count_edges(low: float, high: float, *, count: int) -> NDArray[np.float64]:
    """So many bins of equal width between lowest and highest; the highest falls into the last."""
    edges = np.histogram_bin_edges(np.array([low, high]), count)
    edges[-1] += 1
    return edges


def to_levels(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Levels:
    """The level of each voxel; ``edges`` begin at or below the lowest of ``values``."""
    levels = np.empty(values.size, dtype=np.uint16)
    present = np.zeros(edges.size + 1, dtype=np.int64)
    digitise(values, edges, levels, present)
    return Levels(levels, present)
