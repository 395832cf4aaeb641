"""Held to R's numbers for net benefit and reclassification."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from radlas.errors import StudyError
from radlas.learn.statistics.decision import (
    decision_curve,
    net_benefit,
    reclassification,
    treat_all,
)

AT = [0.2, 0.5, 0.8]


@pytest.fixture
def risk(breast):
    return expit((breast[0][:, 1] - 19) / 2)


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


def test_a_threshold_is_a_risk(breast, risk):
    with pytest.raises(StudyError, match=r"thresholds span 0 to 0\.5"):
        net_benefit(breast[1], risk, [0, 0.5])
