"""Held to R (pROC, rms) on public rows, and to counts by hand."""

from __future__ import annotations

import statistics
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm, ttest_1samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score

from radlas.errors import StudyError
from radlas.learn.metrics import (
    at_threshold,
    average_precision,
    benjamini_hochberg,
    brier,
    choose_threshold,
    holm,
    precision_points,
    rank_difference,
    resampled_t,
    roc_points,
)
from radlas.learn.settings import Threshold
from radlas.learn.statistics.calibration import calibration
from radlas.learn.statistics.intervals import wilson


def test_youdens_threshold_equals_r(breast):
    X, y = breast
    assert choose_threshold(y, X[:, 1], Threshold()) == pytest.approx(18.555, abs=1e-12)


def test_figures_at_the_threshold_equal_r(breast):
    X, y = breast
    found = at_threshold(y, X[:, 1], 18.555)
    assert found["counts"] == {"tp": 84, "fp": 29, "fn": 22, "tn": 68}
    assert found["sensitivity"]["value"] == pytest.approx(0.7924528301887, abs=1e-12)
    assert found["specificity"]["value"] == pytest.approx(0.7010309278351, abs=1e-12)
    assert found["ppv"]["value"] == pytest.approx(0.7433628318584, abs=1e-12)
    assert found["npv"]["value"] == pytest.approx(0.7555555555556, abs=1e-12)
    assert found["f1"] == pytest.approx(f1_score(y, X[:, 1] >= 18.555), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_share_at_the_threshold_has_wilsons_interval_of_its_counts(breast, alpha):
    X, y = breast
    found = at_threshold(y, X[:, 1], 18.555, alpha=alpha)
    counts = {"sensitivity": (84, 106), "specificity": (68, 97), "ppv": (84, 113), "npv": (68, 90)}
    for name, count in {**counts, "accuracy": (152, 203)}.items():
        assert (found[name]["successes"], found[name]["trials"]) == count
        assert found[name]["interval"] == pytest.approx(wilson(*count, alpha=alpha))


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_wilsons_bounds_are_the_shares_that_the_score_test_just_allows(alpha):
    for bound in wilson(31, 41, alpha=alpha):
        away = abs(31 / 41 - bound) / np.sqrt(bound * (1 - bound) / 41)
        assert 2 * norm.sf(away) == pytest.approx(alpha)


def test_the_sensitivity_rule_takes_the_highest_threshold_that_reaches_it(breast):
    X, y = breast
    threshold = choose_threshold(y, X[:, 1], Threshold(rule="sensitivity", value=0.9))
    higher = X[:, 1][X[:, 1] > threshold].min() + 1e-9
    assert at_threshold(y, X[:, 1], threshold)["sensitivity"]["value"] >= 0.9
    assert at_threshold(y, X[:, 1], higher)["sensitivity"]["value"] < 0.9


def test_no_threshold_beats_youdens(breast):
    X, y = breast
    best = choose_threshold(y, X[:, 0], Threshold())
    points = roc_points(y, X[:, 0])
    found = at_threshold(y, X[:, 0], best)
    index = found["sensitivity"]["value"] + found["specificity"]["value"]
    assert index == pytest.approx((points["sensitivity"] + points["specificity"]).max())


def test_equal_risks_call_everyone_positive():
    assert choose_threshold([0, 1, 1], [0.3] * 3, Threshold()) == 0.3


def test_a_threshold_needs_both_classes():
    with pytest.raises(StudyError, match="both classes"):
        choose_threshold([1, 1], [0.1, 0.2], Threshold())


def test_what_nobody_was_called_has_no_value_and_no_interval():
    found = at_threshold([0, 0, 0], [0.1, 0.2, 0.3], 0.9)
    assert found["ppv"] == {"value": None, "successes": 0, "trials": 0, "interval": None}
    assert found["f1"] is None


def test_the_roc_curve_runs_from_corner_to_corner_and_its_area_is_the_auc(breast):
    X, y = breast
    points = roc_points(y, X[:, 1])
    assert points.iloc[0].tolist() == [np.inf, 0.0, 1.0]
    assert points.iloc[-1, 1:].tolist() == [1.0, 0.0]
    area = np.trapezoid(points["sensitivity"], 1 - points["specificity"])
    assert area == pytest.approx(0.8157459638203, abs=1e-12)


def test_brier_equals_r(breast, risk):
    assert brier(breast[1], risk) == pytest.approx(0.1781820989913, abs=1e-12)


def test_calibration_equals_r(breast, risk):
    found = calibration(breast[1], risk)
    assert found.slope == pytest.approx(0.760790456604, abs=1e-9)
    assert found.intercept == pytest.approx(0.110529100919, abs=1e-9)
    assert found.in_the_large == pytest.approx(0.1175522236279, abs=1e-9)
    assert found.mean_risk == pytest.approx(0.5044052523629, abs=1e-12)


def test_recalibrated_risks_have_slope_one_and_intercept_zero(breast, risk):
    first = calibration(breast[1], risk)
    again = expit(first.intercept + first.slope * np.log(risk / (1 - risk)))
    found = calibration(breast[1], again)
    assert found.slope == pytest.approx(1, abs=1e-9)
    assert found.in_the_large == pytest.approx(0, abs=1e-9)


def test_far_risks_are_still_calibrated_to_the_optimum():
    """A wildly overconfident model: unpenalised scikit-learn finds the same line."""
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 8, 200)
    y = (rng.random(200) < expit(logit / 8)).astype(int)
    found = calibration(y, expit(logit))
    line = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(logit[:, None], y)
    assert found.slope == pytest.approx(line.coef_[0, 0], abs=1e-6)
    shifted = expit(logit + found.in_the_large)
    assert shifted.mean() == pytest.approx(y.mean(), abs=1e-9)


@pytest.mark.parametrize(
    ("y", "risk", "note"),
    [
        ([1, 1, 1], [0.2, 0.4, 0.6], "one class only"),
        ([0, 1, 1], [0.0, 0.4, 0.6], "a risk of 0 or 1"),
        ([0, 1, 1], [0.4, 0.4, 0.4], "one risk for all"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7], "perfect separation"),
    ],
)
def test_what_cannot_be_calibrated_is_none_with_a_note(y, risk, note):
    found = calibration(y, risk)
    assert found.slope is None
    assert note in found.note


def test_wilson_equals_r():
    assert wilson(31, 41) == pytest.approx((0.606566638, 0.861749973), abs=1e-9)
    assert wilson(0, 0) is None


def test_wilson_mirrors_and_stays_inside():
    low, high = wilson(0, 9)
    assert (low, high) == pytest.approx(tuple(1 - edge for edge in wilson(9, 9)[::-1]), abs=1e-12)
    assert low == 0.0
    assert 0 < high < 1


def test_holm_equals_r_and_skips_what_was_not_tested():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-15)
    assert holm([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])


def test_adjusted_p_values_equal_r():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert benjamini_hochberg([0.04, None]) == [0.04, None]


def test_a_quantity_is_larger_in_one_class_as_often_as_its_pairs_say():
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 9, 31) / 2, rng.integers(0, 2, 31)
    found = rank_difference(values.tolist(), labels.tolist())
    high, low = values[labels == 1], values[labels == 0]
    wins = (high[:, None] > low).mean() + (high[:, None] == low).mean() / 2
    assert found["superiority"] == pytest.approx(wins)
    assert (found["positives"], found["negatives"]) == (len(high), len(low))
    medians = statistics.median(high), statistics.median(low)
    assert (found["median_positive"], found["median_negative"]) == medians
    turned = rank_difference((-values).tolist(), labels.tolist())
    assert turned["superiority"] == pytest.approx(1 - wins)
    assert turned["p"] == pytest.approx(found["p"])


@pytest.mark.parametrize("label", [0, 1])
def test_where_a_class_is_empty_nothing_is_larger(label):
    found = rank_difference([1.0, 2.0], [label] * 2)
    assert (found.pop("positives"), found.pop("negatives")) == (2 * label, 2 - 2 * label)
    assert set(found.values()) == {None}


def test_folds_that_share_rows_are_worth_less_than_independent_ones():
    gaps = [0.02, 0.05, -0.01, 0.03, 0.04, 0.01, 0.02, 0.03, 0.0, 0.02]
    alone, shared = resampled_t(gaps, share=0.0), resampled_t(gaps, share=0.25)
    assert alone["statistic"] == pytest.approx(ttest_1samp(gaps, 0).statistic)
    assert shared["p"] > alone["p"]
    assert resampled_t([0.1, 0.1], share=0.25)["p"] is None


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_of_folds_holds_what_their_test_does_not_reject(alpha):
    gaps = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0.01])
    for bound in resampled_t(gaps, share=0.25, alpha=alpha)["interval"]:
        assert resampled_t(gaps - bound, share=0.25)["p"] == pytest.approx(alpha)


def test_equal_differences_are_no_proof_whatever_their_last_bits():
    """Five folds of ten patients each that differ by 0.1: their spread of 1e-17 made p 1e-60."""
    areas = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    gap = areas - (areas - 0.1).round(1)
    assert gap.var() > 0
    found = resampled_t(gap, share=1 / 4)
    assert (found["p"], found["interval"]) == (None, None)
    assert found["difference"] == pytest.approx(0.1)


def test_the_precision_recall_curve_begins_with_nobody_and_ends_with_everybody():
    points = precision_points([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    assert points.iloc[0].tolist() == [np.inf, 0.0, 1.0]
    assert points.iloc[-1].tolist() == [0.1, 1.0, 0.5]


@given(st.integers(0, 9999))
@settings(max_examples=40)
def test_average_precision_is_scikit_learns_ties_included(seed):
    rng = np.random.default_rng(seed)
    y, score = rng.integers(0, 2, 25), rng.integers(0, 6, 25) / 6
    assume(y.any())
    assert average_precision(y, score) == pytest.approx(average_precision_score(y, score))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=40))
def test_rates_are_those_of_calling_everyone_anew_at_each_threshold(rows):
    y, score = np.array(rows).T
    assume(0 < y.sum() < len(y))
    found = roc_points(y, score)
    for at, sensitivity, specificity in found.itertuples(index=False):
        called = score >= at
        assert sensitivity == called[y == 1].mean()
        assert specificity == (~called[y == 0]).mean()


@pytest.mark.parametrize("curve", [roc_points, lambda y, s: choose_threshold(y, s, Threshold())])
def test_many_patients_need_no_table_of_all_pairs(curve):
    """Of 20,000 a table of every patient at every threshold takes 400 megabytes."""
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    y = rng.random(20_000) < score
    tracemalloc.start()
    curve(y, score)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * score.nbytes
