"""Held to rms' ``val.prob`` and R's ``lowess`` on public rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import chi2

from radlas.errors import StudyError
from radlas.learn.statistics.calibration import (
    calibration,
    calibration_curve,
    calibration_errors,
    logistic,
)
from radlas.learn.statistics.lowess import smooth


def test_distances_from_the_smooth_curve_equal_r(breast, risk):
    found = calibration_errors(breast[1], risk)
    assert found["ici"] == pytest.approx(0.04122866957731, abs=1e-8)
    assert found["e50"] == pytest.approx(0.03099375698192, abs=1e-8)
    assert found["e90"] == pytest.approx(0.08374521962587, abs=1e-8)
    assert found["emax"] == pytest.approx(0.09466125755574, abs=1e-8)


def likelihood(y, line):
    return float((y * line - np.logaddexp(0, line)).sum())


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_at_the_bounds_the_likelihood_has_fallen_by_half_a_chi_square(breast, risk, alpha):
    """By hand: the best intercept for a bound's slope is where a fine search finds it."""
    y, line = breast[1], logit(risk)
    found = calibration(y, risk, alpha=alpha)
    fall = chi2.ppf(1 - alpha, 1) / 2
    for level in found.in_the_large_interval:
        best = likelihood(y, line + found.in_the_large)
        assert best - likelihood(y, line + level) == pytest.approx(fall, abs=1e-6)
    best = likelihood(y, found.intercept + found.slope * line)
    levels = np.arange(-1, 1, 1e-4)
    for slope in found.slope_interval:
        profile = max(likelihood(y, level + slope * line) for level in levels)
        assert best - profile == pytest.approx(fall, abs=1e-5)
    assert found.slope_interval[0] < found.slope < found.slope_interval[1]


@given(st.integers(0, 999), st.floats(-4, 4), st.sampled_from([1e-3, 0.1, 1.0, 3.0]))
@settings(max_examples=40)
def test_bounds_keep_sense_and_scale_wherever_the_risks_lie(seed, centre, spread):
    """Events and risks turned round, and logits stretched: narrow and one-sided risks too."""
    rng = np.random.default_rng(seed)
    line = rng.normal(size=30)
    y = rng.random(30) < expit(line / 2)
    plain = calibration(y, expit(line))
    found = calibration(y, expit(centre + spread * line))
    turned = calibration(~y, expit(-centre - spread * line))
    if plain.slope is None:
        assert found.slope is None
        return
    assert found.slope * spread == pytest.approx(plain.slope, rel=1e-6, abs=1e-6)
    bounds = np.array(plain.slope_interval)
    np.testing.assert_allclose(
        np.array(found.slope_interval) * spread, bounds, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(turned.slope_interval, found.slope_interval, rtol=1e-6)
    np.testing.assert_allclose(
        turned.in_the_large_interval, -np.array(found.in_the_large_interval)[::-1], atol=1e-8
    )


def test_many_patients_have_the_bounds_of_the_normal_curve():
    rng = np.random.default_rng(1)
    line = rng.normal(size=20_000)
    found = calibration(rng.random(20_000) < expit(line), expit(line))
    low, high = found.slope_interval
    assert found.slope - low == pytest.approx(high - found.slope, rel=0.02)


def test_memory_grows_with_the_patients_and_not_with_their_square():
    """Of 20,000 a table of all pairs would take three gigabytes."""
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(20_000), rng.normal(size=20_000)])
    tracemalloc.start()
    logistic(design, rng.random(20_000) < 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * design.nbytes


@pytest.mark.parametrize("y", [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
def test_what_is_not_estimable_has_no_bounds(y):
    found = calibration(y, np.linspace(0.2, 0.8, 6))
    assert found.slope is None
    assert found.slope_interval is None
    assert (found.in_the_large is None) == (found.in_the_large_interval is None)


def test_risks_that_differ_by_next_to_nothing_have_a_slope_without_bounds():
    """Any slope within ten thousand millions agrees with them."""
    line = np.tile([-1e-11, 1e-11], 10)
    found = calibration([0, 1, 1, 1, 0] * 4, expit(line))
    assert found.slope is not None
    assert found.slope_interval is None
    low, high = found.in_the_large_interval
    assert low < found.in_the_large < high


@given(st.integers(0, 999), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=20)
def test_a_line_is_reproduced_and_rows_may_come_in_any_order(seed, slope, level):
    rng = np.random.default_rng(seed)
    x = rng.choice(np.linspace(0, 1, 30), size=60)
    y = slope * x + level
    order = rng.permutation(60)
    np.testing.assert_allclose(smooth(x, y), y, atol=1e-9)
    noisy = y + rng.normal(size=60)
    np.testing.assert_allclose(smooth(x[order], noisy[order]), smooth(x, noisy)[order], atol=1e-12)


def plain_line(x, y, at, width):
    """Cleveland's formula at one place, from every row."""
    distance = np.abs(x - at)
    radius = np.sort(distance)[width - 1]
    weight = np.clip(1 - (distance / radius) ** 3, 0, None) ** 3 if radius else distance == 0
    weight = np.where(distance <= 0.001 * radius, 1.0, weight) * (distance <= 0.999 * radius)
    weight = weight / weight.sum()
    centre = weight @ x
    spread = weight @ (x - centre) ** 2
    if np.sqrt(spread) > 0.001 * np.ptp(x):
        weight = weight * (1 + (at - centre) / spread * (x - centre))
    return weight @ y


@given(st.integers(0, 999), st.integers(5, 80), st.sampled_from([1, 2, 16]))
@settings(max_examples=40)
def test_every_local_line_is_that_of_all_rows(seed, rows, digits):
    """Ties within and at the edge of a window, and windows of one value, included."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.random(rows) ** rng.choice([1, 6]), digits)
    y = (rng.random(rows) < x).astype(float)
    assume(np.ptp(x) > 0)
    width = max(2, int(2 / 3 * rows + 1e-7))
    plain = [plain_line(x, y, at, width) for at in x]
    np.testing.assert_allclose(smooth(x, y, step=0), plain, rtol=0, atol=1e-12)


def test_interpolating_changes_little():
    rng = np.random.default_rng(0)
    x = rng.random(150)
    y = (rng.random(150) < x).astype(float)
    np.testing.assert_allclose(smooth(x, y), smooth(x, y, step=0), atol=0.01)


def test_risks_that_are_all_one_have_the_share_of_events(breast):
    _, y = breast
    np.testing.assert_allclose(smooth(np.full(203, 0.4), y.astype(float)), y.mean())


def test_nothing_is_said_beyond_the_risks_that_were_predicted(breast, risk):
    curve = calibration_curve(breast[1], risk, [risk.min() / 2, 0.5, 1.0])
    assert np.isnan(curve[[0, 2]]).all()
    assert 0 < curve[1] < 1


@pytest.mark.parametrize("least", [-0.01, 0.31])
def test_scores_are_not_taken_for_risks(least):
    """A hundredth beyond is, too, no share of patients."""
    with pytest.raises(StudyError, match=r"risks must lie in \[0, 1\]"):
        calibration_errors([0, 1, 0], [least, 0.5, least + 0.7])


@given(st.integers(0, 999), st.floats(-6, 6), st.floats(-8, 8))
@settings(max_examples=40)
def test_no_distance_is_farther_than_a_share_can_lie(seed, level, slope):
    """A local line leaves [0, 1] where risks are turned round, or events are few."""
    rng = np.random.default_rng(seed)
    x = rng.random(40)
    y = rng.random(40) < expit(level + slope * x)
    found = calibration_errors(y, x)
    assert 0 <= found["ici"] <= found["emax"] <= np.maximum(x, 1 - x).max()
    curve = calibration_curve(y, x, x)
    assert curve.min() >= 0
    assert curve.max() <= 1
    gap = np.abs(curve - x)
    assert found["ici"] == pytest.approx(gap.mean(), abs=1e-12)
    assert found["emax"] == pytest.approx(gap.max(), abs=1e-12)
