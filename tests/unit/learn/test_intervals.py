from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from radlas.errors import StudyError
from radlas.learn.explain import Explanation, group_shares
from radlas.learn.metrics import average_precision, brier, f1_score
from radlas.learn.statistics.decision import decision_curve
from radlas.learn.statistics.intervals import (
    bootstrap,
    clopper_pearson,
    predictive_values,
    resamples,
    wilson,
)


def test_intervals_of_a_proportion_equal_r():
    assert clopper_pearson(31, 41) == pytest.approx((0.596953763, 0.876367512), abs=1e-8)
    assert wilson(31, 41) == pytest.approx((0.606566638, 0.861749973), abs=1e-8)


def test_no_and_all_successes_reach_the_edge():
    assert clopper_pearson(0, 10)[0] == 0.0
    assert clopper_pearson(10, 10)[1] == 1.0
    assert clopper_pearson(0, 0) is None


def test_predictive_values_at_the_sample_s_own_prevalence_are_the_sample_s():
    found = predictive_values((40, 50), (60, 80), 50 / 130)
    assert found["ppv"]["value"] == pytest.approx(40 / 60)
    assert found["npv"]["value"] == pytest.approx(60 / 70)
    low, high = found["ppv"]["interval"]
    assert low < 40 / 60 < high


def test_predictive_values_move_with_the_prevalence_and_never_leave_0_to_1():
    rare, common = (predictive_values((44, 44), (30, 30), p) for p in (0.01, 0.9))
    assert rare["ppv"]["interval"][0] < common["ppv"]["interval"][0] < 1
    assert 0 <= rare["npv"]["interval"][0] <= rare["npv"]["interval"][1] <= 1


@pytest.mark.parametrize("seed", range(20))
def test_predictive_values_are_bayes_and_lie_in_their_intervals(seed):
    rng = np.random.default_rng(seed)
    for positives, negatives in rng.integers(1, 12, (30, 2)):
        found, spared = rng.integers(0, positives + 1), rng.integers(0, negatives + 1)
        share = rng.uniform(0.02, 0.98)
        told = predictive_values((found, positives), (spared, negatives), share)
        right = share * found / positives, (1 - share) * spared / negatives
        called = right[0] + (1 - share) * (1 - spared / negatives)
        for name, hits, whole in (("ppv", right[0], called), ("npv", right[1], 1 - called)):
            if whole > 1e-12:
                assert told[name]["value"] == pytest.approx(hits / whole)
                low, high = told[name]["interval"]
                assert 0 <= low <= told[name]["value"] <= high <= 1


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize(
    "counts",
    [
        *[((40, 50), (60, 80)), ((31, 44), (29, 30)), ((3, 4), (1, 6)), ((1, 9), (7, 8))],
        *[((44, 44), (28, 30)), ((0, 44), (28, 30)), ((5, 9), (8, 8)), ((5, 9), (0, 8))],
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.6])
def test_predictive_values_elsewhere_are_as_wide_as_the_delta_method_makes_them(
    counts, alpha, share
):
    """Of binomial rates, by numerical slopes; half a patient more in every cell if one is empty."""
    more = 0.5 if any(part in (0, whole) for part, whole in counts) else 0.0
    sizes = np.array([whole + 2 * more for _, whole in counts])
    rates = np.array([part + more for part, _ in counts]) / sizes

    def logits(at):
        found, spared = at
        right, wrong = share * found, (1 - share) * (1 - spared)
        missed, cleared = share * (1 - found), (1 - share) * spared
        return np.log([right / wrong, cleared / missed])

    slopes = np.array([(logits(rates + h) - logits(rates - h)) / 2e-6 for h in np.eye(2) * 1e-6])
    error = np.sqrt((rates * (1 - rates) / sizes) @ slopes**2)
    edges = logits(rates) + np.outer(stats.norm.ppf([alpha / 2, 1 - alpha / 2]), error)
    told = predictive_values(*counts, share, alpha=alpha)
    for name, (low, high) in zip(("ppv", "npv"), special.expit(edges).T, strict=True):
        value = told[name]["value"]  # 0 and 1 are their own bounds
        expected = [0.0 if value == 0 else low, 1.0 if value == 1 else high]
        assert told[name]["interval"] == pytest.approx(expected, abs=1e-7)


def test_a_prevalence_of_all_is_refused():
    with pytest.raises(StudyError, match="a prevalence of 1 does not lie inside"):
        predictive_values((1, 2), (1, 2), 1)


def sample(rows: int = 60, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.5).astype(int)
    return y, 1 / (1 + np.exp(-(1.5 * (y - 0.5) + rng.normal(size=rows))))


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_bca_is_that_of_scipy(alpha):
    """Which draws the same rows from the same seed."""
    y, risk = sample()
    ours = bootstrap(y, risk, brier, alpha=alpha, draws=500, seed=1)
    theirs = stats.bootstrap(
        (y, risk),
        lambda a, b: float(np.mean((a - b) ** 2)),
        paired=True,
        vectorized=False,
        confidence_level=1 - alpha,
        n_resamples=500,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours["method"] == "bootstrap, BCa"
    assert ours["interval"] == pytest.approx([theirs.low, theirs.high], abs=1e-12)


def test_the_same_seed_gives_the_same_interval():
    y, risk = sample()
    assert bootstrap(y, risk, brier) == bootstrap(y, risk, brier)
    assert bootstrap(y, risk, brier, seed=1) != bootstrap(y, risk, brier)


@pytest.mark.parametrize("rows", [1, 2, 7, 128, 1001])
def test_resamples_are_those_of_one_table(rows):
    """Drawn one after another: published intervals hang on these very rows."""
    table = np.random.default_rng(3).integers(0, rows, size=(101, rows))
    np.testing.assert_array_equal(list(resamples(rows, 101, 3)), table)


def shares(risk, draws):
    values = pd.DataFrame(np.stack([risk, 1 - risk], axis=1), columns=["a", "b"])
    found = Explanation(values, values, 0.0, values["a"], {})
    group_shares(found, {"a": "one", "b": "two"}, draws=draws)


@pytest.mark.parametrize(
    "resampled",
    [
        lambda y, risk, draws: bootstrap(y, risk, brier, draws=draws),
        lambda y, risk, draws: decision_curve(y, risk, [0.5], draws=draws),
        lambda _, risk, draws: shares(risk, draws),
    ],
    ids=["interval", "decision curve", "shares"],
)
def test_a_resample_is_gone_before_the_next(resampled):
    """Memory grows with the patients, and not with patients times resamples."""
    y, risk = sample(3000)
    resampled(y, risk, 5)
    tracemalloc.start()
    resampled(y, risk, 400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * risk.nbytes  # the table of resamples alone is 400


@pytest.mark.parametrize("of", [len, np.sum])
def test_a_value_at_the_edge_of_its_draws_has_no_bca_and_says_what_it_has(of):
    y, risk = sample()

    def statistic(_, one):
        return float(of(np.unique(one)))

    found = bootstrap(y, risk, statistic, alpha=0.1, draws=500)
    drawn = [statistic(y[rows], risk[rows]) for rows in resamples(60, 500, 0)]
    assert found["value"] > max(drawn)  # no resample holds as many
    assert found["method"] == "bootstrap, percentiles"
    assert found["interval"] == pytest.approx(np.quantile(drawn, [0.05, 0.95]))


def test_a_statistic_that_no_single_patient_moves_has_no_bca_either():
    """The mean of sixty times 0.2 is not 0.2: that is no skewness."""
    y, risk = sample()
    found = bootstrap(y, risk, brier, draws=200, without=lambda _, one: np.full(len(one), 0.2))
    assert found["method"] == "bootstrap, percentiles"


@pytest.mark.parametrize("statistic", [average_precision, lambda y, s: f1_score(y, s, 0.5)])
@pytest.mark.parametrize("rows", [2, 40])
def test_resamples_that_are_all_alike_bound_nothing(statistic, rows):
    """Two patients or forty, each resample of a perfect score is perfect: that is no certainty."""
    y = np.arange(rows) % 2
    found = bootstrap(y, y * 0.8 + 0.1, statistic)
    assert found["value"] == 1.0
    assert found["interval"] is None
    assert found["note"] == "no interval: every resample gives the same value"


def test_an_f1_of_nothing_has_no_interval_of_no_width():
    y = np.arange(20) % 2
    assert bootstrap(y, 0.9 - y * 0.8, lambda t, s: f1_score(t, s, 0.5))["interval"] is None


def test_a_statistic_that_is_undefined_or_mostly_so_is_not_estimated():
    """Of the patients themselves it may be known where hardly a resample knows it, or not."""
    y, risk = sample()

    def of_all(_, score):
        return float(score.mean()) if len(np.unique(score)) == len(risk) else np.nan

    def of_some(_, score):
        return float(score.mean()) if len(np.unique(score)) < len(risk) else np.nan

    for statistic in (of_all, of_some, lambda *_: np.nan):
        found = bootstrap(y, risk, statistic, draws=50)
        assert (found["value"], found["interval"]) == (None, None)
        assert found["note"] == "not estimable"


@pytest.mark.parametrize(("known", "estimated"), [(0.4, False), (0.6, True)])
def test_a_statistic_that_half_of_the_draws_leave_undefined_is_not_estimated(known, estimated):
    y, risk = sample()
    here = risk.mean()
    far = [abs(risk[rows].mean() - here) for rows in resamples(60, 200, 0)]
    near = np.quantile(far, known)

    def around(_, score):
        return float(score.mean()) if abs(score.mean() - here) <= near else np.nan

    found = bootstrap(y, risk, around, draws=200)
    assert (found["value"] is not None) == estimated
    assert not estimated or found["note"] == "80 of 200 resamples left it undefined"


def test_f1_and_average_precision_of_counts_by_hand():
    y, score = [1, 1, 0, 0, 1], [0.9, 0.4, 0.6, 0.1, 0.7]
    assert f1_score(y, score, 0.5) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    # Precisions at the recalls where it rises: 1/1, 2/2, 3/4.
    assert average_precision(y, score) == pytest.approx((1 + 1 + 3 / 4) / 3)
