from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from radlas.errors import StudyError
from radlas.learn.selectors import (
    CorrelationFilter,
    NearConstant,
    RankedElimination,
    largest_share,
    spearman,
)


def test_near_constant_drops_what_hardly_varies_and_keeps_names():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "varies": rng.normal(size=40),
            "constant": 3.0,
            "once": np.eye(40)[0],
            "never": np.nan,
            "rarely_known": np.where(np.arange(40) < 2, np.arange(40), np.nan),
            "tiny": rng.normal(size=40) * 1e-9,
            "rounding": 1e6 + rng.normal(size=40) * 1e-8,
        }
    )
    kept = NearConstant(0.95).set_output(transform="pandas").fit_transform(X)
    assert list(kept.columns) == ["varies", "tiny"]


@given(st.floats(1e-6, 1e6), st.integers(0, 99))
@settings(max_examples=20)
def test_near_constant_does_not_depend_on_the_unit(factor: float, seed: int):
    X = np.random.default_rng(seed).integers(0, 4, size=(20, 12)).astype(float)
    X[:, 0] = np.arange(20)
    here, there = NearConstant(0.5).fit(X), NearConstant(0.5).fit(X * factor)
    np.testing.assert_array_equal(here.get_support(), there.get_support())


@given(st.integers(0, 999))
@settings(max_examples=30)
def test_the_largest_share_is_what_counting_says(seed: int):
    rng = np.random.default_rng(seed)
    X = rng.choice([0.0, 1.0, 2.0, np.nan], size=(rng.integers(2, 15), 4))
    expected = [pd.Series(c).value_counts(dropna=False).max() / len(X) for c in X.T]
    np.testing.assert_allclose(largest_share(X), expected)


def test_nothing_that_varies_is_an_error():
    with pytest.raises(StudyError, match="none of 3 columns varies over 5 training rows"):
        NearConstant().fit(np.ones((5, 3)))


def test_spearman_equals_scipy_with_ties():
    X = np.random.default_rng(1).integers(0, 6, size=(30, 5)).astype(float)
    np.testing.assert_allclose(spearman(X), spearmanr(X).statistic, atol=1e-12)


def related_columns() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    base = rng.normal(size=(50, 4))
    copies = {f"b{i}": np.exp(base[:, i]) for i in range(4)}  # monotone: |rho| = 1
    mirrored = {f"a{i}": -base[:, i] for i in range(2)}
    return pd.DataFrame({**copies, **mirrored, "c0": base[:, 0] + 0.2 * rng.normal(size=50)})


def test_a_column_that_does_not_vary_is_related_to_none():
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[:, 1] = 0.1
    np.testing.assert_array_equal(spearman(X)[1], 0)
    assert CorrelationFilter(0.5).fit(X).get_support()[1]


def test_of_related_columns_the_first_to_come_stays_and_speaks_for_the_others():
    X = related_columns()
    step = CorrelationFilter(0.9).set_output(transform="pandas").fit(X)
    assert list(step.transform(X).columns) == ["b0", "b1", "b2", "b3"]
    spoken = {name: X.columns[place] for name, place in zip(X, step.cluster_, strict=True)}
    assert spoken == {
        **{f"b{i}": f"b{i}" for i in range(4)},
        "a0": "b0",
        "a1": "b1",
        "c0": "b0",
    }


def test_row_order_and_names_do_not_change_the_representatives():
    X = related_columns()
    there = X.sample(frac=1, random_state=2).set_axis(list("zyxwvut"), axis=1)
    kept = [CorrelationFilter(0.9).fit(x).get_support() for x in (X, there)]
    np.testing.assert_array_equal(*kept)


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_no_two_kept_columns_reach_the_limit_and_every_other_is_represented(seed: int):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(25, 3)) @ rng.normal(size=(3, 15)) + 0.3 * rng.normal(size=(25, 15))
    kept = CorrelationFilter(0.8).fit(X).get_support()
    related = np.abs(spearman(X)) >= 0.8 - 1e-9  # as of seed 59: 0.8 but for the last bit
    assert related[np.ix_(kept, kept)].sum() == kept.sum()
    assert related[np.ix_(~kept, kept)].any(axis=1).all()


@pytest.mark.parametrize("limit", [0.9, 0.8])
def test_a_correlation_just_at_the_limit_reaches_it_whatever_the_order_of_the_rows(limit):
    """Sums of ranks end a few units above or below it; one swap of ranks is far more than that."""
    steps = round((1 - limit) * (15**3 - 15) / 6)  # sum of squared rank differences
    rng, first = np.random.default_rng(0), np.arange(15.0)
    while ((second := _shuffled_a_bit(first, rng)) - first) @ (second - first) != steps:
        pass
    for _ in range(30):
        order = rng.permutation(15)
        X = np.column_stack([first, second])[order]
        assert CorrelationFilter(limit).fit(X).get_support().tolist() == [True, False]


def _shuffled_a_bit(ranks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    there = ranks.copy()
    for one, other in rng.integers(0, len(ranks), (5, 2)):
        there[[one, other]] = there[[other, one]]
    return there


def test_one_ranking_gives_what_sklearns_rfe_keeps_for_every_k():
    rng = np.random.default_rng(3)
    y = np.arange(50) % 2
    X = StandardScaler().fit_transform(
        rng.normal(size=(50, 43)) + 0.5 * y[:, None] * rng.random(43)
    )
    ranked = RankedElimination(step=0.2, C=0.1).fit(X, y)
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000)
    for k in (1, 2, 7, 8, 9, 20, 35, 42):
        oracle = RFE(model, n_features_to_select=k, step=0.2).fit(X, y)
        np.testing.assert_array_equal(ranked.support(k), oracle.support_)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_share_of_less_than_two_columns_takes_them_one_by_one(share):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(40, 20)), np.arange(40) % 2
    one_by_one = RankedElimination(step=1).fit(X, y).order_
    np.testing.assert_array_equal(RankedElimination(step=share).fit(X, y).order_, one_by_one)
    assert list(RankedElimination(step=2).fit(X, y).order_) != list(one_by_one)


def test_elimination_keeps_all_if_fewer_arrive_than_are_wanted():
    X = np.random.default_rng(4).normal(size=(20, 3))
    assert RankedElimination(n_features=10).fit(X, np.arange(20) % 2).get_support().all()
