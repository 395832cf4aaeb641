"""Geometry: exact, oblique grids included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from radlas.errors import DataError
from radlas.geometry import (
    Geometry,
    as_seen,
    in_plane_grid,
    make_geometry,
    slices_first,
    world_to_index,
    worst_corner_displacement,
)

SPACING = st.floats(0.2, 10)
ANGLE = st.floats(-180, 180)


@st.composite
def geometries(draw):
    shape = draw(st.tuples(*[st.integers(2, 40)] * 3))
    angles = [draw(ANGLE) for _ in range(3)]
    return make_geometry(
        shape,
        spacing=(draw(SPACING), draw(SPACING), draw(SPACING)),
        origin=tuple(draw(st.floats(-500, 500)) for _ in range(3)),
        direction=Rotation.from_euler("xyz", angles, degrees=True).as_matrix(),
    )


@given(geometries(), hnp.arrays(np.float64, (5, 3), elements=st.floats(-50, 50)))
def test_points_go_to_indices_and_back(geometry, indices):
    points = indices @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    np.testing.assert_allclose(world_to_index(geometry, points), indices, atol=1e-6)


@given(geometries(), hnp.arrays(np.float64, 3, elements=st.floats(-5, 5)))
def test_a_shifted_grid_is_displaced_by_the_shift(geometry, shift):
    moved = make_geometry(
        geometry.shape,
        spacing=geometry.spacing,
        origin=tuple(np.add(geometry.origin, shift)),
        direction=geometry.direction,
    )
    found = worst_corner_displacement(geometry, moved)
    assert found == pytest.approx(np.linalg.norm(shift), abs=1e-9)


@given(st.sampled_from([0, 1, 2]), st.integers(2, 40), st.floats(0.5, 2))
def test_a_stretched_grid_is_displaced_by_what_its_outer_edge_moved(axis, size, longer):
    """The first voxels' outer edges lie on each other, and the last ones' apart by the rest."""
    shape, spacing, origin = [3, 3, 3], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    shape[2 - axis], spacing[axis], origin[axis] = size, longer, (longer - 1) / 2
    plain, stretched = (
        make_geometry(tuple(shape), spacing=edges, origin=corner, direction=np.eye(3))
        for edges, corner in (([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]), (spacing, origin))
    )
    found = worst_corner_displacement(plain, stretched)
    assert found == pytest.approx(size * abs(longer - 1), abs=1e-9)


@given(
    size=st.integers(2, 512),
    edge=st.sampled_from([0.58, 0.68359375, 0.9, 1.0, 1.1]),
    factor=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    seed=st.integers(0, 10**6),
)
def test_as_many_square_pixels_however_the_patient_lay_and_the_file_rounds(
    size, edge, factor, seed
):
    """Where they are half a pixel too many or too few, last digits would move the whole grid."""
    turn = Rotation.random(random_state=seed).as_matrix()
    counts = set()
    for stored, direction in ((edge, np.eye(3)), (edge, turn), (float(np.float32(edge)), turn)):
        old = make_geometry(
            (3, size, size), spacing=(stored, stored, 4), origin=(0, 0, 0), direction=direction
        )
        counts.add(in_plane_grid(old, spacing=factor * edge).shape)
    assert len(counts) == 1


@given(geometries(), st.floats(0.3, 3))
def test_resampling_in_plane_keeps_the_centre_and_the_slices(geometry, spacing):
    grid = in_plane_grid(geometry, spacing=spacing)
    np.testing.assert_allclose(grid.spacing, (spacing, spacing, geometry.spacing[2]))

    def centre(g):
        z, y, x = g.shape
        return g.affine @ [(x - 1) / 2, (y - 1) / 2, (z - 1) / 2, 1]

    np.testing.assert_allclose(centre(grid), centre(geometry), atol=1e-6)
    assert grid.shape[0] == geometry.shape[0]


@pytest.mark.parametrize(
    ("spacing", "direction"),
    [
        ((0, 1, 1), np.eye(3)),
        ((np.nan, 1, 1), np.eye(3)),
        ((1, 1, -1), np.eye(3)),
        ((1, 1, 1), np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1.0]])),
    ],
)
def test_a_grid_that_is_none_is_refused(spacing, direction):
    with pytest.raises(DataError) as caught:
        make_geometry((2, 2, 2), spacing=spacing, origin=(0, 0, 0), direction=direction)
    assert caught.value.reason == "bad_geometry"


@given(geometries())
def test_slices_come_first_and_no_voxel_moves(geometry):
    values = np.arange(np.prod(geometry.shape)).reshape(geometry.shape)
    turned, image = slices_first(geometry, values)
    thick, thinner = sorted(np.round(geometry.spacing, 3), reverse=True)[:2]
    if thick >= 1.5 * thinner:
        assert turned.spacing[2] == pytest.approx(thick, abs=1e-3)
    else:
        assert turned is geometry
    assert image.shape == turned.shape
    index = np.stack(np.unravel_index([0, values.size // 2, values.size - 1], image.shape))
    places = turned.affine @ np.vstack([index[::-1], np.ones(3)])
    there = np.rint(world_to_index(geometry, places[:3].T)).astype(int)[:, ::-1]
    np.testing.assert_array_equal(values[tuple(there.T)], image[tuple(index)])


def test_a_sagittal_exam_turned_to_the_patients_axes_is_sagittal_again():
    """As tools write it: array axes to the head, the back, the left, and thick along the last."""
    geometry = make_geometry((5, 6, 4), spacing=(4, 1, 1), origin=(0, 0, 0), direction=np.eye(3))
    values = np.arange(120).reshape(5, 6, 4)
    turned, image = slices_first(geometry, values)
    assert turned.spacing_zyx == (4, 1, 1)
    np.testing.assert_array_equal(image, np.moveaxis(values, 2, 0))


@given(geometries(), st.tuples(*[st.sampled_from([-1, 1])] * 3), st.permutations(range(3)))
def test_a_slice_is_seen_with_the_named_sides_at_its_left_and_top(geometry, signs, order):
    """However the grid runs, coordinates grow from the right, from the front and to the head."""
    affine = geometry.affine.copy()
    affine[:3, :3] = affine[:3, order] * signs
    geometry = Geometry(geometry.shape, affine)
    _, rows, columns = geometry.shape
    y, x = np.indices((rows, columns)).reshape(2, -1)
    places = affine @ np.stack([x, y, np.zeros(len(x)), np.ones(len(x))])
    coordinates = [one.reshape(rows, columns) for one in places[:3]]
    (left, top), (across, down), seen = as_seen(geometry, *coordinates)
    assert (np.diff(seen["RAH".index(left)], axis=1) >= 0).all()
    assert (np.diff(seen["RAH".index(top)], axis=0) * (-1 if top == "H" else 1) >= 0).all()
    assert (left, top) in {("R", "A"), ("R", "H"), ("A", "H")}
    steps = [np.sqrt(sum(np.diff(one, axis=axis)[0, 0] ** 2 for one in seen)) for axis in (1, 0)]
    np.testing.assert_allclose(steps, (across, down))
