"""All that is said of a model's risks, part by part held to what each is alone."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from scipy.special import expit

from radlas.learn.metrics import average_precision, brier, f1_score
from radlas.learn.performance import CURVE_DRAWS, full_performance
from radlas.learn.statistics.calibration import calibration, calibration_curve, calibration_errors
from radlas.learn.statistics.decision import decision_curve
from radlas.learn.statistics.delong import auc
from radlas.learn.statistics.intervals import bootstrap, predictive_values, resamples


@pytest.fixture(scope="module", params=[0.05, 0.2])
def told(request, study):
    rng = np.random.default_rng(4)
    y = np.arange(50) % 2
    risk = expit(rng.normal(size=50) + y - 0.5)
    study = study.model_copy(update={"alpha": request.param, "seed": 7})
    return y, risk, study, full_performance(y, risk, 0.4, study)


def test_every_interval_has_the_level_and_the_seed_of_the_study(told):
    y, risk, study, found = told
    asked = {"alpha": study.alpha, "seed": study.seed}
    parts = {
        "brier": brier,
        "f1": partial(f1_score, threshold=0.4),
        "average_precision": average_precision,
    }
    for name, statistic in parts.items():
        alone = bootstrap(y, risk, statistic, **asked)
        assert found["intervals"][name]["interval"] == pytest.approx(alone["interval"], abs=1e-12)
    assert found["auc"] == auc(y, risk, alpha=study.alpha).as_dict()
    assert found["calibration"] == calibration(y, risk, alpha=study.alpha).as_dict()
    curve = found["decision_curve"]
    assert curve == decision_curve(y, risk, curve["threshold"], **asked)
    positive, negative = risk[y == 1] >= 0.4, risk[y == 0] < 0.4
    counts = [(int(part.sum()), len(part)) for part in (positive, negative)]
    assert found["elsewhere"] == [
        {"prevalence": share, **predictive_values(*counts, share, alpha=study.alpha)}
        for share in study.prevalences
    ]


def test_the_band_of_a_calibration_curve_is_that_of_resampled_patients(told):
    """As far as their curves reach: each ends with the risks of its patients."""
    y, risk, study, found = told
    curve, ends = found["calibration_curve"], [study.alpha / 2, 1 - study.alpha / 2]
    np.testing.assert_allclose(curve["events"], calibration_curve(y, risk, curve["risk"]))
    drawn, errors = [], []
    for rows in resamples(50, CURVE_DRAWS, study.seed):
        drawn.append(calibration_curve(y[rows], risk[rows], curve["risk"]))
        errors.append(calibration_errors(y[rows], risk[rows])["ici"])
    for low, high, values in zip(curve["low"], curve["high"], np.transpose(drawn), strict=True):
        known = values[~np.isnan(values)]
        assert (low, high) == pytest.approx(tuple(np.quantile(known, ends)))
    interval = found["calibration_errors"]["ici_interval"]
    assert interval == pytest.approx(np.quantile(errors, ends).tolist())


def test_curves_are_plain_json_from_nobody_called_to_everybody(told):
    y, risk, _, found = told
    json.dumps(found, allow_nan=False)
    roc, points = found["roc"], found["precision_recall"]
    assert (roc["threshold"][0], roc["threshold"][-1]) == (None, risk.min())
    assert (roc["sensitivity"][0], roc["specificity"][-1]) == (0, 0)
    assert (points["recall"][0], points["recall"][-1]) == (0, 1)
    assert points["precision"][-1] == y.mean()


def test_one_class_alone_has_no_resampled_figures(study):
    for y in (0, 1):
        found = full_performance([y] * 9, np.linspace(0.1, 0.9, 9), 0.4, study)
        assert (found["auc"]["auc"], found["roc"]) == (None, None)
        assert "intervals" not in found


def test_one_risk_for_all_has_no_curve_of_calibration(study):
    y = np.arange(20) % 2
    found = full_performance(y, np.full(20, 0.4), 0.3, study)
    assert (found["calibration_errors"], found["calibration_curve"]) == (None, None)
    json.dumps(found, allow_nan=False)
