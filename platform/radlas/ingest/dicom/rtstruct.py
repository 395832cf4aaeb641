"""RTSTRUCT contours as masks on the image's own grid, exact to a fraction of a voxel.

Rules (PS3.3 C.8.8.6.3, where it speaks): contours of a slice that lie inside one another are holes
and islands, also where they touch; ``CLOSEDPLANAR_XOR`` contours are exclusive-or'ed; contours that
overlap in part are united and flagged. A keyhole needs no rule. Slices without contours stay empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry, world_to_index
from radlas.ingest.dicom.contours import XOR, Contour, Planes, check_references
from radlas.ingest.dicom.nesting import any_thin_ring, cluster
from radlas.ingest.dicom.polygons import Mask, Points, area, fill_polygon
from radlas.reasons import data_error

# Midway between two slices a contour belongs to neither.
_NOTED_OFFSET, _WORST_OFFSET = 0.1, 0.45
_FINER = 8
_LEAST_AREA = 4.0  # a polygon of this area holds voxels, or its outline cancels itself [pixel]


@dataclass(frozen=True, eq=False)
class _Polygon:
    points: Points
    kind: str


def rasterise(
    contours: Sequence[Contour], geometry: Geometry, planes: Planes | None = None
) -> tuple[Mask, tuple[str, ...]]:
    """Voxels whose centres lie inside the contours, and what a careful reader should know.

    Args:
        contours: One ROI's contours, drawn on planes of the image in any orientation.
        geometry: Grid of the image.
        planes: Slices of every image of the series, to check references against.

    Returns:
        Mask of shape ``(z, y, x)``; sorted flags out of ``ambiguous_contours``,
            ``thin_ring`` (a hole takes most of a contour),
        ``ignored_contours`` (points, open lines, less than three vertices), ``off_plane_contours``
        (by 0.1 to 0.45 slices), ``outside_image`` and ``undrawn_slices`` (inside the span).

    Raises:
        DataError: ``contour_off_plane``: a contour is tilted against the image's planes, or lies
            between two of them, or several lie one above the other within one slice;
            ``mask_outside``: all contours lie outside the image;
            ``contour_conflict``: it names other images than it lies on; ``bad_contour``: its
            outline cancels itself.
    """
    closed = [one for one in contours if one.encloses]
    flags = {"ignored_contours"} if len(closed) < len(contours) else set()
    slices: dict[int, list[_Polygon]] = defaultdict(list)
    depths: dict[int, list[float]] = defaultdict(list)
    places = []
    for contour in closed:
        index = world_to_index(geometry, contour.points)
        plane, offset = _plane_of(index[:, 2])
        flags |= {"off_plane_contours"} if offset > _NOTED_OFFSET else set()
        slices[plane].append(_Polygon(index[:, :2], contour.kind))
        depths[plane].append(float(np.median(index[:, 2])))
        places.append(plane)
    _check_depths(depths)
    check_references([one.images for one in closed], planes or {}, places)
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


def _plane_of(depth: NDArray[np.float64]) -> tuple[int, float]:
    """The slice a contour lies on, and how far its worst vertex is from it [voxel]."""
    plane = int(np.round(np.median(depth)))
    offset, tilt = float(np.abs(depth - plane).max()), float(np.ptp(depth))
    if max(offset, tilt) > _WORST_OFFSET:
        what = f"a contour spans {tilt:.2f} slices and lies {offset:.2f} off the nearest"
        raise data_error("contour_off_plane", what)
    return plane, offset


def _check_depths(depths: Mapping[int, Sequence[float]]) -> None:
    """Refuse contours drawn on thinner slices: the next one up would be a hole in the one below."""
    apart = max((max(one) - min(one) for one in depths.values()), default=0.0)
    if apart > _NOTED_OFFSET:
        what = f"contours of one slice lie {apart:.2f} slices apart: drawn on thinner slices"
        raise data_error("contour_off_plane", what)


def _fill_slice(polygons: Sequence[_Polygon], shape: tuple[int, int]) -> tuple[Mask, set[str]]:
    plain = [one.points for one in polygons if one.kind != XOR]
    filled = [np.flatnonzero(_fill(one, shape)) for one in plain]
    clusters = [[filled[index] for index in one] for one in cluster(plain, filled)]
    united = [np.unique(np.concatenate(one)) for one in clusters]
    mask = np.zeros(shape, dtype=bool)
    for voxels in united:  # strictly nested or apart, so xor makes holes
        mask.ravel()[voxels] ^= True
    for one in polygons:
        if one.kind == XOR:
            mask ^= _fill(one.points, shape)
    drawn = zip(clusters, united, strict=True)
    ambiguous = any(sum(map(len, parts)) > len(union) for parts, union in drawn)
    flags = {"ambiguous_contours"} if ambiguous else set()
    return mask, flags | ({"thin_ring"} if any_thin_ring(united, shape[1]) else set())


def _fill(points: Points, shape: tuple[int, int]) -> Mask:
    filled = fill_polygon(points, shape)
    inside = (points > 0).all() and (points < np.array(shape[::-1]) - 1).all()
    enclosed = area(points)
    if inside and enclosed >= _LEAST_AREA and np.count_nonzero(filled) < 0.1 * enclosed:
        # A thin tail between the centres of pixels holds none, and is sound for all that.
        held = np.count_nonzero(fill_polygon(*_magnified(points))) / _FINER**2
        if held < 0.1 * enclosed:
            what = f"an outline around {enclosed:.0f} pixels encloses {held:.0f}"
            raise data_error("bad_contour", f"{what}: it runs round more than once")
    return filled


def _magnified(points: Points) -> tuple[Points, tuple[int, int]]:
    """The polygon on pixels of an eighth, and the size of its box on them."""
    finer = (points - np.floor(points.min(0))) * _FINER
    columns, rows = np.ceil(finer.max(0)).astype(int) + 1
    return finer, (int(rows), int(columns))


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
