"""Distance zones: flooded and eroded one by one, they are the same."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.unit.features.ibsi.ellipsoid import ellipsoid

from radlas.errors import DataError
from radlas.features.ibsi.distance_zone import distance_zone_features, distance_zones

FORMS = ("2d", "2.5d", "3d")
NAMES = (
    "SmallDistanceEmphasis LargeDistanceEmphasis LowGrayLevelZoneEmphasis"
    " HighGrayLevelZoneEmphasis SmallDistanceLowGrayLevelEmphasis"
    " SmallDistanceHighGrayLevelEmphasis LargeDistanceLowGrayLevelEmphasis"
    " LargeDistanceHighGrayLevelEmphasis GrayLevelNonUniformity GrayLevelNonUniformityNormalized"
    " ZoneDistanceNonUniformity ZoneDistanceNonUniformityNormalized ZonePercentage"
    " GrayLevelVariance ZoneDistanceVariance ZoneDistanceEntropy"
).split()
# MIRP 2.7.0 on the ROI of `case`, in the order of NAMES.
MIRP = {
    "2d": (
        *(0.7287988, 2.643865, 0.2368140, 15.12767, 0.1702681, 10.79701, 0.6127404, 41.33200),
        *(5.535104, 0.1930962, 14.20640, 0.5100052, 0.4376358, 2.867929, 0.4964208, 3.370333),
    ),
    "2.5d": (
        *(0.7138410, 2.748768, 0.2376970, 15.14286, 0.1721917, 10.49087, 0.6222674, 43.42857),
        *(34.38916, 0.1694047, 97.58128, 0.4806960, 0.4393939, 2.910092, 0.5355626, 3.876029),
    ),
    "3d": (
        *(0.9297386, 1.411765, 0.2797794, 12.02941, 0.2475082, 11.12092, 0.5395833, 15.79412),
        *(6.235294, 0.1833910, 28.41176, 0.8356401, 0.07359307, 2.492215, 0.1626298, 2.842207),
    ),
}


def case():
    """The ellipsoid's levels, 0 outside."""
    mask, levels = ellipsoid()
    return np.where(mask, levels, 0)


def zones_of(matrix):
    """How often each pair of level and distance occurs."""
    return Counter(
        {(i + 1, j + 1): int(matrix.counts[i, j]) for i, j in np.argwhere(matrix.counts)}
    )


def flooded(levels, *, planar):
    """The definition: flood each zone, step outwards from each of its voxels."""
    ways = [way for way in itertools.product((-1, 0, 1), repeat=3) if not (planar and way[0])]
    left = {tuple(place): int(levels[tuple(place)]) for place in np.argwhere(levels)}
    depths, found = depth_by_erosion(levels > 0, planar=planar), Counter()
    while left:
        place, level = left.popitem()
        zone, edge = [place], [place]
        while edge:
            here = edge.pop()
            for way in ways:
                there = tuple(a + b for a, b in zip(here, way, strict=True))
                if left.get(there) == level:
                    del left[there]
                    zone.append(there)
                    edge.append(there)
        found[level, min(depths[one] for one in zone)] += 1
    return found


def depth_by_erosion(region, *, planar):
    depths, inside = np.zeros(region.shape, int), np.pad(region, 1)
    while inside.any():
        depths += inside[1:-1, 1:-1, 1:-1]
        steps = [(axis, way) for axis in range(1 if planar else 0, 3) for way in (-1, 1)]
        inside = np.logical_and.reduce(
            [inside, *(np.roll(inside, way, axis) for axis, way in steps)]
        )
    return depths


@pytest.mark.parametrize("form", FORMS)
def test_an_independent_tool_has_the_same_values(form):
    found = distance_zone_features(case(), aggregation=form)
    expected = {f"gldzm_{name}": one for name, one in zip(NAMES, MIRP[form], strict=True)}
    assert found == pytest.approx(expected, rel=2e-6)


@given(levels=arrays(int, (3, 5, 5), elements=st.integers(0, 3)).filter(np.any))
@settings(max_examples=80)
def test_zones_and_distances_are_those_of_the_definition(levels):
    (solid,) = distance_zones(levels, aggregation="3d")
    (merged,) = distance_zones(levels, aggregation="2.5d")
    assert zones_of(solid) == flooded(levels, planar=False)
    assert zones_of(merged) == flooded(levels, planar=True)
    assert solid.voxels == merged.voxels == np.count_nonzero(levels)


@given(levels=arrays(int, (3, 4, 4), elements=st.integers(0, 3)).filter(np.any))
@settings(max_examples=40)
def test_slices_apart_are_slices_together_and_in_any_order(levels):
    apart = distance_zones(levels, aggregation="2d")
    (merged,) = distance_zones(levels, aggregation="2.5d")
    assert sum((zones_of(one) for one in apart), Counter()) == zones_of(merged)
    assert len(apart) == levels.any(axis=(1, 2)).sum()
    for form in ("2d", "2.5d"):
        here = distance_zone_features(levels, aggregation=form)
        there = distance_zone_features(levels[::-1], aggregation=form)
        assert here == pytest.approx(there)


def test_a_cube_around_a_core_has_its_core_at_depth_two():
    levels = np.ones((3, 3, 3), dtype=int)
    levels[1, 1, 1] = 2
    (matrix,) = distance_zones(levels, aggregation="3d")
    assert zones_of(matrix) == {(1, 1): 1, (2, 2): 1}
    found = distance_zone_features(levels, aggregation="3d")
    assert found["gldzm_ZonePercentage"] == pytest.approx(2 / 27)
    assert found["gldzm_LargeDistanceHighGrayLevelEmphasis"] == pytest.approx((1 + 16) / 2)
    assert found["gldzm_ZoneDistanceEntropy"] == pytest.approx(1)


def test_corners_join_zones_and_are_no_way_out():
    """Zones touch by corners; the way to the edge goes over faces."""
    levels = np.full((1, 3, 3), 2)
    levels[0, 0, 0] = levels[0, 1, 1] = 1
    (joined,) = distance_zones(levels, aggregation="2d")
    assert zones_of(joined) == {(1, 1): 1, (2, 1): 1}
    plane = np.full((1, 5, 5), 2)
    plane[0, 0, 0], plane[0, 2, 2] = 0, 1  # the hole at the corner is 4 steps away, the edge 3
    (deep,) = distance_zones(plane, aggregation="2d")
    assert zones_of(deep) == {(2, 1): 1, (1, 3): 1}


def test_in_space_every_voxel_of_one_slice_is_at_the_edge():
    levels = np.ones((1, 7, 7), dtype=int)
    levels[0, 3, 3] = 2
    (solid,) = distance_zones(levels, aggregation="3d")
    (plane,) = distance_zones(levels, aggregation="2d")
    assert zones_of(solid) == {(1, 1): 1, (2, 1): 1}
    assert zones_of(plane) == {(1, 1): 1, (2, 4): 1}


def test_distances_are_to_the_edge_before_resegmentation():
    levels = np.ones((5, 5, 5), dtype=int)
    roi = levels > 0
    levels[2, 2, 2] = 3
    levels[2, 2, 1] = 0  # taken out beside the core
    (cut,) = distance_zones(levels, aggregation="3d")
    (whole,) = distance_zones(levels, aggregation="3d", roi=roi)
    assert zones_of(cut) == {(1, 1): 1, (3, 1): 1}
    assert zones_of(whole) == {(1, 1): 1, (3, 3): 1}
    assert cut.voxels == whole.voxels == 124


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 4), (4, 1, 1), (1, 3, 3)])
def test_tiny_and_flat_rois_have_all_values(form, shape):
    found = distance_zone_features(np.full(shape, 2), aggregation=form)
    assert set(found) == {f"gldzm_{name}" for name in NAMES}
    assert np.isfinite(list(found.values())).all()
    assert found["gldzm_HighGrayLevelZoneEmphasis"] == 4


@pytest.mark.parametrize("form", FORMS)
def test_the_image_around_the_roi_leaves_no_trace(form):
    here = distance_zone_features(case(), aggregation=form)
    there = distance_zone_features(np.pad(case().astype(np.uint16), 3), aggregation=form)
    assert there == here


def test_no_level_is_refused_and_a_wrong_one_is_a_bug():
    with pytest.raises(DataError) as caught:
        distance_zones(np.zeros((2, 2, 2), dtype=int), aggregation="3d")
    assert caught.value.reason == "empty_mask"
    with pytest.raises(ValueError, match="0 outside"):
        distance_zones(np.full((2, 2, 2), 1), aggregation="3d", roi=np.eye(2) * [[[1]], [[1]]] > 0)
    with pytest.raises(ValueError, match="at least 1"):
        distance_zones(np.array([[[1, -1]]]), aggregation="3d")
