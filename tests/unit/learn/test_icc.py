"""Held to psych (R) on the six targets of Shrout & Fleiss, and to sums of squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import StudyError
from radlas.learn.statistics.icc import icc

JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


@pytest.mark.parametrize(
    ("form", "value", "low", "high"),
    [
        ("ICC(1,1)", 0.1657417684, -0.1329323, 0.7225601),
        ("ICC(A,1)", 0.2897637795, 0.0187865, 0.7610844),
        ("ICC(C,1)", 0.7148407148, 0.3424648, 0.9458583),
    ],
)
def test_coefficient_and_interval_equal_psych(form, value, low, high):
    found = icc(JUDGES, form=form)
    assert found.value[0] == pytest.approx(value, abs=1e-9)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(0, 999))
@settings(max_examples=20)
def test_all_features_at_once_are_each_alone_whatever_their_unit(seed):
    rng = np.random.default_rng(seed)
    ratings = rng.normal(size=(12, 3, 5)) + rng.normal(size=(12, 1, 5))
    ratings[3, 1] = np.nan
    scale, shift = 10.0 ** rng.integers(-16, 6, 5), rng.normal(size=5) * 1e3
    together = icc(ratings * scale + shift * scale)
    for place in range(5):
        alone = icc(ratings[:, :, place])
        assert together.value[place] == pytest.approx(alone.value[0], abs=1e-6)
        assert together.low[place] == pytest.approx(alone.low[0], abs=1e-6)


def test_a_subject_with_a_gap_is_left_out():
    ratings = JUDGES.astype(float)
    gap = np.vstack([ratings, [5, np.nan, 5, 5]])
    assert icc(gap).value[0] == pytest.approx(icc(ratings).value[0], abs=1e-12)


def test_agreement_is_perfect_or_not_estimable_at_the_edges():
    same = icc(np.repeat(np.arange(5.0)[:, None], 3, axis=1))
    assert (same.value[0], same.low[0], same.high[0]) == (1, 1, 1)
    assert np.isnan(icc(np.ones((5, 3))).value[0])
    assert np.isnan(icc(np.full((5, 3), np.nan)).value[0])


@pytest.mark.parametrize("form", ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"])
@pytest.mark.parametrize("value", [0.1, 1e9 / 3, -1e-9 / 7, 0.0])
def test_rounding_is_no_spread(form, value):
    """The mean of 0.1 is not 0.1: a constant has no patient's share of anything."""
    found = icc(np.full((20, 3, 1), value), form=form)
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()


def test_subjects_that_are_all_one_have_no_coefficient_though_raters_differ():
    found = icc(np.tile([0.1, 0.2, 0.3], (20, 1)), form="ICC(C,1)")
    assert np.isnan(found.value[0])


def test_one_rater_is_no_comparison():
    with pytest.raises(StudyError, match="1 ratings per subject cannot be compared"):
        icc(np.ones((5, 1)))
