"""Held to R's numbers for net benefit and reclassification."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from radlas.errors import StudyError
from radlas.learn.statistics.decision import (
    decision_curve,
    net_benefit,
    reclassification,
    treat_all,
)

AT = [0.2, 0.5, 0.8]


def test_net_benefit_equals_r(breast, risk):
    _, y = breast
    expected = [0.4051724137931, 0.2463054187192, 0.1231527093596]
    np.testing.assert_allclose(net_benefit(y, risk, AT), expected, atol=1e-12)
    everyone = [0.4027093596059, 0.04433497536946, -1.389162561576]
    np.testing.assert_allclose(treat_all(y, AT), everyone, atol=1e-12)


def test_reclassification_equals_r(breast, risk):
    X, y = breast
    found = reclassification(y, risk, expit(X[:, 0] - 14.5))
    assert found["idi"] == pytest.approx(0.2170202715688, abs=1e-10)
    assert found["nri"] == pytest.approx(0.6920832522855, abs=1e-10)


def test_a_perfect_model_is_worth_the_prevalence_at_every_threshold(breast):
    _, y = breast
    np.testing.assert_allclose(net_benefit(y, y.astype(float), AT), y.mean())


def test_the_band_holds_the_curve_and_chance_gains_nothing(breast):
    _, y = breast
    found = decision_curve(y, np.full(203, 0.5), AT, draws=200)
    for low, model, high in zip(found["low"], found["model"], found["high"], strict=True):
        assert low <= model <= high
    assert max(found["gain"]) <= 1e-12


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_bands_are_as_wide_as_the_spread_of_what_each_patient_adds(breast, risk, alpha):
    """A mean over patients is all but normal: at 0.2 acting on all is best, at 0.8 on nobody."""
    _, y = breast
    found = decision_curve(y, risk, [0.2, 0.8], alpha=alpha, draws=1000)
    for k, at in enumerate(found["threshold"]):
        added = np.where(y == 1, 1.0, -at / (1 - at))
        best = added if added.mean() > 0 else 0 * added
        for low, high, each in (
            ("low", "high", added * (risk >= at)),
            ("gain_low", "gain_high", added * (risk >= at) - best),
        ):
            reach = norm.isf(alpha / 2) * each.std() / np.sqrt(len(y))
            wide = each.mean() - found[low][k], found[high][k] - each.mean()
            assert wide == pytest.approx((reach, reach), rel=0.15)


def test_a_threshold_is_a_risk(breast, risk):
    with pytest.raises(StudyError, match=r"thresholds span 0 to 0\.5"):
        net_benefit(breast[1], risk, [0, 0.5])
