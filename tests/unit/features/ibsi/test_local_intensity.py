"""Peaks: means over balls of one cubic centimetre, of the image and not of the ROI."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.unit.features.ibsi.ellipsoid import ellipsoid

from radlas.errors import DataError
from radlas.features.ibsi.local_intensity import RADIUS_MM, local_intensity

SPACING = (3.5, 2.0, 1.5)


def peaks(mask, image, spacing=SPACING):
    found = local_intensity(mask, image, spacing_zyx=spacing)
    return found["localintensity_LocalPeak"], found["localintensity_GlobalPeak"]


def by_distance(mask, image, spacing):
    """The definitions, ball by ball."""
    places = np.argwhere(np.ones(image.shape, dtype=bool)) * spacing
    means = np.full(image.shape, -np.inf)
    for place in np.argwhere(mask):
        near = np.linalg.norm(places - place * spacing, axis=1) <= RADIUS_MM
        means[tuple(place)] = image.ravel()[near].mean()
    brightest = mask & (image == image[mask].max())
    return means[brightest].max(), means.max()


def test_the_ball_has_one_cubic_centimetre():
    assert 4 / 3 * math.pi * RADIUS_MM**3 == pytest.approx(1000)


@pytest.mark.parametrize("spacing", [SPACING, (6.5, 0.9, 0.9), (1.0, 1.3, 8.0), (20, 20, 20)])
def test_sums_of_rows_give_the_means_of_balls(spacing):
    rng = np.random.default_rng(5)
    image = np.round(rng.normal(size=(5, 9, 11)), 1)  # the highest voxel is not alone
    mask = rng.random(image.shape) < 0.3
    mask[0, 0, 0] = True
    assert peaks(mask, image, spacing) == pytest.approx(by_distance(mask, image, spacing))


def test_an_independent_tool_has_the_same_peaks():
    """MIRP 2.7.0, which averages over the image's own voxels in ROIs of up to 300 voxels."""
    mask, image = ellipsoid()
    mask[:, :, 7:] = False
    assert peaks(mask, image) == pytest.approx((3.790476, 3.905406), rel=2e-6)


def test_a_flat_image_has_its_value_as_peak_at_corners_too():
    mask = np.zeros((3, 9, 9), dtype=bool)
    mask[0, 0, 0] = mask[2, 8, 8] = True
    assert peaks(mask, np.full(mask.shape, 7.5)) == pytest.approx((7.5, 7.5))


def test_voxels_outside_the_roi_count_and_those_out_of_reach_do_not():
    mask, image = np.zeros((1, 1, 21), dtype=bool), np.zeros((1, 1, 21))
    mask[0, 0, 10] = True
    image[0, 0, 14], image[0, 0, 15] = 9.0, np.nan  # 6.0 and 7.5 mm away
    assert peaks(mask, image) == pytest.approx((1.0, 1.0))  # nine voxels in reach


def test_the_global_peak_is_never_below_the_local_one():
    """One bright voxel in the dark, and a plateau that is brighter on the whole."""
    image = np.zeros((1, 1, 40))
    image[0, 0, 5], image[0, 0, 20:35] = 10.0, 4.0
    local, highest = peaks(np.ones(image.shape, dtype=bool), image)
    assert (local, highest) == pytest.approx((10 / 9, 4.0))


@pytest.mark.parametrize("reason", ["empty_mask", "not_finite"])
def test_what_has_no_peak_is_refused_under_its_reason(reason):
    mask = np.full((2, 2, 2), reason != "empty_mask")
    with pytest.raises(DataError) as caught:
        peaks(mask, np.full(mask.shape, np.inf))
    assert caught.value.reason == reason
