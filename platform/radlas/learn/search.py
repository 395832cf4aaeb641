"""The choice of k and C by inner cross-validation, as ``GridSearchCV`` does it, only faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from radlas.learn.pipeline import C, K, without_names
from radlas.learn.splits import Fold
from radlas.learn.statistics.delong import auc

Labels = NDArray[np.int64]
Point = dict[str, float]


@dataclass(frozen=True, eq=False)
class Search:
    """What the inner folds say of every grid point.

    Attributes:
        results: As ``GridSearchCV.cv_results_``: ``params``, ``split0_test_score``, ...,
            ``mean_test_score``, ``std_test_score``, ``param_*``. Scores are AUCs.
        best_index: The chosen point.
    """

    results: Mapping[str, Any]
    best_index: int

    @property
    def best_params(self) -> Point:
        """The chosen k and C, by their names in the pipeline."""
        chosen: Point = self.results["params"][self.best_index]
        return chosen


def search(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: Labels,
    folds: Sequence[Fold],
    grid: Mapping[str, Sequence[float]],
    *,
    one_standard_error: bool = True,
) -> Search:
    """Score every (k, C) in every inner fold; same numbers as ``GridSearchCV`` of the pipeline.

    Filters, scaling and the ranking depend on the rows only, so each fold learns them once and
    only the L1 model is fitted again for every point.

    Args:
        pipeline: From ``build_pipeline``, not fitted; it stays so.
        X: Raw features of the rows to tune on, shape ``(row, feature)``.
        y: Labels 0 or 1, shape ``(row,)``; both classes in every fold's test rows.
        folds: Inner divisions of these rows.
        grid: Values of ``eliminate__n_features`` and ``lasso__C``.
        one_standard_error: Choose by ``sparsest_within_one_error``, else the best mean.
    """
    points: list[Point] = [{K: k, C: c} for k in grid[K] for c in grid[C]]
    scores = np.array([_score(pipeline, X, y, fold, grid) for fold in folds])
    results = {
        "params": points,
        f"param_{K}": np.array([point[K] for point in points]),
        f"param_{C}": np.array([point[C] for point in points]),
        **{f"split{i}_test_score": row for i, row in enumerate(scores)},
        "mean_test_score": scores.mean(axis=0),
        "std_test_score": scores.std(axis=0),
    }
    choose = sparsest_within_one_error if one_standard_error else _highest_mean
    return Search(results, choose(results))


def sparsest_within_one_error(results: Mapping[str, Any]) -> int:
    """Index of the sparsest point whose mean lies within one standard error of the best.

    Sparser means fewer features, then a smaller C. Serves as ``refit`` of ``GridSearchCV``.

    Source:
        Breiman et al. 1984, Classification and Regression Trees, section 3.4.3.
    """
    mean, deviation = results["mean_test_score"], results["std_test_score"]
    splits = sum(key.startswith("split") and key.endswith("_test_score") for key in results)
    best = _highest_mean(results)
    bar = mean[best] - deviation[best] / np.sqrt(splits - 1) - 1e-12  # std has ddof 0
    within = np.flatnonzero(mean >= bar)
    return int(min(within, key=lambda i: (results["params"][i][K], results["params"][i][C])))


def _highest_mean(results: Mapping[str, Any]) -> int:
    return int(np.argmax(np.round(results["mean_test_score"], 12)))  # of equals, the sparsest


def _score(
    pipeline: Pipeline, X: pd.DataFrame, y: Labels, fold: Fold, grid: Mapping[str, Sequence[float]]
) -> list[float]:
    """AUC of every point, those of one k after another, each with C as the grid has it."""
    lasso = pipeline["lasso"]
    prepare, rows = without_names(pipeline[:-2], X.iloc[fold.train])
    _, others = without_names(pipeline[:-2], X.iloc[fold.test])
    train = np.asarray(prepare.fit_transform(rows, y[fold.train]))
    test = np.asarray(prepare.transform(others))
    ranking = clone(pipeline["eliminate"]).fit(train, y[fold.train])
    scores = []
    for k in grid[K]:
        kept = ranking.support(int(k))
        models = lasso.path(train[:, kept], y[fold.train], grid[C])
        for model in models:
            area = auc(y[fold.test], model.decision_function(test[:, kept])).auc
            assert area is not None  # noqa: S101 - folds are stratified
            scores.append(area)
    return scores
