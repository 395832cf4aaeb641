"""Holes of a mask, slice by slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.roi.runs import find_runs, painted


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without holes in its slices: what the frame cannot reach by steps across edges.

    Args:
        mask: Shape ``(z, y, x)``.
    """
    runs = find_runs(~mask, across=False)
    _, rows, columns = mask.shape
    at_frame = (runs.start == 0) | (runs.stop == columns)
    at_frame |= np.isin(runs.row % rows, (0, rows - 1))
    open_pieces = np.zeros(runs.piece.size, dtype=np.bool_)
    open_pieces[runs.piece[at_frame]] = True
    return ~painted(runs, open_pieces[runs.piece], mask.shape)
