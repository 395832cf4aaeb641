"""Masks put on the image's grid: as they are where they lie on it, resampled under a stated bound.

Pure. A mask that was moved looks like a mask that was meant so; hence nothing is moved by more than
a tenth of a voxel unless the study says by how many millimetres it may be.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.geometry import Affine, Geometry
from radlas.ingest.masks import Placed
from radlas.reasons import data_error

Mask = NDArray[np.bool_]
_NEAR_MM = 5.0  # beyond this nobody is told how to resample: it is another image's mask
_FLIPS = {  # what a wrong convention negates, the usual one first
    "x and y": (-1.0, -1.0, 1.0),
    "x": (-1.0, 1.0, 1.0),
    "y": (1.0, -1.0, 1.0),
    "z": (1.0, 1.0, -1.0),
}


@dataclass(frozen=True)
class Bounds:
    """How far a mask may lie off its image.

    Attributes:
        snap_voxels: Corners displaced by less are taken to lie on the image [voxel of the image].
        resample_mm: Masks displaced by up to this are resampled to the nearest voxel [mm].
    """

    snap_voxels: float = 0.1
    resample_mm: float = 0.0


def place_on_image(mask: Mask, grid: Geometry, geometry: Geometry, bounds: Bounds) -> Placed:
    """Put a mask file's voxels on the image.

    Its grid may be the image's, the image's with other axes first, or a box cut out of it. Any
    other grid counts by how far the corners of its field of view lie from the image's.

    Args:
        mask: Shape ``(z, y, x)`` on ``grid``.
        grid: Grid of the mask.
        geometry: Grid of the image.
        bounds: How far it may lie off.

    Raises:
        DataError: ``mask_off_grid``, with millimetres and voxels; ``mask_flipped``: negating axes
            would put it on the image; ``mask_outside``.
    """
    if np.array_equal(grid.affine, geometry.affine) and grid.shape == geometry.shape:
        return Placed(mask)
    offset = lattice_offset(mask.shape, grid.affine, geometry)
    if offset is not None and _inside(grid, geometry):
        return _place(mask, grid.affine, geometry, offset, bounds)
    _refuse_flipped(grid, geometry)
    return _resample(mask, grid.affine, geometry, field_offset(grid, geometry), bounds)


def lies_on(grid: Geometry, geometry: Geometry, snap_voxels: float) -> bool:
    """True if ``place_on_image`` would move nothing, whichever axis comes first in each."""
    offset = lattice_offset(grid.shape, grid.affine, geometry)
    return offset is not None and offset.voxels <= snap_voxels and _inside(grid, geometry)


def place_voxels(mask: Mask, affine: Affine, geometry: Geometry, bounds: Bounds) -> Placed:
    """Put a mask on a grid that holds its voxel centres: moved, flipped, permuted, clipped.

    Args:
        mask: Shape ``(z, y, x)``, on any part of the image's grid.
        affine: Of the mask, index ``(x, y, z)`` to LPS [mm].
        geometry: Grid of the image.
        bounds: How far it may lie off.

    Raises:
        DataError: ``mask_off_grid``, with the millimetres, of voxels that are not the image's their
            size, under whatever bound; ``mask_outside``.
    """
    offset = lattice_offset(mask.shape, affine, geometry)
    if offset is None:
        own, theirs = (_edges(one) for one in (affine, geometry.affine))
        what = f"the mask's voxels, of {own} mm, are others than the image's, of {theirs} mm,"
        raise data_error("mask_off_grid", f"{what} or turned against them")
    return _place(mask, affine, geometry, offset, bounds)


@dataclass(frozen=True)
class Offset:
    """The worst displacement of a corner: in patient space [mm], and along an axis [voxel]."""

    mm: float
    voxels: float

    def __str__(self) -> str:
        return f"{self.mm:.2f} mm, {self.voxels:.2f} voxels"


def lattice_offset(shape: tuple[int, ...], affine: Affine, geometry: Geometry) -> Offset | None:
    """How far the mask's voxels lie off the image's, None if they are not of its kind."""
    relative = np.linalg.inv(geometry.affine) @ affine
    nearest = np.round(relative)
    if abs(round(float(np.linalg.det(nearest)))) != 1:
        return None
    corners = _corners(shape, 0.5) @ (relative - nearest).T
    offset = _offset(corners[:, :3], geometry)
    return offset if offset.voxels <= 1 else None  # more is no lattice of this kind


def field_offset(grid: Geometry, geometry: Geometry) -> Offset:
    """How far the corners of two fields of view lie apart, whichever axis comes first in each."""
    mine = _corners(geometry.shape, 0.5) @ geometry.affine.T
    theirs = _corners(grid.shape, 0.5) @ grid.affine.T
    gaps = np.linalg.norm(mine[:, None, :3] - theirs[None, :, :3], axis=2)
    partner = theirs[gaps.argmin(axis=1)]
    return _offset((partner - mine) @ np.linalg.inv(geometry.affine).T[:, :3], geometry)


def _place(
    mask: Mask, affine: Affine, geometry: Geometry, offset: Offset, bounds: Bounds
) -> Placed:
    if offset.voxels > bounds.snap_voxels:
        return _resample(mask, affine, geometry, offset, bounds)
    nearest = np.round(np.linalg.inv(geometry.affine) @ affine)
    z, y, x = np.nonzero(mask)
    index = (nearest @ np.stack([x, y, z, np.ones_like(x)]))[:3].astype(np.int64)[::-1]
    inside = ((index >= 0) & (index < np.array(geometry.shape)[:, None])).all(axis=0)
    placed = np.zeros(geometry.shape, dtype=bool)
    placed[tuple(index[:, inside])] = True
    flags = () if inside.all() else ("outside_image",)
    return _checked(Placed(placed, flags, offset.mm, offset.voxels), mask)


def _resample(
    mask: Mask, affine: Affine, geometry: Geometry, offset: Offset, bounds: Bounds
) -> Placed:
    if not bounds.resample_mm or offset.mm > bounds.resample_mm:  # 0: not even by 0 mm
        near = offset.mm <= _NEAR_MM and not bounds.resample_mm
        hint = _HINT.format(offset.mm + 0.1) if near else ""
        alike = lattice_offset(mask.shape, affine, geometry) is not None
        what = (
            f"corners of the mask are {offset} off{'' if alike else ' and its voxels are others'},"
            f" and up to {bounds.resample_mm:g} mm is allowed"
        )
        raise data_error("mask_off_grid", what, hint=hint)
    to_mask = (np.linalg.inv(affine) @ geometry.affine)[[2, 1, 0, 3]][:, [2, 1, 0, 3]]
    # By voxels: else what lies beyond the centres of the outermost ones counts as outside.
    placed = ndimage.affine_transform(
        mask.astype(np.uint8),
        to_mask[:3, :3],
        to_mask[:3, 3],
        geometry.shape,
        order=0,
        mode="grid-constant",
    ).astype(bool)
    return _checked(Placed(placed, ("resampled",), offset.mm, offset.voxels), mask)


_HINT = (
    "export the mask on the image's grid, or allow it to be resampled:"
    " `--resample-masks {:.1f}` (after a look at the case)"
)


def _checked(placed: Placed, mask: Mask) -> Placed:
    if mask.any() and not placed.mask.any():
        count = int(np.count_nonzero(mask))
        raise data_error("mask_outside", f"none of the mask's {count} voxels lies on the image")
    return placed


def _refuse_flipped(grid: Geometry, geometry: Geometry) -> None:
    for axes, signs in _FLIPS.items():
        turned = replace(grid, affine=np.diag([*signs, 1.0]) @ grid.affine)
        offset = lattice_offset(turned.shape, turned.affine, geometry)
        if offset is not None and offset.voxels < 0.5 and _inside(turned, geometry):
            said = field_offset(grid, geometry)
            what = f"the mask lies {said} off; with {axes} negated it lies on the image"
            hint = "write it again, in LPS (DICOM, ITK) or RAS (NIfTI) throughout"
            raise data_error("mask_flipped", f"{what}: an RAS/LPS flip explains it", hint=hint)


def _inside(grid: Geometry, geometry: Geometry) -> bool:
    relative = np.round(np.linalg.inv(geometry.affine) @ grid.affine)
    index = (_corners(grid.shape, 0.0) @ relative.T)[:, :3]
    last = np.array(geometry.shape[::-1]) - 1
    return bool((index >= 0).all() and (index <= last).all())


def _offset(gaps: NDArray[np.float64], geometry: Geometry) -> Offset:
    """From displacements in voxels, shape ``(corner, 3)``."""
    mm = np.linalg.norm(gaps @ geometry.affine[:3, :3].T, axis=1)
    return Offset(float(mm.max()), float(np.abs(gaps).max()))


def _edges(affine: Affine) -> str:
    return " x ".join(f"{edge:.3g}" for edge in np.linalg.norm(affine[:3, :3], axis=0))


def _corners(shape: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    z, y, x = shape
    sides = ((-margin, size - 1 + margin) for size in (x, y, z))
    return np.array([[*corner, 1.0] for corner in itertools.product(*sides)])
