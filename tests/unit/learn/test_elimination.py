"""Held to scikit-learn's RFE around a logistic model that has converged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from radlas.errors import StudyError
from radlas.learn import elimination
from radlas.learn.elimination import elimination_order


def cohort(rows: int, columns: int, seed: int):
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) % 2).astype(float)
    hidden = rng.normal(size=(rows, 8))
    X = hidden @ rng.normal(size=(8, columns)) + rng.normal(size=(rows, columns))
    return StandardScaler().fit_transform(X + 0.5 * y[:, None] * rng.random(columns)), y


def ranks(order: np.ndarray) -> np.ndarray:
    found = np.empty(order.size, dtype=int)
    found[order[::-1]] = np.arange(1, order.size + 1)
    return found


@pytest.mark.parametrize(
    ("rows", "columns", "C"),
    [(40, 90, 0.1), (60, 30, 1.0), (25, 120, 10.0), (30, 6, 100.0), (300, 40, 0.1), (400, 3, 10.0)],
)
def test_every_rank_is_that_of_a_converged_rfe(rows, columns, C):
    X, y = cohort(rows, columns, seed=columns)
    model = LogisticRegression(C=C, tol=1e-12, max_iter=100_000)
    oracle = RFE(model, n_features_to_select=1, step=1).fit(X, y)
    np.testing.assert_array_equal(ranks(elimination_order(X, y, C=C)), oracle.ranking_)


def test_a_loose_tolerance_ranks_otherwise():
    """Why this is not left to scikit-learn's default: its ranks are not the model's."""
    X, y = cohort(60, 150, seed=1)
    loose = RFE(LogisticRegression(C=0.1), n_features_to_select=1, step=1).fit(X, y)
    assert not np.array_equal(ranks(elimination_order(X, y, C=0.1)), loose.ranking_)


@given(st.integers(0, 999), st.integers(2, 45), st.sampled_from([1, 3]))
@settings(max_examples=30)
def test_every_patient_taken_twice_at_half_the_c_changes_nothing(seed, count, batch):
    """The same model, found in the space of rows, of columns, or of one after the other."""
    X, y = cohort(30, count, seed)
    order = elimination_order(X, y, C=1.0, batch=batch)
    twice = elimination_order(np.vstack([X, X]), np.append(y, y), C=0.5, batch=batch)
    np.testing.assert_array_equal(twice, order)


def test_thousands_of_patients_need_no_matrix_of_patients_by_patients():
    """It took gigabytes, and of 2,000 patients already minutes."""
    X, y = cohort(20_000, 6, seed=1)
    model = LogisticRegression(C=0.1, tol=1e-12, max_iter=100_000)
    oracle = RFE(model, n_features_to_select=1, step=1).fit(X, y)
    np.testing.assert_array_equal(ranks(elimination_order(X, y, C=0.1)), oracle.ranking_)


@given(st.integers(0, 999), st.sampled_from([10, 25, 60]))
@settings(max_examples=15)
def test_the_order_of_rows_and_columns_does_not_change_who_leaves(seed, count):
    X, y = cohort(30, count, seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(30), rng.permutation(count)
    there = elimination_order(X[np.ix_(rows, columns)], y[rows], C=0.1)
    np.testing.assert_array_equal(columns[there], elimination_order(X, y, C=0.1))


def test_how_the_table_lies_in_memory_changes_nothing_and_is_compiled_once():
    X, y = cohort(30, 25, seed=3)
    rows, columns = np.array(X, order="C"), np.array(X, order="F")
    sealed = columns.copy(order="F")
    sealed.flags.writeable = False
    kept = sealed.copy()
    orders = [elimination_order(each, y, C=0.1) for each in (rows, columns, sealed)]
    np.testing.assert_array_equal(orders[1:], [orders[0]] * 2)
    np.testing.assert_array_equal(sealed, kept)
    assert len(elimination._leave.signatures) == 1


@pytest.mark.parametrize("rows", [8, 40])
def test_of_two_equal_columns_the_later_leaves_first(rows):
    X, y = cohort(rows, 10, seed=2)
    order = list(elimination_order(np.hstack([X, X[:, :1]]), y, C=0.1))
    assert order.index(10) < order.index(0)


def test_separable_classes_and_a_weak_penalty_still_settle():
    y = (np.arange(20) % 2).astype(float)
    X = np.column_stack([y * 2 - 1, np.linspace(-1, 1, 20), np.cos(np.arange(20))])
    assert elimination_order(X, y, C=1e3)[-1] == 0


def test_what_does_not_settle_is_said(monkeypatch):
    X, y = cohort(20, 5, seed=3)
    monkeypatch.setattr(elimination, "_leave", lambda *_: (np.arange(5), False))
    with pytest.raises(StudyError, match=r"RFE, C = 0\.1: not converged after 200 steps"):
        elimination_order(X, y, C=0.1)
