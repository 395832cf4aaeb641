"""Feature selectors for a scikit-learn pipeline: everything they know, they learn in ``fit``."""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from radlas.compiled import kernel
from radlas.errors import StudyError
from radlas.learn.elimination import elimination_order
from radlas.words import counted

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
TIE = 1e-9


class NearConstant(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """Drops columns in which one raw value (a missing one too) fills most rows.

    Relative, so a feature's unit does not matter. A column that varies by rounding only (1e-12 of
    its size) counts as constant.

    Args:
        share: Drop from this share of rows on [1].
    """

    def __init__(self, share: float = 0.95) -> None:
        self.share = share

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn which columns vary. ``X`` has shape ``(row, feature)`` and may hold NaN.

        Raises:
            StudyError: No column varies.
        """
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.support_ = varying(values, self.share)
        if not self.support_.any():
            raise StudyError(
                f"none of {counted(values.shape[1], 'column')} varies over"
                f" {counted(values.shape[0], 'training row')}",
                hint="look at the features: are the ROIs empty, or all images the same?",
            )
        return self

    def _get_support_mask(self) -> Mask:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class CorrelationFilter(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """Keeps one representative of columns whose |Spearman| correlation reaches a limit.

    Columns are visited in the order they come in, which is a study's: blocks as declared, then by
    name. One is kept if it stays below the limit with all kept before it.

    Args:
        limit: |rho| from which two columns are one [1].

    Attributes:
        cluster_: For every column the one that was kept for it, shape ``(feature,)``.
    """

    def __init__(self, limit: float = 0.9) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the representatives. ``X`` has shape ``(row, feature)`` and is finite."""
        values = validate_data(self, X, dtype=np.float64)
        self.cluster_ = _spoken_for(spearman(values), self.limit)
        return self

    def _get_support_mask(self) -> Mask:
        check_is_fitted(self)
        kept: Mask = self.cluster_ == np.arange(self.cluster_.size)
        return kept


class RankedElimination(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """Recursive feature elimination by an L2 logistic model, as sklearn's ``RFE``, ranked fully.

    The order of elimination does not depend on how many features are wanted, so one fit serves
    every ``n_features``: the first ``n_features`` of ``order_`` are what ``RFE`` would keep.

    Args:
        n_features: How many to keep; all if fewer arrive.
        step: As in sklearn: from 1 on so many columns leave in each round, below 1 that share of
            the arriving ones.
        C: Inverse strength of the L2 penalty.
    """

    def __init__(self, n_features: int = 10, step: float = 1, C: float = 0.1) -> None:
        self.n_features = n_features
        self.step = step
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Rank columns. ``X`` has shape ``(row, feature)``, standardised; ``y`` is 0 or 1.

        Raises:
            StudyError: The ranking model did not converge.
        """
        values, label = validate_data(self, X, y, dtype=np.float64)
        batch = self.step if self.step >= 1 else max(1, self.step * values.shape[1])
        worst_first = elimination_order(
            values, label.astype(np.float64), C=self.C, batch=int(batch)
        )
        self.order_ = worst_first[::-1].copy()
        return self

    def support(self, n_features: int) -> Mask:
        """Mask of the best ``n_features`` columns."""
        check_is_fitted(self)
        mask = np.zeros(self.order_.size, dtype=bool)
        mask[self.order_[:n_features]] = True
        return mask

    def _get_support_mask(self) -> Mask:
        return self.support(self.n_features)


def varying(values: Floats, share: float) -> Mask:
    """Which columns ``NearConstant`` keeps: shape ``(feature,)``. Arguments as for it."""
    mask: Mask = (largest_share(values) < share) & ~_rounding_only(values)
    return mask


def largest_share(values: Floats) -> Floats:
    """Share of rows that the most common value of each column fills; NaN is one value.

    Args:
        values: Shape ``(row, feature)``.

    Returns:
        Shape ``(feature,)``.
    """
    ordered = np.sort(values, axis=0)  # NaN last
    run = longest = np.ones(values.shape[1], dtype=np.int64)
    for above, below in itertools.pairwise(ordered):
        run = np.where(above == below, run + 1, 1)
        longest = np.maximum(longest, run)
    share: Floats = np.maximum(longest, np.isnan(values).sum(axis=0)) / values.shape[0]
    return share


def spearman(values: Floats) -> Floats:
    """Spearman correlations between columns, from mid-ranks; 0 with a column that does not vary.

    Shape ``(feature, feature)``.
    """
    ranks = stats.rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    ranks /= np.maximum(np.linalg.norm(ranks, axis=0), TIE)  # ranks of unlike rows are far above
    rho: Floats = ranks.T @ ranks
    return rho


@kernel
def _spoken_for(rho: Floats, limit: float) -> NDArray[np.int64]:
    """For every column the first one before it, itself kept, that reaches the limit with it.

    Within ``TIE``, for a product's last digits depend on the processor: rho of ranks takes steps
    far above that.
    """
    cluster = np.full(len(rho), -1)
    for one in range(len(rho)):
        if cluster[one] < 0:
            cluster[one] = one
            for other in range(one + 1, len(rho)):
                if cluster[other] < 0 and abs(rho[one, other]) >= limit - TIE:
                    cluster[other] = one
    return cluster


def _rounding_only(values: Floats) -> Mask:
    known = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    lowest = np.where(np.isnan(values), np.inf, values).min(axis=0)
    small: Mask = (known - lowest) <= 1e-12 * np.maximum(np.abs(known), np.abs(lowest))
    return small
