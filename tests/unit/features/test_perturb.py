"""Perturbed cases: image and masks move together, chance has a name, chains are counted."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests.masks import dice

from radlas.errors import ConfigError, DataError
from radlas.features.chains import Perturbation, PerturbationGrid, expand
from radlas.features.perturb import (
    HIGH_PASS,
    add_noise,
    move_voxels,
    noise_level,
    perturb,
    perturb_image,
    perturb_masks,
    shuffle,
)
from radlas.geometry import make_geometry
from radlas.model import Volume
from radlas.roi.perturb import Motion

SPACING = (4.0, 0.9, 1.1)
EXAMPLE = {
    "rotation_degrees": [-4, 4],
    "shift_voxels": [0, 0.25, 0.5, 0.75],
    "noise_repeats": 1,
    "grow_mm": [-2, 0, 2],
    "contour_repeats": 3,
}
FULL = Perturbation(
    noise=1, rotation_degrees=3, shift_voxels=(0.25, 0.5, 0.25), grow_mm=1.5, contour_mm3=100
)

amounts = st.floats(-8, 8).map(lambda value: round(value, 2))
chains = st.builds(
    Perturbation,
    noise=st.sampled_from([0, 0.5, 1]),
    rotation_degrees=amounts,
    shift_voxels=st.tuples(amounts, amounts, st.sampled_from([0, 0.25])),
    grow_mm=st.sampled_from([-2, -1, 0, 1]),
    contour_mm3=st.sampled_from([0, 60]),
)


def volume_of(voxels):
    place = {"origin": (-30.0, 12.0, 7.0), "direction": np.eye(3)}
    return Volume(voxels, make_geometry(voxels.shape, spacing=SPACING[::-1], **place))


def blob(shape=(12, 60, 66), centre=(0, 0, 0), radii=(14, 12, 16)):
    """1 in the middle of an ellipsoid, 0.5 on its surface, falling on."""
    axes = [
        ((np.arange(n) - (n - 1) / 2) * edge - middle) / radius
        for n, edge, middle, radius in zip(shape, SPACING, centre, radii, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (0.5 ** (z**2 + y**2 + x**2)).astype(np.float32)


def case(seed=0, dtype=np.float32):
    """A tumour in noise, an edema that holds it, and the air around."""
    shape = blob(centre=(0, 3, -4))
    noise = np.random.default_rng(seed).normal(0, 6, shape.shape)
    voxels = np.rint(200 + 100 * shape + noise).astype(dtype)
    return volume_of(voxels), {"tumour": shape >= 0.5, "edema": shape >= 0.35}


def everywhere(volume):
    return np.ones(volume.voxels.shape, dtype=bool)


def test_no_perturbation_returns_the_very_same_arrays():
    volume, masks = case()
    same, found = perturb(volume, masks, Perturbation(), seed_key="a")
    assert same is volume
    assert all(found[name] is masks[name] for name in masks)


@pytest.mark.parametrize("chain", [Perturbation(grow_mm=2), Perturbation(contour_mm3=100)])
def test_a_chain_of_masks_leaves_the_image_alone(chain):
    volume, masks = case()
    same, found = perturb(volume, masks, chain, seed_key="a")
    assert same is volume
    assert (found["tumour"] != masks["tumour"]).any()


def test_noise_leaves_the_masks_alone():
    volume, masks = case()
    noisy, found = perturb(volume, masks, Perturbation(noise=1), seed_key="a")
    assert (noisy.voxels != volume.voxels).mean() > 0.99
    assert all(found[name] is masks[name] for name in masks)


def test_the_input_is_never_written_to():
    volume, masks = case()
    before = volume.voxels.copy(), {name: mask.copy() for name, mask in masks.items()}
    perturb(volume, masks, FULL, seed_key="a")
    np.testing.assert_array_equal(volume.voxels, before[0])
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, before[1][name])


@settings(max_examples=30)
@given(amounts, st.tuples(amounts, amounts, st.floats(-0.2, 0.2)))
def test_image_and_mask_move_together(degrees, shift):
    """Across thick slices by a fifth at most: half of one has no place between two masks."""
    shape = blob()
    moved, found = perturb(
        volume_of(shape),
        {"tumour": shape >= 0.5},
        Perturbation(rotation_degrees=degrees, shift_voxels=shift),
        seed_key="a",
    )
    assert dice(moved.voxels >= 0.5, found["tumour"]) > 0.95


def test_every_roi_turns_about_the_tumour():
    tumour = blob(centre=(0, 8, -10), radii=(10, 6, 6)) >= 0.5
    masks = {"edema": blob(radii=(10, 6, 6)) >= 0.5, "tumour": tumour}
    chain = Perturbation(rotation_degrees=40)
    moved = perturb(volume_of(blob()), masks, chain, seed_key="a")[1]
    gaps = {
        name: np.argwhere(moved[name]).mean(axis=0) - np.argwhere(masks[name]).mean(axis=0)
        for name in masks
    }
    np.testing.assert_allclose(gaps["tumour"], 0, atol=0.1)
    assert np.linalg.norm(gaps["edema"] * SPACING) == pytest.approx(
        2 * np.sin(np.radians(20)) * np.hypot(8, 10), rel=0.03
    )


@given(st.tuples(*[st.integers(-3, 3)] * 3))
def test_a_shift_by_whole_voxels_is_an_exact_roll_inside_and_repeats_the_edge(shift):
    rng = np.random.default_rng(0)
    voxels = (10.0 ** rng.uniform(-4, 4, size=(9, 11, 10))).astype(np.float32)
    moved = move_voxels(voxels, Motion(0, shift, (0.0, 0.0)), SPACING)
    padded = np.pad(voxels, 3, mode="edge")
    z, y, x = (slice(3 - step, 3 - step + n) for step, n in zip(shift, voxels.shape, strict=True))
    np.testing.assert_array_equal(moved, padded[z, y, x])


@settings(max_examples=20)
@given(st.floats(-30, 30), st.tuples(*[st.floats(-0.9, 0.9)] * 3))
def test_moving_is_one_cubic_spline_in_space(degrees, shift):
    """Held to a single pass in three dimensions, away from the edges, which both extend."""
    rough = np.random.default_rng(0).normal(size=(20, 48, 48))
    voxels = ndimage.gaussian_filter(rough, 1).astype(np.float32)
    motion = Motion(degrees, shift, (24.0, 22.0))
    matrix, offset = motion.backward(SPACING)
    whole = ndimage.affine_transform(voxels.astype(float), matrix, offset, order=3, mode="nearest")
    inside = np.s_[5:-5, 14:-14, 14:-14]
    ours = move_voxels(voxels, motion, SPACING)[inside]
    np.testing.assert_allclose(ours, whole[inside], atol=2e-3 * np.ptp(voxels))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_along_one_axis_is_exact_up_to_the_edges(axis):
    voxels = np.random.default_rng(0).normal(size=(9, 12, 11)).astype(np.float32)
    shift = [0.0, 0.0, 0.0]
    shift[axis] = 0.3
    spline = ndimage.shift(voxels.astype(float), shift, order=3, mode="mirror")
    expected = np.clip(spline, voxels.min(), voxels.max())
    moved = move_voxels(voxels, Motion(0, tuple(shift), (0.0, 0.0)), SPACING)
    inside = np.arange(1, voxels.shape[axis])
    np.testing.assert_allclose(
        np.take(moved, inside, axis), np.take(expected, inside, axis), atol=1e-5
    )


def test_what_comes_in_from_outside_repeats_the_edge():
    voxels = np.broadcast_to(np.arange(8.0, dtype=np.float32), (3, 9, 8))
    moved = move_voxels(voxels, Motion(0, (0, 0, 2.5), (0.0, 0.0)), SPACING)
    np.testing.assert_allclose(moved[:, :, :3], 0, atol=1e-6)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_an_image_of_few_slices_can_be_shifted_across_them(slices):
    voxels = np.random.default_rng(0).normal(size=(slices, 9, 8)).astype(np.float32)
    assert np.isfinite(move_voxels(voxels, Motion(0, (0.4, 0, 0), (0.0, 0.0)), SPACING)).all()


@settings(max_examples=20)
@given(amounts, st.tuples(amounts, amounts, st.floats(-1, 1)))
def test_resampled_voxels_stay_within_the_range_of_the_image(degrees, shift):
    voxels = np.random.default_rng(0).choice([0.0, 900.0], size=(6, 20, 20)).astype(np.float32)
    moved = move_voxels(voxels, Motion(degrees, shift[::-1], (9.0, 9.0)), SPACING)
    assert moved.dtype == np.float32
    assert moved.min() >= 0
    assert moved.max() <= 900


def test_a_rotation_and_the_opposite_one_return_near_the_start():
    voxels = blob()
    there = move_voxels(voxels, Motion(9, (0, 0, 0), (30.0, 33.0)), SPACING)
    back = move_voxels(there, Motion(-9, (0, 0, 0), (30.0, 33.0)), SPACING)
    np.testing.assert_allclose(back[:, 12:-12, 12:-12], voxels[:, 12:-12, 12:-12], atol=1e-3)


def test_the_high_pass_filter_is_the_first_coiflets():
    np.testing.assert_allclose(HIGH_PASS, pywt.Wavelet("coif1").dec_hi, atol=1e-10)


@pytest.mark.parametrize("sigma", [0.5, 12.0, 80.0])
def test_known_noise_on_a_smooth_image_is_measured_within_2_percent(sigma):
    smooth = 300 * blob((12, 120, 132), radii=(20, 24, 30))
    noise = np.random.default_rng(1).normal(0, sigma, smooth.shape)
    voxels = (smooth + noise).astype(np.float32)
    assert noise_level(voxels, np.ones(voxels.shape, bool)) == pytest.approx(sigma, rel=0.02)


def test_the_noise_of_an_image_scales_with_its_gain_and_ignores_its_offset():
    voxels = np.random.default_rng(1).normal(0, 3, (5, 40, 40)).astype(np.float32)
    inside = np.ones(voxels.shape, dtype=bool)
    expected = 8 * noise_level(voxels, inside)
    assert noise_level(8 * voxels + 100, inside) == pytest.approx(expected, rel=1e-4)


def test_noise_is_measured_in_the_body_and_not_in_the_air():
    voxels = np.random.default_rng(1).normal(0, 1, (8, 80, 80)).astype(np.float32)
    body = np.zeros(voxels.shape, dtype=bool)
    body[:, :, 40:] = True
    voxels[body] *= 10
    assert noise_level(voxels, body) == pytest.approx(10, rel=0.05)


def test_a_body_that_is_not_given_is_looked_for():
    tissue = np.broadcast_to(blob((1, 180, 180), radii=(14, 50, 60))[0] > 0.35, (5, 180, 180))
    noise = np.random.default_rng(1).normal(size=tissue.shape)
    volume = volume_of(np.where(tissue, 80 + 8 * noise, 10 + noise).astype(np.float32))
    assert tissue.mean() < 0.5  # so that air would decide
    noisy, _ = perturb(volume, {}, Perturbation(noise=1), seed_key="a")
    assert (noisy.voxels - volume.voxels).std() == pytest.approx(8, rel=0.1)


def test_an_image_without_noise_cannot_be_perturbed_by_it():
    volume = volume_of(np.full((4, 30, 30), 7, dtype=np.int16))
    with pytest.raises(DataError, match="no noise can be measured in the 3600") as caught:
        perturb(volume, {}, Perturbation(noise=1), seed_key="a")
    assert caught.value.reason == "flat_image"


def test_added_noise_has_the_deviation_asked_for_and_no_mean():
    flat = np.full((12, 60, 60), 100, dtype=np.float32)
    added = add_noise(flat, sigma=9.0, rng=np.random.default_rng(0)) - flat
    assert added.std() == pytest.approx(9, rel=0.02)
    assert added.mean() == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_a_noisy_chain_adds_the_images_own_noise_so_many_times(factor):
    volume, masks = case()
    body = everywhere(volume)
    own = noise_level(volume.voxels, body)
    chain = Perturbation(noise=factor)
    noisy, _ = perturb(volume, masks, chain, seed_key="a", noise=lambda _: own)
    assert (noisy.voxels - volume.voxels).std() == pytest.approx(factor * own, rel=0.02)


def test_int16_and_float32_copies_of_an_image_are_perturbed_alike():
    (whole, masks), (real, _) = case(dtype=np.int16), case(dtype=np.float32)
    one, first = perturb(whole, masks, FULL, seed_key="a")
    other, second = perturb(real, masks, FULL, seed_key="a")
    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(first["tumour"], second["tumour"])


def test_the_same_key_gives_the_same_case_after_any_other_work():
    volume, masks = case()
    one, first = perturb(volume, masks, FULL, seed_key="a")
    perturb(volume, masks, FULL, seed_key="b")
    np.random.default_rng().random(5)
    other, second = perturb(volume, dict(reversed(masks.items())), FULL, seed_key="a")
    np.testing.assert_array_equal(one.voxels, other.voxels)
    for name in masks:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("change", [{"seed_key": "b"}, {"repeat": 2}])
def test_another_key_or_repeat_draws_other_noise_and_another_contour(change):
    volume, masks = case()
    settings_of = {"noise": 1, "contour_mm3": 100}
    one, first = perturb(volume, masks, Perturbation(**settings_of), seed_key="a")
    key = change.pop("seed_key", "a")
    other, second = perturb(volume, masks, Perturbation(**settings_of | change), seed_key=key)
    assert (
        abs(
            np.corrcoef(
                (one.voxels - volume.voxels).ravel(), (other.voxels - volume.voxels).ravel()
            )[0, 1]
        )
        < 0.02
    )
    assert (first["tumour"] != second["tumour"]).any()


def test_an_roi_is_drawn_alike_whatever_other_rois_there_are():
    volume, masks = case()
    chain = Perturbation(contour_mm3=100)
    alone = perturb(volume, {"edema": masks["edema"]}, chain, seed_key="a")[1]
    together = perturb(volume, masks, chain, seed_key="a")[1]
    np.testing.assert_array_equal(alone["edema"], together["edema"])


def test_two_rois_of_one_shape_are_drawn_independently():
    volume, masks = case()
    twins = {"tumour": masks["tumour"], "edema": masks["tumour"]}
    found = perturb(volume, twins, Perturbation(contour_mm3=100), seed_key="a")[1]
    assert (found["tumour"] != found["edema"]).any()


def test_a_chain_is_its_image_steps_then_its_mask_steps():
    volume, masks = case()
    between, moved = perturb_image(volume, masks, FULL, seed_key="a")
    last = perturb_masks(between, moved, FULL, seed_key="a")
    whole, found = perturb(volume, masks, FULL, seed_key="a")
    np.testing.assert_array_equal(between.voxels, whole.voxels)
    np.testing.assert_array_equal(last["tumour"], found["tumour"])


def test_growing_comes_after_moving():
    volume, masks = case()
    move = Perturbation(shift_voxels=(3, 0, 0), grow_mm=2)
    whole = perturb(volume, masks, move, seed_key="a")[1]["tumour"]
    grown = perturb(volume, masks, Perturbation(grow_mm=2), seed_key="a")[1]["tumour"]
    np.testing.assert_array_equal(whole, np.roll(grown, 3, axis=2))


def test_an_error_names_the_roi_it_came_from():
    volume, masks = case()
    masks["edema"] = np.zeros_like(masks["edema"])
    masks["edema"][5, 30, 64] = True
    with pytest.raises(DataError, match="1 of 1 voxels of the ROI leave the image") as caught:
        perturb(volume, masks, Perturbation(shift_voxels=(3, 0, 0)), seed_key="a")
    assert (caught.value.reason, caught.value.where) == ("mask_outside", "edema")


@settings(max_examples=60)
@given(st.integers(0, 2**32), chains, st.floats(0.5, 3))
def test_every_perturbed_roi_has_a_voxel_or_is_refused_with_a_reason(seed, chain, level):
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=(5, 18, 20)), 1)
    mask = rough > level * rough.std()
    assume(mask.any())
    volume = volume_of(rng.normal(size=mask.shape).astype(np.float32))
    try:
        moved, found = perturb(volume, {"tumour": mask}, chain, seed_key="a")
    except DataError as error:
        reason = error.reason
        event(reason)
    else:
        reason = ""
        assert found["tumour"].any()
        assert (found["tumour"].shape, found["tumour"].dtype) == (mask.shape, np.dtype(bool))
        assert np.isfinite(moved.voxels).all()
        assert moved.geometry is volume.geometry
    assert reason in {"", "mask_outside", "roi_too_small"}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, ""),
        ({"noise": True}, "noise1"),
        ({"noise": 0.5, "repeat": 2}, "noise0p5_r2"),
        ({"rotation_degrees": -4}, "rot-4"),
        ({"shift_voxels": (0.25, 0, -1)}, "shift+0p25+0-1"),
        ({"grow_mm": -1.5}, "grow-1p5"),
        ({"contour_mm3": 100, "repeat": 3}, "contour100_r3"),
        (
            {"noise": 1, "rotation_degrees": 4, "shift_voxels": (0.5, 0.5, 0), "grow_mm": 2,
             "contour_mm3": 250},
            "noise1_rot+4_shift+0p5+0p5+0_grow+2_contour250",
        ),
    ],
)  # fmt: skip
def test_names_are_those_that_stored_rows_carry(values, name):
    assert Perturbation(**values).name == name


@given(chains, chains)
def test_two_chains_have_one_name_only_if_they_are_one(one, other):
    assert (one.name == other.name) == (one == other)


def test_numbers_that_differ_in_the_last_digit_have_different_names():
    near = np.nextafter(0.1, 1)
    assert Perturbation(noise=0.1).name != Perturbation(noise=near).name


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"rotation_degrees": 4, "repeat": 2}, "`repeat` above 1 needs `noise` or `contour_mm3`"),
        ({"noise": -1}, "`noise`"),
        ({"noise": float("inf")}, "`noise`"),
        ({"contour_mm3": float("nan")}, "`contour_mm3`"),
        ({"rotation_degrees": 200}, "`rotation_degrees`"),
        ({"rotate": 4}, "unknown key `rotate`"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        Perturbation.parse(values)


def test_a_grid_makes_the_product_of_its_values_each_chain_with_its_own_name():
    found = expand(PerturbationGrid.parse(EXAMPLE))
    assert len(found) == 2 * 4 * 3 * 3
    assert len({chain.name for chain in found}) == len(found)
    assert {chain.grow_mm for chain in found} == {-2, 0, 2}
    assert {chain.repeat for chain in found} == {1, 2, 3}
    assert all(chain.noise == 1 and chain.contour_mm3 == 100 for chain in found)


@pytest.mark.parametrize(("along", "count"), [("diagonal", 4), ("xy", 16), ("xyz", 64)])
def test_shifts_go_along_the_axes_asked_for(along, count):
    values = {"shift_voxels": EXAMPLE["shift_voxels"], "rotation_degrees": [4]}
    found = expand(PerturbationGrid.parse(values | {"shift_along": along}))
    assert len(found) == count
    assert any(chain.shift_voxels[2] for chain in found) == (along == "xyz")


def test_the_chain_that_changes_nothing_and_doubles_are_left_out():
    values = {"rotation_degrees": [0, 4, 4, -0.0], "grow_mm": [0, 2]}
    names = [chain.name for chain in expand(PerturbationGrid.parse(values))]
    assert names == ["grow+2", "rot+4", "rot+4_grow+2"]


def test_more_chains_than_asked_for_at_most_are_refused_with_the_product():
    with pytest.raises(ConfigError, match=r"72 chains \(.*: 3 x 2 x 4 x 3\), at most 71"):
        expand(PerturbationGrid.parse(EXAMPLE | {"most": 71}))
    assert len(expand(PerturbationGrid.parse(EXAMPLE | {"most": 72}))) == 72


def test_a_grid_without_a_step_is_refused():
    with pytest.raises(ConfigError, match="no step"):
        expand(PerturbationGrid())


def test_shuffling_deals_the_voxels_of_a_roi_and_touches_no_other():
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(4, 12, 12)).astype(np.float32)
    mask = np.zeros(voxels.shape, dtype=bool)
    mask[1:3, 2:9, 2:9] = True
    dealt = shuffle(voxels, {"tumour": mask}, seed_key="a")
    np.testing.assert_array_equal(dealt[~mask], voxels[~mask])
    np.testing.assert_array_equal(np.sort(dealt[mask]), np.sort(voxels[mask]))
    assert (dealt[mask] != voxels[mask]).mean() > 0.9
    np.testing.assert_array_equal(dealt, shuffle(voxels, {"tumour": mask}, seed_key="a"))
    assert not np.array_equal(dealt, shuffle(voxels, {"tumour": mask}, seed_key="b"))


def test_shuffled_rois_that_overlap_keep_the_brightness_of_each():
    """An edema may hold the tumour, and a ring lie in both: dealt whole, all became alike."""
    rng = np.random.default_rng(0)
    shape = (4, 16, 16)
    masks = {name: np.zeros(shape, dtype=bool) for name in ("edema", "tumour", "ring", "apart")}
    masks["edema"][:, 2:12, 2:12] = True
    masks["tumour"][1:3, 4:9, 4:9] = True
    masks["ring"][1:3, 3:15, 3:10] = True
    masks["apart"][0, :, 13:] = True
    voxels = rng.normal(size=shape) + 100 * masks["tumour"] + 10 * masks["edema"]
    dealt = shuffle(voxels.astype(np.float32), masks, seed_key="a")
    for mask in masks.values():
        np.testing.assert_array_equal(
            np.sort(dealt[mask]), np.sort(voxels[mask].astype(np.float32))
        )
    alone = shuffle(voxels.astype(np.float32), {"apart": masks["apart"]}, seed_key="a")
    np.testing.assert_array_equal(dealt[masks["apart"]], alone[masks["apart"]])


def test_the_shuffled_copy_is_one_chain_beside_the_others():
    names = [one.name for one in expand(PerturbationGrid(grow_mm=(-1, 0), shuffle=True))]
    assert names == ["grow-1", "shuffled"]
    assert [one.name for one in expand(PerturbationGrid(shuffle=True))] == ["shuffled"]
    with pytest.raises(ValueError, match="`shuffle` stands alone"):
        Perturbation(shuffle=True, grow_mm=1)
