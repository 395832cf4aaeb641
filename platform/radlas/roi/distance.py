"""Distances in millimetres to contours and surfaces that run between the voxels. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.compiled import kernel

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

SMOOTHING = 1.15  # standard deviation [pixels]: evens out the stairs, moves a contour by some 0.03
SIDE = np.float32(1e-3)  # a pixel's centre stays on its own side of the smoothed contour
FAR = np.float32(1e4)  # [mm]: beyond any image


def contour_distance(level: Floats, spacing_yx: tuple[float, float]) -> Floats:
    """Distance of each pixel to the zero contour of its own slice, Euclidean and exact.

    The contour is held by the points at which it crosses the grid's lines, placed by linear
    interpolation as in marching squares: at least one for each pixel that it passes. Along a
    line the nearest crossing is looked up; across lines the minimum over all of them is taken,
    once for rows and once for columns.

    Args:
        level: Above 0 inside, else outside, shape ``(z, y, x)``.
        spacing_yx: Pixel edge lengths [mm].

    Returns:
        Shape ``(z, y, x)`` [mm]; ``FAR`` in a slice without a contour.

    Source:
        The minimum of parabolas: Felzenszwalb and Huttenlocher, Theory of Computing 8 (2012) 415.
    """
    y, x = spacing_yx
    by_rows = _sweep(level, crossed=2, swept=1, crossed_mm=x, swept_mm=y)
    by_columns = _sweep(level, crossed=1, swept=2, crossed_mm=y, swept_mm=x)
    return np.minimum(np.sqrt(np.minimum(by_rows, by_columns)), FAR)


def inward_distance(mask: Mask, spacing_zyx: tuple[float, float, float]) -> Floats:
    """Distance in plane to the smoothed contour of each slice, negative outside.

    The mask is smoothed across slices by as many millimetres as in plane: where slices are as
    fine as pixels they make the same stairs, where they are thick it is nothing.

    Args:
        mask: Shape ``(z, y, x)``.
        spacing_zyx: Voxel edge lengths in array order [mm].

    Returns:
        Shape ``(z, y, x)`` [mm]. The area inside is that of the slice's pixels.
    """
    height, y, x = spacing_zyx
    pixel = float(np.sqrt(y * x))
    widths = np.array([pixel / height, 1, 1]) * SMOOTHING
    ends = ("constant", "nearest", "nearest")  # there is no slice beyond the last
    level = ndimage.gaussian_filter(mask.astype(np.float32), widths, mode=ends) - np.float32(0.5)
    level = np.where(mask, np.maximum(level, SIDE), np.minimum(level, -SIDE))
    distance = contour_distance(level, (y, x))
    np.negative(distance, out=distance, where=~mask)
    moves = [_missing(*one, width=pixel) for one in zip(distance, mask, strict=True)]
    return distance + np.array(moves, dtype=np.float32)[:, None, None]


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


def _sweep(
    level: Floats, *, crossed: int, swept: int, crossed_mm: float, swept_mm: float
) -> Floats:
    """Squared distance to the crossings along one axis, looked for along the other too."""
    lines = np.ascontiguousarray(np.moveaxis(level, crossed, 0))
    along = np.moveaxis(_to_crossing(lines) * np.float32(crossed_mm), 0, crossed)
    square = np.ascontiguousarray(np.moveaxis(along, swept, 0))
    np.square(square, out=square)
    return np.moveaxis(_lower_envelope(square, swept_mm), 0, swept)


def _to_crossing(level: Floats) -> Floats:
    """Distance along axis 0 to the nearest change of sign [steps]."""
    first, second = level[:-1], level[1:]
    crosses = (first > 0) != (second > 0)
    share = np.divide(first, first - second, out=np.zeros_like(first), where=crosses)
    # To the 1024th of a step: float32 then holds sums of steps without loss, wherever they begin.
    share = np.round(share * 1024) / 1024
    steps = np.arange(len(level), dtype=np.float32).reshape(-1, *[1] * (level.ndim - 1))
    before, after = np.full_like(level, -np.inf), np.full_like(level, np.inf)
    np.copyto(before[1:], steps[:-1] + share, where=crosses)
    np.copyto(after[:-1], steps[:-1] + share, where=crosses)
    np.maximum.accumulate(before, axis=0, out=before)
    after = np.minimum.accumulate(after[::-1], axis=0)[::-1]
    nearest: Floats = np.minimum(steps - before, after - steps)
    return nearest


def _lower_envelope(square: Floats, step_mm: float) -> Floats:
    """The minimum over ``j`` of ``square[j] + ((i - j) * step) ** 2``, along axis 0."""
    lowest, shifted = square.copy(), np.empty_like(square)
    for steps in range(1, len(square)):
        added = np.float32((steps * step_mm) ** 2)
        if steps % 8 == 1 and added >= lowest.max():
            break  # no line this far away can be nearer than what was found
        np.add(square, added, out=shifted)
        np.minimum(lowest[steps:], shifted[:-steps], out=lowest[steps:])
        np.minimum(lowest[:-steps], shifted[steps:], out=lowest[:-steps])
    return lowest


def _missing(inward: Floats, drawn: Mask, *, width: float) -> float:
    """How far the contour must move outward for the area of the pixels drawn [mm]."""
    near = inward[np.abs(inward) < 2 * width]
    wanted = int(np.count_nonzero(drawn) - np.count_nonzero(inward >= 2 * width))
    low, high = -width / 2, width / 2
    for _ in range(12):  # halves: the area grows with the move, but not smoothly
        middle = (low + high) / 2
        enough = coverage(-near, edge=middle, width=width).sum(dtype=np.float64) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return (low + high) / 2
