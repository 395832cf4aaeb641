"""DICOM-SEG segments on the image's own grid: read by highdicom, placed without resampling.

highdicom's ``match_geometry`` refuses the last micrometre of rounding, does not say how far a mask
was off, and may return another shape than it was asked for; so ``placing`` does it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import highdicom
import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry
from radlas.ingest.grids import xyz_affine
from radlas.ingest.masks import Drawn, Placed
from radlas.ingest.parsing import parsing
from radlas.ingest.placing import Bounds, place_voxels
from radlas.ingest.roi_names import RoiMap, match_name
from radlas.reasons import data_error


def read_segments(
    stream: BinaryIO, geometry: Geometry, roi_map: RoiMap, bounds: Bounds
) -> list[Drawn]:
    """Every segment of a file, named by its label, or by its description if only that is known.

    Args:
        stream: The whole file.
        geometry: Grid of the image.
        roi_map: Resolved map of names.
        bounds: How far the segments may lie off the image.

    Raises:
        DataError: ``unreadable_file``. Placing a segment raises ``mask_off_grid``.
    """
    with parsing("a segmentation"):
        segmentation = highdicom.seg.segread(stream)
        numbers = list(segmentation.segment_numbers)
        names = [_name(segmentation.get_segment_description(one), roi_map) for one in numbers]
    return [
        Drawn(
            name,
            "seg",
            hollow=False,
            place=partial(_place_segment, segmentation, number, geometry, bounds),
        )
        for number, name in zip(numbers, names, strict=True)
    ]


def _name(description: Any, roi_map: RoiMap) -> str:
    label = str(description.get("SegmentLabel") or "").strip()
    longer = str(description.get("SegmentDescription") or "").strip()
    if match_name(label, roi_map) is None and match_name(longer, roi_map) is not None:
        return longer
    return label


def _place_segment(segmentation: Any, number: int, geometry: Geometry, bounds: Bounds) -> Placed:
    with parsing("a segment"):
        if segmentation.get_volume_geometry() is None:
            raise data_error("mask_off_grid", "the segments' frames are not planes of one grid")
        volume = segmentation.get_volume(segment_numbers=[number])
    voxels = np.asarray(volume.array)
    mask = voxels.reshape(voxels.shape[:3]) >= 0.5  # fractional segments: half or more
    affine = xyz_affine(volume.affine)
    if mask.shape[0] == 1:  # one frame has no spacing along its normal: take the image's
        affine[:3, 2] = _step_along(affine[:3, 2], geometry)
    return place_voxels(mask, affine, geometry, bounds)


def _step_along(normal: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
    unit = normal / np.linalg.norm(normal)
    axis = int(np.abs(geometry.direction.T @ unit).argmax())
    return unit * geometry.spacing[axis]
