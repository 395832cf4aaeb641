"""Distances in millimetres to surfaces that run between the voxels. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.roi.contour import FAR, Floats


def coverage(distance: Floats, *, edge: float, width: float) -> Floats:
    """Share of each cell that lies nearer than ``edge``, by the distance of its centre [1].

    Args:
        distance: Any shape [mm].
        edge: Distance at which the region ends [mm].
        width: Edge length of a cell [mm].
    """
    share: Floats = (np.float32(edge) - distance) / np.float32(width) + np.float32(0.5)
    return np.clip(share, 0, 1, out=share)


def surface_distance(
    heights: NDArray[np.float64], outside: Floats, *, at: NDArray[np.float64], reach: float
) -> Floats:
    """Signed distance to the surface that a stack of cross-sections describes.

    Between two cross-sections the distance in plane runs linearly, so the surface between them
    is a band of cones, and the nearest point of each band has a closed form: nothing is lost to
    the gap between cross-sections except the bend of the surface within it.

    Args:
        heights: Where the cross-sections lie, increasing, shape ``(plane,)`` [mm].
        outside: Distance in plane to each cross-section, negative inside it, shape
            ``(plane, y, x)`` [mm].
        at: Heights at which distances are wanted, increasing, shape ``(height,)`` [mm].
        reach: Distances above this need not be right [mm].

    Returns:
        Shape ``(height, y, x)`` [mm]. Outside, the Euclidean distance in space. Inside, the
        distance in plane, as a negative number.
    """
    found = np.full((at.size, *outside.shape[1:]), FAR**2, dtype=np.float32)
    flat = np.ascontiguousarray(outside.reshape(len(outside), -1))
    _approach(found.reshape(at.size, -1), flat, heights, at, reach)
    np.sqrt(found, out=found)
    here = section_distance(heights, outside, at=at)
    np.copyto(found, here, where=here < 0)
    return found


def section_distance(
    heights: NDArray[np.float64], outside: Floats, *, at: NDArray[np.float64]
) -> Floats:
    """Distance in plane to the cross-section at given heights, negative inside it.

    Args:
        heights: As for ``surface_distance``.
        outside: As for ``surface_distance``.
        at: Heights at which distances are wanted, shape ``(height,)`` [mm].

    Returns:
        Shape ``(height, y, x)`` [mm]; ``FAR`` above and below the surface.
    """
    found = np.full((at.size, *outside.shape[1:]), FAR, dtype=np.float32)
    for place in np.flatnonzero((heights[0] < at) & (at < heights[-1])):
        band = int(np.searchsorted(heights, at[place], side="right")) - 1
        share = (at[place] - heights[band]) / (heights[band + 1] - heights[band])
        found[place] = outside[band] + np.float32(share) * (outside[band + 1] - outside[band])
    return found


@kernel
def _approach(
    squares: Floats,
    outside: Floats,
    heights: NDArray[np.float64],
    at: NDArray[np.float64],
    reach: float,
) -> None:
    """Lower ``squares`` to the squared distance to each band, where that is nearer.

    Args:
        squares: Out, shape ``(height, pixel)``.
        outside: Shape ``(plane, pixel)``.
        heights: Of the planes.
        at: Of the rows of ``squares``.
        reach: How far above and below itself a band is asked for.
    """
    pixels = squares.shape[1]
    for band in range(heights.size - 1):
        gap = np.float32(heights[band + 1] - heights[band])
        lower, upper = outside[band], outside[band + 1]
        first = np.searchsorted(at, heights[band] - reach)
        for place in range(first, np.searchsorted(at, heights[band + 1] + reach)):
            rise = np.float32(at[place] - heights[band])
            nearest = squares[place]
            for k in range(pixels):
                growth = upper[k] - lower[k]
                part = (rise * gap - lower[k] * growth) / (growth * growth + gap * gap)
                # The band's nearest point, as a share of the gap.
                part = min(max(part, np.float32(0)), np.float32(1))
                across = max(lower[k] + growth * part, np.float32(0))
                along = rise - part * gap
                nearest[k] = min(nearest[k], across * across + along * along)
