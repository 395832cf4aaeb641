"""Masks off their image: snapped if by a hair, resampled under a bound, else refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import DataError
from radlas.geometry import Geometry, make_geometry
from radlas.ingest.placing import Bounds, field_offset, lattice_offset, place_on_image, place_voxels

from .dicom.corpus import grid

GRID = grid("oblique", shape=(8, 40, 52))
TIGHT, LOOSE = Bounds(), Bounds(resample_mm=3.0)


def ball(geometry: Geometry, radius: float = 9.0) -> np.ndarray:
    """A ball around the middle of GRID, at the voxel centres of any grid."""
    z, y, x = np.indices(geometry.shape)
    places = np.stack([x, y, z, np.ones_like(x)], axis=-1) @ geometry.affine.T
    middle = GRID.affine @ np.array([25.5, 19.5, 3.5, 1.0])
    return np.asarray(np.linalg.norm(places[..., :3] - middle[:3], axis=-1) < radius)


def shifted(geometry: Geometry, **voxels: float) -> Geometry:
    affine = geometry.affine.copy()
    for axis, amount in voxels.items():
        affine[:3, 3] += amount * affine[:3, "xyz".index(axis)]
    return replace(geometry, affine=affine)


@settings(max_examples=60)
@given(x=st.floats(-0.09, 0.09), y=st.floats(-0.09, 0.09), z=st.floats(-0.09, 0.09))
def test_less_than_a_tenth_of_a_voxel_is_snapped_and_measured(x, y, z):
    placed = place_on_image(ball(GRID), shifted(GRID, x=x, y=y, z=z), GRID, TIGHT)
    np.testing.assert_array_equal(placed.mask, ball(GRID))
    assert placed.mask.dtype == bool
    assert placed.misalignment_voxels == pytest.approx(max(map(abs, (x, y, z))), abs=1e-9)
    expected = np.linalg.norm(np.array([x, y, z]) * GRID.spacing)
    assert placed.misalignment_mm == pytest.approx(expected, abs=1e-9)


def test_without_a_bound_nothing_is_resampled_and_the_message_says_how_to_allow_it():
    with pytest.raises(
        DataError, match=r"0\.3\d mm, 0\.40 voxels(?s:.*)--resample-masks"
    ) as caught:
        place_on_image(ball(GRID), shifted(GRID, x=0.4), GRID, TIGHT)
    assert caught.value.reason == "mask_off_grid"


@pytest.mark.parametrize("finer", [2, 0.5])
def test_a_mask_of_other_voxels_on_the_same_field_of_view_is_resampled_under_a_bound_only(finer):
    """Its corners are 0 mm off, or 1e-15: the last bits of a header decide nothing."""
    image = make_geometry((4, 8, 8), spacing=(1, 1, 1), origin=(0, 0, 0), direction=np.eye(3))
    size, edge = round(8 * finer), 1 / finer
    other = make_geometry(
        (4, size, size),
        spacing=(edge, edge, 1),
        origin=((edge - 1) / 2, (edge - 1) / 2, 0),
        direction=np.eye(3),
    )
    assert field_offset(other, image).mm == 0
    mask = np.indices(other.shape).sum(axis=0) < 8
    with pytest.raises(DataError, match=r"0\.00 voxels off and its voxels are others") as caught:
        place_on_image(mask, other, image, TIGHT)
    assert caught.value.reason == "mask_off_grid"
    assert place_on_image(mask, other, image, LOOSE).flags == ("resampled",)


def test_under_a_bound_the_nearest_voxel_is_taken_and_the_mask_flagged():
    other = make_geometry(
        (32, 34, 40),
        spacing=(1.0, 0.9, 1.0),
        origin=GRID.origin,
        direction=GRID.direction,
    )
    placed = place_on_image(ball(other), other, GRID, Bounds(resample_mm=6.0))
    assert placed.flags == ("resampled",)
    truth = ball(GRID)
    assert 2 * (placed.mask & truth).sum() / (placed.mask.sum() + truth.sum()) > 0.95
    with pytest.raises(DataError, match="up to 1 mm is allowed"):
        place_on_image(ball(other), other, GRID, Bounds(resample_mm=1.0))


def test_resampling_agrees_with_itk():
    """Outside witness: nearest neighbour by SimpleITK, on a turned grid."""
    turned = grid("axial", shape=(40, 60, 60), spacing=(1.0, 1.0, 1.0))
    turned = replace(turned, affine=turned.affine.copy())
    middle = GRID.affine @ np.array([25.5, 19.5, 3.5, 1.0])
    turned.affine[:3, 3] += middle[:3] - (turned.affine @ np.array([30, 30, 20, 1.0]))[:3]
    mask = ball(turned)
    placed = place_on_image(mask, turned, GRID, Bounds(resample_mm=100.0))
    ours, theirs = placed.mask, by_itk(mask, turned, GRID)
    assert (ours != theirs).mean() < 1e-4  # ties between two voxels may go either way
    assert ours.sum() > 1000


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_a_mask_that_reaches_the_edge_of_its_grid_keeps_its_outermost_voxels(shift, axis):
    """A tumour that the first or the last slice cuts: a third of a voxel is no slice less."""
    mask = np.random.default_rng(0).random(GRID.shape) < 0.5
    other = shifted(GRID, **{axis: shift})
    placed = place_on_image(mask, other, GRID, LOOSE)
    assert placed.flags == ("resampled",)
    np.testing.assert_array_equal(placed.mask, mask)
    np.testing.assert_array_equal(placed.mask, by_itk(mask, other, GRID))


def test_a_coarse_mask_covers_all_fine_voxels_of_its_outermost_ones():
    z, y, x = GRID.shape
    affine = GRID.affine.copy()
    affine[:3, :2] *= 2
    affine[:3, 3] += GRID.affine[:3, :2] @ [0.5, 0.5]
    coarse = Geometry((z, y // 2, x // 2), affine)
    mask = np.random.default_rng(0).random(coarse.shape) < 0.5
    placed = place_on_image(mask, coarse, GRID, LOOSE)
    np.testing.assert_array_equal(placed.mask, mask.repeat(2, axis=1).repeat(2, axis=2))


def by_itk(mask: np.ndarray, grid_: Geometry, target: Geometry) -> np.ndarray:
    images = []
    for geometry, values in ((grid_, mask), (target, np.zeros(target.shape))):
        image = SimpleITK.GetImageFromArray(values.astype(np.uint8))
        image.SetSpacing(geometry.spacing)
        image.SetOrigin(geometry.origin)
        image.SetDirection(geometry.direction.ravel())
        images.append(image)
    moved = SimpleITK.Resample(
        images[0], images[1], SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor
    )
    return SimpleITK.GetArrayFromImage(moved) > 0


def test_a_shift_by_whole_voxels_is_a_displacement_and_no_rounding():
    """Three columns aside lies on the lattice, but the field of view is elsewhere."""
    moved = shifted(GRID, x=3)
    assert field_offset(moved, GRID).voxels == pytest.approx(3)
    with pytest.raises(DataError, match=r"3\.00 voxels"):
        place_on_image(ball(GRID), moved, GRID, TIGHT)


@settings(max_examples=60)
@given(x=st.integers(-55, 55), y=st.integers(-43, 43), z=st.integers(-9, 9))
def test_voxels_that_lie_beyond_the_image_are_cut_off_and_that_is_flagged(x, y, z):
    mask = np.random.default_rng(2).random(GRID.shape) < 0.3
    expected = np.zeros_like(mask)
    index = np.argwhere(mask) + np.array([z, y, x])
    there = ((index >= 0) & (index < GRID.shape)).all(axis=1)
    expected[tuple(index[there].T)] = True
    affine = shifted(GRID, x=x, y=y, z=z).affine
    if not there.any():
        with pytest.raises(DataError) as caught:
            place_voxels(mask, affine, GRID, TIGHT)
        assert caught.value.reason == "mask_outside"
        return
    placed = place_voxels(mask, affine, GRID, TIGHT)
    np.testing.assert_array_equal(placed.mask, expected)
    assert placed.flags == (() if there.all() else ("outside_image",))


@pytest.mark.parametrize("stretch", [1.001, 0.999])
def test_of_voxels_of_another_size_the_farthest_corner_tells_how_far_they_lie_off(stretch):
    """The image ends half a voxel beyond its last centre, and by as much the stretch adds up."""
    affine = GRID.affine.copy()
    affine[:3, 0] *= stretch
    offset = lattice_offset(GRID.shape, affine, GRID)
    assert offset.voxels == pytest.approx(0.001 * (52 - 0.5))
    assert offset.mm == pytest.approx(0.001 * (52 - 0.5) * GRID.spacing[0])


def test_a_mask_that_misses_the_image_is_refused_whatever_the_bound():
    far = shifted(GRID, x=500)
    with pytest.raises(DataError) as caught:
        place_on_image(ball(GRID), far, GRID, Bounds(resample_mm=1e6))
    assert caught.value.reason == "mask_outside"


@pytest.mark.parametrize("signs", [(-1, -1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_a_flip_is_named_and_never_mended(signs):
    flipped = replace(GRID, affine=np.diag([*map(float, signs), 1.0]) @ GRID.affine)
    for bounds in (TIGHT, LOOSE):
        with pytest.raises(DataError, match="RAS/LPS flip") as caught:
            place_on_image(ball(GRID), flipped, GRID, bounds)
        assert caught.value.reason == "mask_flipped"
