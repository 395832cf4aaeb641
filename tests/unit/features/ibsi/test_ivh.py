"""The intensity-volume histogram: three kinds of intensities, one curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.errors import ConfigError, DataError
from radlas.features.ibsi.ivh import ivh

COUNTS = [73, 74, 72, 78, 83, 82]


def describe(values, **how):
    """V10, V90, V10 - V90, I10, I90, I10 - I90."""
    return tuple(ivh(values, **how).values())


def by_definition(levels):
    """Of whole numbers, level by level and in exact fractions of ten."""
    ladder = range(min(levels), max(levels) + 2)
    reach = {level: sum(one >= level for one in levels) for level in ladder}
    span, found = ladder[-2] - ladder[0], []
    for tenths in (1, 9):
        bright = [one for one in ladder if 10 * (one - ladder[0]) >= tenths * span]
        found.append(max(reach[one] for one in bright) / len(levels))
    for tenths in (1, 9):
        found.append(min(one for one in ladder if 10 * reach[one] <= tenths * len(levels)))
    return found


def test_an_independent_tool_has_the_same_curve_of_levels():
    """MIRP 2.7.0; a fifth of the voxels has the highest level 6, so I10 is the one above."""
    found = describe(np.repeat(np.arange(1, 7), COUNTS), kind="discrete")
    assert found == pytest.approx((0.8419913, 0.1774892, 0.6645022, 7, 2, 5), rel=2e-6)


def test_an_independent_tool_has_the_same_curve_of_arbitrary_intensities():
    """MIRP 2.7.0 with 1000 bins, on its own part of an image."""
    z, y, x = np.ogrid[:8, :12, :14]
    mask = ((z - 3) / 4) ** 2 + ((y - 4) / 6) ** 2 + ((x - 7) / 5) ** 2 < 1
    mask &= ~((z == 3) & (y == 4) & (x > 5) & (x < 8))
    levels = (7 * z + y * y + 3 * (x // 2) + (z + x) // 3 * (y // 2)) % 6 + 1
    image = levels * 0.37 - 1.5 + np.cos(np.arange(mask.size).reshape(mask.shape)) / 5
    found = describe(image[mask].astype(np.float32), kind="arbitrary")
    assert found == pytest.approx((0.9134199, 0.1190476, 0.7943723, 940, 122, 818), rel=2e-6)


@given(st.lists(st.integers(-9, 30), min_size=2, max_size=40).filter(lambda one: len({*one}) > 1))
def test_the_curve_is_the_one_of_the_definition(levels):
    v10, v90, i10, i90 = by_definition(levels)
    expected = (v10, v90, v10 - v90, i10, i90, i10 - i90)
    assert describe(levels, kind="discrete") == pytest.approx(expected)


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=40), st.sampled_from([0.5, 3.0]))
def test_any_voxels_have_finite_values_or_none(values, width):
    for how in (
        {"kind": "discrete"},
        {"kind": "arbitrary"},
        {"kind": "continuous", "width": width},
    ):
        found = describe(values, **how)
        assert all(one is None or math.isfinite(one) for one in found)


def test_gain_and_offset_leave_no_trace_in_arbitrary_intensities():
    values = np.random.default_rng(2).integers(0, 4096, size=700)
    here = describe(values, kind="arbitrary")
    assert describe(values * 8 - 512, kind="arbitrary") == here  # exact in binary


def test_bins_around_whole_numbers_give_the_curve_of_these_numbers():
    values = np.random.default_rng(4).integers(3, 20, size=300)
    jitter = np.random.default_rng(5).uniform(-0.4, 0.4, size=300)
    how = {"lowest": values.min() - 0.5, "highest": values.max() + 0.5}
    found = describe(values + jitter, kind="continuous", width=1.0, **how)
    assert found == pytest.approx(describe(values, kind="discrete"))


def test_the_range_of_resegmentation_is_the_range_of_the_fractions():
    """Half of 0 to 100 is 50, whatever the ROI reaches."""
    values = [40, 60, 60, 90]
    assert describe(values, kind="discrete")[0] == 0.75  # a tenth of 40 to 90 is 45
    found = describe(values, kind="discrete", lowest=0, highest=100)
    assert found[:2] == (1.0, 0.25)  # at least 10, at least 90


def test_bins_count_from_the_lowest_voxel_and_stand_for_their_centres():
    """Centres 0.5 to 4.5; the range ends half a bin below 4, so nine tenths of it is at 3.2."""
    found = describe([0, 1, 2, 3, 4, 4], kind="continuous", width=1.0)
    assert found == pytest.approx((5 / 6, 0.5, 1 / 3, 5.5, 1.5, 4.0))


def test_a_range_of_whole_bins_is_one_whatever_the_rounding():
    """0 to 7.7 in bins of 0.7 has 11 bins, so 10 steps; 7.7 / 0.7 is a little above 11."""
    centres = [0.35, 1.05, *[6.65] * 7, 7.35]
    found = describe(centres, kind="continuous", width=0.7, lowest=0.0, highest=7.7)
    assert found[:2] == (0.9, 0.8)  # from the second centre on, from the tenth on


def test_exactly_a_tenth_of_the_roi_is_at_most_a_tenth():
    found = describe(range(1, 11), kind="discrete")
    assert found[3:5] == (10, 2)


@pytest.mark.parametrize("how", [{"kind": "discrete"}, {"kind": "arbitrary"}])
def test_equal_voxels_have_no_curve(how):
    assert describe([5, 5, 5], **how) == (None,) * 6
    assert describe([5], kind="continuous", width=2.0) == (None,) * 6


@pytest.mark.parametrize(
    ("values", "how", "message"),
    [
        ([1, 2], {"kind": "continuous"}, "width None"),
        ([1, 2], {"kind": "continuous", "width": 0.0}, "width 0"),
        ([1, 2], {"kind": "continuous", "width": math.nan}, "width nan"),
        ([1, 2], {"kind": "arbitrary", "width": 1.0}, "arbitrary intensities"),
        ([1, 2.5], {"kind": "discrete"}, "whole numbers"),
        ([1, 2], {"kind": "discrete", "lowest": 0.5}, "whole numbers"),
        ([1, 9], {"kind": "discrete", "highest": 8}, "span 1 to 9, the range 1 to 8"),
        ([1, 9], {"kind": "discrete", "lowest": math.nan}, "the range nan to 9"),
        ([1, 9], {"kind": "discrete", "highest": math.inf}, "the range 1 to inf"),
        ([1, 9], {"kind": "arbitrary", "lowest": 0}, "no range"),
    ],
)
def test_what_contradicts_is_refused_with_the_numbers(values, how, message):
    with pytest.raises(ConfigError, match=message):
        describe(values, **how)


@pytest.mark.parametrize(("reason", "values"), [("empty_mask", []), ("not_finite", [1, np.nan])])
def test_what_cannot_be_described_is_refused_under_its_reason(reason, values):
    with pytest.raises(DataError) as caught:
        describe(values, kind="arbitrary")
    assert caught.value.reason == reason
