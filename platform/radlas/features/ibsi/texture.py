"""Texture of one ROI by the aggregations of the IBSI reference manual.

Matrices are counted per slice or in space, and per direction; they are merged by adding them, or
features are computed from each and averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from radlas.features.discretise import Levels
from radlas.features.families import (
    DEPENDENCES,
    RUNS,
    TONES,
    ZONES,
    Values,
    average,
    direction_pairs,
    named,
    pair_values,
    space,
)
from radlas.features.kernels import sizes as size_kernels
from radlas.features.kernels import tones as tone_kernels
from radlas.features.lattice import DIRECTIONS, Lattice, in_plane, make_lattice
from radlas.features.texture import Counts, count

Aggregation = Literal[
    "2d_average", "2d_merged", "2.5d_average", "2.5d_merged", "3d_average", "3d_merged"
]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)
Entries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


class Part(NamedTuple):
    """A slice of the ROI, or all of it."""

    lattice: Lattice
    counts: Counts
    grey: Levels


def texture(levels: NDArray[np.int64], *, aggregation: Aggregation) -> Values:
    """Co-occurrence, runs, zones, tone differences and dependences.

    Args:
        levels: Grey levels, shape ``(z, y, x)``; 0 outside the ROI, which is not empty.
        aggregation: ``2d``: by slice, averaged; ``2.5d``: by slice, added up; ``3d``: in space.
            ``average`` and ``merged`` say the same of directions, where a family has them.

    Returns:
        By column name; ``None`` where a feature is not defined.
    """
    parts = _parts(levels, planar=not aggregation.startswith("3d"))
    found = np.flatnonzero(np.bincount(levels.ravel())[1:]) + 1
    values = _pairs(parts, found, aggregation)
    values |= named(RUNS, average(_runs(parts, aggregation)))
    groups = [[part] for part in parts] if aggregation.startswith("2d") else [parts]
    values |= named(ZONES, average(np.stack([_zones(group) for group in groups])))
    values |= named(DEPENDENCES, average(np.stack([_dependences(one) for one in groups])))
    tones = average(np.stack([_tones(group) for group in groups]))
    return values | named(TONES, tones)


def _parts(levels: NDArray[np.int64], *, planar: bool) -> list[Part]:
    among = np.flatnonzero(np.bincount(levels.ravel())[1:]) + 1
    slabs = [levels[z : z + 1] for z in range(len(levels))] if planar else [levels]
    directions = in_plane() if planar else DIRECTIONS
    parts = []
    for slab in slabs:
        inside = slab > 0
        if inside.any():
            lattice = make_lattice(inside, directions, across=True)
            flat = slab[inside].astype(np.uint16)
            grey = Levels(flat, np.bincount(flat, minlength=int(among[-1]) + 1))
            parts.append(Part(lattice, count(lattice, grey, among), grey))
    return parts


def _pairs(parts: Sequence[Part], levels: NDArray[np.int64], aggregation: Aggregation) -> Values:
    stacks = [_all_pairs(part.counts) for part in parts]
    merged = aggregation.endswith("merged")
    if aggregation.startswith("2d"):
        matrices = [stack.sum(axis=0, keepdims=True) if merged else stack for stack in stacks]
        pairs = np.concatenate(matrices)
    else:
        pairs = np.sum(stacks, axis=0)
        pairs = pairs.sum(axis=0, keepdims=True) if merged else pairs
    pairs = pairs[pairs.any(axis=(1, 2))]
    return pair_values(pairs, levels, mcc=False)


def _all_pairs(counts: Counts) -> NDArray[np.float64]:
    return direction_pairs(counts, empty=True)


def _runs(parts: Sequence[Part], aggregation: Aggregation) -> NDArray[np.float64]:
    """Measures, one row for each matrix that is left after merging."""
    ways = range(parts[0].lattice.offsets.size)  # alike in every part
    by_part = [[_run_entries(part.counts, d) for d in ways] for part in parts]
    merged = aggregation.endswith("merged")
    groups: list[tuple[list[Entries], float]] = []
    if aggregation.startswith("2d"):
        for part, runs in zip(parts, by_part, strict=True):
            voxels = float(part.grey.levels.size)
            groups += [(runs, voxels * len(runs))] if merged else [([one], voxels) for one in runs]
    else:
        by_way = [[runs[d] for runs in by_part] for d in ways]
        voxels = _voxels(parts)
        groups = (
            [([one for runs in by_way for one in runs], voxels * len(ways))]
            if merged
            else [(runs, voxels) for runs in by_way]
        )
    levels = parts[0].counts.levels
    return np.stack([_measures(_merge(runs), levels, voxels) for runs, voxels in groups])


def _run_entries(counts: Counts, direction: int) -> Entries:
    ranks = counts.levels.size + 1
    rows, sizes, entries = space(ranks * counts.longest)
    used = size_kernels.run_entries(
        counts.tables, ranks, counts.longest, direction, counts.voxels, rows, sizes, entries
    )
    return rows[:used], sizes[:used], entries[:used]


def _zones(parts: Sequence[Part]) -> NDArray[np.float64]:
    found = []
    for part in parts:
        counts = part.counts
        rows, sizes, entries = space(counts.zone_sizes.size)
        used = size_kernels.zone_entries(
            counts.zone_ranks, counts.zone_sizes, counts.levels.size + 1, rows, sizes, entries
        )
        found.append((rows[:used], sizes[:used], entries[:used]))
    return _measures(_merge(found), parts[0].counts.levels, _voxels(parts))


def _dependences(parts: Sequence[Part]) -> NDArray[np.float64]:
    found = []
    for part in parts:
        rows, sizes, entries = space(part.counts.dependence.size)
        used = size_kernels.dependence_entries(part.counts.dependence, rows, sizes, entries)
        found.append((rows[:used], sizes[:used], entries[:used]))
    return _measures(_merge(found), parts[0].counts.levels, _voxels(parts))


def _tones(parts: Sequence[Part]) -> NDArray[np.float64]:
    """Voxels without a neighbour have no tone difference, and do not count."""
    levels = parts[0].counts.levels
    voxels, differences = np.zeros(levels.size), np.zeros(levels.size)
    for part in parts:
        flanked = part.grey.levels[part.lattice.neighbours > 0]
        voxels += np.bincount(flanked, minlength=int(levels[-1]) + 1)[levels]
        neighbours = np.maximum(np.arange(part.counts.distance.shape[1]), 1)
        differences += (part.counts.distance[1:] / neighbours).sum(axis=1)
    found = np.full(len(tone_kernels.FEATURES), np.nan)
    kept = voxels > 0
    if kept.any():
        tone_kernels.tone_features(voxels[kept], differences[kept], levels[kept], found)
    return found


def _voxels(parts: Sequence[Part]) -> float:
    return float(sum(part.grey.levels.size for part in parts))


def _merge(found: Sequence[Entries]) -> Entries:
    """The sum of matrices that are given by their entries."""
    rows, sizes = (np.concatenate([one[k] for one in found]) for k in (0, 1))
    numbers = np.concatenate([one[2] for one in found])
    width = int(sizes.max(initial=0)) + 1
    keys, place = np.unique(rows * width + sizes, return_inverse=True)
    totals = np.bincount(place, weights=numbers, minlength=keys.size)
    return keys // width, keys % width, totals.astype(np.float64)


def _measures(entries: Entries, levels: NDArray[np.int64], voxels: float) -> NDArray[np.float64]:
    found = np.full(len(size_kernels.MEASURES), np.nan)
    if entries[2].size:
        size_kernels.size_features(*entries, levels, voxels, found)
    return found
