"""Facts of one ROI, and the checks every ROI must pass before it enters the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.digests import mask_digest
from radlas.geometry import Geometry
from radlas.model import TUMOUR, Roi, Row
from radlas.reasons import data_error


def roi_facts(roi: Roi, geometry: Geometry) -> Row:
    """Columns of the table ``rois`` for a drawn ROI; those of generated rings are None.

    Args:
        roi: Mask of shape ``(z, y, x)`` on the grid of ``geometry``; may be empty.
        geometry: Grid of the image.

    Returns:
        Counts [1], extents of the bounding box [mm], volume [mm^3]; components share a face.
    """
    voxels = int(np.count_nonzero(roi.mask))
    extents = _extents(roi.mask, geometry)
    return {
        "roi": roi.name,
        "reader": roi.reader,
        "feature_set": "",
        "origin": roi.origin,
        "voxels": voxels,
        "volume_mm3": voxels * geometry.voxel_volume,
        "slices": int(np.count_nonzero(roi.mask.any(axis=(1, 2)))),
        "components": int(ndimage.label(roi.mask)[1]),
        "touches_border": touches_border(roi.mask),
        "extent_x_mm": extents[0],
        "extent_y_mm": extents[1],
        "extent_z_mm": extents[2],
        "misalignment_mm": roi.misalignment_mm,
        "requested_width_mm": None,
        "achieved_width_mm": None,
        "kept_fraction": None,
        "in_plane_only": None,
        "flags": ",".join(roi.flags),
        "mask_digest": mask_digest(roi.mask),
    }


def touches_border(mask: NDArray[np.bool_]) -> bool:
    """True if a voxel lies on a face of the image: part of the ROI may be outside of it."""
    return any(bool(mask.take(index, axis).any()) for axis in range(mask.ndim) for index in (0, -1))


def check_rois(rois: Iterable[Roi], minimum_voxels: int) -> tuple[Roi, ...]:
    """The ROIs fit for the store, sorted by name and reader.

    An empty ROI other than the tumour (a patient without edema) is left out, and every tumour
    says so in a flag, as ``empty_edema``.

    Raises:
        DataError: ``empty_mask``: a tumour holds no voxel; ``roi_too_small``: a ROI that is not
            empty holds less than ``minimum_voxels``.
    """
    rois = sorted(rois, key=lambda roi: (roi.name, roi.reader))
    empty = [roi for roi in rois if not roi.mask.any()]
    if any(roi.name == TUMOUR for roi in empty):
        raise data_error("empty_mask", "the tumour's mask holds no voxel on its image", TUMOUR)
    kept = [roi for roi in rois if roi.mask.any()]
    for roi in kept:
        voxels = int(np.count_nonzero(roi.mask))
        if voxels < minimum_voxels:
            what = f"{voxels} voxels, and at least {minimum_voxels} are asked for"
            raise data_error("roi_too_small", what, roi.name)
    missing = tuple(f"empty_{roi.name}" for roi in empty)
    return tuple(
        replace(roi, flags=(*roi.flags, *missing)) if roi.name == TUMOUR and missing else roi
        for roi in kept
    )


def _extents(
    mask: NDArray[np.bool_], geometry: Geometry
) -> tuple[float | None, float | None, float | None]:
    box = ndimage.find_objects(mask.astype(np.uint8))
    if not box:
        return None, None, None
    z, y, x = (part.stop - part.start for part in box[0])
    dx, dy, dz = geometry.spacing
    return x * dx, y * dy, z * dz
