"""Grey levels and order statistics of an ROI's intensities, without sorting them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

CELLS = 4096


@kernel
def digitise(
    values: NDArray[np.float64],
    edges: NDArray[np.float64],
    levels: NDArray[np.uint16],
    counts: NDArray[np.int64],
) -> None:
    """The bin of each value, as ``numpy.digitize`` finds it: guessed, then held to the edges.

    Args:
        values: None below the first edge.
        edges: Ascending, nearly evenly spaced, at least two.
        levels: Out, from 1, as long as ``values``.
        counts: Out, zeros, voxels of each level, one longer than ``edges``.
    """
    last = edges.size - 1
    first = edges[0]
    per_level = last / (edges[last] - first)
    for k in range(values.size):
        value = values[k]
        at = min(max(int((value - first) * per_level), 0), last)
        while at < last and value >= edges[at + 1]:
            at += 1
        while at > 0 and value < edges[at]:
            at -= 1
        levels[k] = at + 1
        counts[at + 1] += 1


@kernel
def order_statistics(
    values: NDArray[np.float64],
    low: float,
    high: float,
    wanted: NDArray[np.int64],
    found: NDArray[np.float64],
    cells: NDArray[np.uint16],
) -> None:
    """The values that would stand at the places ``wanted`` if all were sorted.

    The range is cut into cells; only cells that hold a wanted value are sorted.

    Args:
        low: The smallest value.
        high: The largest value.
        wanted: Places from 0, ascending.
        found: Out, as long as ``wanted``.
        cells: Scratch, as long as ``values``.
    """
    scale = (CELLS - 1) / (high - low) if high > low else 0.0
    counts = np.zeros(CELLS + 1, np.int64)
    for k in range(values.size):
        cell = np.uint16((values[k] - low) * scale)
        cells[np.uint64(k)] = cell
        counts[np.uint64(cell)] += 1
    before = np.zeros(CELLS + 1, np.int64)  # values in lower cells
    for cell in range(CELLS):
        before[cell + 1] = before[cell] + counts[cell]
    needed = np.zeros(CELLS + 1, np.uint8)
    total = 0
    for k in range(wanted.size):
        cell = np.searchsorted(before, wanted[k], side="right") - 1
        if not needed[cell]:
            needed[cell] = 1
            total += counts[cell]
    kept = np.empty(total)
    at = 0
    for k in range(values.size):
        if needed[np.uint64(cells[np.uint64(k)])]:
            kept[at] = values[k]
            at += 1
    kept.sort()  # cells are ordered, so theirs lie one after the other
    skipped = 0  # values of lower cells that were not kept
    cell = 0
    for k in range(wanted.size):
        while before[cell + 1] <= wanted[k]:
            skipped += 0 if needed[cell] else counts[cell]
            cell += 1
        found[k] = kept[wanted[k] - skipped]
