"""Masks put on the image's grid without resampling, where they lie on it. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.geometry import Affine, Geometry, worst_corner_displacement
from radlas.ingest.masks import Placed
from radlas.reasons import data_error


def place_on_image(
    mask: NDArray[np.bool_], grid: Geometry, geometry: Geometry, *, snap_voxels: float
) -> Placed:
    """Put a mask file's voxels on the image.

    Its grid may be the image's, the image's with other axes first, or a box cut out of it;
    nothing else, because a mask that was moved looks like a mask that was meant so.

    Args:
        mask: Shape ``(z, y, x)`` on ``grid``.
        grid: Grid of the mask.
        geometry: Grid of the image.
        snap_voxels: Largest displacement of a corner that is snapped [voxel of the image].

    Raises:
        DataError: ``mask_off_grid``, with the millimetres, and whether a flip between RAS and LPS
            would explain it.
    """
    if np.array_equal(grid.affine, geometry.affine) and grid.shape == geometry.shape:
        return Placed(mask)
    try:
        placed = place_voxels(mask, grid.affine, geometry, snap_voxels=snap_voxels)
    except DataError:
        raise _off_grid(grid, geometry) from None
    if not _inside(grid, geometry):
        raise _off_grid(grid, geometry)
    return placed


def place_voxels(
    mask: NDArray[np.bool_], affine: Affine, geometry: Geometry, *, snap_voxels: float
) -> Placed:
    """Put a mask on a grid that holds its voxel centres: moved, flipped, permuted, clipped.

    Args:
        mask: Shape ``(z, y, x)``, on any part of the image's grid.
        affine: Of the mask, index ``(x, y, z)`` to LPS [mm].
        geometry: Grid of the image.
        snap_voxels: Largest displacement of a corner that is snapped [voxel of the image].

    Raises:
        DataError: ``mask_off_grid``: corners are displaced by more, with the millimetres.
    """
    relative = np.linalg.inv(geometry.affine) @ affine
    nearest = np.round(relative)
    corners = _corners(mask.shape, 0.5) @ (relative - nearest).T
    off_voxels = float(np.abs(corners[:, :3]).max())
    off_mm = float(np.linalg.norm(corners[:, :3] @ geometry.affine[:3, :3].T, axis=1).max())
    if off_voxels > snap_voxels or abs(round(float(np.linalg.det(nearest)))) != 1:
        raise data_error("mask_off_grid", f"the mask's grid is displaced by up to {off_mm:.2f} mm")
    z, y, x = np.nonzero(mask)
    homogeneous = np.stack([x, y, z, np.ones_like(x)])
    index = (nearest @ homogeneous)[:3].astype(np.int64)[::-1]
    shape = np.array(geometry.shape)[:, None]
    inside = ((index >= 0) & (index < shape)).all(axis=0)
    placed = np.zeros(geometry.shape, dtype=bool)
    placed[tuple(index[:, inside])] = True
    return Placed(placed, () if inside.all() else ("outside_image",), off_mm)


def _inside(grid: Geometry, geometry: Geometry) -> bool:
    relative = np.round(np.linalg.inv(geometry.affine) @ grid.affine)
    index = (_corners(grid.shape, 0.0) @ relative.T)[:, :3]
    last = np.array(geometry.shape[::-1]) - 1
    return bool((index >= 0).all() and (index <= last).all())


def _off_grid(grid: Geometry, geometry: Geometry) -> DataError:
    if grid.shape != geometry.shape:
        what = f"mask of {grid.shape} voxels is no part of the image's grid of {geometry.shape}"
    else:
        what = f"corners of the mask are {worst_corner_displacement(grid, geometry):.2f} mm off"
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned = Geometry(grid.shape, flip @ grid.affine)
    if worst_corner_displacement(turned, geometry) < min(geometry.spacing):
        hint = (
            "its x and y axes are negated: write it again, in LPS (ITK) or RAS (NIfTI) throughout"
        )
        return data_error("mask_off_grid", f"{what}; an RAS/LPS flip explains it", hint=hint)
    return data_error("mask_off_grid", what)


def _corners(shape: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    z, y, x = shape
    edges = np.meshgrid(*((-margin, size - 1 + margin) for size in (x, y, z)), indexing="ij")
    flat = np.stack([edge.ravel() for edge in edges], axis=1)
    return np.column_stack([flat, np.ones(len(flat))])
