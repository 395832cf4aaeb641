"""ComBat: centres brought to one location and scale per feature, shrunk over features. Pure.

Held to R's sva. Missing values are left out feature by feature and stay missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.errors import StudyError

Floats = NDArray[np.float64]
SETTLED = 1e-4  # relative change at which sva stops; other values give other numbers
ROUNDING = 1e-12  # of a column's largest value: what varies less varies by rounding only
ROUNDS = 1_000  # a handful are enough as a rule; sva itself has no limit


@dataclass(frozen=True, eq=False)
class Common:
    """What all centres share.

    Attributes:
        mean: What centres are brought to, shape ``(feature,)``.
        scale: Standard deviation within centres, shape ``(feature,)``; 1 where there is none but
            rounding.
    """

    mean: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)
class Effect:
    """How one centre differs, in units of the common scale.

    Attributes:
        shift: Shape ``(feature,)``.
        spread: Variance relative to the common one, shape ``(feature,)``, above 0.
    """

    shift: Floats
    spread: Floats


def combat(
    X: ArrayLike,
    centres: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    reference: str | None = None,
    mean_only: bool = False,
) -> Floats:
    """All rows after ComBat with parametric priors.

    Args:
        X: Features, shape ``(row, feature)``; NaN where missing.
        centres: Centre of every row.
        covariates: What must be kept, shape ``(row, covariate)``; complete, and then so must
            ``X`` be. Never the outcome: a new patient has none.
        reference: Centre that stays as it is; None for the mean of all.
        mean_only: Bring means together and leave variances.

    Raises:
        StudyError: The covariates cannot be told from the centres, or the shrinking of shifts and
            spreads does not converge.

    Source:
        Johnson, Li, Rabinovic 2007, Biostatistics 8:118; as sva 3.46 computes it.
    """
    values, where = np.asarray(X, dtype=np.float64), np.asarray(centres).astype(str)
    names = sorted(set(where))
    kept = np.zeros_like(values)
    if covariates is not None:
        kept = _explained(values, where, names, np.asarray(covariates, dtype=np.float64))
    common = common_of(values - kept, where, reference=reference)
    adjusted = np.empty_like(values)
    for name in names:
        rows = where == name
        if name == reference:
            adjusted[rows] = values[rows]
            continue
        effect = effect_of((values - kept)[rows], common, mean_only=mean_only)
        adjusted[rows] = without(effect, (values - kept)[rows], common) + kept[rows]
    return adjusted


def common_of(X: Floats, centres: NDArray[np.str_], *, reference: str | None = None) -> Common:
    """Mean and standard deviation that centres are brought to. Arguments as for ``combat``."""
    values = X
    if reference is not None:
        values, centres = X[centres == reference], centres[centres == reference]
    spread = spread_within(values, centres)
    return Common(_mean(values), np.where(spread > 0, spread, 1.0))


def spread_within(X: Floats, centres: NDArray[np.str_]) -> Floats:
    """Standard deviation within centres, shape ``(feature,)``; 0 where it is rounding only."""
    residual = np.empty_like(X)
    for name in sorted(set(centres)):
        rows = centres == name
        residual[rows] = X[rows] - _mean(X[rows])
    spread = np.sqrt(_mean(residual**2))
    return np.where(spread > ROUNDING * _largest(X), spread, 0.0)


def effect_of(X: Floats, common: Common, *, mean_only: bool = False) -> Effect:
    """One centre's shift and spread, each drawn towards those of all features.

    Args:
        X: Rows of the centre, shape ``(row, feature)``.
        common: What it is compared with.
        mean_only: Leave the spread at 1.

    Raises:
        StudyError: As for ``combat``.
    """
    scores = (X - common.mean) / common.scale
    count = np.sum(~np.isnan(scores), axis=0)
    shift = _mean(scores)
    spread = np.ones_like(shift)
    known = count >= (1 if mean_only else 2)
    if not mean_only:
        spread[known] = np.nanvar(scores[:, known], axis=0, ddof=1)
        size = np.maximum(_largest(X), np.abs(common.mean)) / common.scale
        known &= np.sqrt(spread) > ROUNDING * np.maximum(size, 1)  # else it would enter the prior
        spread[~known] = 1
    if known.sum() < 2:  # a prior over features needs features
        return Effect(np.where(count > 0, shift, 0), spread)
    prior = _Prior.of(shift[known], spread[known], mean_only)
    shift[known], spread[known] = _shrunk(
        scores[:, known], count[known], shift[known], spread[known], prior
    )
    lone = ~known & (count == 1)  # one patient tells less of a scanner than two, not more
    shift[lone] = _drawn(shift[lone], count[lone], spread[lone], prior)
    return Effect(np.where(count > 0, shift, 0), spread)


def without(effect: Effect, X: Floats, common: Common) -> Floats:
    """Rows of a centre freed of its effect, shape ``(row, feature)``."""
    scores = (X - common.mean) / common.scale
    clean: Floats = (scores - effect.shift) / np.sqrt(effect.spread)
    return clean * common.scale + common.mean


@dataclass(frozen=True)
class _Prior:
    """Normal of the shifts, inverse gamma of the spreads.

    Attributes:
        rate: None where spreads stay: for means only, or where all are one.
        whole: For means only, sva weighs a centre as one row; so do we.
    """

    centre: float
    width: float
    shape: float
    rate: float | None
    whole: bool = False

    @classmethod
    def of(cls, shift: Floats, spread: Floats, mean_only: bool) -> _Prior:
        mean, variance = float(spread.mean()), float(spread.var(ddof=1))
        if mean_only or np.sqrt(variance) <= ROUNDING * mean:
            return cls(float(shift.mean()), float(shift.var(ddof=1)), 1.0, None, mean_only)
        return cls(
            float(shift.mean()),
            float(shift.var(ddof=1)),
            (2 * variance + mean**2) / variance,
            (mean * variance + mean**3) / variance,
        )


def _shrunk(
    scores: Floats, count: NDArray[np.int64], shift: Floats, spread: Floats, prior: _Prior
) -> tuple[Floats, Floats]:
    found, old_spread = shift, spread
    if prior.rate is None:
        count = np.ones_like(count) if prior.whole else count
        return _drawn(found, count, spread, prior), spread
    old_shift = shift
    for _ in range(ROUNDS):
        new_shift = _drawn(found, count, old_spread, prior)
        squares = np.nansum((scores - new_shift) ** 2, axis=0)
        new_spread = (squares / 2 + prior.rate) / (count / 2 + prior.shape - 1)
        change = max(_change(old_shift, new_shift), _change(old_spread, new_spread))
        old_shift, old_spread = new_shift, new_spread
        if change <= SETTLED:
            return new_shift, new_spread
    raise StudyError(
        f"ComBat did not converge in {ROUNDS} rounds over {len(shift)} features",
        hint="look for features of very few values or of huge ones, or set harmonise.method: none",
    )


def _drawn(found: Floats, count: NDArray[np.int64], spread: Floats, prior: _Prior) -> Floats:
    """Shifts drawn towards that of all features: the more, the fewer values tell them."""
    weight = prior.width * count
    drawn: Floats = (weight * found + spread * prior.centre) / (weight + spread)
    return drawn


def _change(old: Floats, new: Floats) -> float:
    """The largest change relative to what was, with its sign as sva has it; from 0 to 0 is none."""
    moved = np.abs(new - old)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(old == 0, np.inf, moved / old)
    return float(np.where(moved == 0, 0.0, relative).max())


def _explained(X: Floats, where: NDArray[np.str_], names: list[str], covariates: Floats) -> Floats:
    """What covariates explain beside the centres, by least squares."""
    dummies = np.stack([where == name for name in names], axis=1).astype(np.float64)
    design = np.hstack([dummies, covariates])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise StudyError(
            "the covariates cannot be told from the centres",
            hint="leave out a covariate that is the same for all of a centre",
        )
    if np.isnan(X).any():
        raise StudyError("missing values beside covariates", hint="impute first")
    fitted = np.linalg.lstsq(design, X, rcond=None)[0]
    explained: Floats = covariates @ fitted[len(names) :]
    return explained


def _mean(values: Floats) -> Floats:
    count = np.sum(~np.isnan(values), axis=0)
    mean: Floats = np.nansum(values, axis=0) / np.maximum(count, 1)
    return mean


def _largest(values: Floats) -> Floats:
    """Largest magnitude of each column, 0 where all is missing."""
    known = np.where(np.isnan(values), 0.0, np.abs(values))
    largest: Floats = known.max(axis=0, initial=0.0)
    return largest
