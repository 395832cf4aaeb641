"""Whether every fold of a model will have a column that varies, before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from radlas.errors import StudyError
from radlas.learn.fit import inner_folds, outer_folds, resampled_rows
from radlas.learn.selectors import largest_share, varying
from radlas.learn.splits import fewest_training
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training
from radlas.words import counted

_AT_ONCE = 100  # columns: among the first of them there is one that varies in every fold


def check_varying(rows: Training, study: StudyConfig, model: str) -> None:
    """Refuse rows of which some fold would keep no column: few, and nearly constant ones.

    Raises:
        StudyError: In some fold no column of the model varies.
    """
    values = rows.X.to_numpy(dtype=np.float64)
    if _varies_anyhow(values, rows.y, study):
        return
    draws = study.stability.bootstraps if model == study.primary else 0
    for kind, at in _fitted_on(rows, draws, study):
        if not varying(values[at], study.selection.near_constant).any():
            raise StudyError(
                f"none of {counted(values.shape[1], 'column')} of model {model} varies over"
                f" {len(at)} training rows{kind}",
                f"study {study.name}",
                "look at the features, or raise `selection.near_constant`",
            )


def _varies_anyhow(values: NDArray[np.float64], y: NDArray[np.int64], study: StudyConfig) -> bool:
    """Whether the commonest value of a column would not fill even the smallest of all folds.

    Nor a resample then, of as many rows as there are.
    """
    folds = (study.splits.folds, study.splits.inner_folds)
    fewest = fewest_training(np.bincount(y, minlength=2).tolist(), folds)
    share = study.selection.near_constant
    for first in range(0, values.shape[1], _AT_ONCE):
        some = values[:, first : first + _AT_ONCE]
        common = largest_share(some) * len(values)
        if (varying(some, share) & (common < share * fewest)).any():
            return True
    return False


def _fitted_on(
    rows: Training, draws: int, study: StudyConfig
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Positions of the rows of every fit, and what they are."""
    whole = np.arange(len(rows.y))
    yield "", whole
    for fold in (None, *outer_folds(rows, study)):
        at = whole if fold is None else fold.train
        yield " of a fold", at
        yield from ((" of a fold", at[one.train]) for one in inner_folds(rows, fold, study))
    yield from ((" of a resample", at) for _, at in resampled_rows(rows, range(draws), study))
