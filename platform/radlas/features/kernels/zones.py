"""Zones: connected voxels of one grey level, joined by union and find.

A voxel has up to 13 equal neighbours before it. Most of them touch each other and so are of one
zone already; a table tells for every set of them which suffice to be joined.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

LOWEST = np.array([(k & -k).bit_length() - 1 & 0xFF for k in range(1 << 13)], dtype=np.uint8)


@lru_cache(maxsize=8)
def joining_table(directions: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint16]:
    """For every set of equal earlier neighbours, as bits, one of each group that touch each other.

    Args:
        directions: Steps ``(z, y, x)`` from an earlier neighbour to the voxel, at most 16.

    Returns:
        Shape ``(2 ** directions,)``.
    """
    places = -np.array(directions, dtype=np.int64).reshape(-1, 3)
    apart = np.abs(places[:, None] - places[None, :]).max(axis=2)
    # Neighbours of one voxel that touch are of one zone only if such a step is a direction too.
    steps = {*directions, *(tuple(-step for step in way) for way in directions)}
    touching = [
        sum(
            1 << other
            for other in range(len(directions))
            if apart[one, other] == 1 and tuple(places[one] - places[other]) in steps
        )
        for one in range(len(directions))
    ]
    table = np.zeros(1 << len(directions), dtype=np.uint16)
    _reduce(np.array(touching, dtype=np.int64), table)
    return table


@kernel
def _reduce(touching: NDArray[np.int64], table: NDArray[np.uint16]) -> None:
    n = touching.size
    for members in range(table.size):
        left, kept = members, 0
        for first in range(n - 1, -1, -1):
            if not left >> first & 1:
                continue
            kept |= 1 << first
            group, grown = 1 << first, True
            while grown:
                grown = False
                for one in range(n):
                    near = touching[one] & left & ~group if group >> one & 1 else 0
                    if near:
                        group |= near
                        grown = True
            left &= ~group
        table[members] = kept


@kernel
def _root(parents: NDArray[np.int32], zone: int) -> int:
    at = np.uint64(zone)
    while np.uint64(parents[at]) != at:
        parents[at] = parents[np.uint64(parents[at])]
        at = np.uint64(parents[at])
    return np.int64(at)


@kernel
def join(
    image: NDArray[np.uint32],
    places: NDArray[np.int64],
    offsets: NDArray[np.int64],
    equal: NDArray[np.uint16],
    table: NDArray[np.uint16],
    zones: NDArray[np.int32],
    parents: NDArray[np.int32],
    sizes: NDArray[np.int32],
    zone_ranks: NDArray[np.uint16],
) -> int:
    """Join equal neighbours to zones.

    Args:
        image: Flat padded image, as for ``sweep``: the rank in the lower half.
        places: Where the ROI's voxels lie in it.
        offsets: Distance back to each earlier neighbour.
        equal: Which of them are equal, as ``sweep`` wrote it.
        table: As ``joining_table`` makes it.
        zones: Scratch, as long as ``image``.
        parents: Scratch, shape ``(voxel,)``.
        sizes: Out: voxels of each zone.
        zone_ranks: Out: rank of each zone.

    Returns:
        The number of zones.
    """
    found = 0
    for k in range(places.size):
        p = np.uint64(places[k])
        todo = np.int64(table[np.uint64(equal[np.uint64(k)])])
        if todo == 0:
            parents[found] = found
            sizes[found] = 1
            zone_ranks[found] = image[p] & np.uint32(0xFFFF)
            zones[p] = found
            found += 1
            continue
        zone = np.int64(-1)
        while todo:
            step = np.uint64(LOWEST[np.uint64(todo)])
            todo &= todo - 1
            other = _root(parents, zones[p - np.uint64(offsets[step])])
            if zone < 0:
                zone = other
            elif other != zone:
                kept, gone = min(zone, other), max(zone, other)
                parents[gone] = kept
                sizes[kept] += sizes[gone]
                sizes[gone] = 0
                zone = kept
        sizes[zone] += 1
        zones[p] = zone
    left = 0
    for zone in range(found):
        if sizes[zone]:
            sizes[left] = sizes[zone]
            zone_ranks[left] = zone_ranks[zone]
            left += 1
    return left
