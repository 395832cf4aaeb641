"""Pieces by runs are SciPy's pieces by voxels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from radlas.roi.runs import find_runs, painted

MASKS = arrays(bool, st.tuples(*(st.integers(1, size) for size in (4, 8, 9))))
FACES = ndimage.generate_binary_structure(3, 1)


@given(mask=MASKS, across=st.booleans())
def test_pieces_are_those_of_scipy(mask, across):
    faces = FACES if across else FACES & (np.arange(3) == 1)[:, None, None]
    labels, count = ndimage.label(mask, faces)
    runs = find_runs(mask, across=across)
    pieces = np.unique(runs.piece)
    assert len(pieces) == count
    for piece in pieces:
        found = painted(runs, runs.piece == piece, mask.shape)
        (label,) = np.unique(labels[found])
        np.testing.assert_array_equal(found, labels == label)


@given(MASKS)
def test_all_runs_together_are_the_mask(mask):
    runs = find_runs(mask, across=True)
    assert (runs.start < runs.stop).all()
    np.testing.assert_array_equal(painted(runs, runs.piece >= 0, mask.shape), mask)


def test_an_arch_is_one_piece_though_its_feet_are_found_first():
    """Both feet begin as pieces of their own and meet in the last row."""
    mask = np.array([[[1, 0, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]], dtype=bool)
    assert set(find_runs(mask, across=False).piece) == {0}
