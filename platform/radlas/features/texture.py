"""Texture matrices of one ROI in one image, counted in one sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.discretise import Levels
from radlas.features.kernels.sweep import sweep, tally
from radlas.features.kernels.zones import join
from radlas.features.lattice import Lattice


@dataclass(frozen=True, eq=False)
class Counts:
    """What the sweep found; see ``kernels.sweep`` for the layout of ``tables``.

    Attributes:
        levels: Grey levels that are present, ascending, shape ``(rank,)``.
        voxels: Voxels of each, same shape.
        tables: Pairs and runs by direction, flat.
        longest: One more than the longest run can be.
        dependence: ``(rank + 1, equal neighbours)``, with a first row for the outside.
        distance: ``(rank + 1, neighbours)``: sums of ``|level * neighbours - their sum|``.
        zone_ranks: Rank of each zone, from 1.
        zone_sizes: Voxels of each zone.
        lines: By direction, whether any line along it meets two voxels of the ROI.
    """

    levels: NDArray[np.int64]
    voxels: NDArray[np.int64]
    tables: NDArray[np.uint32]
    longest: int
    dependence: NDArray[np.int64]
    distance: NDArray[np.int64]
    zone_ranks: NDArray[np.uint16]
    zone_sizes: NDArray[np.int32]
    lines: NDArray[np.bool_]


def count(lattice: Lattice, grey: Levels) -> Counts:
    """Count everything that the texture features are made of.

    Args:
        lattice: The ROI.
        grey: Grey level of each of its voxels, in the lattice's order.
    """
    present = grey.present
    found = np.flatnonzero(present)
    rank_of = np.zeros(present.size, dtype=np.uint16)
    rank_of[found] = np.arange(1, found.size + 1)
    ranks = np.zeros(lattice.size, dtype=np.uint16)
    ranks[lattice.places] = rank_of[grey.levels]
    level_of = np.concatenate(([0], found)).astype(np.int64)
    wide, longest = level_of.size, lattice.longest
    directions = lattice.offsets.size
    tables = np.zeros(directions * wide * (wide + longest), dtype=np.uint32)
    # 26 neighbours of the highest level must fit below the bit where the equal ones are counted.
    narrow = 2 * directions * int(found[-1]) < 1 << 16
    around = np.zeros(lattice.size, dtype=np.uint32 if narrow else np.uint64)
    shift = 16 if narrow else 32
    equal = np.empty(lattice.places.size, dtype=np.uint16)
    runs = np.empty(16 * lattice.ring, dtype=np.uint16)
    sweep(
        ranks,
        lattice.places,
        lattice.offsets,
        level_of,
        longest,
        tables,
        runs,
        around,
        shift,
        equal,
    )
    dependence = np.zeros((wide, 2 * directions + 1), dtype=np.int64)
    distance = np.zeros((wide, 2 * directions + 1), dtype=np.int64)
    tally(ranks, lattice.places, level_of, lattice.neighbours, around, shift, dependence, distance)
    zone_ranks, zone_sizes = _zones(lattice, ranks, equal)
    return Counts(
        levels=found,
        voxels=present[found],
        tables=tables,
        longest=longest,
        dependence=dependence,
        distance=distance,
        zone_ranks=zone_ranks,
        zone_sizes=zone_sizes,
        lines=lattice.lines,
    )


def _zones(
    lattice: Lattice, ranks: NDArray[np.uint16], equal: NDArray[np.uint16]
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    n = lattice.places.size
    labels = np.empty(lattice.size, dtype=np.int32)
    parents, sizes = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    zone_ranks = np.empty(n, dtype=np.uint16)
    found = join(
        ranks,
        lattice.places,
        lattice.offsets,
        equal,
        lattice.joining,
        labels,
        parents,
        sizes,
        zone_ranks,
    )
    return zone_ranks[:found], sizes[:found]
