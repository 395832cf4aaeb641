"""The network's input: parts of an image on grids of fixed size. Pure, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels.linear import interpolate
from radlas.features.preprocess import as_floats, body_z_score
from radlas.geometry import Geometry, steady, to_patient_axes, world_to_index
from radlas.model import TUMOUR, Roi, Volume
from radlas.reasons import data_error
from radlas.roi.body import body_of
from radlas.roi.facts import Box, bounding_box

Sizes = tuple[int, int, int]
Edges = tuple[float, float, float]
Axes = Literal["patient", "acquisition"]
#: Goes up when values change though settings stay. 2: our own interpolation; 3: margins are no air,
#: boxes have as many voxels whatever files round. 4: slices of one value are no air.
METHODS = "4"
EDGE = 1e-6  # voxel; a sample on the image's edge is inside, however it was rounded


@dataclass(frozen=True, eq=False)
class Scene:
    """An image as the network may look at it, on its own voxels.

    Attributes:
        scores: z-scores inside the body, one value outside, shape ``(z, y, x)``.
        body: Where there is tissue, same shape.
        tumour: Same shape; ``None`` if nobody drew one.
        geometry: Their grid.
        background: The value outside the body.
    """

    scores: NDArray[np.float32]
    body: NDArray[np.bool_]
    tumour: NDArray[np.bool_] | None
    geometry: Geometry
    background: float


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Where body and tumour are, as the network's axes see them.

    Attributes:
        body: Where there is tissue, shape ``(z, y, x)``.
        tumour: Same shape; ``None`` if nobody drew one.
        geometry: Their grid.
    """

    body: NDArray[np.bool_]
    tumour: NDArray[np.bool_] | None
    geometry: Geometry


def make_scene(volume: Volume, rois: Mapping[str, Roi], *, axes: Axes, background: float) -> Scene:
    """The body of an image, z-scored.

    MedicalNet fills the background with fresh noise at every call; here it has one value, so that
    the same image has the same features.

    Args:
        volume: Image as stored, voxels ``(z, y, x)``.
        rois: Drawn ROIs by name.
        axes: ``patient`` turns the array so that its axes run to the head, the back and the left;
            ``acquisition`` leaves them, and a sagittal image is seen from another side.
        background: Value outside the body [z-score].

    Raises:
        DataError: ``not_finite`` or ``flat_image``.
    """
    geometry, voxels = volume.geometry, as_floats(volume.voxels)
    tumour = rois[TUMOUR].mask if TUMOUR in rois else None
    if axes == "patient":
        geometry, (voxels,) = to_patient_axes(volume.geometry, voxels)
        voxels = np.ascontiguousarray(voxels)
        if tumour is not None:
            _, (tumour,) = to_patient_axes(volume.geometry, tumour)
    body = body_of(voxels, geometry)
    scores = body_z_score(voxels, body, scale=1.0)
    np.copyto(scores, np.float32(background), where=~body)
    return Scene(scores, body, tumour, geometry, background)


def tumour_box(scene: Scene, margin_mm: float) -> Box:
    """The box around the tumour and so much more on every side, as far as the image goes.

    Raises:
        DataError: ``no_tumour`` or ``empty_mask``.
    """
    if scene.tumour is None:
        raise data_error("no_tumour", "a box around the tumour needs one")
    box = bounding_box(scene.tumour)
    if box is None:
        raise data_error("empty_mask", "the tumour has no voxel")
    sides = zip(box, scene.geometry.spacing_zyx, scene.geometry.shape, strict=True)
    z, y, x = (
        _wider(side, int(np.ceil(steady(margin_mm / edge))), size) for side, edge, size in sides
    )
    return z, y, x


def on_grid(scene: Scene, box: Box | None, *, size: Sizes, spacing: Edges | None) -> Volume:
    """A part of a scene on a grid of fixed size, interpolated linearly.

    Args:
        scene: The image.
        box: Slices ``(z, y, x)``; ``None`` is the whole image.
        size: Voxels of the grid along ``(z, y, x)``.
        spacing: Voxel edges along ``(z, y, x)`` [mm], the grid centred on the box; ``None`` fits
            the box into the grid, each axis by its own factor.
    """
    grid = input_grid(scene.geometry, box, size=size, spacing=spacing)
    starts = world_to_index(scene.geometry, np.array([grid.origin]))[0][::-1]
    steps = np.divide(grid.spacing_zyx, scene.geometry.spacing_zyx)
    z, y, x = (
        _between(start + step * np.arange(count), voxels)
        for start, step, count, voxels in zip(starts, steps, size, scene.scores.shape, strict=True)
    )
    sampled = np.empty(size, dtype=np.float32)
    interpolate(scene.scores, z.first, z.share, y.first, y.share, x.first, x.share, sampled)
    for axis, side in enumerate((z, y, x)):
        sampled[(slice(None),) * axis + (side.outside,)] = scene.background
    return Volume(sampled, grid)


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


class _Side(NamedTuple):
    """Samples along one axis: the voxel before each, its way to the next [1], what is outside."""

    first: NDArray[np.int64]
    share: NDArray[np.float64]
    outside: NDArray[np.bool_]


def _between(places: NDArray[np.float64], size: int) -> _Side:
    """Between which voxels samples lie; up to the outer edges of the last ones, those hold."""
    outside = (places < -0.5 - EDGE) | (places > size - 0.5 + EDGE)
    held = np.clip(places, 0, size - 1)
    first = held.astype(np.int64)
    return _Side(first, held - first, outside)


def _wider(side: slice, by: int, size: int) -> slice:
    return slice(max(0, side.start - by), min(size, side.stop + by))
