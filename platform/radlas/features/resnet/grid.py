"""The network's input: the body of a whole image on a grid of fixed size. Pure, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.features.preprocess import as_floats, body_z_score, resample_linear
from radlas.geometry import Geometry
from radlas.model import Volume
from radlas.roi.body import body_mask
from radlas.roi.facts import Box, bounding_box

Sizes = tuple[int, int, int]
Edges = tuple[float, float, float]


def prepare(
    volume: Volume, *, size: Sizes, spacing: Edges | None, background: float
) -> tuple[NDArray[np.float32], Geometry]:
    """The body of an image, z-scored, on the network's grid.

    MedicalNet fills the background with fresh noise at every call; here it has one value, so that
    the same image has the same features. The axes stay those of the acquisition.

    Args:
        volume: Image as stored, voxels ``(z, y, x)``.
        size: Voxels of the grid along ``(z, y, x)``.
        spacing: Voxel edges along ``(z, y, x)`` [mm], the grid centred on the body; ``None`` fits
            the body's box into the grid, each axis by its own factor.
        background: Value outside the body [z-score].

    Returns:
        Voxels, shape ``size``, and the grid they lie on.

    Raises:
        DataError: ``not_finite`` or ``flat_image``.
    """
    voxels = as_floats(volume.voxels)
    body = body_mask(voxels, volume.geometry.spacing)
    scores = body_z_score(voxels, body, scale=1.0)
    scores[~body] = background
    grid = input_grid(volume.geometry, bounding_box(body), size=size, spacing=spacing)
    return resample_linear(scores, volume.geometry, grid, outside=background), grid


def input_grid(
    geometry: Geometry, box: Box | None, *, size: Sizes, spacing: Edges | None
) -> Geometry:
    """A grid of ``size`` voxels centred on a box of another grid.

    Args:
        geometry: The grid the box is given on.
        box: Slices ``(z, y, x)``; ``None`` is the whole grid.
        size: Voxels along ``(z, y, x)``.
        spacing: Voxel edges along ``(z, y, x)`` [mm]; ``None`` lets the box fill the grid.
    """
    sides = box or tuple(slice(0, count) for count in geometry.shape)
    extents = [
        (side.stop - side.start) * edge
        for side, edge in zip(sides, geometry.spacing_zyx, strict=True)
    ]
    edges = spacing or tuple(extent / count for extent, count in zip(extents, size, strict=True))
    middle = [(side.start + side.stop - 1) / 2 for side in sides]
    affine = geometry.affine.copy()
    affine[:3, :3] = geometry.direction * np.array(edges[::-1])
    centre = geometry.affine @ np.array([*middle[::-1], 1.0])
    offset = affine[:3, :3] @ (np.array(size[::-1]) - 1) / 2
    affine[:3, 3] = centre[:3] - offset
    return Geometry(size, affine)
