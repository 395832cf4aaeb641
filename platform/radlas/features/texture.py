"""Texture matrices of one ROI in one image, counted in one sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.discretise import Levels
from radlas.features.kernels.sweep import LEVEL, sweep, tally
from radlas.features.kernels.zones import join
from radlas.features.lattice import Lattice


@dataclass(frozen=True, eq=False)
class Counts:
    """What the sweep found; see ``kernels.sweep`` for the layout of ``tables``.

    Attributes:
        levels: Grey levels that are counted, ascending, shape ``(rank,)``.
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


def count(lattice: Lattice, grey: Levels, among: NDArray[np.int64] | None = None) -> Counts:
    """Count everything that the texture features are made of.

    Args:
        lattice: The ROI.
        grey: Grey level of each of its voxels, in the lattice's order.
        among: Levels to count, present or not, so that tables of several parts can be added;
            those that are present if nothing else is said.
    """
    present = grey.present
    found = np.flatnonzero(present) if among is None else among
    rank_of = np.zeros(present.size, dtype=np.uint32)
    rank_of[found] = np.arange(1, found.size + 1)
    image = np.zeros(lattice.size, dtype=np.uint32)
    image[lattice.places] = (rank_of | np.arange(present.size, dtype=np.uint32) << LEVEL)[
        grey.levels
    ]
    ranks, longest, directions = found.size + 1, lattice.longest, lattice.offsets.size
    tables = np.zeros(directions * ranks * (ranks + longest), dtype=np.uint32)
    around = np.zeros(lattice.size, dtype=np.uint64)
    equal = np.empty(lattice.places.size, dtype=np.uint16)
    runs = np.empty(16 * lattice.buffer_size, dtype=np.uint16)
    places, offsets = lattice.places, lattice.offsets
    sweep(image, places, offsets, ranks, longest, tables, runs, around, equal)
    dependence = np.zeros((ranks, 2 * directions + 1), dtype=np.int64)
    distance = np.zeros((ranks, 2 * directions + 1), dtype=np.int64)
    tally(image, places, lattice.neighbours, around, dependence, distance)
    zone_ranks, zone_sizes = _zones(lattice, image, equal)
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
    lattice: Lattice, image: NDArray[np.uint32], equal: NDArray[np.uint16]
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    n = lattice.places.size
    labels = np.empty(lattice.size, dtype=np.int32)
    parents, sizes = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    zone_ranks = np.empty(n, dtype=np.uint16)
    found = join(
        image,
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
