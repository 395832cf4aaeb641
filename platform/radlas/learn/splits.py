"""Repeated, stratified folds of subjects: the same for the same seed, whatever the row order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from radlas.errors import StudyError


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of rows.

    Attributes:
        repeat: Counts from 0.
        fold: Counts from 0 within its repeat.
        train: Positions of the rows to fit on, increasing.
        test: Positions of the held-out rows, increasing.
    """

    repeat: int
    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def repeated_folds(
    subjects: ArrayLike,
    labels: ArrayLike,
    centres: ArrayLike,
    *,
    folds: int,
    repeats: int = 1,
    seed: int | str = 0,
) -> tuple[Fold, ...]:
    """Divide rows by subject, stratified by label and centre.

    Subjects of a stratum stand in the order of a keyed hash; strata follow one another and
    subjects are dealt to the folds in turn. So fold sizes differ by at most one subject: in all,
    in each class and in each stratum.

    Args:
        subjects: Subject of every row; all rows of a subject share a fold.
        labels: 0 or 1 per row, the same for all rows of a subject.
        centres: Centre per row, the same for all rows of a subject.
        folds: Folds per repeat, at least 2.
        repeats: Independent divisions.
        seed: Key of the order.

    Returns:
        ``folds x repeats`` divisions, repeat by repeat.

    Raises:
        StudyError: A class has fewer subjects than folds, or a subject's rows contradict.
    """
    who, where = np.asarray(subjects).astype(str), np.asarray(centres).astype(str)
    rows = pd.DataFrame({"subject": who, "label": np.asarray(labels), "centre": where})
    people = _people(rows)
    _check_classes(people, folds)
    divisions = []
    for repeat in range(repeats):
        fold_of = _deal(people, folds, f"{seed}:{repeat}")
        of_row = np.array([fold_of[name] for name in who])
        divisions += [
            Fold(repeat, fold, np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold))
            for fold in range(folds)
        ]
    return tuple(divisions)


def fewest_training(counts: Iterable[int], folds: Iterable[int]) -> int:
    """Subjects of a centre that are among the training rows of every fold, whatever the seed.

    Args:
        counts: Subjects of the centre, by label.
        folds: Of the divisions, each inside the one before: outer folds, then inner ones.

    Examples:
        >>> fewest_training([6, 3], [5, 3])
        3
    """
    left = list(counts)
    for number in folds:
        left = [count - math.ceil(count / number) for count in left]
    return sum(left)


def _people(rows: pd.DataFrame) -> pd.DataFrame:
    people = rows.drop_duplicates()
    twice = people.loc[people["subject"].duplicated(), "subject"]
    if len(twice):
        raise StudyError(
            f"{twice.nunique()} subjects have contradicting labels or centres, as {twice.iloc[0]}",
            hint="a subject has one outcome and one centre; correct the clinical data",
        )
    return people


def _check_classes(people: pd.DataFrame, folds: int) -> None:
    for label, kind in ((1, "positive"), (0, "negative")):
        count = int((people["label"] == label).sum())
        if count < folds:
            raise StudyError(
                f"{count} {kind} subjects cannot fill {folds} folds",
                hint="use fewer folds, or add subjects of that class",
            )


def _deal(people: pd.DataFrame, folds: int, key: str) -> dict[str, int]:
    order = sorted(
        (int(label), centre, _draw(key, subject), subject)
        for subject, label, centre in people.itertuples(index=False)
    )
    return {subject: place % folds for place, (*_, subject) in enumerate(order)}


def _draw(key: str, subject: str) -> bytes:
    return hashlib.sha256(f"{key}:{subject}".encode()).digest()
