from __future__ import annotations

import numpy as np
import pytest

from radlas.learn.support import (
    auc_spread,
    detectable_difference,
    external_support,
    supported_parameters,
    training_support,
)


def test_the_published_area_has_the_interval_of_hanley_and_mcneil():
    """AUC .939 of 44 positives and 30 negatives: .885 to .993."""
    half = 1.959964 * auc_spread(0.939, 44, 30)
    assert (0.939 - half, 0.939 + half) == pytest.approx((0.885, 0.993), abs=1e-3)


def test_parameters_follow_rileys_criterion():
    """n = p / ((S - 1) ln(1 - R2 / S)), solved for p: 258 patients, half of them positive."""
    most = 1 - 0.5**2
    expected = 258 * (0.9 - 1) * np.log(1 - 0.5 * most / 0.9)
    assert supported_parameters(258, 129, 0.5) == int(expected) == 13


def test_more_patients_carry_more_and_a_weak_signal_less():
    counts = [supported_parameters(n, n // 2, 0.5) for n in (50, 129, 1000)]
    assert counts == sorted(counts)
    assert supported_parameters(129, 60, 0.15) < supported_parameters(129, 60, 0.5)
    assert supported_parameters(20, 0, 0.5) == 0


def test_a_difference_is_seen_four_times_out_of_five():
    rng = np.random.default_rng(0)
    gap = detectable_difference(0.05, 0.05)
    z = (rng.normal(gap, 0.05, 20_000) - rng.normal(0, 0.05, 20_000)) / np.hypot(0.05, 0.05)
    assert (np.abs(z) > 1.959964).mean() == pytest.approx(0.8, abs=0.01)


def test_support_is_told_per_model_and_is_empty_for_a_handful():
    found = training_support(70, 59, {"small": 10, "large": 2300})
    assert (found["events"], found["per_candidate"]["small"]) == (59, 5.9)
    assert external_support(3, 30)["auc"] == external_support(3, 30)["halves"] == []


def test_an_auc_will_be_told_as_exactly_as_its_spread_says_and_two_halves_less_so():
    """From four of a class on, of whom two are in each half."""
    for counts in ((4, 30), (44, 30)):
        found = external_support(*counts, alpha=0.1)
        assert len(found["auc"]) == len(found["halves"]) == 3
        half = [count // 2 for count in counts]
        for row, apart in zip(found["auc"], found["halves"], strict=True):
            assert row["half_width"] == pytest.approx(1.644854 * auc_spread(row["auc"], *counts))
            spread = auc_spread(apart["auc"], *half)
            assert apart["detectable"] == pytest.approx(
                (1.644854 + 0.841621) * np.hypot(spread, spread), rel=1e-6
            )
