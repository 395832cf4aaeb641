"""Slices on other square pixels by cubic B-splines: the numbers of ITK, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels.spline import evaluate_slice
from radlas.features.resample import slice_coefficients, taps
from radlas.geometry import Geometry, world_to_index
from radlas.reasons import data_error

Image = NDArray[Any]  # float32 or float64


def resample_slices(voxels: Image, geometry: Geometry, grid: Geometry) -> Image:
    """Slices on a finer or coarser grid in the same planes, by cubic B-splines.

    The result is clamped to the range of the input: splines overshoot at edges, down to negative
    values in images that have none. Each slice is sampled on its own, which is what a spline in
    space does at the slices themselves; that one reads beyond a volume of two slices. The new edge
    may lie half a pixel out, where the nearest old one is taken.

    Args:
        voxels: Shape ``(z, y, x)``.
        geometry: Their grid.
        grid: As ``in_plane_grid`` makes it.

    Raises:
        DataError: ``image_too_small``: a slice has fewer than four rows or columns.
    """
    rows, columns = voxels.shape[1:]
    if min(rows, columns) < 4:
        raise data_error("image_too_small", f"slices of {voxels.shape[1:]} voxels have no spline")
    x, y = _places(geometry, grid)
    (taps_y, weights_y), (taps_x, weights_x) = taps(y, rows), taps(x, columns)
    outside = np.logical_or.outer(_outside(y, rows), _outside(x, columns))
    nearest = np.ix_(_nearest(y, rows), _nearest(x, columns))
    sampled = np.empty(grid.shape, dtype=voxels.dtype)
    for plane, out in zip(voxels, sampled, strict=True):
        coefficients = slice_coefficients(plane[None])[0]
        evaluate_slice(coefficients, taps_y, weights_y, taps_x, weights_x, out)
        np.copyto(out, plane[nearest], where=outside)
    return np.clip(sampled, voxels.min(), voxels.max(), out=sampled)


def _places(geometry: Geometry, grid: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The new columns and rows as continuous indices of the old ones, rounded as ITK rounds.

    That walks along each row from its first place to the one behind its last.
    """
    start = world_to_index(geometry, np.array([grid.origin]))[0] * geometry.spacing  # [mm]
    counts, steps = np.array(grid.shape[:0:-1]), np.array(grid.spacing[:2])
    over = 1 / np.array(geometry.spacing[:2])
    first, behind = over * start[:2], over * (steps * counts + start[:2])
    share = np.arange(counts[0]) / counts[0]
    rows = over[1] * (steps[1] * np.arange(counts[1]) + start[1])
    return first[0] + share * (behind[0] - first[0]), rows


def _outside(places: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return (places < -0.5) | (places >= size - 0.5)


def _nearest(places: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    return np.clip(np.floor(places + 0.5).astype(np.int64), 0, size - 1)
