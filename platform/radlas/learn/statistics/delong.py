"""Area under the ROC curve and its comparisons after DeLong: variances, intervals, tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from radlas.errors import StudyError
from radlas.words import counted

FEW = 5  # of a class, from which DeLong's interval covers about as often as it says
Interval = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AucEstimate:
    """An AUC with its intervals; what cannot be estimated is ``None`` and the note says why.

    Attributes:
        auc: Probability that a positive scores above a negative; ties count one half [1].
        variance: DeLong's estimate.
        wald: Interval on the AUC's own scale, cut at 0 and 1.
        logit: Interval on the logit scale; never leaves [0, 1].
        exact: Only for perfect separation: Clopper-Pearson over disjoint pairs.
    """

    auc: float | None
    positives: int
    negatives: int
    variance: float | None = None
    wald: Interval | None = None
    logit: Interval | None = None
    exact: Interval | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: intervals as lists."""
        return _plain(self)


@dataclass(frozen=True)
class AucDifference:
    """First AUC minus second, with a test.

    Attributes:
        statistic: Normal deviate (paired) or Welch's t (unpaired).
        df: Degrees of freedom of the unpaired test.
        error: Standard error of the difference.
    """

    difference: float | None
    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    interval: Interval | None = None
    error: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the interval as a list."""
        return _plain(self)


def auc(y: ArrayLike, score: ArrayLike, *, alpha: float = 0.05) -> AucEstimate:
    """AUC with DeLong's variance, by mid-ranks.

    Args:
        y: Labels 0 or 1, shape ``(row,)``.
        score: Finite scores, shape ``(row,)``; higher means more likely positive.
        alpha: One minus the confidence level.

    Raises:
        StudyError: Labels are not 0/1, a score is not finite, or lengths differ.

    Source:
        Sun & Xu 2014, IEEE Signal Process. Lett. 21:1389. Exact bound: min(m, n) disjoint
        positive-negative pairs are independent trials that all succeeded (conservative).

    Examples:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).auc
        0.75
    """
    label, value = checked(y, score)
    m, n = int(label.sum()), int((~label).sum())
    if min(m, n) == 0:
        counts = f"{counted(m, 'positive')}, {counted(n, 'negative')}"
        return AucEstimate(None, m, n, note=f"not estimable: {counts}")
    (area,), positives, negatives = _placements(label, value[None, :])
    if area in (0.0, 1.0):
        bound = float((alpha / 2) ** (1 / min(m, n)))
        exact = (bound, 1.0) if area == 1.0 else (0.0, 1 - bound)
        note = "perfect separation: not estimable by DeLong; exact bound over disjoint pairs"
        return AucEstimate(float(area), m, n, exact=exact, note=note)
    if min(m, n) == 1:
        return AucEstimate(float(area), m, n, note="variance not estimable: one row in a class")
    variance = float(_covariance(positives, negatives)[0, 0])
    if variance <= 0:
        return AucEstimate(float(area), m, n, note="variance not estimable: scores are tied")
    wald, logit = _intervals(float(area), variance, alpha)
    return AucEstimate(float(area), m, n, variance, wald, logit, note=_few(min(m, n)))


def paired(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, *, alpha: float = 0.05
) -> AucDifference:
    """Compare two scores of the same rows: DeLong's test for correlated curves.

    Raises:
        StudyError: As for ``auc``.

    Source:
        DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837.
    """
    label, one = checked(y, first)
    _, two = checked(y, second)
    if min(label.sum(), (~label).sum()) < 2:
        return AucDifference(None, note="not estimable: fewer than two rows in a class")
    areas, positives, negatives = _placements(label, np.stack([one, two]))
    gap = float(areas[0] - areas[1])
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ _covariance(positives, negatives) @ contrast)
    if variance < 1e-16:  # rounding: identical rankings leave about 1e-20
        note = "the ROC curves do not differ" if gap == 0 else "variance of the difference is zero"
        return AucDifference(gap, p=1.0 if gap == 0 else None, note=note)
    error = float(np.sqrt(variance))
    z, half = gap / error, float(stats.norm.isf(alpha / 2)) * error
    p = float(2 * stats.norm.sf(abs(z)))
    note = _few(min(len(side) for side in (positives[0], negatives[0])))
    return AucDifference(gap, z, None, p, (gap - half, gap + half), error, note)


def unpaired(
    y: ArrayLike,
    score: ArrayLike,
    y_other: ArrayLike,
    score_other: ArrayLike,
    *,
    alpha: float = 0.05,
) -> AucDifference:
    """Compare scores of different subjects, with Welch's degrees of freedom as in pROC.

    Raises:
        StudyError: As for ``auc``.
    """
    one, two = auc(y, score, alpha=alpha), auc(y_other, score_other, alpha=alpha)
    if one.auc is None or two.auc is None:
        return AucDifference(None, note="not estimable: a side has one class only")
    gap = one.auc - two.auc
    if one.variance is None or two.variance is None:
        why = one.note if one.variance is None else two.note  # a note may stand beside a variance
        return AucDifference(gap, note=f"not testable: {why}")
    sizes = np.array([one.positives + one.negatives, two.positives + two.negatives])
    variances = np.array([one.variance, two.variance])
    total = float(variances.sum())
    df = float(total**2 / (variances**2 / (sizes - 1)).sum())
    error = float(np.sqrt(total))
    t, half = gap / error, float(stats.t.isf(alpha / 2, df)) * error
    p = float(2 * stats.t.sf(abs(t), df))
    note = _few(min(one.positives, one.negatives, two.positives, two.negatives))
    return AucDifference(gap, t, df, p, (gap - half, gap + half), error, note)


def checked(y: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Labels as bool and scores as float64.

    Raises:
        StudyError: Labels are not 0/1, a score is not finite, or lengths differ.
    """
    label, value = np.asarray(y), np.asarray(score, dtype=np.float64)
    if label.shape != value.shape or label.ndim != 1:
        raise StudyError(f"labels have shape {label.shape}, scores {value.shape}")
    if not np.isin(label, (0, 1)).all():
        raise StudyError("labels must be 0 or 1", hint="map the outcome first")
    if not np.isfinite(value).all():
        raise StudyError(f"{int((~np.isfinite(value)).sum())} scores are not finite")
    return label.astype(bool), value


def _placements(label: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats, Floats]:
    """AUC ``(score,)`` and placements ``(score, positive)`` and ``(score, negative)``."""
    above, below = scores[:, label], scores[:, ~label]
    m, n = above.shape[1], below.shape[1]
    ranks = stats.rankdata(scores, axis=1)
    positives = (ranks[:, label] - stats.rankdata(above, axis=1)) / n
    negatives = 1 - (ranks[:, ~label] - stats.rankdata(below, axis=1)) / m
    return positives.mean(axis=1), positives, negatives


def _covariance(positives: Floats, negatives: Floats) -> Floats:
    spread: Floats = (
        np.atleast_2d(np.cov(positives)) / positives.shape[1]
        + np.atleast_2d(np.cov(negatives)) / negatives.shape[1]
    )
    return spread


def _intervals(area: float, variance: float, alpha: float) -> tuple[Interval, Interval]:
    half = float(stats.norm.isf(alpha / 2) * np.sqrt(variance))
    centre, width = np.log(area / (1 - area)), half / (area * (1 - area))
    low, high = (float(1 / (1 + np.exp(-edge))) for edge in (centre - width, centre + width))
    return (max(0.0, area - half), min(1.0, area + half)), (low, high)


def _few(smaller: int) -> str:
    """What a variance of so few placements is worth.

    Of normal scores with an AUC of 0.75 and 40 in the other class, the logit interval of 95 %
    covered it in 82, 86 and 89 % of samples with 2, 3 and 4 in the smaller class. Of two equally
    good scores of the same rows, 70 in the other class, a test at 5 % found a difference in 17, 10
    and 9 %.
    """
    return f"{smaller} in a class: the interval is too narrow" if smaller < FEW else ""


def _plain(estimate: AucEstimate | AucDifference) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(estimate).items()
    }
