"""The body: what is left of an image without the air around."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from tests.masks import dice
from tests.storing import WAYS, stored_otherwise

from radlas.geometry import Geometry
from radlas.model import Roi, Volume
from radlas.roi import body
from radlas.roi.body import body_mask, body_of

SPACING = (1.0, 1.0, 4.0)


def disc(shape, centre, radius):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def noise(shape, seed=0, level=10.0):
    """Magnitude of complex noise, as MR air is: Rayleigh."""
    rng = np.random.default_rng(seed)
    return np.hypot(*rng.normal(0, level, size=(2, *shape)))


def limb(size=90, radius=32):
    """Fat-suppressed T2: muscle at 90, noise at 12, a bright tumour of 900, dark bone."""
    shape = (4, size, size)
    body = np.broadcast_to(disc(shape[1:], (size // 2, size // 2), radius), shape)
    signal = np.where(body, 90.0, 0.0)
    middle = size // 2
    signal[1:3, middle - 15 : middle + 5, middle - 12 : middle + 10] = 900.0
    signal[:, middle + 12 : middle + 20, middle : middle + 8] = 0.0
    return np.hypot(signal + noise(shape, 1), noise(shape, 2)).astype(np.float32), body


def test_muscle_beside_a_bright_tumour_is_body_and_so_is_dark_bone():
    voxels, body = limb()
    found = body_mask(voxels, SPACING)
    assert dice(found, body) > 0.97
    assert found[:, 57:65, 45:53].all()


def test_muscle_barely_above_the_noise_is_body_beside_bright_fat_and_tumour():
    """Levels of a real fat-suppressed T2: noise 29, muscle 78, fat at the coil 300, tumour 600."""
    shape = (4, 120, 120)
    body = disc(shape[1:], (60, 60), 48)
    signal = np.where(body, 72.0, 0.0)
    signal[body & ~disc(shape[1:], (66, 60), 44)] = 300.0
    signal[disc(shape[1:], (62, 50), 22)] = 600.0
    voxels = np.hypot(signal + noise(shape, 1, 23.0), noise(shape, 2, 23.0)).astype(np.float32)
    assert dice(body_mask(voxels, SPACING), np.broadcast_to(body, shape)) > 0.95


def test_more_air_around_the_limb_does_not_move_the_body():
    voxels, _ = limb()
    wide = noise((4, 150, 150), 3).astype(np.float32)
    wide[:, 30:120, 30:120] = voxels
    near, far = body_mask(voxels, SPACING), body_mask(wide, SPACING)
    assert dice(near, far[:, 30:120, 30:120]) > 0.985
    far[:, 30:120, 30:120] = False
    assert not far.any()


FILLED = {
    "columns": np.broadcast_to(np.abs(np.arange(90) - 44.5) > 40, (90, 90)),
    "one side": np.broadcast_to(np.arange(90) < 6, (90, 90)),
    "corners": ~disc((90, 90), (44.5, 44.5), 52),
}


@pytest.mark.parametrize("value", [0.0, -2000.0])
@pytest.mark.parametrize("margins", FILLED.values(), ids=FILLED)
def test_margins_that_a_reconstruction_filled_do_not_make_air_a_body(margins, value):
    """They are darker than air: noise beside them is no tissue, and keeps out of every mean."""
    signal = 300.0 * limb()[1]  # as on T1: tissue is one class, air another, and margins a third
    voxels = np.hypot(signal + noise(signal.shape, 1), noise(signal.shape, 2)).astype(np.float32)
    filled = np.where(margins, np.float32(value), voxels)
    assert dice(body_mask(filled, SPACING), body_mask(voxels, SPACING)) > 0.985


@pytest.mark.parametrize("value", [0.0, -2000.0, 500.0])
@pytest.mark.parametrize("margins", [False, FILLED["columns"]], ids=["alone", "columns"])
def test_slices_that_were_filled_are_no_air_and_hold_no_body(margins, value):
    """As padding makes them: else the noise around the body is its tissue, and moves every mean."""
    signal = 300.0 * limb()[1]
    voxels = np.hypot(signal + noise(signal.shape, 1), noise(signal.shape, 2)).astype(np.float32)
    voxels = np.where(margins, np.float32(value), voxels)
    filled = np.insert(voxels, [0, 0, 2, 4], np.float32(value), axis=0)
    there = np.array([False, False, True, True, False, True, True, False])
    found = body_mask(filled, SPACING)
    assert not found[~there].any()
    np.testing.assert_array_equal(found[there], body_mask(voxels, SPACING))


def test_around_a_body_without_air_what_was_filled_is_the_air():
    voxels, body = limb()
    silent = np.where(body, voxels, np.float32(0))
    assert dice(body_mask(silent, SPACING), body) > 0.985
    cropped = np.zeros((4, 40, 60), dtype=np.float32)
    cropped[:, 8:32, 10:50] = voxels[:, 48:72, 25:65]
    found = body_mask(cropped, SPACING)
    assert dice(found, cropped > 0) > 0.98


def test_the_body_does_not_depend_on_the_scanners_gain():
    voxels, _ = limb()
    np.testing.assert_array_equal(body_mask(voxels, SPACING), body_mask(voxels * 8, SPACING))


def test_an_image_cropped_inside_the_body_is_all_body():
    voxels, _ = limb()
    assert body_mask(voxels[:, 48:72, 25:65], SPACING).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_image_of_one_value_is_all_body(value):
    assert body_mask(np.full((2, 8, 8), value, dtype=np.float32), SPACING).all()


@given(way=st.sampled_from(WAYS))
def test_however_an_image_is_stored_its_body_is_the_same(way):
    voxels, _ = limb()
    volume = Volume(voxels, Geometry(voxels.shape, np.diag([0.5, 0.5, 4.0, 1.0])))
    here = Roi("body", body_of(volume.voxels, volume.geometry), "made")
    other, there = stored_otherwise(volume, {"body": here}, *way)
    np.testing.assert_array_equal(body_of(other.voxels, other.geometry), there["body"].mask)


def test_slices_as_they_were_acquired_have_the_body_of_slices():
    """Sagittal: the longest edge runs to the left, along the array's first axis."""
    voxels, _ = limb()
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 4.0], [1.0, 0, 0], [0, -1.0, 0]])
    found = body_of(voxels, Geometry(voxels.shape, affine))
    # Rows run down the patient there, and to the head in the search.
    np.testing.assert_array_equal(found[:, ::-1], body_mask(voxels[:, ::-1].copy(), SPACING))


def test_both_legs_are_body_and_a_marker_on_the_skin_is_not():
    shape = (3, 80, 160)
    legs = disc(shape[1:], (40, 42), 30) | disc(shape[1:], (40, 115), 26)
    marker = disc(shape[1:], (8, 78), 3)
    signal = np.where(legs, 120.0, np.where(marker, 400.0, 0.0))
    found = body_mask((signal + noise(shape)).astype(np.float32), SPACING)
    assert found[:, legs].mean() > 0.98
    assert not found[:, marker].any()


def test_ten_real_patients_have_their_tumours_inside_and_some_air_outside(real_data):
    for path in sorted((real_data / "sts-t1").glob("*_image.nii.gz")):
        image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
        tumour = SimpleITK.ReadImage(str(path).replace("_image", "_mask"))
        body = body_mask(SimpleITK.GetArrayFromImage(image), image.GetSpacing())
        assert body[SimpleITK.GetArrayFromImage(tumour) > 0].mean() > 0.999, path.name
        assert 0.2 < body.mean() < 0.96, path.name


@pytest.mark.parametrize("spacing", [(0.8, 0.8, 5.0), (0.5, 1.3, 3.0), (4.0, 4.0, 4.0)])
def test_the_closing_is_that_of_itk(spacing):
    rng = np.random.default_rng(3)
    mask = ndimage.gaussian_filter(rng.normal(size=(3, 60, 50)), (0, 2, 2)) > 0.05
    radius = [max(1, round(body.CLOSING_MM / edge)) for edge in spacing[:2]]
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    closed = SimpleITK.BinaryMorphologicalClosing(image, [*radius, 0], SimpleITK.sitkBall)
    expected = SimpleITK.GetArrayFromImage(closed).astype(bool)
    assert expected.sum() > mask.sum()
    np.testing.assert_array_equal(body._close_in_plane(mask, spacing), expected)


def test_the_threshold_is_that_of_itk():
    rng = np.random.default_rng(4)
    parts = [rng.normal(mean, 0.2, size=4_000) for mean in (-4.0, -2.0, -0.5)]
    levels = np.concatenate(parts).astype(np.float32).reshape(2, 60, 100)
    otsu = SimpleITK.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(2)
    otsu.SetNumberOfHistogramBins(body.BINS)
    otsu.Execute(SimpleITK.GetImageFromArray(levels))
    width = float(np.ptp(levels)) / body.BINS
    assert body._lowest_threshold(levels) == pytest.approx(otsu.GetThresholds()[0], abs=width / 10)


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(2, 8), st.integers(5, 40), st.integers(5, 12)),
    share=st.floats(0.002, 0.2),
    pixel=st.sampled_from([0.4, 1.0, 3.0]),
)
def test_no_image_is_without_a_body_though_it_holds_specks_alone(seed, shape, share, pixel):
    """Thinner than the smoothing, none of them is left above the threshold."""
    rng = np.random.default_rng(seed)
    specks = np.where(rng.random(shape) < share, 100.0, 0).astype(np.float32)
    assert body_mask(specks, (pixel, pixel, 4.0)).any()
