"""Held to R (pROC 1.18.0) on public rows, and to the definition by explicit placements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import norm, t

from radlas.errors import StudyError
from radlas.learn.statistics.delong import auc, paired, unpaired

TEXTURE, SMOOTHNESS, RADIUS = 1, 4, 0


@pytest.mark.parametrize(
    ("column", "area", "interval", "variance"),
    [
        (TEXTURE, 0.8157459638203, (0.7581230087671, 0.8733689188735), 8.643604172395e-4),
        (SMOOTHNESS, 0.6636354794787, (0.5896614224621, 0.7376095364953), 1.424500786527e-3),
        (RADIUS, 0.9228262983855, (0.8881169869805, 0.9575356097905), 3.136142685477e-4),
    ],
)
def test_auc_interval_and_variance_equal_r(breast, column, area, interval, variance):
    X, y = breast
    found = auc(y, X[:, column])
    assert found.auc == pytest.approx(area, abs=1e-12)
    assert found.wald == pytest.approx(interval, abs=1e-12)
    assert found.variance == pytest.approx(variance, rel=1e-11)


def test_paired_comparisons_equal_r(breast):
    X, y = breast
    first = paired(y, X[:, TEXTURE], X[:, SMOOTHNESS])
    assert first.statistic == pytest.approx(2.964195323222, abs=1e-11)
    assert first.p == pytest.approx(0.003034755940761, abs=1e-12)
    assert first.interval == pytest.approx((0.05153308019927, 0.2526878884839), abs=1e-12)
    second = paired(y, X[:, RADIUS], X[:, TEXTURE])
    assert second.statistic == pytest.approx(3.146861926011, abs=1e-11)
    assert second.p == pytest.approx(0.001650328739187, abs=1e-12)


def test_unpaired_comparison_equals_r_with_its_welch_df(breast):
    X, y = breast
    found = unpaired(y[::2], X[::2, TEXTURE], y[1::2], X[1::2, TEXTURE])
    assert found.difference == pytest.approx(0.8506769825919 - 0.7756862745098, abs=1e-12)
    assert found.statistic == pytest.approx(1.247024329099, abs=1e-11)
    assert found.df == pytest.approx(197.3467455637, abs=1e-9)
    assert found.p == pytest.approx(0.2138665231417, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_an_interval_ends_where_the_test_begins_to_reject(breast, alpha):
    """Of a difference, and of an AUC on both scales: a bound is what alpha just allows."""
    X, y = breast
    both = paired(y, X[:, TEXTURE], X[:, SMOOTHNESS], alpha=alpha)
    apart = unpaired(y[::2], X[::2, TEXTURE], y[1::2], X[1::2, TEXTURE], alpha=alpha)
    for found, law in ((both, norm()), (apart, t(apart.df))):
        assert found.statistic == pytest.approx(found.difference / found.error)
        for sign, bound in zip((1, -1), found.interval, strict=True):
            away = sign * (found.difference - bound) / found.error
            assert 2 * law.sf(away) == pytest.approx(alpha)
    one = auc(y, X[:, TEXTURE], alpha=alpha)
    error = np.sqrt(one.variance)
    slope = 1 / (one.auc * (1 - one.auc))  # of the logit
    for sign, wald, curved in zip((1, -1), one.wald, one.logit, strict=True):
        assert 2 * norm.sf(sign * (one.auc - wald) / error) == pytest.approx(alpha)
        away = sign * (logit(one.auc) - logit(curved)) / (error * slope)
        assert 2 * norm.sf(away) == pytest.approx(alpha)


@given(st.integers(0, 9999), st.integers(2, 12), st.integers(2, 12))
@settings(max_examples=40)
def test_mid_ranks_equal_the_definition_by_placements(seed, m, n):
    """Every positive against every negative, ties one half; variances of the row means."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, m), rng.integers(0, 6, n)
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    found = auc(np.repeat([1, 0], [m, n]), np.concatenate([a, b]))
    variance = wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n
    assert found.auc == pytest.approx(wins.mean(), abs=1e-13)
    if found.variance is not None:
        assert found.variance == pytest.approx(variance, abs=1e-13)
    else:
        assert found.note
        assert variance < 1e-13


def test_a_monotone_change_of_scores_changes_nothing(breast):
    X, y = breast
    assert auc(y, np.exp(X[:, RADIUS])).variance == auc(y, X[:, RADIUS]).variance


def test_turning_the_score_round_mirrors_auc_and_intervals(breast):
    X, y = breast
    here, there = auc(y, X[:, TEXTURE]), auc(y, -X[:, TEXTURE])
    assert here.logit is not None
    assert there.auc == pytest.approx(1 - here.auc, abs=1e-12)
    assert there.logit == pytest.approx((1 - here.logit[1], 1 - here.logit[0]), abs=1e-12)


def test_the_logit_interval_stays_inside_where_walds_is_cut():
    y = np.repeat([1, 0], [6, 6])
    found = auc(y, [5, 6, 7, 8, 9, 3, 1, 2, 3, 4, 0, -1])
    assert found.wald is not None
    assert found.logit is not None
    assert found.wald[1] == 1.0
    assert found.auc < found.logit[1] < 1


def test_perfect_separation_gets_an_exact_bound_and_says_so():
    """Three disjoint pairs, all won: the lower bound solves p^3 = 0.025."""
    found = auc([0, 0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7])
    assert (found.auc, found.variance, found.wald) == (1.0, None, None)
    assert found.exact == pytest.approx((0.025 ** (1 / 3), 1.0))
    assert "perfect separation" in found.note
    turned = auc([1, 1, 1, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7])
    assert (turned.auc, turned.note) == (0.0, found.note)
    assert turned.exact == pytest.approx((0.0, 1 - 0.025 ** (1 / 3)))


def test_an_interval_of_very_few_says_that_it_covers_too_little():
    """Two positives tell next to nothing of their own spread, by which the interval is made."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(300):
        few = rng.normal(0.954, 1, 2)  # an AUC of 0.75 against standard normal scores
        found = auc([1] * 2 + [0] * 40, [*few, *rng.normal(size=40)])
        low, high = found.logit or found.exact
        covered.append(low <= 0.75 <= high)
        assert found.exact or found.note == "2 in a class: the interval is too narrow"
    assert np.mean(covered) < 0.9
    assert auc([1] * 5 + [0] * 6, range(11, 0, -1)).note.startswith("perfect")
    assert auc([1, 0] * 5, range(10)).note == ""


def test_a_difference_of_very_few_says_that_its_interval_is_too_narrow():
    """As each of the two areas does: a test at 5 % finds a difference where there is none."""
    rng, found = np.random.default_rng(0), []
    y = np.repeat([1, 0], [2, 70])
    for _ in range(300):
        score = rng.normal(np.where(y, 0.954, 0), 1)
        gap = paired(y, *(score + rng.normal(0, 0.7, 72) for _ in range(2)))
        found.append(gap.p < 0.05)
        assert gap.note == "2 in a class: the interval is too narrow"
    assert np.mean(found) > 0.1
    y, score = [1, 0] * 5, np.array([3, 1, 2, 5, 9, 4, 7, 8, 6, 0])
    assert paired(y, score, score[::-1]).note == unpaired(y, score, y, score[::-1]).note == ""
    few = [1, 0, 0, 1, 0, 0, 1], [5, 1, 6, 2, 3, 4, 7]
    for sides in ((*few, y, score), (y, score, *few)):
        assert unpaired(*sides).note == "3 in a class: the interval is too narrow"


def test_one_patient_of_a_class_has_an_area_and_no_interval_and_says_so():
    found = auc([0, 0, 0, 1], [0.1, 0.2, 0.5, 0.4])
    assert (found.auc, found.variance, found.wald, found.logit) == (2 / 3, None, None, None)
    assert found.note == "variance not estimable: one row in a class"


def test_one_class_is_not_estimable_and_says_so():
    found = auc([1, 1, 1], [0.1, 0.2, 0.3])
    assert found.auc is None
    assert "0 negatives" in found.note


@pytest.mark.parametrize("turned", [False, True])
def test_a_side_of_one_class_cannot_be_compared_and_says_so(turned):
    sides = [([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.5]), ([1, 1, 1], [0.2, 0.3, 0.4])]
    one, two = sides[::-1] if turned else sides
    found = unpaired(*one, *two)
    assert (found.difference, found.p, found.interval) == (None, None, None)
    assert found.note == "not estimable: a side has one class only"


@pytest.mark.parametrize("turned", [False, True])
def test_a_comparison_that_cannot_be_tested_tells_the_note_of_the_side_that_hinders_it(turned):
    """Three patients of a class make an interval narrow; that no variance is known is otherwise."""
    few = [1, 0, 0, 1, 0, 0, 1], [5, 1, 6, 2, 3, 4, 7]
    separated = [0, 0, 0, 1, 1, 1], range(6)
    sides = [few, separated][:: -1 if turned else 1]
    found = unpaired(*sides[0], *sides[1])
    assert found.p is None
    assert found.note.startswith("not testable: perfect separation")


def test_two_scores_of_a_class_of_one_cannot_be_compared_and_say_so():
    found = paired([0, 0, 0, 1], [0.1, 0.2, 0.5, 0.4], [0.4, 0.2, 0.3, 0.1])
    assert (found.difference, found.p, found.interval) == (None, None, None)
    assert found.note == "not estimable: fewer than two rows in a class"


def test_equal_scores_for_all_are_worth_one_half_without_an_interval():
    found = auc([0, 0, 1, 1], [0.4] * 4)
    assert (found.auc, found.wald, found.note != "") == (0.5, None, True)


def test_a_model_does_not_differ_from_itself(breast):
    X, y = breast
    found = paired(y, X[:, TEXTURE], 3 * X[:, TEXTURE] + 1)
    assert (found.difference, found.p, found.statistic) == (0.0, 1.0, None)
    assert "do not differ" in found.note


def test_patients_of_one_class_may_change_places_under_one_curve():
    """So a difference of 0 without variance says that curves, not rankings, are the same."""
    found = paired([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.2, 0.1, 0.9, 0.8])
    assert (found.difference, found.note) == (0.0, "the ROC curves do not differ")


@pytest.mark.parametrize(
    ("y", "score", "told"),
    [
        ([0, 1], [0.2, np.nan], "1 scores are not finite"),
        ([0, 1], [0.2], r"labels have shape \(2,\), scores \(1,\)"),
        ([0, 2], [0.2, 0.3], "labels must be 0 or 1"),
    ],
)
def test_what_no_auc_can_be_of_is_refused(y, score, told):
    with pytest.raises(StudyError, match=told):
        auc(y, score)


def test_unpaired_intervals_cover_the_truth_as_often_as_they_say():
    """Law of the interval: 300 null comparisons at 40 + 40 rows, 3 to 8 in a hundred reject."""
    rng = np.random.default_rng(8)
    y = np.arange(40) % 2
    draws = [rng.normal(size=(2, 40)) + y for _ in range(300)]
    rejected = np.mean([unpaired(y, a, y, b).p < 0.05 for a, b in draws])
    assert 0.02 <= rejected <= 0.08


def test_a_class_that_is_not_there_is_counted_in_words():
    assert auc([1], [0.4]).note == "not estimable: 1 positive, 0 negatives"
