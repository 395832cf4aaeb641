"""Smoothing is SciPy's, in single precision, and all of it is alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from radlas.roi.smooth import THIN, exceeding, thinned

SHAPES = [(3, 40, 37), (1, 9, 30), (2, 30, 4), (2, 5, 1)]
LOW = np.float32(200)


def made(shape):
    return np.random.default_rng(0).normal(300, 80, size=shape).astype(np.float32)


def by_scipy(voxels, sigma, most=np.inf):
    above = np.clip(voxels - LOW, 0, most)
    return ndimage.gaussian_filter(above.astype(np.float64), (0, *sigma))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [(1.5, 1.5), (0.4, 3.0), (1.9, 2.1)])
def test_slices_are_smoothed_as_scipy_smooths_them(shape, sigma):
    voxels = made(shape)
    expected = by_scipy(voxels, sigma)[:, ::THIN, ::THIN]
    np.testing.assert_allclose(thinned(voxels, sigma, low=LOW), expected, rtol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [(1.5, 1.5), (0.4, 3.0), (1.9, 2.1)])
def test_what_exceeds_is_what_scipy_finds_above_the_threshold(shape, sigma):
    voxels, most, threshold = made(shape), np.float32(120), 95.0
    smooth = by_scipy(voxels, sigma, most)
    clear = np.abs(smooth - threshold) > 1e-3
    found = exceeding(voxels, sigma, low=LOW, most=most, threshold=threshold)
    np.testing.assert_array_equal(found[clear], (smooth > threshold)[clear])
    assert clear.mean() > 0.99


def test_both_smooth_to_the_same_bits():
    voxels, sigma = made((2, 20, 21)), (1.5, 2.5)
    thin, most = thinned(voxels, sigma, low=LOW), np.float32(np.inf)
    for value in thin.flat[::37]:
        below = np.nextafter(np.float64(value), 0)
        for threshold, above in ((below, thin >= value), (np.float64(value), thin > value)):
            found = exceeding(voxels, sigma, low=LOW, most=most, threshold=threshold)
            np.testing.assert_array_equal(found[:, ::THIN, ::THIN], above)


def test_a_constant_stays_one():
    voxels = np.full((2, 9, 9), 207.0, np.float32)
    np.testing.assert_allclose(thinned(voxels, (2, 2), low=LOW), 7, rtol=1e-6)
