"""Gaussian smoothing of slices, in the precision of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

REACH = 4  # standard deviations


def smooth_in_plane(
    voxels: NDArray[np.float32], sigma_yx: tuple[float, float]
) -> NDArray[np.float32]:
    """Each slice smoothed by itself; it is mirrored at its edges, the outermost pixel twice.

    Args:
        voxels: Shape ``(z, y, x)``.
        sigma_yx: Standard deviations [pixel].
    """
    rows, columns = (_weights(sigma) for sigma in sigma_yx)
    half, smooth = np.empty_like(voxels), np.empty_like(voxels)
    _along_rows(np.ascontiguousarray(voxels), columns, half)
    _along_columns(half, rows, smooth)
    return smooth


def _weights(sigma: float) -> NDArray[np.float32]:
    radius = int(REACH * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    single: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return single


@kernel
def _mirrored(place: int, size: int) -> int:
    while place < 0 or place >= size:
        place = -place - 1 if place < 0 else 2 * size - 1 - place
    return place


@kernel
def _along_rows(
    a: NDArray[np.float32], weights: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    slices, rows, columns = a.shape
    radius = weights.size // 2
    row = np.empty(columns + 2 * radius, np.float32)
    for z in range(slices):
        for y in range(rows):
            for x in range(columns):
                row[radius + x] = a[z, y, x]
            for x in range(radius):
                row[x] = a[z, y, _mirrored(x - radius, columns)]
                row[radius + columns + x] = a[z, y, _mirrored(columns + x, columns)]
            found = out[z, y]
            found[:] = 0
            for k in range(weights.size):
                for x in range(columns):
                    found[x] += row[x + k] * weights[k]


@kernel
def _along_columns(
    a: NDArray[np.float32], weights: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    slices, rows, columns = a.shape
    radius = weights.size // 2
    for z in range(slices):
        for y in range(rows):
            found = out[z, y]
            found[:] = 0
            for k in range(weights.size):
                row = a[z, _mirrored(y + k - radius, rows)]
                for x in range(columns):
                    found[x] += row[x] * weights[k]
