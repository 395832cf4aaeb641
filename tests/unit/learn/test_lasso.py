"""Held to glmnet (R, 4.1-6), to the optimality conditions, and to scikit-learn's saga."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.preprocessing import StandardScaler

from radlas.errors import StudyError
from radlas.learn import lasso
from radlas.learn.lasso import L1Logistic, LinearLasso, refitted


@pytest.mark.parametrize(
    ("penalty", "intercept", "coefficients"),
    [
        (0.1, 0.2386831344081, {1: 0.4049286401277, 2: 0.4745555006984, 7: 1.044223574975}),
        (0.03, 0.498017830524, {0: 0.8765885773517, 1: 1.109453050229, 7: 2.108319342839}),
    ],
)
def test_the_solution_equals_glmnet(breast, penalty, intercept, coefficients):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, :10])
    model = L1Logistic(1 / (len(y) * penalty)).fit(scaled, y)
    expected = np.zeros(10)
    expected[list(coefficients)] = list(coefficients.values())
    np.testing.assert_allclose(model.coef_[0], expected, atol=1e-6)
    assert model.intercept_[0] == pytest.approx(intercept, abs=1e-6)


@given(st.integers(0, 9999), st.floats(-3, 3), st.integers(1, 40))
@settings(max_examples=60)
def test_every_solution_fulfils_the_optimality_conditions(seed, exponent, columns):
    """Slope of the loss: 0 at the intercept, -sign/C at a coefficient, within 1/C elsewhere."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(45, 4))
    noise = rng.choice([0.01, 0.3, 3.0]) * rng.normal(size=(45, columns))
    X = StandardScaler().fit_transform(hidden @ rng.normal(size=(4, columns)) + noise)
    y = (hidden[:, 0] + rng.normal(size=45) > rng.normal()).astype(int)
    assume(0 < y.sum() < 45)
    C = 10**exponent
    model = L1Logistic(C).fit(X, y)
    residual = model.predict_proba(X)[:, 1] - y
    slope, weight = X.T @ residual, model.coef_[0]
    used = weight != 0
    assert residual.sum() == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(slope[used], -np.sign(weight[used]) / C, atol=1e-8)
    assert (np.abs(slope[~used]) <= 1 / C + 1e-7).all()


@pytest.mark.parametrize("model", [L1Logistic(0.5), LinearLasso(0.5)])
def test_how_the_table_lies_in_memory_changes_no_bit_and_is_compiled_once(breast, model):
    X, y = breast
    rows, columns = np.array(X, order="C"), np.array(X, order="F")
    sealed = rows.copy()
    sealed.flags.writeable = False
    wide = np.repeat(rows, 2, axis=1)[:, ::2]
    found = {model.fit(each, y).coef_.tobytes() for each in (rows, columns, sealed, wide)}
    assert len(found) == 1
    assert len(lasso._minimise.signatures) == 1


@given(seed=st.integers(0, 200), rows=st.integers(1, 80), columns=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_equal_rows_have_one_score_in_any_company(seed, rows, columns):
    """To the last bit: else ties of an AUC break by where in a table a patient stands."""
    rng = np.random.default_rng(seed)
    model = L1Logistic(10.0).fit(rng.normal(size=(60, columns)), np.arange(60) % 2)
    X = np.repeat(rng.normal(size=(1, columns)), rows, axis=0)
    found = [model.decision_function(np.array(X, order=order)) for order in "CF"]
    assert len({*found[0], *found[1], *model.decision_function(X[:1])}) == 1
    np.testing.assert_allclose(found[0], X @ model.coef_[0] + model.intercept_, atol=1e-12)


def test_saga_finds_the_same_model_where_it_has_coefficients(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, 10:30])
    saga = LogisticRegression(
        l1_ratio=1, C=0.1, solver="saga", tol=1e-10, max_iter=100_000, random_state=0
    )
    ours = L1Logistic(0.1).fit(scaled, y)
    np.testing.assert_allclose(ours.coef_, saga.fit(scaled, y).coef_, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(scaled), saga.predict(scaled))


def test_without_a_coefficient_the_risk_is_the_prevalence():
    """Here saga stops after one round with a wrong intercept."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), (np.arange(60) % 3 == 0).astype(int)
    model = L1Logistic(1e-3).fit(X, y)
    assert not model.coef_.any()
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / 3, atol=1e-12)


def test_the_order_of_rows_and_columns_does_not_move_the_solution(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, :10])
    rows = np.random.default_rng(1).permutation(len(y))
    here = L1Logistic(1.0).fit(scaled, y).coef_[0]
    there = L1Logistic(1.0).fit(scaled[rows][:, ::-1], y[rows]).coef_[0]
    np.testing.assert_allclose(there[::-1], here, atol=1e-10)


def test_of_two_equal_columns_one_enters():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 1))
    y = (x[:, 0] + rng.normal(size=50) > 0).astype(int)
    assert (L1Logistic(1.0).fit(np.hstack([x, x]), y).coef_ != 0).sum() == 1


def test_separable_rows_have_a_finite_solution():
    X = np.arange(-5.0, 5.0)[:, None] + 0.5
    model = L1Logistic(1e4).fit(X, X[:, 0] > 0)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, X[:, 0] > 0) == 1.0


def test_too_few_steps_are_told():
    rng = np.random.default_rng(0)
    with pytest.warns(ConvergenceWarning, match="not converged after 1 step"):
        L1Logistic(1.0, max_iter=1).fit(rng.normal(size=(30, 5)), np.arange(30) % 2)


def test_one_class_is_refused():
    with pytest.raises(StudyError, match="1 classes, not 2"):
        L1Logistic().fit(np.eye(4), np.ones(4))


def test_a_path_is_every_model_alone(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X)
    grid = (0.02, 0.1, 0.5, 2.0)
    for C, model in zip(grid, L1Logistic(refit=None).path(scaled, y, grid), strict=True):
        alone = L1Logistic(C).fit(scaled, y)
        np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-8)
        np.testing.assert_allclose(model.intercept_, alone.intercept_, atol=1e-8)


def test_a_refit_keeps_the_choice_and_drops_the_shrinkage(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, :10])
    shrunk, free = L1Logistic(0.05).fit(scaled, y), L1Logistic(0.05, refit=1.0).fit(scaled, y)
    kept = shrunk.coef_[0] != 0
    np.testing.assert_array_equal(free.coef_[0] != 0, kept)
    assert np.abs(free.coef_).sum() > np.abs(shrunk.coef_).sum()
    ridge = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(scaled[:, kept], y)
    np.testing.assert_allclose(free.coef_[0][kept], ridge.coef_[0], atol=1e-8)


@pytest.mark.parametrize("C", [0.1, 1.0, 100.0, 1e4])
def test_a_refit_is_solved_to_the_last_digits_whatever_the_order_of_the_rows(breast, C):
    X, y = StandardScaler().fit_transform(breast[0][:, :10]), breast[1]
    order = np.random.default_rng(3).permutation(len(y))
    every = np.ones(X.shape[1], dtype=bool)
    beta = refitted(X, y.astype(float), every, C)
    again = refitted(X[order], y[order].astype(float), every, C)
    np.testing.assert_allclose(again, beta, rtol=1e-9, atol=1e-9)
    gap = expit(X @ beta[1:] + beta[0]) - y
    np.testing.assert_allclose(X.T @ gap + beta[1:] / C, 0, atol=1e-9)
    assert gap.sum() == pytest.approx(0, abs=1e-9)


def test_the_linear_lasso_chooses_as_least_squares_does(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, :10])
    model = LinearLasso(C=1 / (len(y) * 0.05), refit=1.0).fit(scaled, y)
    oracle = Lasso(0.05, tol=1e-10).fit(scaled, y)
    np.testing.assert_array_equal(model.coef_[0] != 0, oracle.coef_ != 0)
    assert ((model.predict_proba(scaled) > 0) & (model.predict_proba(scaled) < 1)).all()


def test_both_kinds_let_the_first_feature_in_at_the_same_penalty(breast):
    X, y = breast
    scaled = StandardScaler().fit_transform(X[:, :10])
    first = 1 / np.abs(scaled.T @ (y - y.mean())).max()
    for kind in (L1Logistic, LinearLasso):
        assert not kind(first * 0.999).fit(scaled, y).coef_.any()
        assert (kind(first * 1.01).fit(scaled, y).coef_ != 0).sum() == 1


def test_nothing_chosen_is_the_prevalence_after_a_refit_too(breast):
    X, y = breast
    model = LinearLasso(C=1e-4).fit(X[:, :3], y)
    np.testing.assert_allclose(model.predict_proba(X[:, :3])[:, 1], y.mean(), atol=1e-12)
