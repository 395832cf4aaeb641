"""The rows a model is fitted on: checked once, in one canonical order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from radlas.errors import StudyError
from radlas.learn.design import model_columns
from radlas.learn.harmonise import FEWEST, LEAVE_OUT
from radlas.learn.splits import fewest_training
from radlas.learn.study import StudyConfig
from radlas.words import counted

HUGE = 1e100  # a size from which the sums of squares of a z-score would soon be infinite


@dataclass(frozen=True, eq=False)
class Training:
    """Rows in order of subject, then case; columns in order of block, then name.

    Attributes:
        X: Raw features, float64, NaN where missing; the index names the cases.
        y: Labels 0 or 1, shape ``(row,)``.
        subjects: Subject of every row.
        centres: Centre of every row.
        blocks: Column to block.
    """

    X: pd.DataFrame
    y: NDArray[np.int64]
    subjects: NDArray[np.str_]
    centres: NDArray[np.str_]
    blocks: dict[str, str]


def training_rows(
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    subjects: ArrayLike,
    centres: ArrayLike,
    study: StudyConfig,
    model: str,
) -> Training:
    """Check rows and bring them into canonical order, so that input order cannot matter.

    Args:
        X: Features, one row per case; the index names the cases, each once.
        y: Labels 0 or 1, in the order of the rows; so are ``subjects`` and ``centres``.
        subjects: Each once, for what is said of rows afterwards takes them as independent.
        centres: Only training centres of the study.
        study: The protocol.
        model: Which of its models; chooses the columns.

    Raises:
        StudyError: A row belongs to no training centre, a value is infinite, labels are not 0/1,
            case names or subjects repeat, columns do not fit the model, or a class or a centre is
            too small for every fold.
    """
    blocks = model_columns(X.columns, study, model)
    label, who, where = (np.asarray(values) for values in (y, subjects, centres))
    who, where = who.astype(str), where.astype(str)
    _check_rows(X, label, who, where, study)
    check_counts(label, where, study)
    order = np.lexsort((X.index.astype(str), who))
    frame = finite_frame(X.iloc[order], tuple(blocks))
    return Training(frame, label[order].astype(np.int64), who[order], where[order], blocks)


def check_counts(label: NDArray[np.generic], where: NDArray[np.str_], study: StudyConfig) -> None:
    """Hold the labels and centres of a study's training rows to its folds and its harmonising.

    Raises:
        StudyError: A class or a centre is too small for every fold.
    """
    _check_classes(label, study)
    if study.harmonise.method != "none":
        _check_centres(label, where, study)


def finite_frame(X: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """The named columns as float64, in that order; NaN is allowed, infinity and ``HUGE`` are not.

    Raises:
        StudyError: A column is absent, there twice, or holds what is no number or infinite.
    """
    absent = [name for name in columns if name not in X.columns]
    if absent:
        hint = "extract the feature set the model was trained on"
        raise StudyError(f"{len(absent)} of {len(columns)} columns are absent", absent[0], hint)
    twice = X.columns[X.columns.duplicated()].intersection(columns)
    if len(twice):
        hint = "pass each column once"
        raise StudyError(f"{len(twice)} columns are there twice", ", ".join(map(str, twice)), hint)
    frame = _numbers(X[list(columns)])
    infinite = np.abs(frame.to_numpy()) > HUGE
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise StudyError(
            f"{int(infinite.sum())} feature values are infinite, or beyond {HUGE:g}",
            f"case {frame.index[row]}, {frame.columns[column]}",
            "store an undefined feature as NULL",
        )
    return frame


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """As float64, objects too, pandas' NA among them: those take a look at each column."""
    try:
        return frame.astype(np.float64)
    except (TypeError, ValueError):
        return frame.apply(_column_of_numbers)


def _column_of_numbers(column: pd.Series) -> pd.Series:
    try:
        return column.where(column.notna(), np.nan).astype(np.float64)
    except (TypeError, ValueError) as error:
        hint = "store features as numbers, an undefined one as NULL"
        raise StudyError("a value is no number", str(column.name), hint) from error


def _check_rows(
    X: pd.DataFrame,
    label: NDArray[np.generic],
    who: NDArray[np.str_],
    where: NDArray[np.str_],
    study: StudyConfig,
) -> None:
    if not len(X) == len(label) == len(who) == len(where):
        raise StudyError(
            f"{len(X)} rows, {len(label)} labels, {len(who)} subjects, {len(where)} centres"
        )
    if not X.index.is_unique:
        raise StudyError("case names repeat", str(X.index[X.index.duplicated()][0]))
    names, counts = np.unique(who, return_counts=True)
    if (counts > 1).any():
        raise StudyError(
            f"several rows of {counted(int((counts > 1).sum()), 'subject')}",
            str(names[counts > 1][0]),
            "choose one case per subject: intervals and centres are judged by independent rows",
        )
    if not np.isin(label, (0, 1)).all():
        raise StudyError("labels must be 0 or 1", hint="map the outcome first")
    strangers = sorted(set(where) - set(study.training_centres))
    if strangers:
        raise StudyError(
            f"rows of {', '.join(strangers)} must not be fitted on",
            f"study {study.name}",
            "pass rows of `training_centres` only",
        )


def _check_classes(label: NDArray[np.generic], study: StudyConfig) -> None:
    """Refuse before anything is fitted a class that outer and inner folds cannot divide."""
    plan = study.splits
    for kind, name in ((1, "positive"), (0, "negative")):
        count = int((label == kind).sum())
        if count < plan.folds or fewest_training([count], [plan.folds]) < plan.inner_folds:
            raise StudyError(
                f"{count} {name} training patients cannot fill {plan.folds} outer folds with"
                f" {plan.inner_folds} inner ones in each",
                f"study {study.name}",
                "use fewer folds (`splits`), or add patients of that class",
            )


def _check_centres(label: NDArray[np.generic], where: NDArray[np.str_], study: StudyConfig) -> None:
    """Refuse before anything is fitted what would fail in the middle of some fold."""
    plan = study.splits
    for name in sorted(set(where)):
        counts = [int(((where == name) & (label == kind)).sum()) for kind in (1, 0)]
        left = fewest_training(counts, (plan.folds, plan.inner_folds))
        if left < FEWEST:
            raise StudyError(
                f"centre {name} has {counts[0]} positive and {counts[1]} negative patients: of"
                f" {plan.folds} outer and {plan.inner_folds} inner folds some may fit on {left} of"
                f" them, and {FEWEST} are needed to harmonise a centre",
                f"study {study.name}",
                LEAVE_OUT,
            )
