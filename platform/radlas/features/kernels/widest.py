"""The largest distance between points of a grid, from hull to hull."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


@kernel
def _chain(ends: NDArray[np.int64], sign: int, hull: NDArray[np.int64], start: int) -> int:
    """Append one side of a plane's hull; ``ends`` holds one end of each row, or a huge number."""
    size = start
    for row in range(ends.size):
        if abs(ends[row]) > 1 << 40:
            continue
        while size - start >= 2:
            u1, v1 = hull[size - 2, 0], hull[size - 2, 1]
            u2, v2 = hull[size - 1, 0], hull[size - 1, 1]
            if sign * ((u2 - u1) * (ends[row] - v1) - (row - u1) * (v2 - v1)) > 0:
                break
            size -= 1
        hull[size, 0], hull[size, 1] = row, ends[row]
        size += 1
    return size


@kernel
def hulls(
    points: NDArray[np.int64], planes: int, rows: int, hull: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The corners of the convex hull in each plane.

    Args:
        points: ``(plane, row, column)`` of each, shape ``(point, 3)``.
        planes: One more than the largest plane.
        rows: One more than the largest row.
        hull: Out, ``(row, column)``, shape ``(2 * planes * rows, 2)``.

    Returns:
        Where each plane's corners begin, and where the last end, shape ``(planes + 1,)``.
    """
    first = np.full((planes, rows), 1 << 41)
    last = np.full((planes, rows), -(1 << 41))
    for k in range(points.shape[0]):
        plane, row, column = points[k]
        first[plane, row] = min(first[plane, row], column)
        last[plane, row] = max(last[plane, row], column)
    starts = np.zeros(planes + 1, np.int64)
    for plane in range(planes):
        size = _chain(first[plane], 1, hull, starts[plane])
        starts[plane + 1] = _chain(last[plane], -1, hull, size)
    return starts


@kernel
def widest_in_plane(
    hull: NDArray[np.int64], starts: NDArray[np.int64], row_edge: float, column_edge: float
) -> float:
    """The largest squared distance between two corners of one plane."""
    best = 0.0
    for plane in range(starts.size - 1):
        for i in range(starts[plane], starts[plane + 1]):
            for j in range(starts[plane], i):
                down = (hull[i, 0] - hull[j, 0]) * row_edge
                across = (hull[i, 1] - hull[j, 1]) * column_edge
                best = max(best, down * down + across * across)
    return best


@kernel
def widest(
    hull: NDArray[np.int64],
    starts: NDArray[np.int64],
    edges: tuple[float, float, float],
    best: float,
) -> float:
    """The largest squared distance of two corners, or ``best`` if that is larger.

    Pairs of planes whose boxes cannot hold a longer one are passed over, the farthest first.

    Args:
        hull: As ``hulls`` makes it.
        starts: Likewise.
        edges: Distance of planes, rows and columns [mm].
        best: A squared distance that is known to occur.
    """
    planes = starts.size - 1
    box = np.zeros((planes, 4))
    for plane in range(planes):
        if starts[plane] < starts[plane + 1]:
            corners = hull[starts[plane] : starts[plane + 1]]
            box[plane] = (
                corners[:, 0].min() * edges[1],
                corners[:, 0].max() * edges[1],
                corners[:, 1].min() * edges[2],
                corners[:, 1].max() * edges[2],
            )
    for gap in range(planes - 1, -1, -1):
        deep = (gap * edges[0]) ** 2
        for one in range(planes - gap):
            other = one + gap
            down = max(box[other, 1] - box[one, 0], box[one, 1] - box[other, 0])
            across = max(box[other, 3] - box[one, 2], box[one, 3] - box[other, 2])
            if deep + down * down + across * across <= best:
                continue
            for i in range(starts[one], starts[one + 1]):
                for j in range(starts[other], starts[other + 1]):
                    u = (hull[i, 0] - hull[j, 0]) * edges[1]
                    v = (hull[i, 1] - hull[j, 1]) * edges[2]
                    best = max(best, deep + u * u + v * v)
    return best
