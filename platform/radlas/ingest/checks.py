"""Facts of one ROI, and the checks every ROI must pass before it enters the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.geometry import Geometry
from radlas.ingest.deidentify import safe_number
from radlas.model import TUMOUR, Roi, Row
from radlas.reasons import data_error
from radlas.roi.facts import mask_facts
from radlas.tables import GRID_COLUMNS, RING_COLUMNS
from radlas.words import counted


def roi_facts(roi: Roi, geometry: Geometry) -> Row:
    """Columns of the table ``rois`` for a drawn ROI; those of generated rings are None.

    Args:
        roi: Mask of shape ``(z, y, x)`` on the grid of ``geometry``; may be empty.
        geometry: Grid of the image.

    Returns:
        Counts [1], extents of the bounding box [mm], volume [mm^3]; components share a face.
    """
    return {
        "roi": roi.name,
        "reader": roi.reader,
        "feature_set": "",
        "origin": roi.origin,
        **mask_facts(roi.mask, geometry),
        "misalignment_mm": roi.misalignment_mm,
        "misalignment_voxels": roi.misalignment_voxels,
        **dict.fromkeys(GRID_COLUMNS + RING_COLUMNS),
        "flags": ",".join(roi.flags),
        "mask_values": roi.values,
    }


def image_flags(voxels: NDArray[Any]) -> tuple[str, ...]:
    """Flags of an image that is sound and looks odd.

    ``blank_slices``: all voxels of one are equal; ``repeated_slices``: one is the one before it.
    """
    thin = voxels[:, ::8, ::8]
    suspects = np.flatnonzero(thin.min(axis=(1, 2)) == thin.max(axis=(1, 2)))
    blank = any(voxels[index].min() == voxels[index].max() for index in suspects)
    alike = np.flatnonzero((thin[1:] == thin[:-1]).all(axis=(1, 2)))
    twice = any(np.array_equal(voxels[index], voxels[index + 1]) for index in alike)
    return ("blank_slices",) * blank + ("repeated_slices",) * twice


def padding_flags(voxels: NDArray[Any], header: Dataset) -> tuple[str, ...]:
    """``padded``: voxels hold what their header calls padding, and it stands out of the image.

    Zeros beyond a round field of view are as dark as air, and well. A padding of -2000, or as
    bright as nothing else, spreads into the image with every filter.

    Args:
        voxels: Of the whole image, rescaled.
        header: Of its first slice.
    """
    stated = safe_number(header.get("PixelPaddingValue"))
    if stated is None:
        return ()
    slope = safe_number(header.get("RescaleSlope")) or 1.0
    shift = safe_number(header.get("RescaleIntercept")) or 0.0
    low, high = float(voxels.min()), float(voxels.max())
    # Signed padding is often written as unsigned.
    filled = {np.float32(value * slope + shift) for value in (stated, stated - 65_536)}
    stands_out = (low < min(0.0, shift) and np.float32(low) in filled) or np.float32(high) in filled
    return ("padded",) * stands_out


def check_rois(rois: Iterable[Roi], minimum_voxels: int) -> tuple[Roi, ...]:
    """The ROIs fit for the store, sorted by name and reader.

    An empty ROI other than the tumour (a patient without edema) is left out, and every tumour
    says so in a flag, as ``empty_edema``. A mask of more than half the image is flagged
    ``covers_most``: it may be turned inside out.

    Raises:
        DataError: ``empty_mask``: a tumour holds no voxel; ``roi_too_small``: a ROI that is not
            empty holds less than ``minimum_voxels``.
    """
    rois = sorted(rois, key=lambda roi: (roi.name, roi.reader))
    empty = [roi for roi in rois if not roi.mask.any()]
    if hollow := [roi for roi in empty if roi.name == TUMOUR]:
        lines = "ignored_contours" in hollow[0].flags
        why = "; points and open lines were drawn, which enclose none" if lines else ""
        what = f"the tumour's mask holds no voxel on its image{why}"
        raise data_error("empty_mask", what, TUMOUR)
    kept = [roi for roi in rois if roi.mask.any()]
    for roi in kept:
        voxels = int(np.count_nonzero(roi.mask))
        if voxels < minimum_voxels:
            what = f"{counted(voxels, 'voxel')}, and at least {minimum_voxels} asked for"
            raise data_error("roi_too_small", what, roi.name)
    kept = [_with(roi, ("covers_most",) if roi.mask.mean() > 0.5 else ()) for roi in kept]
    missing = tuple(f"empty_{roi.name}" for roi in empty)
    return tuple(_with(roi, missing) if roi.name == TUMOUR else roi for roi in kept)


def _with(roi: Roi, flags: tuple[str, ...]) -> Roi:
    return replace(roi, flags=(*roi.flags, *flags)) if flags else roi
