"""Resampling as the IBSI reference manual has it: both grids share their centre."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.features.preprocess import TIE
from radlas.geometry import Geometry, make_geometry, steady
from radlas.roi.facts import bounding_box

Interpolation = Literal["nearest", "linear", "cubic"]
ORDER: dict[Interpolation, int] = {"nearest": 0, "linear": 1, "cubic": 3}


def centred_grid(old: Geometry, spacing: tuple[float, float, float]) -> Geometry:
    """A grid of the given spacing whose centre is that of the old one.

    It has as many voxels as cover the old one: ``ceil(n * old / new)`` along each axis, but none
    for the thousandth of a voxel that files round.

    Args:
        old: The grid to cover.
        spacing: Along ``(x, y, z)`` [mm]; 0 keeps the old one.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Interpolation": align grid centres.
    """
    wanted = [new or kept for new, kept in zip(spacing, old.spacing, strict=True)]
    sizes = old.shape[::-1]
    counts = [
        int(np.ceil(steady(size * kept / new)))
        for size, kept, new in zip(sizes, old.spacing, wanted, strict=True)
    ]
    shift = [
        (size - 1) * kept / 2 - (count - 1) * new / 2
        for size, kept, count, new in zip(sizes, old.spacing, counts, wanted, strict=True)
    ]
    origin = np.array(old.origin) + old.direction @ np.array(shift)
    nx, ny, nz = counts
    dx, dy, dz = wanted
    return make_geometry(
        (nz, ny, nx), spacing=(dx, dy, dz), origin=tuple(origin), direction=old.direction
    )


def sample(
    voxels: NDArray[Any], old: Geometry, new: Geometry, *, interpolation: Interpolation
) -> NDArray[np.float64]:
    """An image on a grid with the same axes; beyond its edge it goes on as at the edge.

    Args:
        voxels: Shape ``(z, y, x)``.
        old: Their grid.
        new: The grid to sample on, as ``centred_grid`` makes it.
        interpolation: Cubic is by B-splines; nearest takes the later of two that are as near.
    """
    later = TIE if interpolation == "nearest" else 0.0
    sampled: NDArray[np.float64] = ndimage.affine_transform(
        voxels.astype(np.float64),
        np.array(_steps(old, new)),
        offset=[start + later for start in _starts(old, new)],
        output_shape=new.shape,
        order=ORDER[interpolation],
        mode="nearest",
    )
    return sampled


def sample_mask(mask: NDArray[np.bool_], old: Geometry, new: Geometry) -> NDArray[np.bool_]:
    """A mask on a grid with the same axes: where linear interpolation gives at least a half.

    Only around the mask, which is a small part of an image.
    """
    sampled = np.zeros(new.shape, dtype=bool)
    box = bounding_box(mask)
    if box is None:
        return sampled
    starts, step = _starts(old, new), _steps(old, new)
    near = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
    there = tuple(
        slice(
            max(0, math.floor((side.start - 1 - start) / by)), math.ceil((side.stop - start) / by)
        )
        for side, start, by in zip(box, starts, step, strict=True)
    )
    share = ndimage.affine_transform(
        mask[near].astype(np.float64),
        np.array(step),
        offset=[
            start + by * to.start - side.start
            for side, to, start, by in zip(near, there, starts, step, strict=True)
        ],
        output_shape=sampled[there].shape,
        order=1,
        mode="nearest",
    )
    sampled[there] = share >= 0.5 - 1e-9
    return sampled


def _steps(old: Geometry, new: Geometry) -> Sequence[float]:
    """Distance of the new samples, in voxels of the old grid ``(z, y, x)``.

    Without the digits that an oblique direction leaves: half-way between two voxels, they would
    choose by where the patient lay.
    """
    return [round(a / b, 12) for a, b in zip(new.spacing_zyx, old.spacing_zyx, strict=True)]


def _starts(old: Geometry, new: Geometry) -> Sequence[float]:
    """Where the new grid begins, in voxels of the old one ``(z, y, x)``; as ``_steps``."""
    apart = old.direction.T @ (np.array(new.origin) - np.array(old.origin))
    starts = apart / np.array(old.spacing)
    return [round(float(value), 9) for value in starts[::-1]]
