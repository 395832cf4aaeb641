"""Rings: millimetres from the tumour's surface, whatever the voxels' shape and place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation
from tests.masks import dice

from radlas.errors import ConfigError, DataError
from radlas.roi.contour import contour_distance
from radlas.roi.ring import ring, ring_name, rings

ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (6.5, 0.78, 0.78)
SPACINGS = [THICK, (5.0, 0.78, 0.78), (3.0, 0.9, 0.7), ISOTROPIC]
WIDTHS_MM = (2, 3, 5, 10, 15)


def centres(shape, spacing, offset=(0, 0, 0)):
    """Coordinates of voxel centres from the middle of the grid [mm], three arrays."""
    axes = [
        (np.arange(n) - (n - 1) / 2 + moved) * edge
        for n, edge, moved in zip(shape, spacing, offset, strict=True)
    ]
    return np.meshgrid(*axes, indexing="ij")


def ellipsoid(shape, spacing, radii):
    scaled = [axis / radius for axis, radius in zip(centres(shape, spacing), radii, strict=True)]
    return sum(axis**2 for axis in scaled) <= 1


def somewhere(radii, spacing, seed):
    """An ellipsoid tilted and placed at random between the voxels, with 17 mm around it."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=rng).as_matrix()
    half = np.sqrt(((turn * radii) ** 2).sum(axis=1)) + 17
    shape = 2 * np.ceil(half / spacing).astype(int) + 1
    grid = centres(shape, spacing, rng.random(3) - 0.5)
    scaled = np.stack([axis.ravel() for axis in grid], axis=1) @ turn / radii
    return ((scaled**2).sum(axis=1) <= 1).reshape(shape)


def shell_volume(radii, width):
    """Of what lies within ``width`` of an ellipsoid: Steiner's formula for convex bodies.

    Its surface is four times the mean shadow (Cauchy), its integral of mean curvature two pi
    times the mean width; both means over directions.
    """
    height, weight = np.polynomial.legendre.leggauss(60)
    turn = (np.arange(120) + 0.5) * np.pi / 60
    flat = np.sqrt(1 - height**2)[:, None]
    ways = np.stack([height[:, None] + 0 * turn, flat * np.cos(turn), flat * np.sin(turn)])
    radii = np.reshape(radii, (3, 1, 1))
    shadow = np.pi * radii.prod() * np.sqrt(((ways / radii) ** 2).sum(axis=0))
    breadth = 2 * np.sqrt(((ways * radii) ** 2).sum(axis=0))
    surface, mean_width = ((mean * weight[:, None]).sum() / 240 for mean in (4 * shadow, breadth))
    return surface * width + 2 * np.pi * mean_width * width**2 + 4 / 3 * np.pi * width**3


def everywhere(mask):
    return np.ones(mask.shape, dtype=bool)


def make(tumour, spacing, inner, outer, **more):
    body = more.pop("body", everywhere(tumour))
    return ring(tumour, spacing, inner_mm=inner, outer_mm=outer, body=body, **more)


def volume_of(made, spacing):
    return made.mask.sum() * np.prod(spacing)


# Volume


@pytest.mark.parametrize("spacing", SPACINGS)
def test_an_ellipsoids_ring_has_its_volume_within_2_percent_wherever_the_voxels_lie(spacing):
    errors = []
    for seed in range(8):
        radii = np.random.default_rng(seed).uniform(10, 40 if spacing[0] > 1 else 20, size=3)
        tumour = somewhere(radii, spacing, seed)
        made = rings(tumour, spacing, widths=[(0, mm) for mm in WIDTHS_MM], body=everywhere(tumour))
        wanted = np.array([shell_volume(radii, mm) for mm in WIDTHS_MM])
        voxels = np.array([volume_of(one, spacing) for one in made])
        in_space = np.array([one.volume_mm3 for one in made])
        errors.append([voxels / wanted - 1, in_space / wanted - 1])
    assert np.abs(errors).max() < 0.02
    assert np.abs(np.mean(errors, axis=0)).max() < 0.01  # no bias that more patients would show


def test_a_ring_that_half_a_pixel_would_leave_short_has_its_volume():
    """Of the first 200 places the one where a ring of 2 mm needs more: half the diagonal does."""
    radii = np.random.default_rng(98).uniform(10, 40, size=3)
    made = make(somewhere(radii, THICK, 98), THICK, 0, 2)
    assert volume_of(made, THICK) == pytest.approx(shell_volume(radii, 2), rel=0.005)


def test_voxels_at_one_distance_are_not_parted_and_the_volume_in_space_is_still_told():
    """The one of the first 200 places at which a ring of 2 mm on 6.5 mm misses the 2 percent."""
    radii = np.random.default_rng(184).uniform(10, 40, size=3)
    made = make(somewhere(radii, THICK, 184), THICK, 0, 2)
    wanted = shell_volume(radii, 2)
    assert made.volume_mm3 == pytest.approx(wanted, rel=0.01)
    assert 0.02 < abs(volume_of(made, THICK) / wanted - 1) < 0.03


def test_the_shell_of_a_ball_is_the_difference_of_two_balls():
    """Holds the formula that the other tests rely on."""
    assert shell_volume((12, 12, 12), 5) == pytest.approx(4 / 3 * np.pi * (17**3 - 12**3))


@pytest.mark.parametrize(("inner", "outer"), [(2, 5), (5, 10), (3, 15)])
def test_a_ring_after_a_gap_has_the_volume_between_its_edges(inner, outer):
    radii = (22.0, 14.0, 30.0)
    made = make(somewhere(radii, THICK, 3), THICK, inner, outer)
    wanted = shell_volume(radii, outer) - shell_volume(radii, inner)
    assert volume_of(made, THICK) == pytest.approx(wanted, rel=0.02)
    assert made.volume_mm3 == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
def test_a_blunt_tumour_ends_half_a_voxel_beyond_its_last_centres(spacing):
    """A cuboid's shell has slabs, quarter cylinders and an eighth of a ball at each corner."""
    size = np.array([4, 30, 24])
    tumour = np.zeros(tuple(size + np.array([12, 40, 40])), dtype=bool)
    tumour[6:10, 20:50, 20:44] = True
    a, b, c = size * spacing
    made = make(tumour, spacing, 0, 5)
    wanted = 2 * (a * b + a * c + b * c) * 5 + np.pi * (a + b + c) * 25 + 4 / 3 * np.pi * 125
    assert made.volume_mm3 == pytest.approx(wanted, rel=0.03)
    assert volume_of(made, spacing) == pytest.approx(wanted, rel=0.03)


def test_the_ring_along_a_flat_side_is_as_thick_as_asked():
    tumour = np.zeros((12, 40, 40), dtype=bool)
    tumour[:, :, :20] = True  # from end to end of the image: only one side is free
    made = make(tumour, ISOTROPIC, 0, 4)
    assert np.flatnonzero(made.mask.any(axis=(0, 1))).tolist() == [20, 21, 22, 23]
    assert made.mask[:, :, 20:24].all()
    assert made.achieved_width == pytest.approx(3.5, abs=0.01)  # the last centres


@pytest.mark.parametrize("spacing", [ISOTROPIC, (3.0, 1.0, 1.0)])
def test_the_ring_of_one_voxel_lies_between_those_of_a_point_and_of_its_circumscribed_ball(spacing):
    tumour = np.zeros((17, 21, 21), dtype=bool)
    tumour[8, 10, 10] = True
    corner = np.linalg.norm(spacing) / 2
    point, ball = (4 / 3 * np.pi * radius**3 for radius in (6, 6 + corner))
    assert point < volume_of(make(tumour, spacing, 0, 6), spacing) < ball


def test_pieces_far_apart_have_the_volume_of_the_sum_of_their_rings():
    one, other = np.zeros((2, 16, 60, 60), dtype=bool)
    one[2:5, 10:20, 8:20] = True
    other[10:13, 40:48, 40:50] = True
    both, *alone = (make(mask, THICK, 0, 4).volume_mm3 for mask in (one | other, one, other))
    assert both == pytest.approx(sum(alone), rel=0.01)


# Place


def test_distances_to_a_contour_are_those_to_where_it_crosses_the_grid():
    """Marching squares, written out, and a search for the nearest of its points."""
    _, y, x = centres((1, 50, 70), (1.0, 1.5, 1.0), (0, 0.3, 0.1))
    level = (17.3 - np.hypot(y, x) + 2 * np.sin(x / 3)).astype(np.float32)
    found = []
    for row, column in np.argwhere(level[0, :-1, :-1] < np.inf):
        here = level[0, row, column]
        for down, right in [(1, 0), (0, 1)]:
            there = level[0, row + down, column + right]
            if (here > 0) != (there > 0):
                share = here / (here - there)
                found.append([(row + share * down) * 1.5, column + share * right])
    pixels = np.argwhere(np.ones(level.shape[1:], dtype=bool)) * [1.5, 1.0]
    wanted = KDTree(found).query(pixels)[0].reshape(level.shape)
    np.testing.assert_allclose(contour_distance(level, (1.5, 1.0)), wanted, atol=1e-3)


def test_a_slice_without_a_contour_is_far_from_it():
    level = np.stack([np.ones((4, 5)), np.eye(4, 5) - 0.5]).astype(np.float32)
    found = contour_distance(level, (0.7, 0.7))
    assert (found[0] == 1e4).all()
    assert found[1].max() < 4


@pytest.mark.parametrize(("inner", "outer", "alike"), [(0, 3, 0.95), (0, 10, 0.98), (5, 10, 0.97)])
def test_a_lumpy_tumours_ring_is_where_a_search_for_the_nearest_surface_point_finds_it(
    inner, outer, alike
):
    """The oracle knows the shape itself, as 60,000 points, and not only its voxels."""
    rng = np.random.default_rng(11)
    ways = rng.normal(size=(8, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    size, pace = rng.normal(size=8) * 0.05, rng.uniform(1.5, 4, size=8)

    def radius(towards):
        return 22 * (1 + np.cos(pace * (towards @ ways.T) + np.arange(8)) @ size)

    number = np.arange(60_000) + 0.5
    height, turn = 1 - number / 30_000, np.pi * (1 + 5**0.5) * number  # a Fibonacci lattice
    flat = np.sqrt(1 - height**2)
    unit = np.stack([height, flat * np.cos(turn), flat * np.sin(turn)], axis=1)
    shape = (15, 120, 120)
    points = np.stack([axis.ravel() for axis in centres(shape, THICK, (0.2, 0.4, 0.1))], axis=1)
    length = np.linalg.norm(points, axis=1)
    tumour = (length <= radius(points / length[:, None])).reshape(shape)
    surface = KDTree(unit * radius(unit)[:, None])
    distance = surface.query(points, distance_upper_bound=12)[0].reshape(shape)
    wanted = ~tumour & (distance > inner) & (distance <= outer)
    assert dice(make(tumour, THICK, inner, outer).mask, wanted) > alike


@pytest.mark.parametrize("spacing", SPACINGS)
def test_no_edge_moves_by_more_than_half_a_pixel(spacing):
    """What the voxels' volume may cost: the true distances, in a ball, stay within that."""
    radius, room = 16.0, [14, 14, 14]
    shape = [2 * int((radius + more) / edge) + 1 for more, edge in zip(room, spacing, strict=True)]
    distance = np.sqrt(sum(axis**2 for axis in centres(shape, spacing))) - radius
    made = make(distance <= 0, spacing, 4, 10)
    play = np.sqrt(spacing[1] * spacing[2]) / 2 + 0.25  # and the surface is a model of the ball
    assert distance[made.mask].min() > 4 - play
    assert distance[made.mask].max() < 10 + play
    assert made.mask[(distance > 4 + play) & (distance < 10 - play)].all()
    assert made.requested_width == 6
    assert 6 - play < made.achieved_width <= 6 + play


# Laws


def blobs(seed, shape, share):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < share
    mask[2, 6, 6] = True
    return mask


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.floats(0.5, 6))
def test_no_voxel_of_a_ring_is_tumour_air_or_excluded(seed, inner, width):
    rng = np.random.default_rng(seed)
    shape, spacing = (5, 14, 13), (3.0, 1.0, 1.0)
    tumour = blobs(seed, shape, 0.02)
    body, other = (rng.random(shape) < share for share in (0.7, 0.2))
    found = make(tumour, spacing, inner, inner + width, body=body, exclude=[other])
    assert not (found.mask & (tumour | ~body | other)).any()
    assert 0 <= found.achieved_width <= width + np.hypot(1, 1) / 2 + 1e-3
    assert 0 <= found.kept_fraction <= 1
    assert found.volume_mm3 >= 0


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.01, 0.1, 0.5]),
    st.lists(st.floats(0.2, 12), min_size=2, max_size=2, unique=True),
)
def test_adjacent_rings_share_no_voxel_and_make_up_the_wide_one(seed, share, edges):
    near, far = sorted(edges)
    tumour = blobs(seed, (6, 15, 16), share)
    widths = [(0, near), (near, far), (0, far)]
    inner, outer, both = rings(tumour, (4.0, 1.0, 0.9), widths=widths, body=everywhere(tumour))
    assert not (inner.mask & outer.mask).any()
    np.testing.assert_array_equal(inner.mask | outer.mask, both.mask)
    assert inner.volume_mm3 + outer.volume_mm3 == pytest.approx(both.volume_mm3)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 0.5]))
def test_rings_made_together_are_those_made_alone(seed, share):
    tumour, widths = blobs(seed, (6, 19, 16), share), [(0, 3), (3, 7), (2, 12)]
    together = rings(tumour, (4.0, 1.0, 0.9), widths=widths, body=everywhere(tumour))
    for made, pair in zip(together, widths, strict=True):
        alone = make(tumour, (4.0, 1.0, 0.9), *pair)
        np.testing.assert_array_equal(made.mask, alone.mask)
        assert made.volume_mm3 == alone.volume_mm3
        assert made.achieved_width == alone.achieved_width


def test_a_large_tumours_rings_made_one_by_one_partition_too():
    """Its volumes are measured in fewer cells than it has pixels."""
    tumour = somewhere((30.0, 34.0, 27.0), THICK, 9)
    inner, outer, both = (make(tumour, THICK, *pair) for pair in [(0, 5), (5, 15), (0, 15)])
    assert not (inner.mask & outer.mask).any()
    np.testing.assert_array_equal(inner.mask | outer.mask, both.mask)
    assert inner.volume_mm3 + outer.volume_mm3 == pytest.approx(both.volume_mm3, rel=1e-9)


def test_no_width_makes_no_ring():
    tumour = ellipsoid((9, 9, 9), ISOTROPIC, (2.0, 2.0, 2.0))
    assert rings(tumour, ISOTROPIC, widths=[], body=everywhere(tumour)) == ()


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_the_axes_does_not_matter(order):
    tumour, spacing = somewhere((12.0, 8.0, 10.0), (6.5, 0.9, 0.7), 1), np.array([6.5, 0.9, 0.7])
    made = make(tumour, tuple(spacing), 1, 6)
    turned = make(tumour.transpose(order), tuple(spacing[list(order)]), 1, 6)
    assert dice(turned.mask, made.mask.transpose(order)) > 0.999
    assert turned.volume_mm3 == pytest.approx(made.volume_mm3, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_ring_of_a_mirrored_tumour_is_the_mirrored_ring(axis):
    tumour = somewhere((12.0, 8.0, 10.0), THICK, 2)
    made, mirrored = (make(mask, THICK, 0, 6) for mask in (tumour, np.flip(tumour, axis)))
    assert dice(np.flip(mirrored.mask, axis), made.mask) > 0.999


def test_a_tumour_moved_by_whole_voxels_takes_its_ring_along():
    tumour = somewhere((12.0, 8.0, 10.0), THICK, 4)
    wide = np.pad(tumour, ((3, 1), (9, 4), (2, 11)))
    np.testing.assert_array_equal(
        make(wide, THICK, 0, 6).mask,
        np.pad(make(tumour, THICK, 0, 6).mask, ((3, 1), (9, 4), (2, 11))),
    )


def test_what_lies_far_away_changes_nothing_but_its_own_ring():
    tumour = ellipsoid((9, 100, 60), THICK, (12.0, 8.0, 8.0))
    tumour[:, 60:] = False
    speck = tumour.copy()
    speck[4, 90, 30] = True
    near, with_speck = make(tumour, THICK, 0, 5), make(speck, THICK, 0, 5)
    assert dice(near.mask[:, :70], with_speck.mask[:, :70]) > 0.99
    assert with_speck.mask[4, 85:96, 30].sum() > 6


# What is left out, and what is told of it


def test_a_ring_cut_by_the_skin_reports_what_was_kept():
    tumour = ellipsoid((41, 41, 41), ISOTROPIC, (6.0, 6.0, 6.0))
    body = everywhere(tumour)
    body[:, :20] = False  # the plane through the centre, row 20, stays
    cut = make(tumour, ISOTROPIC, 0, 10, body=body)
    whole = make(tumour, ISOTROPIC, 0, 10)
    assert whole.kept_fraction == 1
    assert cut.kept_fraction == cut.mask.sum() / whole.mask.sum()
    assert 0.5 < cut.kept_fraction < 0.56
    assert cut.volume_mm3 == whole.volume_mm3
    np.testing.assert_array_equal(cut.mask, whole.mask & body)


def test_air_and_cortical_bone_are_dropped_by_the_declared_range_and_counted():
    tumour = ellipsoid((9, 60, 60), THICK, (12.0, 8.0, 8.0))
    image = np.full(tumour.shape, 100.0)
    image[:, 40:] = 3.0  # cortical bone: as dark as air
    image[:, :, :22] = 900.0
    body = everywhere(tumour)
    body[:3] = False
    whole = make(tumour, THICK, 0, 10, body=body)
    made = make(tumour, THICK, 0, 10, body=body, intensities=image, keep_between=(20, 500))
    np.testing.assert_array_equal(made.mask, whole.mask & (image == 100))
    assert made.dropped_voxels == (whole.mask & (image != 100)).sum() > 0
    assert made.kept_fraction == pytest.approx(
        whole.kept_fraction * made.mask.sum() / whole.mask.sum()
    )
    assert whole.dropped_voxels == 0
    open_above = make(tumour, THICK, 0, 10, intensities=image, keep_between=(20, np.inf))
    assert set(image[open_above.mask]) == {100.0, 900.0}


def test_both_bounds_of_the_range_are_kept():
    tumour = np.zeros((3, 9, 9), dtype=bool)
    tumour[1, 4, 4] = True
    image = np.full(tumour.shape, 20.0)
    image[1] = 50.0
    made = make(tumour, ISOTROPIC, 0, 3, intensities=image, keep_between=(20, 50))
    assert made.dropped_voxels == 0


def test_a_voxel_that_is_no_number_decides_nothing():
    tumour = ellipsoid((9, 30, 30), THICK, (8.0, 4.0, 4.0))
    image = np.ones(tumour.shape)
    image[4, 15, 15] = np.nan  # in the tumour: nobody asks
    assert make(tumour, THICK, 0, 5, intensities=image, keep_between=(0, 2)).mask.any()
    image[4, 15, 22] = np.nan
    with pytest.raises(DataError, match="no number") as caught:
        make(tumour, THICK, 0, 5, intensities=image, keep_between=(0, 2))
    assert caught.value.reason == "not_finite"


@pytest.mark.parametrize(
    ("image", "bounds", "message"),
    [
        (None, (0, 1), "by intensity"),
        (np.ones((2, 2, 2)), None, "by intensity"),
        (np.ones((2, 2, 3)), (0, 1), "shape"),
        (np.ones((2, 2, 2)), (2, 1), "between 2 and 1"),
        (np.ones((2, 2, 2)), (np.nan, 1), "between nan and 1"),
    ],
)
def test_an_image_and_a_range_that_do_not_go_together_are_refused(image, bounds, message):
    tumour = np.ones((2, 2, 2), dtype=bool)
    with pytest.raises(ConfigError, match=message):
        make(tumour, ISOTROPIC, 0, 2, intensities=image, keep_between=bounds)


@pytest.mark.parametrize(
    ("inner", "outer", "flat"), [(0, 5, True), (0, 10, False), (5, 10, True), (2, 9, False)]
)
def test_a_ring_thinner_than_the_slices_says_that_they_do_not_resolve_it(inner, outer, flat):
    tumour = ellipsoid((9, 60, 60), THICK, (12.0, 8.0, 8.0))
    assert make(tumour, THICK, inner, outer).in_plane_only is flat


# Borders


def test_a_tumour_at_the_images_border_has_a_ring_inside_the_image():
    tumour = np.zeros((4, 12, 12), dtype=bool)
    tumour[0, :3, :3] = True
    found = make(tumour, ISOTROPIC, 0, 3)
    assert found.mask.shape == tumour.shape
    assert found.mask[3, 0, 0]
    assert not found.mask[0, 6, 0]


def test_an_image_cut_through_the_tumour_keeps_half_the_ring():
    radii = (20.0, 16.0, 16.0)
    whole = ellipsoid((15, 90, 91), THICK, radii)
    cut = whole[:, :45]  # between two rows, through the centre
    halves = [make(mask, THICK, 0, 10) for mask in (whole, cut)]
    assert halves[1].volume_mm3 == pytest.approx(halves[0].volume_mm3 / 2, rel=0.01)
    assert dice(halves[0].mask[:, :45], halves[1].mask) > 0.98


def test_a_tumour_that_fills_the_image_has_an_empty_ring():
    tumour = np.ones((3, 8, 8), dtype=bool)
    made = make(tumour, THICK, 0, 5)
    assert (made.mask.sum(), made.kept_fraction, made.achieved_width) == (0, 0.0, 0.0)
    assert made.volume_mm3 < 0.02 * tumour.size * np.prod(THICK)


def test_a_ring_clipped_to_nothing_is_empty_and_not_undefined():
    tumour = ellipsoid((9, 9, 9), ISOTROPIC, (2.0, 2.0, 2.0))
    gone = make(tumour, ISOTROPIC, 1, 2, body=np.zeros(tumour.shape, dtype=bool))
    assert (gone.mask.sum(), gone.kept_fraction, gone.achieved_width) == (0, 0.0, 0.0)


def test_an_empty_tumour_is_the_datas_fault():
    with pytest.raises(DataError, match="no voxel") as caught:
        make(np.zeros((3, 3, 3), dtype=bool), ISOTROPIC, 0, 5)
    assert caught.value.reason == "empty_mask"


@pytest.mark.parametrize(("inner", "outer"), [(5, 5), (6, 5), (-1, 5), (0, np.inf), (0, np.nan)])
def test_distances_that_make_no_ring_are_refused(inner, outer):
    with pytest.raises(ConfigError, match="no ring from"):
        make(np.ones((2, 2, 2), dtype=bool), ISOTROPIC, inner, outer)


def test_names_of_rings_are_plain_words():
    assert ring_name(0.0, 10.0) == "ring_0_10"
    assert ring_name(2.5, 7) == "ring_2p5_7"


@pytest.mark.parametrize("stray", [True, False])
def test_a_tumour_far_wider_than_high_and_a_stray_voxel_have_rings(stray):
    """Volume is measured by layers in turns, and a turn may meet nothing of a piece."""
    shape = (20, 256, 256) if stray else (3, 256, 256)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    if stray:
        tumour = ((z - 10) / 4) ** 2 + ((y - 50) / 25) ** 2 + ((x - 50) / 25) ** 2 < 1
        tumour[10, 240, 240] = True
    else:
        tumour = ((z - 1) / 3) ** 2 + ((y - 128) / 110) ** 2 + ((x - 128) / 110) ** 2 < 1
    made = ring(tumour, (5.0, 1.0, 1.0), inner_mm=0, outer_mm=10, body=np.ones(shape, dtype=bool))
    assert made.mask.any()
    assert made.volume_mm3 == pytest.approx(made.mask.sum() * 5.0, rel=0.1)
