"""Steps before the features: no rounding, no overshoot, no drift."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from radlas.errors import DataError
from radlas.features.preprocess import (
    as_floats,
    body_z_score,
    one_thread,
    prepare,
    resample_mask,
)
from radlas.features.slices import resample_slices
from radlas.geometry import Geometry, in_plane_grid, make_geometry, world_to_index
from radlas.model import Volume


def oblique(shape, spacing=(0.9, 0.9, 5.0)):
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    return make_geometry(shape, spacing=spacing, origin=(-30, 12, 7), direction=turn)


def plain(volume, masks, **changes):
    settings = {"normalise": "none", "scale": 1.0, "in_plane_spacing": None} | changes
    return prepare(volume, masks, **settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_voxels_that_are_no_numbers_are_counted_and_refused(bad):
    voxels = np.ones((2, 3, 4))
    voxels[0, 0, :2] = bad
    with pytest.raises(DataError, match="2 of 24 voxels") as caught:
        as_floats(voxels)
    assert caught.value.reason == "not_finite"


def test_a_cast_is_a_copy_even_of_float32():
    voxels = np.ones((1, 2, 2), dtype=np.float32)
    assert not np.shares_memory(as_floats(voxels), voxels)


def test_the_z_score_has_mean_zero_and_the_scale_as_deviation_inside_the_body():
    rng = np.random.default_rng(0)
    voxels = rng.normal(500, 40, size=(6, 20, 20)).astype(np.float32)
    body = rng.random(voxels.shape) < 0.5
    voxels[~body] = 0
    scores = body_z_score(voxels, body, scale=100)[body].astype(np.float64)
    assert scores.mean() == pytest.approx(0, abs=1e-3)
    assert scores.std() == pytest.approx(100, rel=1e-6)


def test_gain_and_offset_of_the_scanner_leave_no_trace_in_the_z_score():
    voxels = np.random.default_rng(1).normal(500, 40, size=(6, 20, 20)).astype(np.float32)
    body = np.ones(voxels.shape, dtype=bool)
    here = body_z_score(voxels, body, scale=100)
    there = body_z_score(voxels * 3 + 70, body, scale=100)
    np.testing.assert_allclose(here, there, atol=0.01)


def test_an_image_without_contrast_is_refused():
    with pytest.raises(DataError, match="all equal 5") as caught:
        body_z_score(np.full((2, 2, 2), 5, np.float32), np.ones((2, 2, 2), bool), scale=1)
    assert caught.value.reason == "flat_image"


def test_splines_do_not_leave_the_range_of_the_image():
    voxels = np.zeros((2, 30, 30), dtype=np.float32)
    voxels[:, 10:20, 10:20] = 100
    geometry = oblique(voxels.shape)
    grid = in_plane_grid(geometry, spacing=0.5)
    sampled = resample_slices(voxels, geometry, grid)
    assert sampled.shape == grid.shape
    assert (sampled.min(), sampled.max()) == (0, 100)


@pytest.mark.parametrize("slices", [1, 2, 3, 7])
def test_a_slice_is_sampled_alike_however_many_lie_around_it(slices):
    voxels = np.random.default_rng(6).normal(size=(slices, 20, 20)).astype(np.float32)
    geometry = oblique(voxels.shape)
    grid = in_plane_grid(geometry, spacing=0.7)
    alone = Geometry((1, *voxels.shape[1:]), geometry.affine)
    first = resample_slices(voxels[:1], alone, in_plane_grid(alone, spacing=0.7))
    low, high = voxels[0].min(), voxels[0].max()
    sampled = resample_slices(voxels, geometry, grid)
    np.testing.assert_array_equal(np.clip(sampled[:1], low, high), first)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spacing", [0.45, 0.6, 0.9, 1.0, 1.35, 2.6])
def test_slices_are_sampled_as_itk_samples_them_bit_by_bit(spacing, kind):
    geometry = oblique((1, 23, 31))
    grid = in_plane_grid(geometry, spacing=spacing)
    voxels = np.random.default_rng(7).normal(500, 90, geometry.shape).astype(kind)
    start = world_to_index(geometry, np.array([grid.origin]))[0] * geometry.spacing
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(grid.shape[:0:-1])
    resampler.SetOutputSpacing(grid.spacing[:2])
    resampler.SetOutputOrigin(start[:2].tolist())
    resampler.SetInterpolator(SimpleITK.sitkBSpline)
    resampler.SetUseNearestNeighborExtrapolator(True)
    image = SimpleITK.GetImageFromArray(voxels[0])
    image.SetSpacing(geometry.spacing[:2])
    theirs = SimpleITK.GetArrayFromImage(resampler.Execute(image))
    ours = resample_slices(voxels, geometry, grid)[0]
    np.testing.assert_array_equal(ours, np.clip(theirs, voxels.min(), voxels.max()))


def test_a_slice_too_narrow_for_a_spline_is_refused():
    geometry = oblique((3, 3, 9))
    with pytest.raises(DataError) as caught:
        plain(Volume(np.ones(geometry.shape), geometry), {}, in_plane_spacing=0.5)
    assert caught.value.reason == "image_too_small"


@pytest.mark.parametrize("spacing", [0.6, 1.3])
@pytest.mark.parametrize("pixel", [0.4, 0.9, 1.7])
def test_a_ramp_in_patient_space_is_the_same_ramp_on_the_new_grid(pixel, spacing):
    """B-splines reproduce linear functions, so any drift of the grid would show."""
    geometry = oblique((3, 60, 64), spacing=(pixel, pixel, 5.0))
    case = plain(Volume(ramp(geometry).astype(np.float32), geometry), {}, in_plane_spacing=spacing)
    rim = int(np.ceil(8 * pixel / spacing))  # farther in, the spline has forgotten the edge
    inner = (slice(None), slice(rim, -rim), slice(rim, -rim))
    new = case.volume.geometry
    assert new.spacing == pytest.approx((spacing, spacing, 5.0))
    np.testing.assert_allclose(case.volume.voxels[inner], ramp(new)[inner], atol=2e-3)


def ramp(geometry: Geometry):
    """A linear function of the position in patient space [mm]."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in geometry.shape], indexing="ij")
    points = np.stack([x, y, z], axis=-1) @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    return points @ np.array([1.0, 2.0, 0.5])


def test_a_mask_keeps_its_volume_and_both_counts_are_reported():
    geometry = oblique((3, 40, 40))
    mask = np.zeros(geometry.shape, dtype=bool)
    mask[1, 10:30, 8:28] = True
    image = np.random.default_rng(2).normal(size=geometry.shape)
    case = plain(Volume(image, geometry), {"tumour": mask}, in_plane_spacing=0.45)
    assert (case.voxels_before["tumour"], case.masks["tumour"].sum()) == (400, 1600)
    np.testing.assert_array_equal(
        case.masks["tumour"], np.repeat(np.repeat(mask, 2, axis=1), 2, axis=2)
    )


def test_a_mask_taken_there_and_back_is_itself():
    geometry = oblique((2, 24, 20))
    mask = np.random.default_rng(4).random(geometry.shape) < 0.3
    fine = in_plane_grid(geometry, spacing=0.3)
    there = resample_mask(mask, geometry, fine)
    np.testing.assert_array_equal(resample_mask(there, fine, geometry), mask)


@pytest.mark.parametrize(("pixel", "spacing"), [(0.5, 1.0), (0.75, 1.0), (0.4, 1.2)])
def test_a_mask_does_not_depend_on_where_the_patient_lay(pixel, spacing):
    """These pixels lie midway between old ones, where rounding of millimetres would decide."""
    mask = np.zeros((3, 61, 60), dtype=bool)
    y, x = np.mgrid[:61, :60]
    mask[1] = (y - 29.7) ** 2 + (x - 30) ** 2 < 15**2
    rng = np.random.default_rng(8)
    found = []
    for _ in range(8):
        geometry = make_geometry(
            mask.shape,
            spacing=(pixel, pixel, 5.0),
            origin=tuple(rng.uniform(-200, 200, 3)),
            direction=Rotation.random(rng=rng).as_matrix(),
        )
        found.append(resample_mask(mask, geometry, in_plane_grid(geometry, spacing=spacing)))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_grid_that_fits_already_is_not_interpolated():
    geometry = oblique((2, 12, 12))
    voxels = np.random.default_rng(5).normal(size=geometry.shape).astype(np.float32)
    case = plain(Volume(voxels, geometry), {}, in_plane_spacing=0.9)
    np.testing.assert_array_equal(case.volume.voxels, voxels)


def test_the_number_of_itk_threads_is_restored_even_after_an_error():
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()

    def fail():
        with one_thread():
            assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
            raise KeyError("inside")

    with pytest.raises(KeyError):
        fail()
    assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == before
