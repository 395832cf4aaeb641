"""Texture features by name, from what was counted."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels import pairs as pair_kernels
from radlas.features.kernels import sizes as size_kernels
from radlas.features.kernels import tones as tone_kernels
from radlas.features.kernels.transitions import second_eigenvalues
from radlas.features.texture import Counts

Values = dict[str, float | None]
Matrix = NDArray[np.float64]


def columns(family: str, names: str | Sequence[str]) -> tuple[str, ...]:
    """Column names of a family's features."""
    each = names.split() if isinstance(names, str) else names
    return tuple(f"{family}_{name}" for name in each)


# The measures of `kernels.sizes.MEASURES`, as each family calls them.
RUNS = columns(
    "glrlm",
    "ShortRunEmphasis LongRunEmphasis GrayLevelNonUniformity GrayLevelNonUniformityNormalized"
    " RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage GrayLevelVariance"
    " RunVariance RunEntropy LowGrayLevelRunEmphasis HighGrayLevelRunEmphasis"
    " ShortRunLowGrayLevelEmphasis ShortRunHighGrayLevelEmphasis LongRunLowGrayLevelEmphasis"
    " LongRunHighGrayLevelEmphasis",
)
ZONES = columns(
    "glszm",
    "SmallAreaEmphasis LargeAreaEmphasis GrayLevelNonUniformity GrayLevelNonUniformityNormalized"
    " SizeZoneNonUniformity SizeZoneNonUniformityNormalized ZonePercentage GrayLevelVariance"
    " ZoneVariance ZoneEntropy LowGrayLevelZoneEmphasis HighGrayLevelZoneEmphasis"
    " SmallAreaLowGrayLevelEmphasis SmallAreaHighGrayLevelEmphasis LargeAreaLowGrayLevelEmphasis"
    " LargeAreaHighGrayLevelEmphasis",
)
DEPENDENCES = columns(
    "gldm",
    "SmallDependenceEmphasis LargeDependenceEmphasis GrayLevelNonUniformity"
    " GrayLevelNonUniformityNormalized DependenceNonUniformity DependenceNonUniformityNormalized"
    " DependencePercentage GrayLevelVariance DependenceVariance DependenceEntropy"
    " LowGrayLevelEmphasis HighGrayLevelEmphasis SmallDependenceLowGrayLevelEmphasis"
    " SmallDependenceHighGrayLevelEmphasis LargeDependenceLowGrayLevelEmphasis"
    " LargeDependenceHighGrayLevelEmphasis DependenceEnergy",
)
PAIRS = columns("glcm", pair_kernels.FEATURES)
TONES = columns("ngtdm", tone_kernels.FEATURES)


def texture_values(counts: Counts, families: Collection[str]) -> Values:
    """The features of the wanted families as PyRadiomics defines them.

    Co-occurrence and runs are computed for each direction and averaged; directions along which the
    ROI has no pair of voxels do not count.

    Returns:
        By column name; ``None`` where a feature is not defined.
    """
    values: Values = {}
    if "glcm" in families:
        values |= pair_values(direction_pairs(counts), counts.levels)
    if "glrlm" in families:
        values |= named(RUNS, average(_run_measures(counts)))
    if "glszm" in families:
        values |= named(ZONES, zone_measures(counts))
    if "gldm" in families:
        values |= named(DEPENDENCES, dependence_measures(counts))
    if "ngtdm" in families:
        values |= named(TONES, tone_measures(counts))
    return values


def direction_pairs(counts: Counts, *, empty: bool = False) -> Matrix:
    """Pairs in both orders by direction, shape ``(direction, rank, rank)``.

    Args:
        counts: As ``texture.count`` makes them.
        empty: True to keep the directions without pairs.
    """
    n = counts.levels.size
    pairs = np.empty((directions_of(counts), n, n))
    pair_kernels.symmetric(counts.tables, n + 1, counts.longest, pairs)
    return pairs if empty else pairs[pairs.any(axis=(1, 2))]


def pair_values(pairs: Matrix, levels: NDArray[np.int64], *, mcc: bool = True) -> Values:
    """Co-occurrence features, averaged over matrices that need not be normalised.

    Args:
        pairs: Shape ``(matrix, rank, rank)``, symmetric, none empty.
        levels: Grey level of each rank.
        mcc: False to leave out the one feature that IBSI does not know.
    """
    shares = pairs / pairs.sum(axis=(1, 2), keepdims=True)
    found = np.empty((len(pairs), len(pair_kernels.FEATURES)))
    pair_kernels.pair_features(shares, levels, int(levels[-1]), found)
    values = named(PAIRS, average(found))
    return values | {"glcm_MCC": _finite(_correlation(shares))} if mcc else values


def zone_measures(counts: Counts) -> NDArray[np.float64]:
    """The measures of the size zone matrix."""
    n = counts.zone_sizes.size
    rows, sizes, entries = space(n)
    used = size_kernels.zone_entries(
        counts.zone_ranks, counts.zone_sizes, counts.levels.size + 1, rows, sizes, entries
    )
    return _measures(rows[:used], sizes[:used], entries[:used], counts)


def dependence_measures(counts: Counts) -> NDArray[np.float64]:
    """The measures of the dependence matrix."""
    rows, sizes, entries = space(counts.dependence.size)
    used = size_kernels.dependence_entries(counts.dependence, rows, sizes, entries)
    return _measures(rows[:used], sizes[:used], entries[:used], counts)


def tone_measures(counts: Counts) -> NDArray[np.float64]:
    """The five features of tone differences; a voxel without neighbours differs from none."""
    neighbours = np.maximum(np.arange(counts.distance.shape[1]), 1)
    differences = (counts.distance[1:] / neighbours).sum(axis=1)
    found = np.empty(len(tone_kernels.FEATURES))
    tone_kernels.tone_features(counts.voxels.astype(float), differences, counts.levels, found)
    return found


def _run_measures(counts: Counts) -> Matrix:
    found = np.empty((directions_of(counts), len(size_kernels.MEASURES)))
    size_kernels.run_features(counts.tables, counts.longest, counts.voxels, counts.levels, found)
    return found[counts.lines]


def _measures(
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.float64],
    counts: Counts,
) -> NDArray[np.float64]:
    found = np.empty(len(size_kernels.MEASURES))
    voxels = float(counts.voxels.sum())
    size_kernels.size_features(rows, sizes, entries, counts.levels, voxels, found)
    return found


def _correlation(shares: Matrix) -> float:
    """Mean over matrices of the maximal correlation coefficient; 1 for a single level."""
    if not len(shares):
        return np.nan
    if shares.shape[1] < 2:
        return 1.0
    values, errors = second_eigenvalues(shares)
    for k in np.flatnonzero(errors > 1e-11 * np.abs(values)):
        values[k] = _second_in_full(shares[k])
    return float(np.sqrt(np.maximum(values, 0)).mean())


def _second_in_full(p: Matrix) -> float:
    """The same from all eigenvalues of upstream's matrix, where rare levels make it unsteady."""
    margin = p.sum(axis=1)
    weighted = p / (np.outer(margin, margin) + pair_kernels.EPSILON)
    return float(np.sort(np.linalg.eigvals(weighted @ p.T).real)[-2])


def directions_of(counts: Counts) -> int:
    """How many directions were counted."""
    wide = counts.levels.size + 1
    return counts.tables.size // (wide * (wide + counts.longest))


def space(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Room for so many entries of a matrix: rows, sizes, numbers."""
    return np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)


def average(found: Matrix) -> NDArray[np.float64]:
    """Mean over the first axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(found)
    total = np.where(defined, found, 0).sum(axis=0)
    mean: NDArray[np.float64] = total / defined.sum(axis=0)
    return mean


def named(names: Sequence[str], found: NDArray[np.float64]) -> Values:
    """Values by column; what is not finite is ``None``."""
    values: Values = dict(zip(names, found.tolist(), strict=False))
    if not np.isfinite(found).all():
        values = {name: _finite(value) for name, value in values.items()}
    return values


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
