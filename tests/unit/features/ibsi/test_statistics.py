"""Statistics of intensities: shifted, scaled, and where they would divide by nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radlas.errors import DataError
from radlas.features.ibsi.statistics import statistics

# MIRP 2.7.0 on levels 1 to 6, found 73, 74, 72, 78, 83 and 82 times; it computes in float32.
COUNTS = [73, 74, 72, 78, 83, 82]
MIRP = {
    "Mean": 3.584416,
    "Variance": 2.935515,
    "Skewness": -0.07401478,
    "Kurtosis": -1.277154,
    "Median": 4,
    "Minimum": 1,
    "10Percentile": 1,
    "90Percentile": 6,
    "Maximum": 6,
    "InterquartileRange": 3,
    "Range": 5,
    "MeanAbsoluteDeviation": 1.506437,
    "RobustMeanAbsoluteDeviation": 1.506437,
    "MedianAbsoluteDeviation": 1.484848,
    "CoefficientOfVariation": 0.4779955,
    "QuartileCoefficientOfDispersion": 0.4285714,
    "Energy": 7292,
    "RootMeanSquared": 3.972852,
}
PLACES = ("Mean", "Median", "Minimum", "Maximum", "10Percentile", "90Percentile")
WIDTHS = ("InterquartileRange", "Range", "MeanAbsoluteDeviation", "MedianAbsoluteDeviation")


def describe(values):
    return {name.removeprefix("firstorder_"): one for name, one in statistics(values).items()}


def some():
    return np.random.default_rng(8).gamma(2.0, 30.0, size=500)


def test_an_independent_tool_has_the_same_values():
    found = describe(np.repeat(np.arange(1, 7), COUNTS))
    assert found == pytest.approx(MIRP, rel=4e-6)


def test_moments_are_those_of_scipy():
    found, values = describe(some()), some()
    assert found["Skewness"] == pytest.approx(stats.skew(values))
    assert found["Kurtosis"] == pytest.approx(stats.kurtosis(values))  # 3 subtracted
    assert found["Variance"] == pytest.approx(np.var(values))


def test_an_offset_moves_places_and_leaves_widths():
    here, there = describe(some()), describe(some() + 100)
    assert [there[name] for name in PLACES] == pytest.approx([here[name] + 100 for name in PLACES])
    widths = (*WIDTHS, "Variance", "Skewness", "Kurtosis", "RobustMeanAbsoluteDeviation")
    assert [there[name] for name in widths] == pytest.approx([here[name] for name in widths])


def test_a_gain_scales_places_and_widths_and_leaves_ratios():
    here, there = describe(some()), describe(some() * 4)
    lengths = (*PLACES, *WIDTHS, "RootMeanSquared")
    assert [there[name] for name in lengths] == pytest.approx([4 * here[name] for name in lengths])
    squares = ("Variance", "Energy")
    assert [there[name] for name in squares] == pytest.approx([16 * here[name] for name in squares])
    ratios = ("Skewness", "Kurtosis", "CoefficientOfVariation", "QuartileCoefficientOfDispersion")
    assert [there[name] for name in ratios] == pytest.approx([here[name] for name in ratios])


@pytest.mark.parametrize("value", [0.1, -3.7e5, 250])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_equal_voxels_have_no_spread_at_all(value, size):
    """Not 1e-34 by rounding; skewness and kurtosis are 0 by the manual's convention."""
    found = describe(np.full(size, value))
    assert found["Variance"] == found["Skewness"] == found["Kurtosis"] == 0
    assert found["CoefficientOfVariation"] == found["RobustMeanAbsoluteDeviation"] == 0


def test_ratios_to_a_mean_of_nothing_are_undefined():
    found = describe([0.1, 0.2, -0.3])  # sums to 3e-17 in float64
    assert found["CoefficientOfVariation"] is None
    assert describe([-2.0, -1.0, 1.0, 2.0])["QuartileCoefficientOfDispersion"] is None
    assert describe([0.0, 0.0])["QuartileCoefficientOfDispersion"] is None


def test_two_voxels_have_none_between_their_deciles():
    found = describe([0.0, 10.0])
    assert (found["10Percentile"], found["90Percentile"]) == pytest.approx((1, 9))
    assert found["RobustMeanAbsoluteDeviation"] is None


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30))
def test_any_voxels_have_finite_values_or_none_and_their_order_leaves_no_trace(values):
    found, turned = describe(values), describe(sorted(values))
    for name, value in found.items():
        assert value is None or math.isfinite(value), name
    for name in ("Median", "Range", "10Percentile", "InterquartileRange"):
        assert found[name] == turned[name]
    assert found["Energy"] == pytest.approx(turned["Energy"])


@pytest.mark.parametrize(
    ("reason", "values"), [("empty_mask", []), ("not_finite", [1.0, np.nan, np.inf])]
)
def test_what_cannot_be_described_is_refused_under_its_reason(reason, values):
    with pytest.raises(DataError) as caught:
        describe(values)
    assert caught.value.reason == reason


def test_integers_of_the_scanner_do_not_overflow():
    assert describe(np.array([30_000, 30_000], dtype=np.int16))["Energy"] == 1.8e9
