"""Harmonising across centres as a pipeline step: learned in ``fit``, explicit about new centres."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from radlas.errors import StudyError
from radlas.learn.combat import Common, common_of, effect_of, spread_within
from radlas.words import counted

Floats = NDArray[np.float64]
CENTRE = "centre"  # level of the index that tells a row's centre
FEWEST = 3  # rows of a training centre: the mean of one or two is those patients, not the scanner
LEAVE_OUT = (
    "leave the centre out of `training_centres`, join it to another one, or set harmonise.method:"
    " none"
)
_SPARED = ("shape", "morph", "clinical")  # a tumour's form, a patient's record: no scanner's


def with_centres(X: pd.DataFrame, centres: ArrayLike) -> pd.DataFrame:
    """The same rows, each with its centre in the index beside its name.

    Steps of a pipeline hand an index on, and scikit-learn has no other way to give a transformer
    something of a row that is no feature.
    """
    index = pd.MultiIndex.from_arrays([X.index, np.asarray(centres).astype(str)])
    return X.set_axis(index.set_names(["case_id", CENTRE]), axis=0)


class Harmoniser(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """Brings the features of every centre to one location and scale.

    Columns of the family ``shape`` and of clinical records stay as they are, missing values stay
    missing. No outcome is looked at.

    Args:
        method: ``combat``: towards the mean of the training centres, shrunk over features;
            ``per_centre_z``: to mean 0 and standard deviation 1 inside each centre.
        on_unseen: A centre that was not fitted is refused (``error``), treated as if it were the
            average of those that were (``raw``), or brought to them from its own rows, without
            their labels (``adapt``): then a row's values depend on the rows it comes with.
        minimum: Rows that ``adapt`` needs.
    """

    def __init__(self, method: str = "combat", on_unseen: str = "error", minimum: int = 20) -> None:
        self.method = method
        self.on_unseen = on_unseen
        self.minimum = minimum

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> Self:
        """Learn the training centres. ``X`` comes from ``with_centres``; NaN where missing.

        Raises:
            StudyError: The rows do not tell their centres, or one has fewer than ``FEWEST``.
        """
        where = _centres(X)
        _check_sizes(where)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.touched_ = np.array([_is_touched(str(name)) for name in self.feature_names_in_])
        self.centres_ = np.unique(where)
        common = common_of(values, where)
        found = [self._line(values[where == name], common) for name in self.centres_]
        self.factor_ = np.stack([factor for factor, _ in found])
        self.offset_ = np.stack([offset for _, offset in found])
        # What differs by centre alone would come back as rounding, which a z-score makes large.
        flat = self.touched_ & (spread_within(values, where) == 0)
        self.factor_[:, flat] = 0.0
        self.offset_[:, flat] = common.mean[flat] if self.method == "combat" else 0.0
        # A new centre is compared with what the model is fitted on: the harmonised rows.
        pool = self._moved(values, where, self._known())
        reference = common_of(pool, np.full(len(pool), ""))
        self.mean_, self.scale_ = reference.mean, reference.scale
        self.raw_mean_, self.raw_scale_ = _location(values)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """The harmonised values, shape ``(row, feature)``.

        Raises:
            StudyError: A centre is new and ``on_unseen`` does not say what to do with it, or it
                has too few rows.
        """
        check_is_fitted(self)
        where = _centres(X)
        values = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False
        )
        return self._moved(values, where, self.centre_transforms(X))

    def centre_transforms(self, X: pd.DataFrame) -> dict[str, tuple[Floats, Floats]]:
        """For every centre of the rows, ``factor`` and ``offset`` of each feature.

        Raises:
            StudyError: As for ``transform``.
        """
        where, values = _centres(X), X.to_numpy(dtype=np.float64)
        known = self._known()
        return {
            str(name): known.get(str(name)) or self._unseen(str(name), values[where == name])
            for name in np.unique(where)
        }

    def _known(self) -> dict[str, tuple[Floats, Floats]]:
        found = zip(self.centres_, self.factor_, self.offset_, strict=True)
        return {str(name): (factor, offset) for name, factor, offset in found}

    def _unseen(self, name: str, rows: Floats) -> tuple[Floats, Floats]:
        if self.on_unseen == "error":
            raise StudyError(
                f"centre {name} was not among those harmonised: {', '.join(self.centres_)}",
                hint="say in the study what a new centre means: harmonise.on_unseen: raw or adapt",
            )
        if self.on_unseen == "adapt":
            if len(rows) < self.minimum:
                raise StudyError(
                    f"{counted(len(rows), 'row')} of the new centre {name},"
                    f" {self.minimum} are needed to adapt to it",
                    hint="wait for more cases, or set harmonise.on_unseen: raw",
                )
            return self._line(rows, Common(self.mean_, self.scale_))
        ones, zeros = np.ones(rows.shape[1]), np.zeros(rows.shape[1])
        if self.method == "per_centre_z":
            raw = 1 / self.raw_scale_, -self.raw_mean_ / self.raw_scale_
            return np.where(self.touched_, raw[0], ones), np.where(self.touched_, raw[1], zeros)
        return ones, zeros

    def _line(self, rows: Floats, common: Common) -> tuple[Floats, Floats]:
        """What a centre's values are multiplied by, and what is added then."""
        if self.method == "per_centre_z":
            # Of a column without a value here, or without spread, the others tell its size.
            own, _ = _location(rows)
            spread = spread_within(rows, np.full(len(rows), ""))
            mean = np.where(np.isnan(rows).all(axis=0), common.mean, own)
            scale = np.where(spread > 0, spread, common.scale)
            factor, offset = 1 / scale, -mean / scale
        else:
            touched = self.touched_
            factor, offset = np.ones(rows.shape[1]), np.zeros(rows.shape[1])
            part = Common(common.mean[touched], common.scale[touched])
            effect = effect_of(rows[:, touched], part)
            factor[touched] = 1 / np.sqrt(effect.spread)
            shifted = part.mean + effect.shift * part.scale
            offset[touched] = part.mean - shifted * factor[touched]
        return np.where(self.touched_, factor, 1.0), np.where(self.touched_, offset, 0.0)

    def _moved(
        self, values: Floats, where: NDArray[np.str_], transforms: dict[str, tuple[Floats, Floats]]
    ) -> Floats:
        moved = np.empty_like(values)
        for name, (factor, offset) in transforms.items():
            rows = where == name
            moved[rows] = values[rows] * factor + offset
        return moved

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _centres(X: Any) -> NDArray[np.str_]:
    if not isinstance(X, pd.DataFrame) or CENTRE not in X.index.names:
        raise StudyError(
            "the rows do not tell their centre, which the study harmonises by",
            hint="pass `centres` beside the features",
        )
    where: NDArray[np.str_] = X.index.get_level_values(CENTRE).to_numpy().astype(str)
    return where


def _check_sizes(where: NDArray[np.str_]) -> None:
    for name, count in zip(*np.unique(where, return_counts=True), strict=True):
        if count < FEWEST:
            raise StudyError(
                f"{count} rows of the training centre {name}, {FEWEST} are needed to harmonise it",
                hint=LEAVE_OUT,
            )


def _is_touched(name: str) -> bool:
    roi, _, rest = name.partition("__")
    family = rest.rpartition("__")[2].partition("_")[0]
    return roi not in _SPARED and family not in _SPARED


def _location(values: Floats) -> tuple[Floats, Floats]:
    common = common_of(values, np.full(len(values), ""))
    return common.mean, common.scale
