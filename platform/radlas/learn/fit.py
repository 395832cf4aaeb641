"""The fits of one model: nested cross-validation, resampled signatures, and the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from radlas.digests import digest_of
from radlas.errors import StudyError
from radlas.learn.fitted import FittedModel
from radlas.learn.harmonise import with_centres
from radlas.learn.parts import Part, PartFit, assemble, parts
from radlas.learn.pipeline import (
    C,
    K,
    build_pipeline,
    fit_quickly,
    pipeline_parameters,
    strict_convergence,
    without_names,
)
from radlas.learn.search import search
from radlas.learn.splits import Fold, repeated_folds
from radlas.learn.stability import (
    bootstrap_samples,
    resampled_signature,
    signature_of,
)
from radlas.learn.statistics.delong import auc
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training, training_rows


@dataclass(frozen=True, eq=False)
class FoldFit:
    """One division of rows: the pipeline fitted on its training rows, its risks of the others.

    Attributes:
        pipeline: Takes rows as ``pipeline.without_names`` gives them.
        columns: What it was fitted on.
        oof: ``repeat fold case subject centre label probability`` of the rows ``fold.test``.
        auc: AUC of those.
    """

    fold: Fold
    pipeline: Pipeline
    columns: tuple[str, ...]
    oof: pd.DataFrame
    auc: float | None

    def digest(self) -> str:
        """SHA-256 over what the fold's pipeline learned."""
        return digest_of(pipeline_parameters(self.pipeline, self.columns))

    def signature(self) -> dict[str, float]:
        """Feature to coefficient, those not zero."""
        return signature_of(self.pipeline, self.columns)


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
    done = [fit_part(rows, part, study) for part in parts(study, model)]
    return assemble(study, model, done)


def fit_part(rows: Training, part: Part, study: StudyConfig) -> PartFit:
    """Do one part of a model.

    Raises:
        StudyError: As for ``fit_model``.
    """
    outer = [fold for fold in outer_folds(rows, study) if fold.repeat in part.repeats]
    fits = [fit_fold(rows, fold, study) for fold in outer]
    tuned = _tune(rows, None, study) if part.final or part.draws[1] else None
    return PartFit(
        blocks=rows.blocks,
        oof=tuple(fit.oof for fit in fits),
        folds=tuple(_fold_row(fit) for fit in fits),
        weights=tuple(fit.signature() for fit in fits),
        pipeline=tuned if part.final else None,
        centres=_left_out(rows, study) if part.final else (),
        resampled=_resampled(rows, tuned, part, study) if tuned and part.draws[1] else None,
    )


def outer_folds(rows: Training, study: StudyConfig) -> tuple[Fold, ...]:
    """The outer divisions of a study: by seed and subject, the same for each of its models.

    Raises:
        StudyError: A class has too few subjects.
    """
    plan = study.splits
    return repeated_folds(
        rows.subjects,
        rows.y,
        rows.centres,
        folds=plan.folds,
        repeats=plan.repeats,
        seed=study.seed,
    )


def inner_folds(rows: Training, fold: Fold | None, study: StudyConfig) -> tuple[Fold, ...]:
    """The divisions of a fold's training rows, or of all, that choose k and C.

    Raises:
        StudyError: A class has too few subjects.
    """
    at = np.arange(len(rows.y)) if fold is None else fold.train
    return repeated_folds(
        rows.subjects[at],
        rows.y[at],
        rows.centres[at],
        folds=study.splits.inner_folds,
        seed=f"inner:{_key(fold, study)}",
    )


def resampled_rows(
    rows: Training, draws: range, study: StudyConfig
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Numbers of resampled fits and the positions of their rows.

    Raises:
        StudyError: A centre is so small that no sample holds enough of it.
    """
    return bootstrap_samples(
        rows.subjects,
        rows.y,
        draws=draws,
        seed=f"bootstrap:{study.seed}",
        centres=rows.centres if study.harmonise.method != "none" else None,
    )


def fit_fold(rows: Training, fold: Fold, study: StudyConfig) -> FoldFit:
    """Tune and fit on a fold's training rows, then look at the others for the first time.

    Raises:
        StudyError: As for ``fit_model``.
    """
    pipeline, at = _tune(rows, fold, study), fold.test
    _, others = without_names(pipeline, _features(rows, study).iloc[at])
    risk = pipeline.predict_proba(others)[:, 1]
    oof = pd.DataFrame(
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "case": rows.X.index[at].astype(str),
            "subject": rows.subjects[at],
            "centre": rows.centres[at],
            "label": rows.y[at],
            "probability": risk,
        }
    )
    return FoldFit(fold, pipeline, tuple(rows.blocks), oof, auc(rows.y[at], risk).auc)


def _tune(rows: Training, fold: Fold | None, study: StudyConfig) -> Pipeline:
    """Choose k and C by inner folds of the fold's training rows, or of all; then fit on those."""
    at = np.arange(len(rows.y)) if fold is None else fold.train
    key, inner = _key(fold, study), inner_folds(rows, fold, study)
    X, y, selection = _features(rows, study).iloc[at], rows.y[at], study.selection
    pipeline = build_pipeline(selection, study.harmonise)
    grid: dict[str, Sequence[float]] = {K: selection.rfe_features, C: selection.c}
    # One BLAS thread: products of 100 rows gain nothing from more, and sums keep their order.
    with strict_convergence(f"study {study.name}, fold {key}"), threadpool_limits(1, "blas"):
        found = search(pipeline, X, y, inner, grid, one_standard_error=selection.one_standard_error)
        pipeline.set_params(**found.best_params)
        fitted: Pipeline = fit_quickly(pipeline, X, y) if fold else pipeline.fit(X, y)
    return fitted


def _key(fold: Fold | None, study: StudyConfig) -> str:
    return f"{study.seed}:{'all' if fold is None else f'{fold.repeat}:{fold.fold}'}"


def _features(rows: Training, study: StudyConfig) -> pd.DataFrame:
    return with_centres(rows.X, rows.centres) if study.harmonise.method != "none" else rows.X


def _resampled(rows: Training, tuned: Pipeline, part: Part, study: StudyConfig) -> pd.DataFrame:
    samples = resampled_rows(rows, range(*part.draws), study)
    with strict_convergence(f"study {study.name}, resamples"), threadpool_limits(1, "blas"):
        return resampled_signature(tuned, _features(rows, study), rows.y, rows.blocks, samples)


def _left_out(rows: Training, study: StudyConfig) -> tuple[dict[str, Any], ...]:
    """Each training centre judged by a model of the others, where both can carry it."""
    names = sorted(set(rows.centres))
    found = []
    for number, name in enumerate(names if len(names) > 1 else ()):
        test = np.flatnonzero(rows.centres == name)
        train = np.flatnonzero(rows.centres != name)
        fewest = min(np.bincount(rows.y[train], minlength=2))
        row: dict[str, Any] = {"centre": name, "n": len(test), "positives": int(rows.y[test].sum())}
        if fewest < study.splits.inner_folds:
            note = f"the other centres have {fewest} subjects of a class"
            found.append({**row, "auc": None, "note": note})
            continue
        if study.harmonise.method != "none" and study.harmonise.on_unseen == "error":
            note = "the study refuses to harmonise a centre that was not fitted"
            found.append({**row, "auc": None, "note": note})
            continue
        try:
            fit = fit_fold(rows, Fold(-1, number, train, test), study)
        except StudyError as error:  # the others alone cannot carry the model: that is a finding
            found.append({**row, "auc": None, "note": error.what})
            continue
        area = auc(fit.oof["label"], fit.oof["probability"], alpha=study.alpha)
        found.append({**row, "auc": area.as_dict(), "note": area.note})
    return tuple(found)


def _fold_row(fit: FoldFit) -> dict[str, Any]:
    return {
        "repeat": fit.fold.repeat,
        "fold": fit.fold.fold,
        "auc": fit.auc,
        "k": int(fit.pipeline["eliminate"].n_features),
        "c": float(fit.pipeline["lasso"].C),
        "features": len(fit.signature()),
        "digest": fit.digest(),
    }
