"""Distances in millimetres to the contour of each slice, which runs between its pixels. Pure."""

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
FINENESS = np.float32(1024)  # float32 holds sums of such parts of a step without loss
CHECK = 8  # steps after which it is asked whether any can still be nearer


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
    found = np.empty(level.shape, dtype=np.float32)
    for plane, here in zip(level, found, strict=True):
        turned = np.ascontiguousarray(plane.T)
        by_rows = _sweep(turned, *spacing_yx[::-1])
        by_columns = _sweep(np.ascontiguousarray(plane), *spacing_yx)
        np.minimum(by_rows, by_columns.T, out=here)
    return np.minimum(np.sqrt(found, out=found), FAR, out=found)


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
    width = np.float32(pixel)
    moves = [
        _missing(inward.ravel(), drawn.ravel(), width)
        for inward, drawn in zip(distance, mask, strict=True)
    ]
    return distance + np.array(moves, dtype=np.float32)[:, None, None]


def _sweep(level: Floats, crossed_mm: float, swept_mm: float) -> Floats:
    """Squared distance to the crossings along the first axis, looked for along the other too.

    Args:
        level: Of one slice, shape ``(crossed, swept)``.
        crossed_mm: Length of a step along the first axis.
        swept_mm: And along the second.

    Returns:
        Shape ``(swept, crossed)``.
    """
    square = np.empty_like(level)
    _to_crossing(level, np.float32(crossed_mm), square)
    lowest = np.ascontiguousarray(square.T)
    apart = ((np.arange(len(lowest)) * swept_mm) ** 2).astype(np.float32)
    _lower_envelope(lowest.copy(), apart, lowest)
    return lowest


@kernel
def _to_crossing(level: Floats, step_mm: np.float32, square: Floats) -> None:
    """Squared distance along axis 0 to the nearest change of sign; infinite without one."""
    n, columns = level.shape
    for column in range(columns):
        square[0, column] = np.float32(np.inf)
    before = np.full(columns, np.float32(-np.inf))
    for i in range(1, n):
        first, second, steps = level[i - 1], level[i], np.float32(i - 1)
        for column in range(columns):
            a, b = first[column], second[column]
            share = np.rint(a / (a - b) * FINENESS) / FINENESS
            before[column] = steps + share if (a > 0) != (b > 0) else before[column]
            square[i, column] = np.float32(i) - before[column]
    after = np.full(columns, np.float32(np.inf))
    for i in range(n - 1, -1, -1):
        if i < n - 1:
            first, second = level[i], level[i + 1]
            for column in range(columns):
                a, b = first[column], second[column]
                share = np.rint(a / (a - b) * FINENESS) / FINENESS
                after[column] = np.float32(i) + share if (a > 0) != (b > 0) else after[column]
        for column in range(columns):
            along = min(square[i, column], after[column] - np.float32(i)) * step_mm
            square[i, column] = along * along


@kernel
def _lower_envelope(square: Floats, apart: Floats, lowest: Floats) -> None:
    """The minimum over rows ``j`` of ``square[j] + apart[|i - j|]``, into row ``i``."""
    rows = len(square)
    # Floats from 0 are ordered as their bits are, and of integers vectors find the maximum.
    bits, far = lowest.view(np.int32), apart.view(np.int32)
    for i in range(rows):
        for step in range(1, max(i, rows - 1 - i) + 1):
            if step % CHECK == 1 and far[step] >= _highest(bits, i):
                break  # no row this far away can be nearer than what was found
            if i >= step:
                _lower(lowest, i, square, i - step, apart[step])
            if i + step < rows:
                _lower(lowest, i, square, i + step, apart[step])


@kernel
def _highest(values: NDArray[np.int32], row: int) -> np.int32:
    found = np.int32(0)
    for column in range(values.shape[1]):
        found = max(found, values[row, np.uint64(column)])
    return found


@kernel
def _lower(lowest: Floats, row: int, square: Floats, other: int, added: np.float32) -> None:
    for step in range(lowest.shape[1]):
        column = np.uint64(step)
        here, there = lowest[row, column], square[other, column] + added
        lowest[row, column] = there if there < here else here


@kernel
def _missing(inward: Floats, drawn: Mask, width: np.float32) -> float:
    """How far the contour must move outward for the area of the pixels drawn [mm]."""
    near = np.empty(inward.size, np.float32)
    count = missing = 0
    for i in range(inward.size):
        missing += drawn[i] - (inward[i] >= 2 * width)
        if abs(inward[i]) < 2 * width:
            near[count] = inward[i]
            count += 1
    low, high = -np.float64(width) / 2, np.float64(width) / 2
    for _ in range(12):  # halves: the area grows with the move, but not smoothly
        middle = (low + high) / 2
        covered = 0.0
        for i in range(count):
            share = (np.float32(middle) + near[i]) / width + np.float32(0.5)
            covered += min(max(share, np.float32(0)), np.float32(1))
        if covered >= missing:
            high = middle
        else:
            low = middle
    return (low + high) / 2
