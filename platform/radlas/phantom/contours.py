"""Outlines of a level set, slice by slice, as a reader's contours in patient space."""

from __future__ import annotations

import contourpy
import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry
from radlas.phantom.noise import Field

Polygon = NDArray[np.float64]


def slice_contours(level: Field) -> list[Polygon]:
    """Closed outlines of ``level > 0`` in one slice.

    Vertices lie where the level set crosses zero between two neighbouring pixel centres, so
    filling the polygons by pixel centre (even-odd: a hole is a polygon inside another) gives the
    mask back.

    Args:
        level: Level set, shape ``(y, x)`` [mm], above 0 inside.

    Returns:
        Polygons of shape ``(point, 2)``, ``(x, y)`` in pixel indices, without a repeated last
        point, at least three points each.
    """
    rows, columns = np.nonzero(level > 0)
    if not len(rows):
        return []
    top, left = max(int(rows.min()) - 1, 0), max(int(columns.min()) - 1, 0)
    part = level[top : rows.max() + 2, left : columns.max() + 2]
    framed = np.pad(part.astype(np.float64), 1, constant_values=-1.0)  # closes at the border
    lines = contourpy.contour_generator(z=framed).lines(0.0)
    corner = np.array([left - 1, top - 1])
    polygons = [np.asarray(line)[:-1] + corner for line in lines]
    return [polygon for polygon in polygons if len(polygon) >= 3]


def to_patient(polygon: Polygon, index: int, grid: Geometry) -> Polygon:
    """Pixel indices ``(point, 2)`` of slice ``index`` as LPS points, shape ``(point, 3)`` [mm]."""
    indices = np.c_[polygon, np.full(len(polygon), float(index)), np.ones(len(polygon))]
    points: Polygon = (indices @ grid.affine.T)[:, :3]
    return points
