"""RTSTRUCT contours as masks on the image's own grid, exact to a fraction of a voxel.

Rules (PS3.3 C.8.8.6.3, where it speaks): contours of a slice that lie strictly inside one another
are holes and islands; ``CLOSEDPLANAR_XOR`` contours are exclusive-or'ed; contours that overlap in
part are united and flagged. A keyhole needs no rule. Slices without contours stay empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from radlas.geometry import Geometry, world_to_index
from radlas.ingest.polygons import Mask, Points, boundaries_meet, fill_polygon
from radlas.reasons import data_error

PLAIN, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
_KINDS = {PLAIN, XOR, "CLOSEDPLANAR"}
_NOTED_OFFSET, _WORST_OFFSET = 0.1, 0.5


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour as drawn.

    Attributes:
        points: Vertices, shape ``(point, 3)``, LPS [mm].
        kind: ContourGeometricType.
    """

    points: NDArray[np.float64]
    kind: str = PLAIN


@dataclass(frozen=True, eq=False)
class _Polygon:
    points: Points
    kind: str


def read_contours(dataset: Dataset) -> list[tuple[str, list[Contour]]]:
    """Drawn names and their contours, in the order of the file; some may have none.

    Raises:
        DataError: ``bad_contour``: coordinates are no triples of finite numbers.
    """
    drawn = {
        int(item.ReferencedROINumber): [_contour(one) for one in item.get("ContourSequence") or ()]
        for item in dataset.get("ROIContourSequence") or ()
    }
    return [
        (str(roi.get("ROIName") or "").strip(), drawn.get(int(roi.ROINumber), []))
        for roi in dataset.get("StructureSetROISequence") or ()
    ]


def rasterise(contours: Sequence[Contour], geometry: Geometry) -> tuple[Mask, tuple[str, ...]]:
    """Voxels whose centres lie inside the contours, and what a careful reader should know.

    Args:
        contours: One ROI's contours, drawn on planes of the image in any orientation.
        geometry: Grid of the image.

    Returns:
        Mask of shape ``(z, y, x)``; sorted flags out of ``ambiguous_contours``,
        ``ignored_contours`` (points, open lines, less than three vertices), ``off_plane_contours``
        (by 0.1 to 0.5 slices), ``outside_image`` and ``undrawn_slices`` (inside the span).

    Raises:
        DataError: ``contour_off_plane``: a contour is tilted against the image's planes, or lies
            between two of them; ``mask_outside``: all contours lie outside the image.
    """
    closed = [one for one in contours if one.kind in _KINDS and len(one.points) >= 3]
    flags = {"ignored_contours"} if len(closed) < len(contours) else set()
    slices: dict[int, list[_Polygon]] = defaultdict(list)
    for contour in closed:
        index = world_to_index(geometry, contour.points)
        plane, offset = _plane_of(index[:, 2])
        flags |= {"off_plane_contours"} if offset > _NOTED_OFFSET else set()
        slices[plane].append(_Polygon(index[:, :2], contour.kind))
    mask = np.zeros(geometry.shape, dtype=bool)
    for plane, polygons in slices.items():
        filled, noted = _fill_slice(polygons, (geometry.shape[1], geometry.shape[2]))
        flags |= noted
        if 0 <= plane < geometry.shape[0]:
            mask[plane] = filled
    flags |= _span_flags(slices, geometry.shape)
    if "outside_image" in flags and not mask.any():
        raise data_error("mask_outside", f"all {len(closed)} contours lie outside the image")
    return mask, tuple(sorted(flags))


def _contour(item: Dataset) -> Contour:
    try:
        points = _numbers(item).reshape(-1, 3)
    except (ValueError, TypeError, AttributeError) as error:
        what = "contour data is not made of coordinate triples"
        raise data_error("bad_contour", what, "RTSTRUCT") from error
    if not np.isfinite(points).all():
        raise data_error("bad_contour", "contour data is not finite", "RTSTRUCT")
    return Contour(points, str(item.get("ContourGeometricType") or PLAIN))


def _numbers(item: Dataset) -> NDArray[np.float64]:
    """ContourData, from its bytes: pydicom makes an object of each of thousands of numbers."""
    if "ContourData" not in item:
        return np.zeros(0)
    raw = item.get_item("ContourData")
    value = raw.value if isinstance(raw, RawDataElement) else "\\".join(map(str, raw.value or ()))
    parts = (value if isinstance(value, bytes) else value.encode()).split(b"\\")
    kept = [part for part in parts if part.strip(b" \0")]
    numbers: NDArray[np.float64] = np.array(kept, dtype=bytes).astype(np.float64)
    return numbers


def _plane_of(depth: NDArray[np.float64]) -> tuple[int, float]:
    """The slice a contour lies on, and how far its worst vertex is from it [voxel]."""
    plane = int(np.round(np.median(depth)))
    offset, tilt = float(np.abs(depth - plane).max()), float(np.ptp(depth))
    if max(offset, tilt) > _WORST_OFFSET:
        what = f"a contour spans {tilt:.2f} slices and lies {offset:.2f} off the nearest"
        raise data_error("contour_off_plane", what)
    return plane, offset


def _fill_slice(polygons: Sequence[_Polygon], shape: tuple[int, int]) -> tuple[Mask, set[str]]:
    plain = [one for one in polygons if one.kind != XOR]
    filled = [fill_polygon(one.points, shape) for one in plain]
    clusters = _clusters(plain, filled)
    mask = np.zeros(shape, dtype=bool)
    for cluster in clusters:  # between clusters: strictly nested or apart, so xor makes holes
        mask ^= np.logical_or.reduce([filled[index] for index in cluster])
    for one in polygons:
        if one.kind == XOR:
            mask ^= fill_polygon(one.points, shape)
    ambiguous = any(_overlap([filled[index] for index in cluster]) for cluster in clusters)
    return mask, {"ambiguous_contours"} if ambiguous else set()


def _clusters(polygons: Sequence[_Polygon], filled: Sequence[Mask]) -> list[list[int]]:
    """Groups of polygons that are neither apart nor strictly nested."""
    clusters: list[list[int]] = []
    for index in range(len(polygons)):
        meeting = [
            cluster
            for cluster in clusters
            if any(boundaries_meet(polygons[index].points, polygons[one].points) for one in cluster)
        ]
        merged = [index, *(member for cluster in meeting for member in cluster)]
        clusters = [cluster for cluster in clusters if cluster not in meeting] + [merged]
    return clusters


def _overlap(masks: Sequence[Mask]) -> bool:
    return len(masks) > 1 and bool((np.sum(masks, axis=0) > 1).any())


def _span_flags(slices: dict[int, list[_Polygon]], shape: tuple[int, int, int]) -> set[str]:
    flags = set()
    if slices and len(slices) < max(slices) - min(slices) + 1:
        flags.add("undrawn_slices")
    edges = np.array([shape[2], shape[1]]) - 0.5
    outside = any(
        bool((one.points < -0.5).any() or (one.points > edges).any())
        for polygons in slices.values()
        for one in polygons
    )
    if outside or any(not 0 <= plane < shape[0] for plane in slices):
        flags.add("outside_image")
    return flags
