"""Perturbed masks: nothing lost on the way, distances in millimetres, contours drawn by lot."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import KDTree
from tests.masks import dice

from radlas.errors import ConfigError, DataError
from radlas.roi import supervoxels as module
from radlas.roi.perturb import Motion, centre_of, move_mask, resize
from radlas.roi.supervoxels import LEAST_VOXELS, REACH, redraw, supervoxels

FINE = (0.5, 0.5, 0.5)
ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (6.5, 0.78, 0.78)
OBLONG = (3.0, 0.8, 1.2)
STILL = (0.0, 0.0, 0.0)

angles = st.floats(-180, 180)
spacings = st.sampled_from([ISOTROPIC, THICK, OBLONG])
shifts = st.tuples(*[st.floats(-1, 1)] * 3)


def ellipsoid(shape, spacing, radii):
    axes = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2 <= 1


def turn(mask, degrees, spacing, shift=STILL):
    return move_mask(mask, Motion(degrees, shift, centre_of(mask)), spacing)


def tumour_in_noise(spacing=(3.0, 1.0, 1.0), seed=0):
    """A soft-edged tumour in noise, and its mask."""
    shape = (15, 56, 60)
    mask = ellipsoid(shape, spacing, (14, 16, 18))
    soft = ndimage.gaussian_filter(mask.astype(float), (0.5, 1.5, 1.5))
    noise = np.random.default_rng(seed).normal(0, 25, shape)
    return mask, (100 + 100 * soft + noise).astype(np.float32), spacing


def draw(mask, voxels, spacing, seed=0, volume_mm3=100.0):
    rng = np.random.default_rng(seed)
    return redraw(mask, voxels, spacing, volume_mm3=volume_mm3, rng=rng)


@given(angles, shifts, spacings)
def test_a_motion_undoes_itself_backwards(degrees, shift, spacing):
    motion = Motion(degrees, shift, (7.5, 3.0))
    there, offset = motion.forward(spacing)
    back, from_there = motion.backward(spacing)
    points = np.random.default_rng(0).uniform(-20, 20, (5, 3))
    again = (points @ there.T + offset) @ back.T + from_there
    np.testing.assert_allclose(again, points, atol=1e-9)


def test_a_positive_angle_turns_from_the_x_axis_to_the_y_axis():
    mask = np.zeros((3, 21, 21), dtype=bool)
    mask[1, 10, 10:18] = True
    moved = move_mask(mask, Motion(90, STILL, (10.0, 10.0)), ISOTROPIC)
    expected = np.zeros_like(mask)
    expected[1, 10:18, 10] = True
    np.testing.assert_array_equal(moved, expected)


def test_a_right_angle_on_oblong_pixels_keeps_millimetres_and_not_voxels():
    mask = ellipsoid((5, 61, 61), OBLONG, (5, 8, 16))
    expected = ellipsoid((5, 61, 61), OBLONG, (5, 16, 8))
    assert dice(turn(mask, 90, OBLONG), expected) > 0.97


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_square_turned_by_a_right_angle_is_itself_though_its_pixels_are_four_to_one(degrees):
    """A turned pixel reaches two others to each side, beyond where its centre comes to lie."""
    mask = np.zeros((3, 41, 41), dtype=bool)
    mask[1, 19:22, 14:26] = True
    np.testing.assert_array_equal(turn(mask, degrees, (3.0, 4.0, 1.0)), mask)


@given(st.tuples(*[st.integers(-3, 3)] * 3))
def test_a_shift_by_whole_voxels_is_a_roll(shift):
    mask = np.zeros((12, 14, 16), dtype=bool)
    mask[4:8, 4:9, 5:11] = np.random.default_rng(1).random((4, 5, 6)) < 0.5
    moved = move_mask(mask, Motion(0, shift, (0.0, 0.0)), THICK)
    np.testing.assert_array_equal(moved, np.roll(mask, shift, (0, 1, 2)))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("fraction", [-0.5, 0.25, 0.5, 0.75])
def test_a_shift_by_a_fraction_keeps_a_cuboids_volume_exactly(axis, fraction):
    mask = np.zeros((9, 12, 12), dtype=bool)
    mask[3:6, 4:8, 3:9] = True
    shift = [0.0, 0.0, 0.0]
    shift[axis] = fraction
    moved = move_mask(mask, Motion(0, tuple(shift), (0.0, 0.0)), THICK)
    assert moved.sum() == mask.sum()


@settings(max_examples=40)
@given(angles, spacings, shifts)
def test_rotation_and_shift_in_the_slices_keep_an_ellipsoids_volume_within_1_5_percent(
    degrees, spacing, shift
):
    size = tuple(int(62 / edge) // 2 * 2 + 1 for edge in spacing)
    mask = ellipsoid(size, spacing, (14, 12, 18))
    moved = turn(mask, degrees, spacing, (0.0, *shift[1:]))
    assert moved.sum() == pytest.approx(mask.sum(), rel=0.015)


@settings(max_examples=40)
@given(spacings, shifts)
def test_a_shift_between_thick_slices_keeps_an_ellipsoids_volume_within_4_percent(spacing, shift):
    size = tuple(int(62 / edge) // 2 * 2 + 1 for edge in spacing)
    mask = ellipsoid(size, spacing, (14, 12, 18))
    assert turn(mask, 0, spacing, shift).sum() == pytest.approx(mask.sum(), rel=0.04)


@settings(max_examples=40)
@given(angles, spacings)
def test_a_rotation_and_the_opposite_one_return_near_the_start(degrees, spacing):
    size = tuple(int(62 / edge) // 2 * 2 + 1 for edge in spacing)
    mask = ellipsoid(size, spacing, (14, 12, 18))
    assert dice(turn(turn(mask, degrees, spacing), -degrees, spacing), mask) > 0.97


def test_a_mask_of_which_a_voxel_leaves_the_image_is_refused_with_the_count():
    mask = np.zeros((4, 10, 10), dtype=bool)
    mask[1:3, 4:6, 7:10] = True
    with pytest.raises(DataError, match="4 of 12 voxels of the ROI leave") as caught:
        move_mask(mask, Motion(0, (0, 0, 0.75), (0.0, 0.0)), ISOTROPIC)
    assert caught.value.reason == "mask_outside"


def test_a_voxel_that_falls_between_four_is_refused():
    mask = np.zeros((4, 10, 10), dtype=bool)
    mask[1, 4, 4] = True
    with pytest.raises(DataError, match="of 1 voxels none is left") as caught:
        move_mask(mask, Motion(0, (0, 0.5, 0.5), (0.0, 0.0)), ISOTROPIC)
    assert caught.value.reason == "roi_too_small"


@pytest.mark.parametrize(
    "step",
    [
        lambda mask: move_mask(mask, Motion(4, STILL, (0.0, 0.0)), THICK),
        lambda mask: resize(mask, THICK, mm=2),
        lambda mask: draw(mask, np.zeros(mask.shape, np.float32), THICK),
        centre_of,
    ],
)
def test_an_empty_mask_is_refused_by_every_step(step):
    with pytest.raises(DataError) as caught:
        step(np.zeros((4, 8, 8), dtype=bool))
    assert caught.value.reason == "empty_mask"


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK, OBLONG])
@pytest.mark.parametrize("mm", [1.0, 3.0, 7.0])
def test_growing_takes_what_a_search_for_the_nearest_voxel_finds(spacing, mm):
    mask = ellipsoid((9, 50, 44), spacing, (9.0, 8.0, 6.0))
    points = np.argwhere(np.ones_like(mask)) * spacing
    distance = KDTree(points[mask.ravel()]).query(points)[0].reshape(mask.shape)
    expected = distance <= mm + min(spacing[1:]) / 2 + 1e-6
    np.testing.assert_array_equal(resize(mask, spacing, mm=mm), expected)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(0.6, 5), spacings)
def test_shrinking_a_mask_is_growing_what_is_not_the_mask(seed, mm, spacing):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(8, 20, 22)), 2) > 0
    assume(not mask.all() and not resize(~mask, spacing, mm=mm).all())
    np.testing.assert_array_equal(resize(mask, spacing, mm=-mm), ~resize(~mask, spacing, mm=mm))


@settings(max_examples=40)
@given(st.floats(0.6, 4), st.floats(0, 3), spacings)
def test_growing_contains_the_mask_and_more_millimetres_contain_less(mm, more, spacing):
    mask = ellipsoid((9, 60, 60), spacing, (9.0, 8.0, 6.0))
    small, large = resize(mask, spacing, mm=mm), resize(mask, spacing, mm=mm + more)
    assert (mask <= small).all()
    assert (small <= large).all()


@pytest.mark.parametrize("spacing", [FINE, OBLONG])
@pytest.mark.parametrize("mm", [1.0, 2.0, 4.0])
def test_growing_then_shrinking_a_ball_contains_it_and_is_nearly_it(spacing, mm):
    size = tuple(int(46 / edge) for edge in spacing)
    ball = ellipsoid(size, spacing, (12, 12, 12))
    again = resize(resize(ball, spacing, mm=mm), spacing, mm=-mm)
    assert (ball <= again).all()
    assert again.sum() < 1.02 * ball.sum()


@pytest.mark.parametrize("mm", [-3.0, -1.0, 1.0, 3.0])
def test_a_ball_becomes_the_ball_of_the_new_radius_within_0_4_voxels(mm):
    ball = ellipsoid((70, 70, 70), FINE, (12, 12, 12))
    volume = resize(ball, FINE, mm=mm).sum() * np.prod(FINE)
    assert np.cbrt(volume * 3 / (4 * np.pi)) == pytest.approx(12 + mm, abs=0.4 * FINE[0])


def test_thick_slices_are_reached_only_if_the_surface_gets_there():
    mask = np.zeros((5, 30, 30), dtype=bool)
    mask[2, 10:20, 10:20] = True
    assert resize(mask, THICK, mm=6.0)[[1, 3]].sum() == 0
    assert resize(mask, THICK, mm=6.2)[[1, 3]].any(axis=(1, 2)).all()


def test_the_images_border_is_no_surface_to_shrink_from():
    mask = np.zeros((6, 20, 20), dtype=bool)
    mask[:3] = True
    np.testing.assert_array_equal(resize(mask, ISOTROPIC, mm=-1)[:2], mask[:2])
    full = np.ones_like(mask)
    np.testing.assert_array_equal(resize(full, ISOTROPIC, mm=-5), full)


def test_moving_the_surface_by_nothing_changes_nothing():
    mask = ellipsoid((9, 30, 30), THICK, (9.0, 8.0, 6.0))
    np.testing.assert_array_equal(resize(mask, THICK, mm=0), mask)


@pytest.mark.parametrize("mm", [0.3, -0.3])
def test_a_move_below_half_a_pixel_is_refused_since_it_would_change_no_mask(mm):
    mask = ellipsoid((9, 30, 30), THICK, (9.0, 8.0, 6.0))
    with pytest.raises(ConfigError, match=r"0\.3 mm changes no mask on pixels of 0\.78 mm"):
        resize(mask, THICK, mm=mm)


def test_shrinking_to_nothing_is_refused_with_the_depth_there_was():
    mask = np.zeros((5, 30, 30), dtype=bool)
    mask[2, 10:15, 10:20] = True
    with pytest.raises(DataError, match=r"50 voxels, 2\.5 mm deep .* by 3 mm") as caught:
        resize(mask, (9.0, 1.0, 1.0), mm=-3)
    assert caught.value.reason == "roi_too_small"


def test_supervoxels_are_connected_numbered_without_gaps_and_of_the_volume_asked_for():
    _, voxels, spacing = tumour_in_noise()
    within = np.ones(voxels.shape, dtype=bool)
    scaled = ((voxels - voxels.min()) / np.ptp(voxels)).astype(np.float32)
    label = supervoxels(scaled, within, spacing, volume_mm3=150.0).reshape(within.shape)
    sizes = np.bincount(label.ravel())
    assert sizes.min() > 0
    assert np.median(sizes) * np.prod(spacing) == pytest.approx(150, rel=0.15)
    for number in range(sizes.size):
        assert ndimage.label(label == number)[1] == 1


def test_supervoxels_of_an_even_image_with_thick_slices_stay_in_their_slice():
    within = np.ones((5, 40, 40), dtype=bool)
    label = supervoxels(np.zeros(within.shape, np.float32), within, THICK, volume_mm3=100.0)
    planes = label.reshape(within.shape)
    owners = [set(np.unique(plane)) for plane in planes]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners))


def test_supervoxels_follow_an_edge_that_cuts_through_their_grid():
    voxels = np.zeros((4, 40, 40), np.float32)
    voxels[:, :, 17:] = 1.0
    within = np.ones(voxels.shape, dtype=bool)
    label = supervoxels(voxels, within, (3.0, 1.0, 1.0), volume_mm3=200.0)
    bright = np.bincount(label, voxels.ravel()) / np.bincount(label)
    assert set(bright) == {0.0, 1.0}


def test_the_same_lots_draw_the_same_contour_and_others_another():
    case = tumour_in_noise()
    np.testing.assert_array_equal(draw(*case, seed=3), draw(*case, seed=3))
    assert (draw(*case, seed=3) != draw(*case, seed=4)).any()


def test_drawn_contours_differ_as_readers_do_and_keep_the_volume_on_average():
    mask, voxels, spacing = tumour_in_noise()
    drawn = [draw(mask, voxels, spacing, seed=seed) for seed in range(10)]
    overlaps = [dice(mask, one) for one in drawn]
    assert min(overlaps) > 0.9
    assert max(overlaps) < 0.99
    assert np.mean([one.sum() for one in drawn]) == pytest.approx(mask.sum(), rel=0.03)


def test_smaller_supervoxels_change_the_contour_less():
    mask, voxels, spacing = tumour_in_noise()
    overlaps = [dice(mask, draw(mask, voxels, spacing, volume_mm3=v)) for v in (60, 200, 800)]
    assert overlaps == sorted(overlaps, reverse=True)


def test_a_sharp_edge_where_the_mask_says_it_is_leaves_no_doubt():
    mask, _, spacing = tumour_in_noise()
    assert dice(draw(mask, mask.astype(np.float32), spacing), mask) > 0.98


def test_only_voxels_near_the_contour_change():
    mask, voxels, spacing = tumour_in_noise()
    changed = draw(mask, voxels, spacing, volume_mm3=100.0) != mask
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    assert np.maximum(outside, inside)[changed].max() <= REACH * np.cbrt(100.0) + 1.0


def test_gain_and_offset_of_the_scanner_do_not_move_a_drawn_contour():
    mask, voxels, spacing = tumour_in_noise()
    other = (voxels * 4 - 512).astype(np.float32)  # exact in binary: no rounding to blame
    assert dice(draw(mask, voxels, spacing), draw(mask, other, spacing)) > 0.999


def test_what_lies_far_from_the_contour_does_not_move_it():
    mask, voxels, spacing = tumour_in_noise()
    far = voxels.copy()
    far[:, :, :2] += 5_000
    np.testing.assert_array_equal(draw(mask, voxels, spacing), draw(mask, far, spacing))


def test_two_tumours_stay_two():
    mask = np.zeros((11, 60, 90), dtype=bool)
    spacing = (3.0, 1.0, 1.0)
    mask[:, :, :45] = ellipsoid((11, 60, 45), spacing, (12, 14, 14))
    mask[:, :, 45:] = ellipsoid((11, 60, 45), spacing, (9, 9, 9))
    voxels = np.random.default_rng(0).normal(0, 1, mask.shape).astype(np.float32)
    for seed in range(5):
        assert ndimage.label(draw(mask, voxels, spacing, seed=seed))[1] == 2


def test_what_comes_loose_from_a_tumour_is_left_out():
    mask, voxels, spacing = tumour_in_noise()
    mask[7, 27:30, 40:58] = True  # a tail that the lots cut
    drawn = [draw(mask, voxels, spacing, seed=seed) for seed in range(10)]
    assert all(ndimage.label(one)[1] == 1 for one in drawn)
    assert len({int(one[7, 28, 48:].sum()) for one in drawn}) > 1


def test_a_mask_that_fills_the_image_has_no_contour_to_draw():
    mask = np.ones((5, 20, 20), dtype=bool)
    voxels = np.random.default_rng(0).normal(size=mask.shape).astype(np.float32)
    np.testing.assert_array_equal(draw(mask, voxels, THICK), mask)


@settings(max_examples=60)
@given(st.integers(0, 2**32), spacings, st.floats(0.5, 2.5))
def test_every_drawn_mask_keeps_a_voxel_its_shape_and_its_type(seed, spacing, level):
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=(5, 18, 20)), 1)
    mask = rough > level * rough.std()
    assume(mask.any())
    voxels = rng.normal(size=mask.shape).astype(np.float32)
    drawn = draw(mask, voxels, spacing, seed=seed)
    assert drawn.any()
    assert (drawn.shape, drawn.dtype) == (mask.shape, np.dtype(bool))


def test_a_supervoxel_has_twenty_voxels_even_where_a_smaller_volume_is_asked_for():
    mask, voxels, spacing = tumour_in_noise()
    least = LEAST_VOXELS * float(np.prod(spacing))
    np.testing.assert_array_equal(
        draw(mask, voxels, spacing, volume_mm3=1.0), draw(mask, voxels, spacing, volume_mm3=least)
    )


@pytest.mark.real_data
@pytest.mark.parametrize(("patient", "expected"), [("001", 0.925), ("018", 0.888)])
def test_with_the_authors_settings_contours_vary_as_with_another_slic(
    real_data, monkeypatch, patient, expected
):
    """Mean Dice of 20 contours by scikit-image 0.26.0, `slic`, in a margin of 25 mm.

    500 mm^3, compactness 0.05, smoothed by one pixel, range of the ROI and 10 percent, closing.
    """
    monkeypatch.setattr(module, "COMPACTNESS", 0.05)
    mask, voxels, spacing = patient_of(real_data, patient)
    overlaps = [
        dice(mask, draw(mask, voxels, spacing, seed=seed, volume_mm3=500.0)) for seed in range(3)
    ]
    assert np.mean(overlaps) == pytest.approx(expected, abs=0.02)


@pytest.mark.real_data
def test_contours_of_a_real_patient_differ_as_those_of_readers_do(real_data):
    mask, voxels, spacing = patient_of(real_data, "002")
    drawn = [draw(mask, voxels, spacing, seed=seed) for seed in range(6)]
    assert 0.92 < np.mean([dice(mask, one) for one in drawn]) < 0.97
    assert np.mean([one.sum() for one in drawn]) == pytest.approx(mask.sum(), rel=0.03)


def patient_of(folder, number):
    image = nibabel.load(folder / "sts-t1" / f"STS_{number}_image.nii.gz")
    drawn = nibabel.load(folder / "sts-t1" / f"STS_{number}_mask.nii.gz")
    spacing = tuple(float(edge) for edge in image.header.get_zooms()[2::-1])
    return (
        np.asarray(drawn.dataobj).T > 0,
        np.asarray(image.dataobj).T.astype(np.float32),
        spacing,
    )
