"""Co-occurrence: from what the sweep counted to features, one matrix at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

EPSILON = 2.0**-52  # upstream adds it inside logarithms and divisors

FEATURES = (
    "Autocorrelation JointAverage ClusterProminence ClusterShade ClusterTendency Contrast"
    " Correlation DifferenceAverage DifferenceEntropy DifferenceVariance JointEnergy JointEntropy"
    " Imc1 Imc2 Idm Idmn Id Idn InverseVariance MaximumProbability SumAverage SumEntropy SumSquares"
).split()


@kernel
def symmetric(
    counts: NDArray[np.uint32], ranks: int, longest: int, pairs: NDArray[np.float64]
) -> None:
    """Pairs of levels in both orders, from the tables of ``sweep``.

    Args:
        counts: As ``sweep`` wrote it.
        ranks: Number of ranks with that of the outside.
        longest: As given to ``sweep``.
        pairs: Out, shape ``(direction, rank - 1, rank - 1)``, without the outside.
    """
    row = ranks + longest
    for d in range(pairs.shape[0]):
        for i in range(1, ranks):
            mine = (d * ranks + i) * row
            for j in range(1, i):
                both = counts[mine + j] + counts[(d * ranks + j) * row + i]
                pairs[d, i - 1, j - 1] = both
                pairs[d, j - 1, i - 1] = both
            equal = 0
            for place in range(ranks + 1, row):
                if counts[mine + place] == 0:  # nor does any run go further
                    break
                equal += counts[mine + place]
            pairs[d, i - 1, i - 1] = 2 * equal


@kernel
def pair_features(
    pairs: NDArray[np.float64],
    levels: NDArray[np.int64],
    highest: int,
    values: NDArray[np.float64],
) -> None:
    """The features of ``FEATURES`` for each matrix.

    Args:
        pairs: Shares of the pairs, symmetric, each matrix summing to 1: ``(matrix, rank, rank)``.
        levels: Grey level of each rank, ascending from at least 1.
        highest: The number of levels, to which two features are normalised; at least the last.
        values: Out, shape ``(matrix, feature)``; NaN where one is not defined.
    """
    n = levels.size
    sums, apart = np.empty(2 * highest + 1), np.empty(highest + 1)
    share = np.empty(n)
    for a in range(pairs.shape[0]):
        p = pairs[a]
        mean = _margins(p, levels, share, sums, apart)
        _joint(p, levels, share, mean, values[a])
        _differences(apart, highest, values[a])
        total = entropy = 0.0
        for k in range(2, 2 * highest + 1):
            if sums[k] > 0:
                total += k * sums[k]
                entropy -= sums[k] * np.log2(sums[k] + EPSILON)
        values[a, 20], values[a, 21] = total, entropy


@kernel
def _margins(
    p: NDArray[np.float64],
    levels: NDArray[np.int64],
    share: NDArray[np.float64],
    sums: NDArray[np.float64],
    apart: NDArray[np.float64],
) -> float:
    sums[:] = 0
    apart[:] = 0
    mean = 0.0
    for i in range(levels.size):
        total = 0.0
        for j in range(levels.size):
            q = p[i, j]
            total += q
            sums[levels[i] + levels[j]] += q
            apart[abs(levels[i] - levels[j])] += q
        share[i] = total
        mean += levels[i] * total
    return mean


@kernel
def _joint(
    p: NDArray[np.float64],
    levels: NDArray[np.int64],
    share: NDArray[np.float64],
    mean: float,
    out: NDArray[np.float64],
) -> None:
    n = levels.size
    product = prominence = shade = tendency = contrast = 0.0
    covariance = energy = entropy = largest = variance = single = crossed = 0.0
    present = met = 0
    for i in range(n):
        if share[i] == 0:
            continue
        present += 1
        one = levels[i] - mean
        variance += share[i] * one * one
        single -= share[i] * np.log2(share[i])
        for j in range(i + 1):
            q = p[i, j]
            if q == 0:
                continue
            times = 1 if i == j else 2
            met += times
            w = times * q
            other = levels[j] - mean
            both = one + other
            squared = both * both
            product += w * levels[i] * levels[j]
            tendency += w * squared
            shade += w * squared * both
            prominence += w * squared * squared
            contrast += w * (levels[i] - levels[j]) ** 2
            covariance += w * one * other
            energy += w * q
            entropy -= w * np.log2(q)
            crossed += w / (share[i] * share[j])
            largest = max(largest, q)
    # With margins alike, both cross entropies are twice the margin's; upstream adds a small number
    # inside their logarithms, which counts where a level is rare.
    first = 2 * single - EPSILON * crossed / np.log(2.0)
    second = 2 * single - EPSILON * present * present / np.log(2.0)
    entropy -= EPSILON * met / np.log(2.0)
    out[0], out[1], out[2], out[3], out[4] = product, mean, prominence, shade, tendency
    out[5] = contrast
    out[6] = covariance / (variance + EPSILON) if variance else 1.0
    out[10], out[11] = energy, entropy
    out[12] = (entropy - first) / single if single else 0.0
    gain = second - entropy
    # Of independent levels nothing is gained; rounding may leave a little less.
    out[13] = np.sqrt(1 - np.exp(-2 * max(gain, 0.0))) if gain > -1e-9 else np.nan
    out[19], out[22] = largest, variance


@kernel
def _differences(apart: NDArray[np.float64], highest: int, out: NDArray[np.float64]) -> None:
    mean = entropy = moment = moment_n = inverse = inverse_n = over_square = spread = 0.0
    for k in range(highest):
        q = apart[k]
        if q == 0:
            continue
        mean += k * q
        entropy -= q * np.log2(q + EPSILON)
        moment += q / (1 + k * k)
        moment_n += q / (1 + (k * k) / (highest * highest))
        inverse += q / (1 + k)
        inverse_n += q / (1 + k / highest)
        if k:
            over_square += q / (k * k)
    for k in range(highest):
        spread += apart[k] * (k - mean) ** 2
    out[7], out[8], out[9] = mean, entropy, spread
    out[14], out[15], out[16], out[17], out[18] = moment, moment_n, inverse, inverse_n, over_square
