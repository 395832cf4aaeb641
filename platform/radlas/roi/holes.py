"""Holes of a mask, slice by slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without holes in its slices: what the frame cannot reach by steps across edges.

    Args:
        mask: Shape ``(z, y, x)``.
    """
    outside = np.zeros(mask.shape, dtype=np.bool_)
    queue = np.empty(mask[0].size, dtype=np.int64)
    for plane, reached in zip(np.ascontiguousarray(mask), outside, strict=True):
        _flood(plane, reached, queue)
    return ~outside


@kernel
def _flood(mask: NDArray[np.bool_], reached: NDArray[np.bool_], queue: NDArray[np.int64]) -> None:
    rows, columns = mask.shape
    size = 0
    for y in range(rows):
        for x in range(columns):
            edge = y in (0, rows - 1) or x in (0, columns - 1)
            if edge and not mask[y, x] and not reached[y, x]:
                reached[y, x] = True
                queue[size] = y * columns + x
                size += 1
    while size:
        size -= 1
        y, x = divmod(queue[size], columns)
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= v < rows and 0 <= u < columns
            if inside and not mask[v, u] and not reached[v, u]:
                reached[v, u] = True
                queue[size] = v * columns + u
                size += 1
