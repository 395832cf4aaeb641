"""One pass over the voxels of an ROI that counts for every texture matrix at once.

Each voxel is held against the neighbours before it. What is counted:

* a pair of different levels, in the table of its direction;
* in the same table, how far a run of equal levels has come. As many voxels stand at place ``k`` of
  a run as there are runs of at least ``k``; so this tells the runs, and the equal pairs too;
* around each voxel, the number of equal neighbours and the sum of all, both in one integer;
* which of the earlier neighbours are equal, as bits, from which zones are joined.

Ranks number the levels that are present from 1; 0 is outside. They lie in a flat image with a
margin of zeros, so that no neighbour needs a test of its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


@kernel
def _meet(
    step: int,
    p: int,
    rank: int,
    level: int,
    ranks: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    wide: int,
    lasting: int,
    counts: NDArray[np.uint32],
    runs: NDArray[np.uint16],
    ring: int,
    around: NDArray[Any],
    high: int,
) -> tuple[int, int]:
    """One voxel and one neighbour before it: the neighbour's rank, and 1 if it is the same."""
    d = np.uint64(step)
    q = p - np.uint64(offsets[step])
    other = np.uint64(ranks[q])
    same = np.uint64(other == rank)
    place = same * (np.uint64(runs[((q & ring) << np.uint64(4)) + d]) + np.uint64(1))
    runs[((p & ring) << np.uint64(4)) + d] = place
    row = wide + lasting
    cell = wide * wide + rank * lasting + place if same else other * wide + rank
    counts[d * wide * row + cell] += np.uint32(1)
    around[q] += level + (same << high)
    return other, same


@kernel
def sweep(
    ranks: NDArray[np.uint16],
    places: NDArray[np.int64],
    offsets: NDArray[np.int64],
    levels: NDArray[np.int64],
    longest: int,
    counts: NDArray[np.uint32],
    runs: NDArray[np.uint16],
    around: NDArray[Any],
    shift: int,
    equal: NDArray[np.uint16],
) -> None:
    """Count pairs, runs, neighbours and joins.

    Args:
        ranks: Flat padded image.
        places: Where the ROI's voxels lie in it, ascending, shape ``(voxel,)``.
        offsets: Distance back to each earlier neighbour, above 0, shape ``(direction,)``, at
            most 16.
        levels: Grey level of each rank, shape ``(rank,)``; the first is that of the outside, 0.
        longest: One more than the longest run can be.
        counts: Out, zeros, shape ``(direction * ranks * (ranks + longest),)``: per direction the
            pairs ``(earlier, later)``, then for each rank the voxels at place ``k + 1`` of a run.
        runs: Scratch, ``16 * p`` long, ``p`` a power of two above the largest offset.
        around: Out, zeros, as long as ``ranks``: sum of neighbours' levels, and above the bit
            ``shift`` the number of equal ones. Outside the ROI there is rubbish.
        shift: See ``around``.
        equal: Out, one bit per direction, shape ``(voxel,)``.
    """
    ring = np.uint64(runs.size // 16 - 1)  # a run need be remembered as far as neighbours reach
    wide, lasting = np.uint64(levels.size), np.uint64(longest)
    high = np.uint64(shift)
    for k in range(places.size):
        p = np.uint64(places[k])
        rank = np.uint64(ranks[p])
        level = np.uint64(levels[rank])
        total, bits = np.uint64(0), np.uint64(0)
        if offsets.size == 13:  # a number the compiler knows: it unrolls the loop, a fifth faster
            for step in range(13):
                other, same = _meet(
                    step,
                    p,
                    rank,
                    level,
                    ranks,
                    offsets,
                    wide,
                    lasting,
                    counts,
                    runs,
                    ring,
                    around,
                    high,
                )
                total += np.uint64(levels[other]) + (same << high)
                bits |= same << np.uint64(step)
        else:
            for step in range(offsets.size):
                other, same = _meet(
                    step,
                    p,
                    rank,
                    level,
                    ranks,
                    offsets,
                    wide,
                    lasting,
                    counts,
                    runs,
                    ring,
                    around,
                    high,
                )
                total += np.uint64(levels[other]) + (same << high)
                bits |= same << np.uint64(step)
        around[p] += total
        equal[k] = bits


@kernel
def tally(
    ranks: NDArray[np.uint16],
    places: NDArray[np.int64],
    levels: NDArray[np.int64],
    neighbours: NDArray[np.uint8],
    around: NDArray[Any],
    shift: int,
    dependence: NDArray[np.int64],
    distance: NDArray[np.int64],
) -> None:
    """Sort the voxels by rank and what lies around them.

    Args:
        neighbours: How many neighbours each voxel has in the ROI, shape ``(voxel,)``.
        dependence: Out, zeros, ``(rank, equal neighbours)``: voxels.
        distance: Out, zeros, ``(rank, neighbours)``: sum of ``|level * neighbours - their sum|``.

    The others are those of ``sweep``.
    """
    high = np.uint64(shift)
    low = (np.uint64(1) << high) - np.uint64(1)
    for k in range(places.size):
        p = np.uint64(places[k])
        rank = np.uint64(ranks[p])
        seen = np.uint64(around[p])
        count = np.uint64(neighbours[k])
        dependence[rank, seen >> high] += 1
        apart = levels[rank] * np.int64(count) - np.int64(seen & low)
        distance[rank, count] += abs(apart)


@kernel
def count_neighbours(
    inside: NDArray[np.uint8],
    places: NDArray[np.int64],
    offsets: NDArray[np.int64],
    neighbours: NDArray[np.uint8],
) -> None:
    """How many neighbours each voxel has in the ROI; ``inside`` is the flat padded mask."""
    for k in range(places.size):
        p = np.uint64(places[k])
        found = np.uint8(0)
        for step in range(offsets.size):
            back = np.uint64(offsets[step])
            found += inside[p - back] + inside[p + back]
        neighbours[k] = found
