"""From intensities to grey levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

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


def fixed_width_edges(
    low: float, high: float, *, width: float, at: float | None = None
) -> NDArray[np.float64]:
    """Bin edges of equal width that are multiples of it, as PyRadiomics sets them.

    In float64 whatever the image's type, as numpy 1 computed them: numpy 2 stays in the type of
    the voxels, where 8 bits overflow into a single bin.

    Args:
        low: The lowest intensity of the ROI.
        high: The highest.
        width: Width of a level [unit of the image].
        at: Where the first level begins instead; what lies below belongs to it too.
    """
    if at is not None:
        return np.arange(at, max(high, at) + 2 * width, width)
    edges = np.arange(low - low % width, high + 2 * width, width)
    return edges if edges.size > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def fixed_count_edges(
    low: float, high: float, *, count: int, dtype: DTypeLike = np.float64
) -> NDArray[np.float64]:
    """So many bins of equal width between lowest and highest; the highest falls into the last.

    These are in the image's type, as ``numpy.histogram`` had them in numpy 1 already: the decimals
    of single precision lie beside those of double, and a voxel on an edge would change its bin.

    Args:
        low: The lowest intensity of the ROI.
        high: The highest.
        count: Number of levels [1].
        dtype: Type of the image, a float.
    """
    ends = (low, high) if high > low else (low - 0.5, high + 0.5)
    edges = np.linspace(*ends, count + 1).astype(dtype)
    edges[-1] += 1
    return edges.astype(np.float64)


def bin_edges(
    low: float, high: float, options: Mapping[str, Any], *, dtype: DTypeLike
) -> NDArray[np.float64] | None:
    """Bin edges of an ROI in an image; ``None`` if there are more than the tables can hold.

    Args:
        low: The lowest intensity of the ROI.
        high: The highest.
        options: ``binWidth``, ``binCount`` and ``binOrigin`` as they hold for this image.
        dtype: Type of the image, a float.
    """
    bins = options.get("binCount")
    if bins is not None:
        return fixed_count_edges(low, high, count=bins, dtype=dtype) if bins < HIGHEST else None
    width, origin = float(options["binWidth"]), options.get("binOrigin")
    start = low if origin is None else float(origin)
    # Where a width is lost in the last digits of an intensity, levels cannot be told apart either.
    wide = (max(high, start) - start) / width < HIGHEST and start + width > start
    return fixed_width_edges(low, high, width=width, at=origin) if wide else None


def to_levels(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Levels:
    """The level of each voxel; ``edges`` begin at or below the lowest of ``values``."""
    levels = np.empty(values.size, dtype=np.uint16)
    present = np.zeros(edges.size + 1, dtype=np.int64)
    digitise(values, edges, levels, present)
    return Levels(levels, present)


def ibsi_levels(
    values: NDArray[np.float64],
    *,
    method: str,
    width: float,
    count: int,
    origin: float | None,
) -> NDArray[np.int64] | None:
    """Grey levels as the IBSI reference manual has them.

    Args:
        values: Intensities of the ROI, shape ``(voxel,)``, at least one.
        method: ``fixed_width``, ``fixed_count`` or ``none``.
        width: Width of a level [unit of the image].
        count: Levels of ``fixed_count``.
        origin: Where level 1 of ``fixed_width`` begins; at the lowest intensity if ``None``.
            What lies below belongs to level 1.

    Returns:
        From 1, same shape; ``None`` if there are more than the tables can hold, or if intensities
        that are to be levels are not whole numbers from 1.
    """
    low, high = float(values.min()), float(values.max())
    if method == "none":
        levels = low >= 1 and high < HIGHEST and bool((values == np.rint(values)).all())
        return values.astype(np.int64) if levels else None
    if method == "fixed_count":
        if count >= HIGHEST:
            return None
        if high == low:
            return np.ones(values.size, dtype=np.int64)
        found = np.floor(count * (values - low) / (high - low)).astype(np.int64) + 1
        return np.minimum(found, count)
    start = low if origin is None else origin
    if not (high - start) / width < HIGHEST or start + width == start:
        return None
    return np.maximum(np.floor((values - start) / width).astype(np.int64) + 1, 1)
