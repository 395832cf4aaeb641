"""Holes are filled slice by slice, as SciPy fills them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from radlas.roi.holes import fill_holes

MASKS = arrays(bool, st.tuples(*(st.integers(1, size) for size in (3, 9, 9))))


@given(MASKS)
def test_every_slice_is_filled_as_scipy_fills_it(mask):
    expected = np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    np.testing.assert_array_equal(fill_holes(mask), expected)


def test_a_tunnel_across_slices_is_filled_in_each():
    mask = np.ones((3, 5, 5), dtype=bool)
    mask[:, 2, 2] = False
    assert fill_holes(mask).all()
