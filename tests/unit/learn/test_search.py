from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV

from radlas.learn.pipeline import C, K, build_pipeline
from radlas.learn.search import search, sparsest_within_one_error
from radlas.learn.settings import Selection
from radlas.learn.splits import repeated_folds

GRID = {K: (4, 9), C: (0.1, 0.3, 1.0)}


@pytest.mark.parametrize("rule", [True, False])
def test_the_search_equals_grid_search_of_the_whole_pipeline(cohort, rule: bool):
    """The oracle refits every step for every point; ours learns each fold once."""
    folds = repeated_folds(cohort.subjects, cohort.y, cohort.centres, folds=3)
    pipeline = build_pipeline(Selection())
    ours = search(pipeline, cohort.X, cohort.y, folds, GRID, one_standard_error=rule)
    oracle = GridSearchCV(
        pipeline,
        {K: list(GRID[K]), C: list(GRID[C])},
        scoring="roc_auc",
        cv=[(fold.train, fold.test) for fold in folds],
        refit=sparsest_within_one_error if rule else True,
    ).fit(cohort.X, cohort.y)
    found = {
        tuple(sorted(p.items())): m
        for p, m in zip(ours.results["params"], ours.results["mean_test_score"], strict=True)
    }
    for point, mean in zip(
        oracle.cv_results_["params"], oracle.cv_results_["mean_test_score"], strict=True
    ):
        assert found[tuple(sorted(point.items()))] == pytest.approx(mean, abs=1e-12)
    if rule:
        assert ours.best_params == oracle.best_params_
    else:
        assert found[tuple(sorted(ours.best_params.items()))] == pytest.approx(oracle.best_score_)


def results(scores: np.ndarray, points: list[dict[str, float]]) -> dict[str, object]:
    return {
        "params": points,
        **{f"split{i}_test_score": row for i, row in enumerate(scores)},
        "mean_test_score": scores.mean(axis=0),
        "std_test_score": scores.std(axis=0),
    }


def test_the_sparsest_point_within_one_standard_error_wins():
    """Best mean .80 with folds .7, .8, .9: standard error .1 / sqrt(3) = .0577, bar .742."""
    points = [{K: 5, C: 0.1}, {K: 5, C: 1.0}, {K: 9, C: 0.1}, {K: 9, C: 1.0}]
    scores = np.array([[0.74, 0.65, 0.76, 0.7], [0.74, 0.75, 0.76, 0.8], [0.74, 0.83, 0.76, 0.9]])
    assert sparsest_within_one_error(results(scores, points)) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_equal_means_the_sparsest_is_the_best_whatever_the_order_of_the_folds(order):
    """AUCs of small folds tie often, and the last digit of a sum is no reason to choose."""
    points = [{K: 5, C: 0.1}, {K: 5, C: 0.2}, {K: 10, C: 0.1}]
    scores = np.array([[14, 18, 15], [17, 18, 17], [13, 12, 16]]) / 20  # means 0.73, 0.8, 0.8
    assert sparsest_within_one_error(results(scores[list(order)], points)) == 0


@given(st.integers(0, 999))
@settings(max_examples=30)
def test_the_chosen_point_is_never_worse_than_one_error_nor_denser_than_the_best(seed: int):
    rng = np.random.default_rng(seed)
    points = [{K: k, C: c} for k in (3, 6) for c in (0.1, 0.5, 1.0)]
    scores = rng.random((4, 6))
    chosen = sparsest_within_one_error(results(scores, points))
    mean, best = scores.mean(axis=0), int(scores.mean(axis=0).argmax())
    assert mean[chosen] >= mean[best] - scores[:, best].std(ddof=1) / 2 - 1e-9
    assert (points[chosen][K], points[chosen][C]) <= (points[best][K], points[best][C])
