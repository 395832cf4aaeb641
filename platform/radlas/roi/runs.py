"""Connected pieces of a mask, by the runs of its rows: there are far fewer runs than voxels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

Indices = NDArray[np.int64]


class Runs(NamedTuple):
    """The voxels of a mask, as stretches of its rows.

    Attributes:
        row: Which row, counted through all slices, ascending.
        start: First voxel in the row.
        stop: First voxel behind.
        piece: Of each run, the first run of the piece that it belongs to.
    """

    row: Indices
    start: Indices
    stop: Indices
    piece: Indices


def find_runs(mask: NDArray[np.bool_], *, across: bool) -> Runs:
    """Pieces that hang together by voxels' faces.

    Args:
        mask: Shape ``(z, y, x)``.
        across: Whether pieces reach from slice to slice.
    """
    rows = np.ascontiguousarray(mask).reshape(-1, mask.shape[2])
    first = np.empty(len(rows) + 1, dtype=np.int64)  # of each row, its first run
    _count(rows, first)
    found = np.empty((4, first[-1]), dtype=np.int64)
    row, ends, piece = found[0], found[1:3], found[3]
    _fill(rows, first, row, ends)
    _join(first, ends, mask.shape[1], across, piece)
    return Runs(row, ends[0], ends[1], piece)


def painted(runs: Runs, kept: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask of some runs.

    Args:
        runs: Of a mask.
        kept: Which of them.
        shape: The mask's, ``(z, y, x)``.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    _paint(runs.row[kept], runs.start[kept], runs.stop[kept], mask.reshape(-1, shape[2]))
    return mask


@kernel
def _count(rows: NDArray[np.bool_], first: Indices) -> None:
    first[0] = 0
    for r in range(rows.shape[0]):
        row, found = rows[r], 0
        before = False
        for x in range(row.size):
            found += row[x] and not before
            before = row[x]
        first[r + 1] = first[r] + found


@kernel
def _fill(rows: NDArray[np.bool_], first: Indices, row: Indices, ends: Indices) -> None:
    columns, start, stop = rows.shape[1], ends[0], ends[1]
    for r in range(rows.shape[0]):
        k = first[r]
        before = False
        for x in range(columns):
            now = rows[r, x]
            if now and not before:
                row[k], start[k] = r, x
            elif before and not now:
                stop[k] = x
                k += 1
            before = now
        if before:
            stop[k] = columns


@kernel
def _join(first: Indices, ends: Indices, rows: int, across: bool, piece: Indices) -> None:
    for k in range(piece.size):
        piece[k] = k
    for r in range(first.size - 1):
        if r % rows:
            _join_rows(first, ends, r - 1, r, piece)
        if across and r >= rows:
            _join_rows(first, ends, r - rows, r, piece)
    for k in range(piece.size):
        piece[k] = piece[piece[k]]  # those before are at their first run already


@kernel
def _join_rows(first: Indices, ends: Indices, above: int, below: int, piece: Indices) -> None:
    start, stop = ends[0], ends[1]
    i, j = first[above], first[below]
    while i < first[above + 1] and j < first[below + 1]:
        if start[i] < stop[j] and start[j] < stop[i]:
            one, other = _root(piece, i), _root(piece, j)
            piece[max(one, other)] = min(one, other)
        if stop[i] < stop[j]:
            i += 1
        else:
            j += 1


@kernel
def _root(piece: Indices, k: int) -> int:
    while piece[k] != k:
        piece[k] = piece[piece[k]]
        k = piece[k]
    return k


@kernel
def _paint(row: Indices, start: Indices, stop: Indices, rows: NDArray[np.bool_]) -> None:
    for k in range(row.size):
        rows[row[k], start[k] : stop[k]] = True
