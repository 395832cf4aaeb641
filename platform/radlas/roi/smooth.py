"""Gaussian smoothing of slices, in the precision of the image, and no more of it than is asked for.

Slices are mirrored at their edges, the outermost pixel twice. What is below one value or above
another counts as that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

Floats = NDArray[np.float32]
REACH = 4  # standard deviations
THIN = 2  # rows and columns from one that is kept to the next


def thinned(voxels: Floats, sigma_yx: tuple[float, float], *, low: np.float32) -> Floats:
    """How far voxels lie above a value, smoothed; of every second row and column.

    Args:
        voxels: Shape ``(z, y, x)``.
        sigma_yx: Standard deviations [pixel].
        low: The value; what is below it counts as it.

    Returns:
        Shape ``(z, y, x)``, half as many rows and columns, rounded up.
    """
    slices, height, width = voxels.shape
    found = np.empty((slices, -(-height // THIN), -(-width // THIN)), np.float32)
    _thin(np.ascontiguousarray(voxels), low, _weights(sigma_yx), found)
    return found


def exceeding(
    voxels: Floats,
    sigma_yx: tuple[float, float],
    *,
    low: np.float32,
    most: np.float32,
    threshold: float,
) -> NDArray[np.bool_]:
    """Where this, smoothed, is above a threshold; what lies farther than ``most`` counts as that.

    Returns:
        Shape of the voxels.
    """
    found = np.empty(voxels.shape, dtype=bool)
    _exceed(np.ascontiguousarray(voxels), (low, most), _weights(sigma_yx), threshold, found)
    return found


def _weights(sigma_yx: tuple[float, float]) -> tuple[Floats, Floats]:
    """Along columns and along rows."""
    down, across = (_bell(sigma) for sigma in sigma_yx)
    return down, across


def _bell(sigma: float) -> Floats:
    radius = int(REACH * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    single: Floats = (weights / weights.sum()).astype(np.float32)
    return single


@kernel
def _thin(a: Floats, low: np.float32, weights: tuple[Floats, Floats], out: Floats) -> None:
    half = np.empty((a.shape[1], out.shape[2]), np.float32)
    for z in range(a.shape[0]):
        _along_rows(a[z], (low, np.float32(np.inf)), weights[1], THIN, half)
        for y in range(out.shape[1]):
            _along_column(half, weights[0], y * THIN, out[z, y])


@kernel
def _exceed(
    a: Floats,
    bounds: tuple[np.float32, np.float32],
    weights: tuple[Floats, Floats],
    threshold: float,
    out: NDArray[np.bool_],
) -> None:
    slices, rows, columns = a.shape
    half, found = np.empty((rows, columns), np.float32), np.empty(columns, np.float32)
    for z in range(slices):
        _along_rows(a[z], bounds, weights[1], 1, half)
        for y in range(rows):
            _along_column(half, weights[0], y, found)
            mask = out[z, y]
            for x in range(columns):
                mask[x] = np.float64(found[x]) > threshold


@kernel
def _along_rows(
    a: Floats, bounds: tuple[np.float32, np.float32], weights: Floats, step: int, out: Floats
) -> None:
    """Of every row each ``step``-th column.

    A row is first taken apart into those that are so far apart, so that loops run along them.
    """
    low, most = bounds
    rows, columns = a.shape
    radius = weights.size // 2
    row = np.empty(columns + 2 * radius, np.float32)
    middle = row[radius : radius + columns]
    parts = np.zeros((step, -(-row.size // step)), np.float32)
    for y in range(rows):
        for x in range(columns):
            middle[x] = min(max(a[y, x] - low, np.float32(0)), most)
        for x in range(radius):
            row[x] = middle[_mirrored(x - radius, columns)]
            row[radius + columns + x] = middle[_mirrored(columns + x, columns)]
        for first in range(step):
            part = row[first::step]
            parts[first, : part.size] = part
        found = out[y]
        found[:] = 0
        for k in range(weights.size):
            part = parts[k % step, k // step :]
            for x in range(found.size):
                found[x] += part[x] * weights[k]


@kernel
def _along_column(a: Floats, weights: Floats, y: int, found: Floats) -> None:
    """One row of the result."""
    radius = weights.size // 2
    found[:] = 0
    for k in range(weights.size):
        row = a[_mirrored(y + k - radius, len(a))]
        for x in range(found.size):
            found[x] += row[x] * weights[k]


@kernel
def _mirrored(place: int, size: int) -> int:
    while place < 0 or place >= size:
        place = -place - 1 if place < 0 else 2 * size - 1 - place
    return place
