"""Intervals of proportions, of predictive values elsewhere, and of anything by resampling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from radlas.errors import StudyError
from radlas.learn.statistics.delong import Floats, Interval, checked

DRAWS = 2000
ROUNDING = 1e-12  # of resampled values: what differs by less differs by rounding
SAME = "no interval: every resample gives the same value"
Statistic = Callable[[Floats, Floats], float]


def wilson(successes: int, trials: int, *, alpha: float = 0.05) -> Interval | None:
    """Wilson's interval of a proportion; ``None`` without trials.

    Source:
        Wilson 1927, J Am Stat Assoc 22:209.
    """
    if trials == 0:
        return None
    z = float(stats.norm.isf(alpha / 2))
    share, weight = successes / trials, 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / weight
    half = z / weight * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low = 0.0 if successes == 0 else float(centre - half)
    return low, 1.0 if successes == trials else float(centre + half)


def clopper_pearson(successes: int, trials: int, *, alpha: float = 0.05) -> Interval | None:
    """The exact interval of a proportion, which is never too narrow; ``None`` without trials.

    Source:
        Clopper & Pearson 1934, Biometrika 26:404.
    """
    if trials == 0:
        return None
    low = stats.beta.ppf(alpha / 2, successes, trials - successes + 1) if successes else 0.0
    misses = trials - successes
    high = stats.beta.isf(alpha / 2, successes + 1, misses) if misses else 1.0
    return float(low), float(high)


def predictive_values(
    sensitivity: tuple[int, int],
    specificity: tuple[int, int],
    prevalence: float,
    *,
    alpha: float = 0.05,
) -> dict[str, dict[str, Any]]:
    """PPV and NPV where another share of patients has the disease.

    Args:
        sensitivity: True positives and all positives.
        specificity: True negatives and all negatives.
        prevalence: Share of positives there, inside (0, 1).
        alpha: One minus the confidence level.

    Returns:
        ``ppv`` and ``npv``, each a dict ``value interval``; ``None`` where undefined.

    Raises:
        StudyError: The prevalence does not lie inside (0, 1).

    Source:
        Mercaldo, Lau, Zhou 2007, Stat Med 26:2170: intervals on the logit scale. Half a patient
        is added to every cell for the interval where a cell is empty; a value of 0 or 1, which
        that moves inwards, bounds its own interval, as Wilson's.
    """
    if not 0 < prevalence < 1:
        raise StudyError(f"a prevalence of {prevalence:g} does not lie inside (0, 1)")
    (tp, positives), (tn, negatives) = sensitivity, specificity
    odds = prevalence / (1 - prevalence)
    return {
        "ppv": _at_odds((tp, positives), (negatives - tn, negatives), odds, alpha),
        "npv": _at_odds((tn, negatives), (positives - tp, positives), 1 / odds, alpha),
    }


def bootstrap(
    y: ArrayLike,
    score: ArrayLike,
    statistic: Statistic,
    *,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
    without: Callable[[Floats, Floats], Floats] | None = None,
) -> dict[str, Any]:
    """A statistic with its BCa interval over resampled subjects.

    Args:
        y: Labels 0 or 1, one row per subject.
        score: Scores in that order.
        statistic: Of labels (0.0 or 1.0) and scores, each of shape ``(row,)``; may be NaN for a
            draw in which it is undefined.
        alpha: One minus the confidence level.
        draws: Resamples.
        seed: Of the resampling; the same for every statistic, so that they can be compared.
        without: The statistic without each row in turn, shape ``(row,)``, if all can be had at
            once; else it is asked of all rows but one, as often as there are rows.

    Returns:
        ``value``, ``interval`` (``None`` if there is none), ``method``, ``note``.

    Source:
        Efron 1987, J Am Stat Assoc 82:171. Where the correction is undefined (the value is the
        least or the largest of the draws), the plain percentiles are given and named. Where all
        draws give one value, as an F1 of 1, resampling knows no bound and none is given.
    """
    label, value = checked(y, score)
    truth = label.astype(np.float64)
    found = statistic(truth, value)
    rows = resamples(len(truth), draws, seed)
    drawn = np.array([statistic(truth[one], value[one]) for one in rows])
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(found) or len(drawn) < draws / 2:
        return {"value": None, "interval": None, "method": "", "note": "not estimable"}
    if np.ptp(drawn) <= ROUNDING * max(1.0, float(np.abs(drawn).max())):
        return {"value": float(found), "interval": None, "method": "", "note": SAME}
    left_out = without(truth, value) if without else _left_out(truth, value, statistic)
    levels, method = _corrected(float(found), drawn, left_out, alpha)
    low, high = np.quantile(drawn, levels)
    note = (
        f"{draws - len(drawn)} of {draws} resamples left it undefined" if len(drawn) < draws else ""
    )
    return {
        "value": float(found),
        "interval": [float(low), float(high)],
        "method": method,
        "note": note,
    }


def resamples(count: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows of one resample after another, each of shape ``(row,)``.

    All at once they would be as many numbers as rows times draws; the numbers are the same.
    """
    rng = np.random.default_rng(seed)
    return (rng.integers(0, count, size=count) for _ in range(draws))


def _left_out(truth: Floats, value: Floats, statistic: Statistic) -> Floats:
    """The statistic without each row in turn, by the square of the rows."""
    rows = range(len(truth))
    return np.array([statistic(np.delete(truth, i), np.delete(value, i)) for i in rows])


def _corrected(
    found: float, drawn: Floats, left_out: Floats, alpha: float
) -> tuple[tuple[float, float], str]:
    """Which quantiles of the draws bound the interval."""
    plain = (alpha / 2, 1 - alpha / 2)
    below = ((drawn < found).mean() + (drawn <= found).mean()) / 2
    left_out = left_out[np.isfinite(left_out)]
    pull = left_out.mean() - left_out
    size = float((pull**2).sum())
    if not 0 < below < 1 or size <= ROUNDING**2 * len(pull):
        return plain, "bootstrap, percentiles"
    bias, skew = stats.norm.ppf(below), float((pull**3).sum()) / (6 * size**1.5)
    moved = bias + stats.norm.ppf(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        levels = stats.norm.cdf(bias + moved / (1 - skew * moved))
    return (float(levels[0]), float(levels[1])), "bootstrap, BCa"


def _at_odds(
    hits: tuple[int, int], false: tuple[int, int], odds: float, alpha: float
) -> dict[str, Any]:
    """Share of hits among those called, from the rates of hits and of false calls."""
    if not hits[1] or not false[1]:
        return {"value": None, "interval": None}
    right, wrong = hits[0] / hits[1] * odds, false[0] / false[1]
    value = right / (right + wrong) if right + wrong else None
    if 0 in (hits[0], false[0]) or hits[0] == hits[1] or false[0] == false[1]:
        hits, false = ((part + 0.5, whole + 1) for part, whole in (hits, false))  # type: ignore[assignment]
    right, wrong = hits[0] / hits[1], false[0] / false[1]
    centre = np.log(right * odds / wrong)
    spread = np.sqrt((1 - right) / hits[0] + (1 - wrong) / false[0])
    half = float(stats.norm.isf(alpha / 2)) * spread
    low, high = map(float, special.expit([centre - half, centre + half]))
    if value is not None:
        low, high = min(low, value), max(high, value)
    return {"value": value, "interval": [low, high]}
