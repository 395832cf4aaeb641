"""One model of a study: nested cross-validation, then the model itself and its locked threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from radlas.digests import digest_of
from radlas.learn.delong import auc
from radlas.learn.fitted import FittedModel
from radlas.learn.metrics import choose_threshold
from radlas.learn.pipeline import (
    C,
    K,
    build_pipeline,
    pipeline_parameters,
    signature_table,
    strict_convergence,
)
from radlas.learn.search import search
from radlas.learn.splits import Fold, repeated_folds
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training, training_rows


@dataclass(frozen=True, eq=False)
class FoldFit:
    """One outer fold: the pipeline fitted on its training rows, its risks of the others.

    Attributes:
        probability: Risk of the rows ``fold.test``, shape ``(row,)``.
        auc: AUC of those.
    """

    fold: Fold
    pipeline: Pipeline
    probability: NDArray[np.float64]
    auc: float | None

    def digest(self) -> str:
        """SHA-256 over what the fold's pipeline learned."""
        return digest_of(pipeline_parameters(self.pipeline))

    def coefficients(self) -> dict[str, float]:
        """Feature to its coefficient, those not zero."""
        lasso = self.pipeline["lasso"]
        pairs = zip(lasso.feature_names_in_, lasso.coef_[0], strict=True)
        return {str(name): float(weight) for name, weight in pairs if weight != 0}


def fit_model(  # noqa: PLR0917 - four columns of one table, then the protocol
    X: pd.DataFrame,
    y: ArrayLike,
    subjects: ArrayLike,
    centres: ArrayLike,
    study: StudyConfig,
    model: str,
) -> FittedModel:
    """Estimate a model by nested cross-validation, then fit it on all training rows.

    Every model of a study gets the same outer folds, so their out-of-fold risks can be compared.

    Args:
        X: Raw features ``roi__image_type__feature``, one row per case, NaN where missing; the
            index names the cases. Columns of other blocks are ignored.
        y: Labels 0 or 1 in the order of the rows; so are ``subjects`` and ``centres``.
        subjects: Unit of splitting.
        centres: Training centres of the study only.
        study: The protocol.
        model: Name of one of its models.

    Raises:
        StudyError: The rows cannot support the study (see ``training_rows``,
            ``repeated_folds``), or a solver did not converge.
    """
    rows = training_rows(X, y, subjects=subjects, centres=centres, study=study, model=model)
    fits = [fit_fold(rows, fold, study) for fold in outer_folds(rows, study)]
    everything = np.arange(len(rows.y))
    pipeline = _tune(rows, everything, study, f"{study.seed}:all")
    oof = pd.concat([_oof(rows, fit) for fit in fits], ignore_index=True)
    means = oof.groupby("case")[["label", "probability"]].mean()
    return FittedModel(
        study=study.name,
        study_digest=study.digest(),
        model=model,
        blocks=rows.blocks,
        pipeline=pipeline,
        threshold=choose_threshold(
            means["label"].astype(int), means["probability"], study.threshold
        ),
        signature=signature_table(pipeline, rows.blocks),
        oof=oof,
        folds=pd.DataFrame([_fold_row(fit) for fit in fits]),
        frequency=_frequency(fits, rows.blocks),
    )


def outer_folds(rows: Training, study: StudyConfig) -> tuple[Fold, ...]:
    """The outer divisions of a study: by seed and subject, the same for each of its models.

    Raises:
        StudyError: A class has too few subjects.
    """
    plan = study.splits
    return repeated_folds(
        rows.subjects, rows.y, rows.centres, folds=plan.folds, repeats=plan.repeats, seed=study.seed
    )


def fit_fold(rows: Training, fold: Fold, study: StudyConfig) -> FoldFit:
    """Tune and fit on a fold's training rows, then look at the others for the first time.

    Raises:
        StudyError: As for ``fit_model``.
    """
    key = f"{study.seed}:{fold.repeat}:{fold.fold}"
    pipeline = _tune(rows, fold.train, study, key)
    probability = pipeline.predict_proba(rows.X.iloc[fold.test])[:, 1]
    area = auc(rows.y[fold.test], probability).auc
    return FoldFit(fold, pipeline, probability, area)


def _tune(rows: Training, at: NDArray[np.int64], study: StudyConfig, key: str) -> Pipeline:
    X, y, selection = rows.X.iloc[at], rows.y[at], study.selection
    inner = repeated_folds(
        rows.subjects[at], y, rows.centres[at], folds=study.splits.inner_folds, seed=f"inner:{key}"
    )
    pipeline = build_pipeline(selection)
    grid: dict[str, Sequence[float]] = {K: selection.rfe_features, C: selection.c}
    # One BLAS thread: products of 100 rows gain nothing from more, and sums keep their order.
    with strict_convergence(f"study {study.name}, fold {key}"), threadpool_limits(1, "blas"):
        found = search(pipeline, X, y, inner, grid, one_standard_error=selection.one_standard_error)
        fitted: Pipeline = clone(pipeline).set_params(**found.best_params).fit(X, y)
    return fitted


def _oof(rows: Training, fit: FoldFit) -> pd.DataFrame:
    at = fit.fold.test
    return pd.DataFrame(
        {
            "repeat": fit.fold.repeat,
            "fold": fit.fold.fold,
            "case": rows.X.index[at].astype(str),
            "subject": rows.subjects[at],
            "centre": rows.centres[at],
            "label": rows.y[at],
            "probability": fit.probability,
        }
    )


def _fold_row(fit: FoldFit) -> dict[str, Any]:
    return {
        "repeat": fit.fold.repeat,
        "fold": fit.fold.fold,
        "auc": fit.auc,
        "k": int(fit.pipeline["eliminate"].n_features),
        "c": float(fit.pipeline["lasso"].C),
        "features": len(fit.coefficients()),
        "digest": fit.digest(),
    }


def _frequency(fits: Sequence[FoldFit], blocks: dict[str, str]) -> pd.DataFrame:
    weights = pd.DataFrame([fit.coefficients() for fit in fits], dtype=np.float64)
    weights = weights.reindex(columns=sorted(weights.columns))
    table = pd.DataFrame(
        {
            "feature": list(weights.columns),
            "block": [blocks[name] for name in weights.columns],
            "selected": weights.notna().mean().to_numpy(),
            "positive": ((weights > 0).sum() / weights.notna().sum()).to_numpy(),
        }
    )
    return table.sort_values(["selected", "feature"], ascending=[False, True], ignore_index=True)
