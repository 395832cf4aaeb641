"""Grey levels against depth: the distance zone matrix (GLDZM) of the IBSI manual. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.features.ibsi.statistics import Features
from radlas.reasons import data_error
from radlas.roi.facts import bounding_box

Aggregation = Literal["2d", "2.5d", "3d"]
Levels = NDArray[np.integer]
Mask = NDArray[np.bool_]


class DistanceZones(NamedTuple):
    """One distance zone matrix.

    Attributes:
        counts: Number of zones, shape ``(level, distance)``, from level 1 and distance 1.
        voxels: Number of voxels that the zones are made of.
    """

    counts: NDArray[np.int64]
    voxels: int


def distance_zone_features(
    levels: Levels, *, aggregation: Aggregation, roi: Mask | None = None
) -> Features:
    """The 16 features of the grey level distance zone matrix.

    Args:
        levels: Grey levels, shape ``(z, y, x)``, at least 1 inside the ROI and 0 outside.
        aggregation: ``2d``: mean of the features of the slices that hold ROI; ``2.5d``: of the
            slices' zones in one matrix; ``3d``: zones and distances across slices.
        roi: The ROI before re-segmentation, if that took voxels out of it; distances are to its
            edge. Else where ``levels`` is not 0.

    Returns:
        Values by column, ``gldzm_SmallDistanceEmphasis`` and so on; none is ever undefined.

    Raises:
        DataError: ``empty_mask``.
        ValueError: A level is negative, or a voxel with a level lies outside ``roi``.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Grey level distance zone based features".
    """
    each = [_features(zones) for zones in distance_zones(levels, aggregation=aggregation, roi=roi)]
    return {f"gldzm_{name}": sum(one[name] for one in each) / len(each) for name in each[0]}


def distance_zones(
    levels: Levels, *, aggregation: Aggregation, roi: Mask | None = None
) -> tuple[DistanceZones, ...]:
    """Distance zone matrices: one for each slice that holds ROI by ``2d``, else a single one.

    A zone is a set of connected voxels of one level: by faces, edges and corners, 26 neighbours
    in space and 8 in a slice. Its distance is that of its outermost voxel, in steps over faces to
    the first voxel outside the ROI, so 1 at the edge; outside the image is outside the ROI.

    Args:
        levels: As in ``distance_zone_features``.
        aggregation: As there.
        roi: As there.

    Raises:
        DataError: ``empty_mask``.
        ValueError: A level is negative, or a voxel with a level lies outside ``roi``.
    """
    region = levels > 0 if roi is None else roi
    box = bounding_box(region)
    if box is None or not levels.any():
        raise data_error("empty_mask", "no voxel has a grey level, so there are no zones")
    if levels.min() < 0 or levels[~region].any():
        raise ValueError("levels are at least 1 inside the ROI and 0 outside")
    planar = aggregation != "3d"
    inside = levels[box]
    zones = _zones(inside, _depths(region[box], planar=planar), planar=planar)
    if aggregation != "2d":
        return (_matrix(zones, int(np.count_nonzero(inside))),)
    voxels = np.count_nonzero(inside, axis=(1, 2))
    return tuple(_matrix(zones[zones[:, 0] == z], int(voxels[z])) for z in np.flatnonzero(voxels))


def _depths(region: Mask, *, planar: bool) -> NDArray[np.int32]:
    """Steps over faces from each voxel to the first one outside, within slices or in space."""
    padded = np.pad(region, 1)
    if not planar:
        return _steps(padded)[1:-1, 1:-1, 1:-1]
    return np.stack([_steps(one)[1:-1, 1:-1] for one in padded[1:-1]])


def _steps(region: Mask) -> NDArray[np.int32]:
    found: NDArray[np.int32] = ndimage.distance_transform_cdt(region, metric="taxicab")
    return found


def _zones(levels: Levels, depths: NDArray[np.int32], *, planar: bool) -> NDArray[np.int64]:
    """Slice, level and distance of every zone, shape ``(zone, 3)``; the slice of planar ones."""
    touching = np.ones((3, 3, 3), dtype=bool)
    touching[[0, 2]] = not planar
    found = [np.empty((0, 3), dtype=np.int64)]
    for level, box in enumerate(ndimage.find_objects(levels), start=1):
        if box is None:
            continue
        zones, count = ndimage.label(levels[box] == level, structure=touching)
        z, y, x = np.nonzero(zones)
        of = zones[z, y, x] - 1
        place, depth = np.zeros(count, np.int64), np.full(count, depths.max(), np.int64)
        place[of] = z + box[0].start
        np.minimum.at(depth, of, depths[box][z, y, x])
        found.append(np.column_stack([place, np.full(count, level), depth]))
    return np.concatenate(found)


def _matrix(zones: NDArray[np.int64], voxels: int) -> DistanceZones:
    shape = zones[:, 1:].max(axis=0)
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, tuple(zones[:, 1:].T - 1), 1)
    return DistanceZones(counts, voxels)


def _features(matrix: DistanceZones) -> dict[str, float]:
    total = int(matrix.counts.sum())
    shares = matrix.counts / total
    level = np.arange(1, shares.shape[0] + 1.0)[:, np.newaxis]
    distance = np.arange(1, shares.shape[1] + 1.0)
    by_level, by_distance = shares.sum(axis=1), shares.sum(axis=0)
    used = shares[shares > 0]
    return {
        **_emphases(shares, level, distance),
        "GrayLevelNonUniformity": total * float(np.square(by_level).sum()),
        "GrayLevelNonUniformityNormalized": float(np.square(by_level).sum()),
        "ZoneDistanceNonUniformity": total * float(np.square(by_distance).sum()),
        "ZoneDistanceNonUniformityNormalized": float(np.square(by_distance).sum()),
        "ZonePercentage": total / matrix.voxels,
        "GrayLevelVariance": _variance(shares, level),
        "ZoneDistanceVariance": _variance(shares, distance),
        "ZoneDistanceEntropy": float(-(used * np.log2(used)).sum()) + 0.0,  # no -0
    }


def _emphases(
    shares: NDArray[np.float64], level: NDArray[np.float64], distance: NDArray[np.float64]
) -> dict[str, float]:
    low, high, small, large = level**-2, level**2, distance**-2, distance**2
    weights = {
        "SmallDistanceEmphasis": small,
        "LargeDistanceEmphasis": large,
        "LowGrayLevelZoneEmphasis": low,
        "HighGrayLevelZoneEmphasis": high,
        "SmallDistanceLowGrayLevelEmphasis": small * low,
        "SmallDistanceHighGrayLevelEmphasis": small * high,
        "LargeDistanceLowGrayLevelEmphasis": large * low,
        "LargeDistanceHighGrayLevelEmphasis": large * high,
    }
    return {name: float((shares * weight).sum()) for name, weight in weights.items()}


def _variance(shares: NDArray[np.float64], of: NDArray[np.float64]) -> float:
    mean = (shares * of).sum()
    return float((shares * np.square(of - mean)).sum())
