"""The voxels of one ROI as the texture kernels want them; prepared once, used for every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels.sweep import count_neighbours
from radlas.features.kernels.zones import joining_table

Direction = tuple[int, int, int]

# The 13 directions of a voxel's 26 neighbours, in upstream's order.
DIRECTIONS: tuple[Direction, ...] = tuple(
    step
    for step in ((z, y, x) for z in (1, 0, -1) for y in (1, 0, -1) for x in (1, 0, -1))
    if step > (0, 0, 0)
)


def in_plane(axis: int = 0) -> tuple[Direction, ...]:
    """The directions that stay within a plane across the given axis: 0 for slices."""
    return tuple(step for step in DIRECTIONS if step[axis] == 0)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Voxels, and how to get from one to its neighbours.

    Attributes:
        inside: The ROI in its box, shape ``(z, y, x)``.
        directions: Steps to one half of the neighbours.
        places: Where the voxels lie in a flat image with a margin of one, ascending.
        offsets: The steps as distances in that image.
        size: Length of that image.
        neighbours: Of each voxel, how many neighbours it has in the ROI.
        joining: See ``kernels.zones``.
        lines: By direction, whether any line along it meets two voxels, adjacent or not.
    """

    inside: NDArray[np.bool_]
    directions: tuple[Direction, ...]
    places: NDArray[np.int64]
    offsets: NDArray[np.int64]
    size: int
    neighbours: NDArray[np.uint8]
    joining: NDArray[np.uint16]
    lines: NDArray[np.bool_]

    @property
    def longest(self) -> int:
        """One more than the longest run of voxels can be."""
        return int(max(self.inside.shape)) + 1

    @property
    def buffer_size(self) -> int:
        """Voxels of the kernels' ring buffer: the power of two above the largest offset."""
        largest = int(self.offsets.max(initial=1))
        return int(1 << largest.bit_length())


def make_lattice(
    inside: NDArray[np.bool_],
    directions: Sequence[Direction] = DIRECTIONS,
    *,
    across: bool = False,
) -> Lattice:
    """Prepare an ROI.

    Args:
        inside: The ROI in its bounding box, shape ``(z, y, x)``; not empty.
        directions: The steps wanted, some of ``DIRECTIONS``.
        across: Whether to keep directions in which the box has no second voxel. Upstream leaves
            them out; IBSI does not, and of a flat ROI each voxel is a run across it.
    """
    possible = tuple(
        step
        for step in directions
        if across or all(abs(move) < size for move, size in zip(step, inside.shape, strict=True))
    )
    padded = np.pad(inside, 1).astype(np.uint8)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    flat = padded.ravel()
    places = np.flatnonzero(flat)
    offsets = (np.array(possible, dtype=np.int64).reshape(-1, 3) @ strides).astype(np.int64)
    neighbours = np.empty(places.size, dtype=np.uint8)
    count_neighbours(flat, places, offsets, neighbours)
    return Lattice(
        inside=inside,
        directions=possible,
        places=places,
        offsets=offsets,
        size=flat.size,
        neighbours=neighbours,
        joining=joining_table(possible),
        lines=np.array([_meets_two(inside, step) for step in possible], dtype=bool),
    )


def _meets_two(inside: NDArray[np.bool_], step: Direction) -> bool:
    """Whether two voxels lie on one line along a step; adjacent ones are found at once."""
    first = tuple(slice(max(0, move), size + min(0, move)) for move, size in _moves(inside, step))
    second = tuple(
        slice(max(0, -move), size + min(0, -move)) for move, size in _moves(inside, step)
    )
    if (inside[first] & inside[second]).any():
        return True
    voxels = np.argwhere(inside)
    axis = next(k for k, move in enumerate(step) if move)
    feet = voxels - np.outer(voxels[:, axis] * step[axis], step)  # where each line meets a plane
    return bool(len(np.unique(feet, axis=0)) < len(voxels))


def _moves(inside: NDArray[np.bool_], step: Direction) -> list[tuple[int, int]]:
    return list(zip(step, inside.shape, strict=True))
