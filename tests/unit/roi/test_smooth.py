"""Smoothing is SciPy's, in single precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from radlas.roi.smooth import smooth_in_plane


@pytest.mark.parametrize("shape", [(3, 40, 37), (1, 9, 30), (2, 30, 4)])
@pytest.mark.parametrize("sigma", [(1.5, 1.5), (0.4, 3.0)])
def test_slices_are_smoothed_as_scipy_smooths_them(shape, sigma):
    voxels = np.random.default_rng(0).normal(300, 80, size=shape).astype(np.float32)
    expected = ndimage.gaussian_filter(voxels.astype(np.float64), (0, *sigma))
    np.testing.assert_allclose(smooth_in_plane(voxels, sigma), expected, rtol=2e-6)


def test_a_constant_stays_one():
    np.testing.assert_allclose(smooth_in_plane(np.full((2, 9, 9), 7.0, np.float32), (2, 2)), 7)
