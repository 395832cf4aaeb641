"""Slices made coarser and masks grown within them: the loops of finding the body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

Bytes = NDArray[np.uint8]


@kernel
def means_of_blocks(
    voxels: NDArray[np.float32], y: int, x: int, means: NDArray[np.float32]
) -> None:
    """Means of ``y`` by ``x`` pixels, in single precision; blocks at the edge repeat its pixels.

    Args:
        voxels: Shape ``(z, y, x)``.
        y: Rows of a block.
        x: Its columns.
        means: Written; shape ``(z, y, x)``, as many blocks as it takes.
    """
    rows, columns = voxels.shape[1], voxels.shape[2]
    count = np.float32(y * x)
    for z in range(means.shape[0]):
        for r in range(means.shape[1]):
            found = means[z, r]
            found[:] = 0
            for down in range(y):
                row = voxels[z, min(r * y + down, rows - 1)]
                for across in range(x):
                    for c in range(found.size):
                        found[c] += row[min(c * x + across, columns - 1)]
            for c in range(found.size):
                found[c] /= count


@kernel
def spread_blocks(mask: NDArray[np.bool_], y: int, x: int, fine: NDArray[np.bool_]) -> None:
    """Each pixel as a block again: what ``means_of_blocks`` puts together, taken apart.

    Args:
        mask: Shape ``(z, y, x)``.
        y: Rows of a block.
        x: Its columns.
        fine: Written; of the last blocks only what has a place.
    """
    slices, rows, columns = fine.shape
    for z in range(slices):
        for r in range(rows):
            found, row = fine[z, r], mask[z, r // y]
            for c in range(columns):
                found[c] = row[c // x]


@kernel
def grow_rows(mask: Bytes, reach: NDArray[np.int64], grown: Bytes) -> None:
    """Each voxel's own row grown by ``reach[0]`` pixels, the rows beside it by less.

    Args:
        mask: Shape ``(z, y, x)``, 0 and 1.
        reach: Pixels to both sides in the row that is so many rows away, descending.
        grown: Written; zeros at first.
    """
    slices, rows, columns = mask.shape
    wide, row = np.empty((rows, columns), np.uint8), np.empty(columns + 2, np.uint8)
    for z in range(slices):
        wide[:] = mask[z]
        for across in range(reach[0] + 1):
            for r in range(rows * (across > 0)):
                _widen(wide[r], row)
            for down in range(reach.size):
                if reach[down] == across:
                    _join(wide, down, grown[z])


@kernel
def _widen(line: Bytes, row: Bytes) -> None:
    """A pixel more to both sides; ``row`` has room for one more at each end."""
    size = line.size
    row[0] = row[size + 1] = 0
    for x in range(size):
        row[x + 1] = line[x]
    for x in range(size):
        line[x] = row[x] | row[x + 1] | row[x + 2]


@kernel
def _join(wide: Bytes, down: int, grown: Bytes) -> None:
    """All rows, as many rows further up and further down."""
    rows, columns = wide.shape
    for r in range(rows):
        if r >= down:
            for x in range(columns):
                grown[r - down, x] |= wide[r, x]
        if r + down < rows:
            for x in range(columns):
                grown[r + down, x] |= wide[r, x]
