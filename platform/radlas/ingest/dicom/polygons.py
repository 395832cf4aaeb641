"""Polygons on a pixel grid, exact to a fraction of a pixel: filling and crossing. Pure.

Points are ``(point, 2)`` arrays of fractional ``(x, y)`` pixel indices; pixel ``(0, 0)`` has its
centre at ``(0, 0)``. Polygons close themselves. Vertices are never rounded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A centre on an edge belongs to the left and upper side, whatever the last bits of the edge say.
# Along no edge between centres: a shift by as much in x as in y leaves diagonals where they are.
_TIE = np.array([1e-6, 0.618e-6])
_NEAR = 0.01  # outlines that run nearer than this touch, and do not cross
_ROWS = 256  # edges of one outline that are compared with all of the other at once


def fill_polygon(points: Points, shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie inside, by the even-odd rule.

    Each row is a scan line through pixel centres; crossings with edges toggle what follows.

    Args:
        points: Vertices, shape ``(point, 2)``; parts outside the grid are clipped.
        shape: Pixels along ``(y, x)``.

    Examples:
        >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
        >>> fill_polygon(square, (4, 4)).astype(int)
        array([[0, 0, 0, 0],
               [0, 1, 1, 0],
               [0, 1, 1, 0],
               [0, 0, 0, 0]])
    """
    rows, columns = shape
    start = points - _TIE
    end = np.roll(start, -1, axis=0)
    low = np.clip(np.ceil(np.minimum(start[:, 1], end[:, 1])), 0, rows).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(start[:, 1], end[:, 1])), 0, rows).astype(np.int64)
    edge = np.repeat(np.arange(len(points)), high - low)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(high - low) - high, high - low)
    step = end[edge] - start[edge]
    crossing = start[edge, 0] + (row - start[edge, 1]) * step[:, 0] / step[:, 1]
    inside: Mask = np.zeros(shape, bool)
    if not edge.size:
        return inside
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    first, last, left, right = low.min(), high.max(), column.min(), column.max()
    toggles = np.zeros((last - first, right - left + 1), np.uint8)  # wraps at 256, which is even
    np.add.at(toggles, (row - first, column - left), 1)
    counts = np.cumsum(toggles[:, : right - left], axis=1, dtype=np.uint8)
    inside[first:last, left:right] = counts % 2 == 1
    return inside


def area(points: Points) -> float:
    """Area that the outline runs round, counted once for each round [pixel]."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def boundaries_meet(one: Points, other: Points) -> bool:
    """True if an edge of one polygon crosses or touches an edge of the other."""
    return _edges_meet(one, other, touching=True)


def boundaries_cross(one: Points, other: Points) -> bool:
    """True if an edge of one polygon runs through an edge of the other; to touch is not enough."""
    return _edges_meet(one, other, touching=False)


def _edges_meet(one: Points, other: Points, *, touching: bool) -> bool:
    if (one.max(0) < other.min(0)).any() or (other.max(0) < one.min(0)).any():
        return False
    starts, ends = _edges_near(one, other)
    c, d = (points[None] for points in _edges_near(other, one))
    for start in range(0, len(starts), _ROWS):  # in blocks: two outlines of thousands of points
        a, b = starts[start : start + _ROWS, None], ends[start : start + _ROWS, None]
        sides = (_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b))
        opposite = (sides[0] * sides[1] <= 0) & (sides[2] * sides[3] <= 0)
        if touching:
            boxes = (np.minimum(a, b) <= np.maximum(c, d)) & (np.minimum(c, d) <= np.maximum(a, b))
            opposite &= boxes.all(axis=2)
        else:
            opposite &= np.min(np.abs(sides), axis=0) > _NEAR
        if opposite.any():
            return True
    return False


def _edges_near(one: Points, other: Points) -> tuple[Points, Points]:
    """Starts and ends of the edges of ``one`` that reach into the box of ``other``."""
    ends = np.roll(one, -1, axis=0)
    near = (np.maximum(one, ends) >= other.min(0)) & (np.minimum(one, ends) <= other.max(0))
    inside = near.all(axis=1)
    return one[inside], ends[inside]


def _side(a: Points, b: Points, c: Points) -> Points:
    """Distance of ``c`` from the line through ``a`` and ``b``, signed by its side [pixel]."""
    along = b - a
    turn = along[..., 0] * (c[..., 1] - a[..., 1]) - along[..., 1] * (c[..., 0] - a[..., 0])
    length = np.hypot(along[..., 0], along[..., 1])
    side: Points = turn / np.where(length > 0, length, 1.0)
    return side
