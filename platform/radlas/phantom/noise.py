"""Smooth random fields as functions of position: any grid samples the same field.

White noise on a lattice of nodes is blurred by a Gaussian, evaluated only where a voxel lies.
Three small matrix products do it, so a field costs milliseconds whatever its correlation length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry

Field = NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Sampling:
    """Where a grid samples space, along its own axes.

    Attributes:
        positions: Offsets from the middle of the field of view along slice, row, column [mm].
        direction: The grid's unit axes ``(x, y, z)`` as columns, shape ``(3, 3)``.
        half: Half the field of view along slice, row, column [mm]; fixes the noise's lattice.
        pixel: Edge of a pixel [mm].
    """

    positions: tuple[Field, Field, Field]
    direction: NDArray[np.float64]
    half: tuple[float, float, float]
    pixel: float


def sampling_of(
    grid: Geometry,
    *,
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
) -> Sampling:
    """The sampling of a grid around ``centre``, the middle of the field of view, LPS [mm]."""
    first = grid.direction.T @ (np.asarray(grid.origin) - np.asarray(centre))
    axes = [
        (first[axis] + np.arange(count) * grid.spacing[axis]).astype(np.float32)
        for axis, count in zip((2, 1, 0), grid.shape, strict=True)
    ]
    return Sampling((axes[0], axes[1], axes[2]), grid.direction, half, grid.spacing[0])


def smooth_noise(
    rng: np.random.Generator,
    sampling: Sampling,
    sigma: tuple[float, float, float],
    window: Window = (slice(None), slice(None)),
) -> Field:
    """Gaussian noise of mean 0 and variance 1 at every point, smooth over ``sigma``.

    Args:
        rng: Draws the lattice; how many numbers depends on field of view and ``sigma`` alone.
        sampling: Where to evaluate.
        sigma: Standard deviation of the blur along slice, row, column [mm].
        window: Rows and columns to evaluate; the field is the same inside and outside.

    Returns:
        Shape ``(z, y, x)`` of the window.
    """
    nodes = [
        np.arange(-half - 3 * blur, half + 4 * blur, blur, dtype=np.float32)
        for half, blur in zip(sampling.half, sigma, strict=True)
    ]
    lattice = rng.standard_normal([len(axis) for axis in nodes], dtype=np.float32)
    keep = (slice(None), *window)
    slices, rows, columns = (
        _weights(place[part], axis, blur)
        for place, part, axis, blur in zip(sampling.positions, keep, nodes, sigma, strict=True)
    )
    planes = np.tensordot(slices, lattice, axes=1)
    field: Field = rows @ (planes @ columns.T)
    return field


def edge(distance: Field, pixel: float) -> Field:
    """Share of a pixel that lies inside: 1 within, 0 outside, linear over one pixel.

    Args:
        distance: Signed distance to the border, above 0 inside [mm].
        pixel: Width of the transition [mm].
    """
    share: Field = np.clip(distance * np.float32(1 / pixel) + np.float32(0.5), 0, 1)
    return share


def _weights(positions: Field, nodes: Field, blur: float) -> Field:
    weights = np.exp(-0.5 * ((positions[:, None] - nodes[None, :]) / np.float32(blur)) ** 2)
    norm: Field = weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return norm
