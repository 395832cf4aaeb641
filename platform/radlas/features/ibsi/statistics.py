"""Statistics of the intensities of one ROI, as the IBSI reference manual defines them. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.reasons import data_error

Values = NDArray[np.float64]
Features = dict[str, float | None]
_NOTHING = 1e-12  # of its terms: what is left of a sum that cancels is rounding, and no divisor


def statistics(intensities: ArrayLike) -> Features:
    """The 18 intensity-based statistics.

    The names are PyRadiomics' where the definition is the same. Kurtosis is not: here 3 is
    subtracted. Percentiles are interpolated linearly between ranks; the manual names no rule.

    Args:
        intensities: Voxels of the ROI, shape ``(voxel,)``, at least one.

    Returns:
        Values by column, ``firstorder_Mean`` and so on. Skewness and kurtosis of equal voxels
        are 0, as the manual has it. ``None``: the coefficients of variation and of dispersion
        where they divide by 0, and the robust deviation where no voxel lies between the deciles.

    Raises:
        DataError: ``empty_mask`` or ``not_finite``.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Intensity-based statistical features".

    Examples:
        >>> found = statistics([1, 1, 1, 3, 4])
        >>> found["firstorder_Mean"], found["firstorder_MedianAbsoluteDeviation"]
        (2.0, 1.0)
    """
    values = as_numbers(intensities)
    energy = float(np.square(values).sum())
    found = {**summary(values), "Energy": energy, "RootMeanSquared": (energy / values.size) ** 0.5}
    return {f"firstorder_{name}": value for name, value in found.items()}


def summary(values: Values) -> Features:
    """What intensities and their grey levels are described by alike: 16 measures, no prefix.

    Args:
        values: Shape ``(voxel,)``, finite, at least one.
    """
    return {**_moments(values), **_ranks(values), **_deviations(values)}


def as_numbers(intensities: ArrayLike) -> Values:
    """Voxels as float64, once it is certain that there are any and that all are numbers.

    Raises:
        DataError: ``empty_mask`` or ``not_finite``.
    """
    values = np.asarray(intensities, dtype=np.float64)
    if values.size == 0:
        raise data_error("empty_mask", "the ROI holds no voxel, so there is nothing to describe")
    wrong = int(np.count_nonzero(~np.isfinite(values)))
    if wrong:
        raise data_error("not_finite", f"{wrong} of {values.size} voxels are not finite")
    return values


def ratio(numerator: float, denominator: float, *, terms: float) -> float | None:
    """A quotient; ``None`` if the denominator is 0 but for rounding.

    Args:
        numerator: Any number.
        denominator: A sum.
        terms: Sum of the magnitudes that the denominator was added up from.
    """
    return None if abs(denominator) <= _NOTHING * terms else numerator / denominator


def deviations(values: Values) -> Values:
    """Distances from the mean; 0 for equal voxels, whose mean may be off by rounding."""
    return values - values.mean() if np.ptp(values) else np.zeros_like(values)


def _moments(values: Values) -> Features:
    mean, apart = float(values.mean()), deviations(values)
    variance, third, fourth = (float((apart**power).mean()) for power in (2, 3, 4))
    return {
        "Mean": mean,
        "Variance": variance,
        "Skewness": third / variance**1.5 if variance**1.5 else 0.0,
        "Kurtosis": fourth / variance**2 - 3 if variance**2 else 0.0,
        "MeanAbsoluteDeviation": float(np.abs(apart).mean()),
        "CoefficientOfVariation": ratio(variance**0.5, mean, terms=float(np.abs(values).mean())),
    }


def _ranks(values: Values) -> Features:
    lowest, p10, p25, median, p75, p90, highest = _percentiles(values, 0, 10, 25, 50, 75, 90, 100)
    return {
        "Median": median,
        "Minimum": lowest,
        "10Percentile": p10,
        "90Percentile": p90,
        "Maximum": highest,
        "InterquartileRange": p75 - p25,
        "Range": highest - lowest,
        "QuartileCoefficientOfDispersion": ratio(p75 - p25, p75 + p25, terms=abs(p75) + abs(p25)),
    }


def _deviations(values: Values) -> Features:
    p10, median, p90 = _percentiles(values, 10, 50, 90)
    middle = values[(values >= p10) & (values <= p90)]
    robust = float(np.abs(deviations(middle)).mean()) if middle.size else None
    return {
        "RobustMeanAbsoluteDeviation": robust,
        "MedianAbsoluteDeviation": float(np.abs(values - median).mean()),
    }


def _percentiles(values: Values, *percents: int) -> list[float]:
    found: list[float] = np.percentile(values, percents).tolist()
    return found
