"""One pass over the voxels of an ROI that counts for every texture matrix at once.

Each voxel is compared with the neighbours before it. What is counted:

* a pair of different levels, in the table of its direction;
* in the same table, how far a run of equal levels has come. As many voxels stand at place ``k`` of
  a run as there are runs of at least ``k``; so this tells the runs, and the equal pairs too;
* around each voxel, the number of equal neighbours and the sum of all, both in one integer;
* which of the earlier neighbours are equal, as bits, from which zones are joined.

Ranks number the levels that are present from 1; 0 is outside. They lie, with their levels, in a
flat image with a margin of zeros, so that no neighbour needs a test of its place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

RANK = 0xFFFF  # mask of a voxel's rank
LEVEL = 16  # bits below its grey level
EQUAL = 32  # in `around`, bits below the number of equal neighbours


@kernel
def _meet(
    step: int,
    p: int,
    mine: int,
    start: int,
    image: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    wide: int,
    counts: NDArray[np.uint32],
    runs: NDArray[np.uint16],
    ring: int,
    around: NDArray[np.uint64],
) -> tuple[int, int]:
    """One voxel and one neighbour before it.

    Returns:
        The neighbour's level with, above ``EQUAL``, 1 if it is the same; and that alone.
    """
    d = np.uint64(step)
    q = p - np.uint64(offsets[d])
    other = np.uint64(image[q])
    same = np.uint64(other == mine)
    place = same * (np.uint64(runs[((q & ring) << np.uint64(4)) + d]) + np.uint64(1))
    runs[((p & ring) << np.uint64(4)) + d] = place
    cell = wide + place if same else other & np.uint64(RANK)
    counts[start + cell] += np.uint32(1)
    told = same << np.uint64(EQUAL)
    around[q] += (mine >> np.uint64(LEVEL)) + told
    return (other >> np.uint64(LEVEL)) + told, same


@kernel
def sweep(
    image: NDArray[np.uint32],
    places: NDArray[np.int64],
    offsets: NDArray[np.int64],
    ranks: int,
    longest: int,
    counts: NDArray[np.uint32],
    runs: NDArray[np.uint16],
    around: NDArray[np.uint64],
    equal: NDArray[np.uint16],
) -> None:
    """Count pairs, runs, neighbours and joins.

    Args:
        image: Flat padded image: rank in the lower half of each number, grey level in the upper.
        places: Where the ROI's voxels lie in it, ascending, shape ``(voxel,)``.
        offsets: Distance back to each earlier neighbour, above 0, shape ``(direction,)``, at
            most 16.
        ranks: Number of ranks with that of the outside, 0.
        longest: One more than the longest run can be.
        counts: Out, zeros, ``(direction, rank, ranks + longest)`` but flat: per direction and rank
            of the later voxel first its pairs by rank of the earlier one, then the voxels at
            place ``k + 1`` of a run.
        runs: Scratch, ``16 * p`` long, ``p`` a power of two above the largest offset.
        around: Out, zeros, as long as ``image``: sum of neighbours' levels, and above the bit
            ``EQUAL`` the number of equal ones. Outside the ROI there is rubbish.
        equal: Out, one bit per direction, shape ``(voxel,)``.
    """
    ring = np.uint64(runs.size // 16 - 1)  # a run need be remembered as far as neighbours reach
    wide = np.uint64(ranks)
    row = wide + np.uint64(longest)
    for k in range(places.size):
        p = np.uint64(places[k])
        mine = np.uint64(image[p])
        start = (mine & np.uint64(RANK)) * row
        total, bits = np.uint64(0), np.uint64(0)
        if offsets.size == 13:  # a number the compiler knows: it unrolls the loop, a fifth faster
            for step in range(13):
                told, same = _meet(
                    step, p, mine, start, image, offsets, wide, counts, runs, ring, around
                )
                total += told
                bits |= same << np.uint64(step)
                start += wide * row
        else:
            for step in range(offsets.size):
                told, same = _meet(
                    step, p, mine, start, image, offsets, wide, counts, runs, ring, around
                )
                total += told
                bits |= same << np.uint64(step)
                start += wide * row
        around[p] += total
        equal[np.uint64(k)] = bits


@kernel
def tally(
    image: NDArray[np.uint32],
    places: NDArray[np.int64],
    neighbours: NDArray[np.uint8],
    around: NDArray[np.uint64],
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
    low = (np.uint64(1) << np.uint64(EQUAL)) - np.uint64(1)
    for k in range(places.size):
        p = np.uint64(places[k])
        mine = np.uint64(image[p])
        rank, level = mine & np.uint64(RANK), np.int64(mine >> np.uint64(LEVEL))
        seen = around[p]
        count = np.uint64(neighbours[np.uint64(k)])
        dependence[rank, seen >> np.uint64(EQUAL)] += 1
        distance[rank, count] += abs(level * np.int64(count) - np.int64(seen & low))


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
