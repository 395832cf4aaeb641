"""The intensity-volume histogram: two kinds of intensities, one curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.ibsi.ellipsoid import ellipsoid

from radlas.errors import DataError
from radlas.features.ibsi.ivh import ivh

KINDS = ("discrete", "arbitrary")
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
    mask, levels = ellipsoid()
    image = levels * 0.37 - 1.5 + np.cos(np.arange(mask.size).reshape(mask.shape)) / 5
    found = describe(image[mask].astype(np.float32), kind="arbitrary")
    assert found == pytest.approx((0.9134199, 0.1190476, 0.7943723, 940, 122, 818), rel=2e-6)


@given(st.lists(st.integers(-9, 30), min_size=2, max_size=40).filter(lambda one: len({*one}) > 1))
def test_the_curve_is_the_one_of_the_definition(levels):
    v10, v90, i10, i90 = by_definition(levels)
    expected = (v10, v90, v10 - v90, i10, i90, i10 - i90)
    assert describe(levels, kind="discrete") == pytest.approx(expected)


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=40))
def test_any_voxels_have_finite_values_or_none(values):
    for kind in KINDS:
        found = describe(values, kind=kind)
        assert all(one is None or math.isfinite(one) for one in found)


def test_gain_and_offset_leave_no_trace_in_arbitrary_intensities():
    values = np.random.default_rng(2).integers(0, 4096, size=700)
    here = describe(values, kind="arbitrary")
    assert describe(values * 8 - 512, kind="arbitrary") == here  # exact in binary


def test_exactly_a_tenth_of_the_roi_is_at_most_a_tenth():
    found = describe(range(1, 11), kind="discrete")
    assert found[3:5] == (10, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_voxels_have_no_curve(kind):
    assert describe([5, 5, 5], kind=kind) == (None,) * 6


@pytest.mark.parametrize(("reason", "values"), [("empty_mask", []), ("not_finite", [1, np.nan])])
def test_what_cannot_be_described_is_refused_under_its_reason(reason, values):
    with pytest.raises(DataError) as caught:
        describe(values, kind="arbitrary")
    assert caught.value.reason == reason
