"""Can a centre be told from the features? Where it can, a model may have learned the centre."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from radlas.learn.harmonise import Harmoniser, with_centres
from radlas.learn.metrics import benjamini_hochberg
from radlas.learn.selectors import NearConstant, varying
from radlas.learn.settings import Harmonise
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training

FOLDS = 5


def centre_told(
    X: pd.DataFrame, centres: NDArray[np.str_], *, harmonise: Harmonise | None = None, seed: int = 0
) -> dict[str, Any] | None:
    """How well features tell the centre, out of fold, with or without a harmoniser inside.

    Args:
        X: Raw features, shape ``(row, feature)``, one row per subject; NaN where missing.
        centres: Centre of every row.
        harmonise: Policy to apply inside each fold; none if not given.
        seed: Of the folds.

    Returns:
        ``balanced_accuracy``, ``chance``, and ``differing``: share of features whose ranks differ
        by centre (Kruskal-Wallis, 5 % false discoveries). ``None`` if a centre has fewer rows than
        there are folds, or there is one, or if some fold has no column that varies.
    """
    names, counts = np.unique(centres, return_counts=True)
    if len(names) < 2 or counts.min() < FOLDS:
        return None
    steps: list[tuple[str, Any]] = [("vary", NearConstant())]
    if harmonise is not None and harmonise.method != "none":
        steps.append(("harmonise", Harmoniser(harmonise.method, "raw", harmonise.minimum)))
    steps += [("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]
    told = LogisticRegression(C=0.01, max_iter=5_000, class_weight="balanced")
    pipeline = Pipeline([*steps, ("tell", told)]).set_output(transform="pandas")
    rows, values = with_centres(X, centres), X.to_numpy(dtype=np.float64)
    guess = np.empty(len(X), dtype=object)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    divided = list(folds.split(rows, centres))
    fitted_on = (np.arange(len(X)), *(train for train, _ in divided))
    if not all(varying(values[at], NearConstant().share).any() for at in fitted_on):
        return None
    with threadpool_limits(1, "blas"):
        for train, test in divided:
            fitted = clone(pipeline).fit(rows.iloc[train], centres[train])
            guess[test] = fitted.predict(rows.iloc[test])
    seen = clone(pipeline[:-3]).fit_transform(rows)  # gaps stay: a median is nobody's value
    return {
        "balanced_accuracy": float(balanced_accuracy_score(centres, guess.astype(str))),
        "chance": 1 / len(names),
        "differing": _differing(seen.to_numpy(), centres, names),
    }


def centres_told(rows: Training, study: StudyConfig) -> tuple[dict[str, Any], ...]:
    """``centre_told`` of the features as they are, and as the study harmonises them.

    Returns:
        Beside its figures ``features``: ``raw`` or ``harmonised``.
    """
    policies: dict[str, Harmonise | None] = {"raw": None}
    if study.harmonise.method != "none":
        policies["harmonised"] = study.harmonise
    return tuple(
        {"features": kind, **told}
        for kind, policy in policies.items()
        if (told := centre_told(rows.X, rows.centres, harmonise=policy, seed=study.seed))
    )


def _differing(
    values: NDArray[np.float64], centres: NDArray[np.str_], names: NDArray[np.str_]
) -> float:
    found: list[float | None] = []
    for column in values.T:
        groups = [column[(centres == name) & ~np.isnan(column)] for name in names]
        known = np.concatenate(groups)
        enough = min(map(len, groups)) > 1 and np.ptp(known) > 0
        found.append(float(stats.kruskal(*groups).pvalue) if enough else None)
    adjusted = [p for p in benjamini_hochberg(found) if p is not None]
    return float(np.mean([p < 0.05 for p in adjusted])) if adjusted else 0.0
