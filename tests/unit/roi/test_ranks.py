"""Ranks are those of a sorted copy, medians and percentiles numpy's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.roi.ranks import Ranked


@st.composite
def values(draw):
    """Of one to a few thousand numbers, with ties, zeros and far magnitudes among them."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    size = draw(st.integers(1, 3_000))
    kind = draw(st.sampled_from(["noise", "tied", "one", "far", "air"]))
    drawn = {
        "noise": rng.random(size) * 900,
        "tied": rng.integers(0, 4, size),
        "one": np.full(size, 7.25),
        "far": np.exp(rng.normal(0, 20, size)),
        "air": np.where(rng.random(size) < 0.6, 0.0, rng.random(size)),
    }
    return drawn[kind].astype(np.float32)


@given(values(), st.data())
def test_every_rank_is_that_of_a_sorted_copy(found, data):
    rank = data.draw(st.integers(0, found.size - 1))
    assert Ranked(found).at(rank) == np.sort(found)[rank]


@given(values(), st.data())
def test_the_median_of_a_stretch_is_numpys(found, data):
    start = data.draw(st.integers(0, found.size - 1))
    stop = data.draw(st.integers(start + 1, found.size))
    expected = np.median(np.sort(found)[start:stop])
    assert Ranked(found).median(start, stop) == expected
    assert type(Ranked(found).median(start, stop)) is type(expected)


@given(values(), st.floats(0, 100))
def test_a_percentile_is_numpys(found, share):
    expected = np.percentile(found, share)
    assert Ranked(found).percentile(share) == expected
    assert type(Ranked(found).percentile(share)) is type(expected)


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 1, 1)])
def test_of_any_shape_and_of_negative_zero(shape):
    found = np.random.default_rng(0).random(shape).astype(np.float32)
    found.flat[0] = -0.0
    assert Ranked(found).percentile(99) == np.percentile(found, 99)
    assert Ranked(found).at(0) == found.min()
