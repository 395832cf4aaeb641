"""Held to R's sva 3.46, in every mode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import StudyError
from radlas.learn.combat import Common, combat, effect_of

CENTRES = np.array(list("AAAAABBBBBCCCC"))
SHOWN = [0, 5, 10, 13]  # samples 1, 6, 11 and 14


def toy() -> np.ndarray:
    i, j = np.arange(1, 7)[:, None], np.arange(1, 15)[None, :]
    values = 10 + i + np.sin(i * j) + 0.3 * np.cos(j * j + i)
    values[:, CENTRES == "B"] = 1.5 * values[:, CENTRES == "B"] - 3
    values[:, CENTRES == "C"] += 2
    return values.T


@pytest.mark.parametrize(
    ("mode", "feature", "expected"),
    [
        ({}, 0, [13.52039117, 12.12574601, 11.45970266, 13.50152098]),
        ({}, 5, [18.62793853, 17.54023701, 17.62159397, 18.51783577]),
        (
            {"covariates": (np.arange(14) % 2)[:, None]},
            0,
            [13.46135193, 12.03564616, 11.41440338, 13.5149954],
        ),
        ({"reference": "A"}, 0, [11.71662693, 10.52458414, 10.0628659, 11.48853462]),
        ({"mean_only": True}, 0, [13.50325131, 11.83546769, 11.44752165, 13.51648378]),
    ],
)
def test_the_numbers_of_sva(mode, feature, expected):
    np.testing.assert_allclose(combat(toy(), CENTRES, **mode)[SHOWN, feature], expected, atol=1e-6)


def test_the_reference_centre_stays_as_it_is():
    adjusted = combat(toy(), CENTRES, reference="A")
    np.testing.assert_array_equal(adjusted[CENTRES == "A"], toy()[CENTRES == "A"])


@given(st.integers(0, 99), st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=15)
def test_the_unit_of_all_features_scales_through(seed, factor, shift):
    X = toy() + np.random.default_rng(seed).normal(0, 0.1, (14, 6))
    here, there = combat(X, CENTRES), combat(X * factor + shift, CENTRES)
    np.testing.assert_allclose(there, here * factor + shift, rtol=1e-6, atol=1e-6 * factor)


def test_a_feature_of_whatever_unit_is_harmonised_as_in_any_other():
    units = 10.0 ** np.array([-16, -9, -3, 0, 6, 14])
    np.testing.assert_allclose(combat(toy() * units, CENTRES) / units, combat(toy(), CENTRES))


def test_missing_values_stay_missing_and_others_are_hardly_moved():
    X = toy()
    X[3, 2] = np.nan
    adjusted = combat(X, CENTRES)
    assert np.isnan(adjusted[3, 2])
    assert np.isnan(adjusted).sum() == 1
    np.testing.assert_allclose(adjusted[:, 5], combat(toy(), CENTRES)[:, 5], atol=0.1)


def test_a_shift_of_one_centre_is_taken_out():
    rng = np.random.default_rng(0)
    X, centres = rng.normal(size=(400, 30)), np.repeat(["a", "b"], 200)
    moved = X.copy()
    moved[200:] = 3 * moved[200:] + 7
    adjusted = combat(moved, centres)
    assert abs(adjusted[:200].mean() - adjusted[200:].mean()) < 0.05
    assert adjusted[200:].std() == pytest.approx(adjusted[:200].std(), rel=0.05)


def test_a_covariate_that_is_the_centre_is_refused():
    with pytest.raises(StudyError, match="cannot be told from the centres"):
        combat(toy(), CENTRES, covariates=(CENTRES == "A")[:, None])


A_SHIFT_OF_0 = np.array(
    [
        *([-1, 2, -3], [1, -2, 3], [-2, 1, 1], [2, -1, -1]),
        *([-3, 2, -1], [3, -2, 1], [-4, 1, 2], [4, -1, -2]),
    ],
    dtype=float,
)


def test_a_shift_of_exactly_0_is_settled():
    """It stays 0: centres of the same mean are only brought to one spread."""
    where = np.repeat(["A", "B"], 4)
    adjusted = combat(A_SHIFT_OF_0, where)
    for centre in "AB":
        np.testing.assert_allclose(adjusted[where == centre].mean(axis=0), 0, atol=1e-12)


@given(st.integers(0, 99))
@settings(max_examples=15)
def test_a_lone_centre_keeps_its_mean_whole_numbers_or_not(seed):
    X = np.random.default_rng(seed).integers(-5, 6, size=(12, 3)).astype(float)
    for values in (X, X / 7):
        adjusted = combat(values, ["A"] * 12)
        np.testing.assert_allclose(adjusted.mean(axis=0), values.mean(axis=0), atol=1e-9)


def test_what_does_not_settle_is_told_instead_of_tried_for_ever(monkeypatch):
    monkeypatch.setattr("radlas.learn.combat.ROUNDS", 1)
    with pytest.raises(StudyError, match="did not converge in 1 rounds over 6 features"):
        combat(toy(), CENTRES)


def test_a_column_of_one_value_in_a_centre_says_nothing_of_its_other_columns():
    """Its mean is off by rounding there: that is no variance, and no part of what is usual."""
    X, where = toy(), CENTRES == "A"
    X[where, 0] = 10.0
    alone = combat(X[:, 1:], CENTRES)[where]
    np.testing.assert_allclose(combat(X, CENTRES)[where, 1:], alone, atol=1e-9)


@pytest.mark.parametrize("mean_only", [False, True])
@pytest.mark.parametrize("others", [0, 1, 5])
def test_a_feature_that_nobody_of_a_centre_has_is_not_moved_there(mean_only, others):
    X = toy()[CENTRES == "A"]
    X[:, others:] = np.nan
    found = effect_of(X, Common(np.full(6, 10.0), np.ones(6)), mean_only=mean_only)
    np.testing.assert_array_equal(found.shift[others:], 0)
    np.testing.assert_array_equal(found.spread[others:], 1)


@pytest.mark.parametrize("seed", range(5))
def test_for_means_only_a_centre_weighs_as_one_patient_however_many_it_has(seed):
    """By precisions: that of one value, and that with which features tell the usual shift."""
    rng = np.random.default_rng(seed)
    one = rng.normal(1, 2, (1, 20))
    common = Common(np.zeros(20), np.ones(20))
    usual = 1 / one.var(ddof=1)
    expected = (one[0] + usual * one.mean()) / (1 + usual)
    for count in (1, 2, 5):
        found = effect_of(np.repeat(one, count, axis=0), common, mean_only=True)
        np.testing.assert_allclose(found.shift, expected, rtol=1e-12)
        np.testing.assert_array_equal(found.spread, 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_fewer_patients_tell_a_shift_the_less_is_taken_out(seed):
    """Of one alone the whole of what sets the patient apart was taken for the scanner's."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 20))
    common = Common(np.zeros(20), np.ones(20))
    shifts = []
    for known in (1, 2, 4, 8, 12):
        X[:, 0] = np.nan
        X[:known, 0] = 3.0 if known == 1 else np.where(np.arange(known) % 2, 4.0, 2.0)
        shifts.append(effect_of(X, common).shift[0])
    assert shifts == sorted(shifts)
    assert 0 < shifts[0] < 1.5
