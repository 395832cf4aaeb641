"""What the network sees: one tissue however it was stored, and the part that is meant."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.storing import WAYS, stored_otherwise

from radlas.errors import DataError
from radlas.features.preprocess import to_itk
from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.grid import Scene, make_scene, on_grid, tumour_box
from radlas.geometry import make_geometry, to_patient_axes, world_to_index
from radlas.model import Roi, Volume

SHAPE = (12, 40, 30)


def thigh():
    """Axes along the patient's: bright tissue in air, a tumour off the middle."""
    voxels = np.random.default_rng(0).normal(20, 3, size=SHAPE)
    voxels[1:11, 5:35, 4:26] = np.random.default_rng(1).normal(400, 60, size=(10, 30, 22))
    tumour = np.zeros(SHAPE, dtype=bool)
    tumour[4:8, 10:18, 8:14] = True
    geometry = make_geometry(SHAPE, spacing=(1, 1.5, 4), origin=(-9, 6, 7), direction=np.eye(3))
    return Volume(voxels.astype(np.float32), geometry), {"tumour": Roi("tumour", tumour, "made")}


@given(way=st.sampled_from(WAYS))
def test_however_an_image_is_stored_its_patient_axes_are_the_same(way):
    volume, rois = thigh()
    other, _ = stored_otherwise(volume, rois, *way)
    geometry, (voxels,) = to_patient_axes(other.geometry, other.voxels)
    np.testing.assert_array_equal(voxels, volume.voxels)
    np.testing.assert_allclose(geometry.affine, volume.geometry.affine, atol=1e-9)


def test_an_oblique_grid_keeps_every_voxel_where_it_is():
    angle = np.radians(25)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    sagittal = turn @ np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])
    geometry = make_geometry((5, 6, 7), spacing=(1, 2, 3), origin=(4, 5, 6), direction=sagittal)
    values = np.arange(210.0).reshape(5, 6, 7)
    turned, (moved,) = to_patient_axes(geometry, values)
    assert (np.diag(turned.direction) > 0.8).all()
    for index in ((0, 0, 0), (4, 5, 6), (2, 3, 1)):
        z, y, x = index
        place = (geometry.affine @ np.array([x, y, z, 1.0]))[:3]
        i, j, k = np.rint(world_to_index(turned, place[None])[0]).astype(int)
        assert moved[k, j, i] == values[index]


@pytest.mark.parametrize("way", [WAYS[13], WAYS[30]], ids=str)
def test_features_do_not_depend_on_how_the_image_is_stored(way):
    settings = {"size": (16, 32, 24), "box_size": (16, 16, 16)}
    settings |= {"regions": ["whole", "roi_box", "ring_box"]}
    extractor = DeepExtractor(DeepExtractor.Settings.parse(settings))
    here = extractor.describe(*thigh())
    there = extractor.describe(*stored_otherwise(*thigh(), *way))
    assert [row.roi for row in here.rows] == ["whole", "roi_box", "ring_box"]
    for one, other in zip(here.rows, there.rows, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, rtol=1e-3, atol=1e-4)


def test_regions_are_the_boxes_they_are_called():
    volume, rois = thigh()
    scene = make_scene(volume, rois, axes="patient", background=0)
    assert tumour_box(scene, 0) == (slice(4, 8), slice(10, 18), slice(8, 14))
    # 10 mm are three slices of 4 mm, seven rows of 1.5 mm, ten columns of 1 mm, as far as there are
    assert tumour_box(scene, 10) == (slice(1, 11), slice(3, 25), slice(0, 24))


def test_a_box_fills_its_grid_and_a_spacing_keeps_sizes():
    volume, rois = thigh()
    scene = make_scene(volume, rois, axes="patient", background=0)
    box = tumour_box(scene, 0)
    fitted = on_grid(scene, box, size=(16, 16, 16), spacing=None)
    assert fitted.geometry.spacing_zyx == pytest.approx((4 * 4 / 16, 8 * 1.5 / 16, 6 / 16))
    kept = on_grid(scene, box, size=(16, 16, 16), spacing=(2, 1, 1))
    assert kept.geometry.spacing_zyx == pytest.approx((2, 1, 1))


def turned_by(degrees, axis):
    return Rotation.from_rotvec(np.radians(degrees) * np.eye(3)[axis]).as_matrix()


@given(
    size=st.tuples(*[st.integers(16, 33)] * 3),
    spacing=st.none() | st.tuples(*[st.floats(0.3, 9.0)] * 3),
    # ITK takes the matrix apart, and finds nothing where an entry is no more than 1e-308.
    degrees=st.floats(-40, 40).map(lambda degrees: round(degrees, 6)),
    axis=st.integers(0, 2),
)
def test_samples_are_those_of_itk(size, spacing, degrees, axis):
    volume, rois = thigh()
    geometry = make_geometry(
        SHAPE, spacing=(1.1, 0.9, 3.7), origin=(9, -60, 30), direction=turned_by(degrees, axis)
    )
    scene = make_scene(Volume(volume.voxels, geometry), rois, axes="acquisition", background=-3)
    sampled = on_grid(scene, tumour_box(scene, 5), size=size, spacing=spacing)
    grid = to_itk(np.zeros(size, np.float32), sampled.geometry)
    image = to_itk(scene.scores, scene.geometry)
    identity = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
    expected = SimpleITK.Resample(image, grid, identity, SimpleITK.sitkLinear, -3.0)
    # Next to the image's edge, rounding may decide whether a sample is outside.
    inside = places_off_the_edge(scene.geometry, sampled.geometry)
    found, expected = sampled.voxels[inside], SimpleITK.GetArrayFromImage(expected)[inside]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def places_off_the_edge(geometry, grid):
    """Which samples along each axis are not within a millionth of a voxel of the edge."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"))[::-1].reshape(3, -1)
    points = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    places = world_to_index(geometry, points.T)
    edges = np.array(geometry.shape[::-1]) - 0.5
    near = (np.abs(places + 0.5) < 1e-6) | (np.abs(places - edges) < 1e-6)
    return ~near.any(axis=1).reshape(grid.shape)


def test_a_sample_on_the_images_edge_is_inside_on_either_side():
    everywhere, geometry = np.ones(SHAPE, dtype=bool), thigh()[0].geometry
    scene = Scene(everywhere.astype(np.float32), everywhere, None, geometry, -9)
    # 12 slices of 4 mm are 48 mm: 17 samples 3 mm apart begin and end with the image, 18 do not.
    sampled = on_grid(scene, None, size=(17, 16, 16), spacing=(3, 1, 1)).voxels
    np.testing.assert_array_equal(sampled, 1)
    wider = on_grid(scene, None, size=(18, 16, 16), spacing=(3, 1, 1)).voxels
    assert set(wider[[0, -1]].ravel()) == {-9}
    np.testing.assert_array_equal(wider[1:-1], 1)


@pytest.mark.parametrize(
    ("rois", "reason"),
    [({}, "no_tumour"), ({"tumour": Roi("tumour", np.zeros(SHAPE, bool), "made")}, "empty_mask")],
)
def test_without_a_tumour_there_is_no_box_but_a_whole(rois, reason):
    volume, _ = thigh()
    whole = DeepExtractor(DeepExtractor.Settings.parse({"size": (16, 16, 16)}))
    assert len(whole.describe(volume, rois).rows) == 1
    boxed = DeepExtractor(DeepExtractor.Settings.parse({"regions": ["roi_box"]}))
    with pytest.raises(DataError) as caught:
        boxed.describe(volume, rois)
    assert caught.value.reason == reason
