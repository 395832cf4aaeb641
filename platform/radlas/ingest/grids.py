"""Checks that all readers share: voxels are finite and differ, an affine is a sound grid. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Affine, Geometry, make_geometry
from radlas.model import Volume
from radlas.reasons import data_error


def checked_volume(voxels: NDArray[Any], geometry: Geometry) -> Volume:
    """The volume, if every voxel is a number and not all are the same.

    Raises:
        DataError: ``not_finite`` or ``flat_image``.
    """
    bad = 0 if voxels.dtype.kind in "iub" else int(np.count_nonzero(~np.isfinite(voxels)))
    if bad:
        raise data_error("not_finite", f"{bad} of {voxels.size} voxels are NaN or infinite")
    if voxels.min() == voxels.max():
        raise data_error("flat_image", f"all {voxels.size} voxels are {voxels.flat[0]:g}")
    return Volume(voxels, geometry)


def geometry_of(shape: tuple[int, int, int], affine: Affine) -> Geometry:
    """A checked grid from an affine.

    Raises:
        DataError: ``bad_geometry``.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        direction = affine[:3, :3] / spacing
    x, y, z = (float(edge) for edge in spacing)
    px, py, pz = (float(place) for place in affine[:3, 3])
    return make_geometry(shape, spacing=(x, y, z), origin=(px, py, pz), direction=direction)
