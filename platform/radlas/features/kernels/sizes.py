"""Runs, zones and dependences have the same formulas: of grey levels, sizes and their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

EPSILON = 2.0**-52  # upstream adds it inside logarithms
SMALL = 64

# In the order of IBSI's families, by neutral names: small sizes, large sizes, ...
MEASURES = (
    "small large level_uniformity level_uniformity_normed size_uniformity size_uniformity_normed"
    " share level_variance size_variance entropy low_level high_level small_low small_high"
    " large_low large_high energy"
).split()


@kernel
def size_features(
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.float64],
    levels: NDArray[np.int64],
    voxels: float,
    out: NDArray[np.float64],
) -> None:
    """The measures of ``MEASURES`` for one matrix, given by its entries that are not zero.

    Args:
        rows: Row of each entry, from 0.
        sizes: Size of each entry, at least 1.
        entries: How many there are, above 0.
        levels: Grey level of each row.
        voxels: Number of voxels, to which ``share`` relates.
        out: Out, shape ``(measure,)``.
    """
    by_level = np.zeros(levels.size)
    total = mean_level = mean_size = 0.0
    for k in range(entries.size):
        total += entries[k]
        by_level[rows[k]] += entries[k]
        mean_level += entries[k] * levels[rows[k]]
        mean_size += entries[k] * sizes[k]
    mean_level /= total
    mean_size /= total
    out[:] = 0.0
    for k in range(entries.size):
        n, level, size = entries[k], float(levels[rows[k]]), float(sizes[k])
        level2, size2 = level * level, size * size
        p = n / total
        out[0] += n / size2
        out[1] += n * size2
        out[7] += n * (level - mean_level) ** 2
        out[8] += n * (size - mean_size) ** 2
        out[9] -= p * np.log2(p + EPSILON)
        out[10] += n / level2
        out[11] += n * level2
        out[12] += n / (level2 * size2)
        out[13] += n * level2 / size2
        out[14] += n * size2 / level2
        out[15] += n * (level2 * size2)
        out[16] += p * p
    out[2] = (by_level * by_level).sum()
    out[4] = _squares_by_size(sizes, entries)
    for k in (0, 1, 2, 4, 7, 8, 10, 11, 12, 13, 14, 15):
        out[k] /= total
    out[3] = out[2] / total
    out[5] = out[4] / total
    out[6] = total / voxels


@kernel
def _squares_by_size(sizes: NDArray[np.int64], entries: NDArray[np.float64]) -> float:
    """Sum over sizes of the squared number that have it. Sizes are many, large ones are rare."""
    table = np.zeros(SMALL)
    large = np.empty(sizes.size, np.int64)
    many = 0
    for k in range(sizes.size):
        if sizes[k] < SMALL:
            table[sizes[k]] += entries[k]
        else:
            large[many] = k
            many += 1
    squares = (table * table).sum()
    order = large[:many][np.argsort(sizes[large[:many]])]
    run = 0.0
    for k in range(many):
        run += entries[order[k]]
        if k + 1 == many or sizes[order[k + 1]] != sizes[order[k]]:
            squares += run * run
            run = 0.0
    return squares


@kernel
def run_entries(
    counts: NDArray[np.uint32],
    ranks: int,
    longest: int,
    direction: int,
    voxels: NDArray[np.int64],
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.float64],
) -> int:
    """The runs along one direction, from the tables of ``sweep``, as entries of a matrix.

    Args:
        counts: As ``sweep`` wrote it.
        ranks: Number of ranks with that of the outside.
        longest: As given to ``sweep``.
        direction: Which of its directions.
        voxels: Voxels of each rank, shape ``(rank - 1,)``.
        rows: Out: rank of each entry, from 0; ``ranks * longest`` long, as the other two.
        sizes: Out: length of its runs.
        entries: Out: how many there are.

    Returns:
        The number of entries.
    """
    found = 0
    for rank in range(1, ranks):
        at = (direction * ranks + rank) * (ranks + longest) + ranks
        equal = np.int64(0)
        for place in range(1, longest):
            if counts[at + place] == 0:  # nor does any run go further
                break
            equal += np.int64(counts[at + place])
        reached = voxels[rank - 1] - equal  # runs of at least 1
        for place in range(1, longest + 1):
            further = np.int64(counts[at + place]) if place < longest else np.int64(0)
            if reached > further:
                rows[found], sizes[found], entries[found] = rank - 1, place, reached - further
                found += 1
            if further == 0:
                break
            reached = further
    return found


@kernel
def run_features(
    counts: NDArray[np.uint32],
    longest: int,
    voxels: NDArray[np.int64],
    levels: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """The measures of runs along each direction: ``out`` has the shape ``(direction, measure)``."""
    ranks = levels.size + 1
    rows = np.empty(ranks * longest, np.int64)
    sizes = np.empty(ranks * longest, np.int64)
    entries = np.empty(ranks * longest)
    for d in range(out.shape[0]):
        n = run_entries(counts, ranks, longest, d, voxels, rows, sizes, entries)
        size_features(rows[:n], sizes[:n], entries[:n], levels, float(voxels.sum()), out[d])


@kernel
def zone_entries(
    zone_ranks: NDArray[np.uint16],
    zone_sizes: NDArray[np.int32],
    ranks: int,
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.float64],
) -> int:
    """The zones as entries of a matrix.

    Small zones are many and are counted in a table; the few large ones are sorted.

    Args:
        zone_ranks: From 1.
        zone_sizes: At least 1.
        ranks: Number of ranks with that of the outside.
        rows: Out: rank of each entry, from 0; as long as there are zones.
        sizes: Out: size of each entry.
        entries: Out: zones of that rank and size.

    Returns:
        The number of entries.
    """
    table = np.zeros((ranks, SMALL), np.int64)
    large = np.empty(zone_sizes.size, np.int64)
    many = 0
    for k in range(zone_sizes.size):
        if zone_sizes[k] < SMALL:
            table[zone_ranks[k], zone_sizes[k]] += 1
        else:
            large[many] = (np.int64(zone_ranks[k]) << 40) + zone_sizes[k]
            many += 1
    found = 0
    for rank in range(1, ranks):
        for size in range(1, SMALL):
            if table[rank, size]:
                rows[found], sizes[found] = rank - 1, size
                entries[found] = table[rank, size]
                found += 1
    keys = large[:many]
    keys.sort()
    for k in range(many):
        if k and keys[k] == keys[k - 1]:
            entries[found - 1] += 1
        else:
            rows[found], sizes[found] = (keys[k] >> 40) - 1, keys[k] & ((1 << 40) - 1)
            entries[found] = 1
            found += 1
    return found


@kernel
def dependence_entries(
    dependence: NDArray[np.int64],
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.float64],
) -> int:
    """The dependences as entries of a matrix; a voxel depends on itself, so sizes begin at 1.

    Args:
        dependence: As ``tally`` wrote it, with the row of the outside.
        rows: Out: rank of each entry, from 0; as long as ``dependence`` has cells.
        sizes: Out: equal neighbours and the voxel itself.
        entries: Out: voxels.

    Returns:
        The number of entries.
    """
    found = 0
    for rank in range(1, dependence.shape[0]):
        for same in range(dependence.shape[1]):
            if dependence[rank, same]:
                rows[found], sizes[found] = rank - 1, same + 1
                entries[found] = dependence[rank, same]
                found += 1
    return found
