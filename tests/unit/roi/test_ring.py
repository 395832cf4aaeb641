"""Rings: exact distances in millimetres, whatever the voxels' shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from radlas.errors import ConfigError, DataError
from radlas.roi.ring import ring, ring_name

FINE = (0.5, 0.5, 0.5)
ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (6.5, 0.78, 0.78)


def centres(shape, spacing):
    """Coordinates of voxel centres from the middle of the grid [mm], three arrays."""
    axes = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(shape, spacing, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ellipsoid(shape, spacing, radii):
    z, y, x = centres(shape, spacing)
    return (z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2 <= 1


def everywhere(mask):
    return np.ones(mask.shape, dtype=bool)


def make(tumour, spacing, inner, outer, **more):
    body = more.pop("body", everywhere(tumour))
    return ring(tumour, spacing, inner_mm=inner, outer_mm=outer, body=body, **more)


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
@pytest.mark.parametrize(("inner", "outer"), [(0, 10), (5, 10), (2, 7)])
def test_the_ring_of_one_voxel_is_a_shell_of_the_ball_around_it(spacing, inner, outer):
    tumour = np.zeros((9, 41, 41), dtype=bool)
    tumour[4, 20, 20] = True
    radius = np.sqrt(sum(axis**2 for axis in centres(tumour.shape, spacing)))
    np.testing.assert_array_equal(
        make(tumour, spacing, inner, outer).mask, (radius > inner) & (radius <= outer)
    )


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
def test_the_ring_of_a_cuboid_is_the_rounded_cuboid_without_it(spacing):
    tumour = np.zeros((11, 50, 46), dtype=bool)
    tumour[4:7, 15:35, 14:32] = True
    beyond = [
        np.maximum(np.abs(axis) - np.abs(axis[tumour]).max(), 0)
        for axis in centres(tumour.shape, spacing)
    ]
    distance = np.sqrt(sum(axis**2 for axis in beyond))
    np.testing.assert_array_equal(
        make(tumour, spacing, 0, 10).mask, (distance > 0) & (distance <= 10)
    )


@pytest.mark.parametrize("spacing", [(3.0, 0.78, 0.78), THICK])
def test_an_ellipsoids_ring_is_what_a_search_for_the_nearest_tumour_voxel_finds(spacing):
    shape = (9, 60, 52)
    tumour = ellipsoid(shape, spacing, (14.0, 9.0, 6.0))
    points = np.stack([axis.ravel() for axis in centres(shape, spacing)], axis=1)
    distance = KDTree(points[tumour.ravel()]).query(points)[0].reshape(shape)
    found = make(tumour, spacing, 3, 8)
    np.testing.assert_array_equal(found.mask, (distance > 3) & (distance <= 8))
    assert found.achieved_width == pytest.approx(distance[found.mask].max(), abs=1e-9)


@pytest.mark.parametrize(("inner", "outer"), [(0, 8), (4, 8)])
def test_on_fine_voxels_a_spheres_ring_has_the_volume_of_the_shell_within_2_percent(inner, outer):
    radius = 12.0
    tumour = ellipsoid((86, 86, 86), FINE, (radius, radius, radius))
    volume = make(tumour, FINE, inner, outer).mask.sum() * np.prod(FINE)
    shell = 4 / 3 * np.pi * ((radius + outer) ** 3 - (radius + inner) ** 3)
    assert volume == pytest.approx(shell, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.floats(0.5, 6))
def test_no_voxel_of_a_ring_is_tumour_air_or_excluded(seed, inner, width):
    chance = np.random.default_rng(seed)
    shape = (5, 14, 13)
    tumour, body, other = (chance.random(shape) < share for share in (0.02, 0.7, 0.2))
    tumour[2, 6, 6] = True
    found = make(tumour, (3.0, 1.0, 1.0), inner, inner + width, body=body, exclude=[other])
    assert not (found.mask & (tumour | ~body | other)).any()
    assert found.achieved_width <= inner + width + 1e-5


def test_adjacent_rings_share_no_voxel_and_make_up_the_wide_one():
    tumour = ellipsoid((9, 60, 60), THICK, (12.0, 8.0, 8.0))
    inner, outer, both = (make(tumour, THICK, *width).mask for width in [(0, 5), (5, 12), (0, 12)])
    assert not (inner & outer).any()
    np.testing.assert_array_equal(inner | outer, both)


def test_a_ring_cut_by_the_skin_reports_what_was_kept():
    tumour = ellipsoid((41, 41, 41), ISOTROPIC, (6.0, 6.0, 6.0))
    body = everywhere(tumour)
    body[:, :20] = False  # the plane through the centre, row 20, stays
    cut = make(tumour, ISOTROPIC, 0, 10, body=body)
    whole = make(tumour, ISOTROPIC, 0, 10)
    assert whole.kept_fraction == 1
    assert cut.kept_fraction == cut.mask.sum() / whole.mask.sum()
    assert 0.5 < cut.kept_fraction < 0.56


def test_a_ring_thinner_than_the_slices_stays_in_plane_and_says_so():
    tumour = np.zeros((5, 30, 30), dtype=bool)
    tumour[2, 10:20, 10:20] = True
    thin, wide = make(tumour, THICK, 0, 5), make(tumour, THICK, 0, 10)
    assert thin.in_plane_only
    assert np.flatnonzero(thin.mask.any(axis=(1, 2))).tolist() == [2]
    assert thin.achieved_width <= 5
    assert not wide.in_plane_only
    assert np.flatnonzero(wide.mask.any(axis=(1, 2))).tolist() == [1, 2, 3]


def test_a_tumour_at_the_images_border_has_a_ring_inside_the_image():
    tumour = np.zeros((4, 12, 12), dtype=bool)
    tumour[0, :3, :3] = True
    found = make(tumour, ISOTROPIC, 0, 3)
    assert found.mask.shape == tumour.shape
    assert found.mask[3, 0, 0]
    assert not found.mask[0, 6, 0]


def test_a_ring_clipped_to_nothing_is_empty_and_not_undefined():
    tumour = ellipsoid((9, 9, 9), ISOTROPIC, (2.0, 2.0, 2.0))
    gone = make(tumour, ISOTROPIC, 0, 2, body=np.zeros(tumour.shape, dtype=bool))
    assert (gone.mask.sum(), gone.kept_fraction, gone.achieved_width) == (0, 0.0, 0.0)


def test_an_empty_tumour_is_the_datas_fault():
    with pytest.raises(DataError, match="no voxel") as caught:
        make(np.zeros((3, 3, 3), dtype=bool), ISOTROPIC, 0, 5)
    assert caught.value.reason == "empty_mask"


@pytest.mark.parametrize(("inner", "outer"), [(5, 5), (6, 5), (-1, 5)])
def test_distances_that_make_no_ring_are_refused(inner, outer):
    with pytest.raises(ConfigError, match="no ring from"):
        make(np.ones((2, 2, 2), dtype=bool), ISOTROPIC, inner, outer)


def test_names_of_rings_are_plain_words():
    assert ring_name(0.0, 10.0) == "ring_0_10"
    assert ring_name(2.5, 7) == "ring_2p5_7"
