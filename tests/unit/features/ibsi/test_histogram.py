"""The histogram of grey levels: bins, ties and slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.errors import DataError
from radlas.features.ibsi.histogram import histogram
from radlas.features.ibsi.statistics import statistics

COUNTS = [73, 74, 72, 78, 83, 82]
# MIRP 2.7.0 on levels 1 to 6, found so many times; what `statistics` shares is tested there.
MIRP = {
    "histogram_Mode": 5,
    "firstorder_Entropy": 2.582701,
    "firstorder_Uniformity": 0.1671914,
    "histogram_MaximumGradient": 5.5,
    "histogram_MaximumGradientLevel": 4,
    "histogram_MinimumGradient": -1,
    "histogram_MinimumGradientLevel": 6,
}


def levels_of(*counts):
    return np.repeat(np.arange(1, len(counts) + 1), counts)


def test_an_independent_tool_has_the_same_values():
    found = histogram(levels_of(*COUNTS))
    assert {name: found[name] for name in MIRP} == pytest.approx(MIRP, rel=2e-6)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_levels_have_the_statistics_of_intensities(levels):
    """One definition, two families; none is NaN."""
    found, plain = histogram(np.array(levels)), statistics(levels)
    shared = {name.replace("firstorder", "histogram"): value for name, value in plain.items()}
    assert len(found) == 23
    assert {name: shared[name] for name in found if name in shared}.items() <= found.items()
    assert len(shared.keys() & found.keys()) == 16
    assert all(value is None or math.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("counts", "mode"),
    [((1, 5, 2), 2), ((5, 0, 5, 1), 3), ((4, 1, 4), 1), ((3, 0, 0, 0, 3, 3), 5)],
)
def test_of_several_modes_the_one_next_to_the_mean_of_two_the_lower(counts, mode):
    assert histogram(levels_of(*counts))["histogram_Mode"] == mode


def test_slopes_are_central_inside_and_one_sided_at_the_ends():
    """Counts 1, 9, 2, 2, 30: slopes 8, 0.5, -3.5, 14, 28."""
    found = histogram(levels_of(1, 9, 2, 2, 30))
    assert found["histogram_MaximumGradient"] == 28
    assert found["histogram_MaximumGradientLevel"] == 5
    assert found["histogram_MinimumGradient"] == -3.5
    assert found["histogram_MinimumGradientLevel"] == 3


def test_an_empty_level_between_two_is_a_bin():
    assert histogram(np.array([1, 1, 4, 4]))["histogram_MinimumGradient"] == -2


def test_a_single_bin_has_no_slope():
    found = histogram(np.array([1, 1, 1]))
    assert [name for name, value in found.items() if value is None] == [
        "histogram_MaximumGradient",
        "histogram_MaximumGradientLevel",
        "histogram_MinimumGradient",
        "histogram_MinimumGradientLevel",
    ]
    assert math.copysign(1, found["firstorder_Entropy"]) == 1  # not -0


def test_equal_shares_have_the_highest_entropy():
    found = histogram(levels_of(5, 5, 5, 5, 5, 5, 5, 5))
    assert found["firstorder_Entropy"] == pytest.approx(3)  # bit
    assert found["firstorder_Uniformity"] == pytest.approx(1 / 8)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint16, np.int64])
def test_the_type_of_the_levels_leaves_no_trace(kind):
    levels = levels_of(*COUNTS)
    assert histogram(levels.astype(kind)) == histogram(levels)


@pytest.mark.parametrize("levels", [[0, 1], [-1, 2]])
def test_levels_below_one_are_a_bug_and_none_are_no_histogram(levels):
    with pytest.raises(ValueError, match="begin at 1"):
        histogram(np.array(levels))
    with pytest.raises(DataError):
        histogram(np.array([], dtype=np.int64))
