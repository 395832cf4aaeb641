"""Filters for ``winograd.py``: once for each network, thirty million taps to four times as many.

Each three taps of a row or column become six by Lavin and Gray's matrix::

     1/4    0    0
    -1/6 -1/6 -1/6
    -1/6  1/6 -1/6
    1/24 1/12  1/6
    1/24 -1/12 1/6
       0    0    1
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel

PLACES = 36
_SIDE, _TAPS = 6, 3
_OUTPUTS = 32  # whose taps are transformed together: what they make fits the nearest cache
_SIXTH = 1 / 6
Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

# Places are ordered by the tiles that have them: all, those with four outputs along x, along y,
# along both. The first are numbered by rows of five.
_ROWS_AND_COLUMNS = [
    *((i, j) for i in range(5) for j in range(5)),
    *((i, 5) for i in range(5)),
    *((5, j) for j in range(5)),
    (5, 5),
]
_ENDS = (0, 25, 30, 35, PLACES)
GROUPS = tuple(slice(*ends) for ends in pairwise(_ENDS))
_PLACE_OF = np.zeros((_SIDE, _SIDE), np.int64)
_PLACE_OF[tuple(zip(*_ROWS_AND_COLUMNS, strict=True))] = range(PLACES)


def transformed_filters(taps: Array, scale: Array, *, paired: bool) -> Array:
    """Filters as matrices, transformed in double precision.

    Args:
        taps: Shape ``(outputs, inputs, 3, 3, 3)``.
        scale: What each output's are multiplied by, shape ``(outputs,)``.
        paired: Instead of the taps p, q and r along z, p - q, q and r - q. That is Karatsuba's: of
            slices a and b that meet each other alone the outputs are q (a + b) + (r - q) b and
            q (a + b) + (p - q) a.

    Returns:
        Shape ``(36, 3, inputs, outputs)``: for each place of a tile, in their groups' order, and
        each tap along z a matrix.
    """
    outputs, inputs = taps.shape[:2]
    found = np.empty((PLACES, _TAPS, inputs, outputs), np.float32)
    _transform(np.ascontiguousarray(taps), scale, paired, _PLACE_OF, found)
    return found


@kernel
def _transform(
    taps: Array, scale: Array, paired: bool, place_of: NDArray[np.int64], found: Array
) -> None:
    outputs, inputs = taps.shape[:2]
    near = np.empty((_TAPS, _TAPS, _TAPS, _OUTPUTS))
    half = np.empty((_SIDE, _TAPS, _OUTPUTS))
    lines = np.empty((_SIDE, _OUTPUTS))
    for start in range(0, outputs, _OUTPUTS):
        count = min(_OUTPUTS, outputs - start)
        for c in range(inputs):
            _take(taps[start : start + count, c], scale[start : start + count], paired, near)
            for z in range(_TAPS):
                for x in range(_TAPS):
                    _six_of_three(near[z, :, x], half[:, x])
                for i in range(_SIDE):
                    _six_of_three(half[i], lines)
                    for j in range(_SIDE):
                        made, line = found[place_of[i, j], z, c], lines[j]
                        for k in range(count):
                            made[start + k] = line[k]


@kernel
def _take(taps: Array, scale: Array, paired: bool, near: Matrix) -> None:
    """Taps of some outputs, side by side."""
    for k in range(scale.size):
        factor = np.float64(scale[k])
        for y in range(_TAPS):
            for x in range(_TAPS):
                for z in range(_TAPS):
                    near[z, y, x, k] = factor * taps[k, z, y, x]
                if paired:
                    near[0, y, x, k] -= near[1, y, x, k]
                    near[2, y, x, k] -= near[1, y, x, k]


@kernel
def _six_of_three(taps: Matrix, found: Matrix) -> None:
    for k in range(_OUTPUTS):
        a, b, d = taps[0, k], taps[1, k], taps[2, k]
        outer, middle = -(a + d) * _SIXTH, b * _SIXTH
        near, far = (0.25 * a + d) * _SIXTH, 0.5 * middle
        found[0, k] = 0.25 * a
        found[1, k], found[2, k] = outer - middle, outer + middle
        found[3, k], found[4, k] = near + far, near - far
        found[5, k] = d
