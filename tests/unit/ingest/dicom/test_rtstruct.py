"""Contours to voxels: the analytic shape in every plane, and every rule of the drawing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.masks import dice

from radlas.errors import DataError
from radlas.geometry import make_geometry
from radlas.ingest.checks import check_rois
from radlas.ingest.dicom import nesting
from radlas.ingest.dicom.contours import read_contours
from radlas.ingest.dicom.polygons import boundaries_meet, fill_polygon
from radlas.ingest.dicom.rtstruct import XOR, Contour, rasterise
from radlas.model import Roi

from .corpus import (
    CENTRE,
    PLANES,
    RADII,
    ellipse,
    grid,
    inside_ellipse,
    make_series,
    to_world,
    tumour_on,
)

BIG = {"centre": (25.3, 19.6), "radii": (14.2, 11.7)}
SMALL = {"centre": (24.1, 20.4), "radii": (6.3, 4.9)}
APART = {"centre": (6.2, 6.1), "radii": (3.1, 3.3)}
CROSSING = {"centre": (37.7, 20.2), "radii": (7.1, 6.2)}
SLICES = (1, 2, 3)


def draw(geometry, *shapes, kind="CLOSED_PLANAR", slices=SLICES, offset=0.0):
    return [
        Contour(ellipse(geometry, z + offset, **shape), kind) for z in slices for shape in shapes
    ]


def truth(geometry, plane_of_truth, slices=SLICES):
    mask = np.zeros(geometry.shape, dtype=bool)
    mask[list(slices)] = plane_of_truth
    return mask


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_a_solid_shape_is_the_analytic_one(plane):
    geometry = grid(plane)
    mask, flags = rasterise(draw(geometry, BIG), geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999
    assert flags == ()


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_two_nested_contours_are_a_ring(plane):
    geometry = grid(plane)
    mask, flags = rasterise(draw(geometry, BIG, SMALL), geometry)
    ring = inside_ellipse(geometry, **BIG) & ~inside_ellipse(geometry, **SMALL)
    assert dice(mask, truth(geometry, ring)) >= 0.999
    assert flags == ()


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_a_keyhole_is_the_same_ring(plane):
    """One contour that runs round the outside, cuts in, and runs round the inside backwards."""
    geometry = grid(plane)
    keyholes = []
    for z in SLICES:
        outer, inner = ellipse(geometry, z, **BIG), ellipse(geometry, z, **SMALL)
        path = [outer, outer[:1], inner[:1], inner[::-1], outer[:1]]
        keyholes.append(Contour(np.concatenate(path)))
    mask, flags = rasterise(keyholes, geometry)
    ring = inside_ellipse(geometry, **BIG) & ~inside_ellipse(geometry, **SMALL)
    assert dice(mask, truth(geometry, ring)) >= 0.999
    assert flags == ()


def test_an_island_in_a_hole_is_filled():
    geometry = grid()
    island = {"centre": SMALL["centre"], "radii": (2.2, 2.4)}
    mask, _ = rasterise(draw(geometry, island, BIG, SMALL), geometry)
    ring = inside_ellipse(geometry, **BIG) & ~inside_ellipse(geometry, **SMALL)
    assert dice(mask, truth(geometry, ring | inside_ellipse(geometry, **island))) >= 0.999


def test_separate_contours_are_united_without_a_flag():
    geometry = grid()
    mask, flags = rasterise(draw(geometry, BIG, APART), geometry)
    both = inside_ellipse(geometry, **BIG) | inside_ellipse(geometry, **APART)
    assert dice(mask, truth(geometry, both)) >= 0.999
    assert flags == ()


def test_partly_overlapping_contours_are_united_and_flagged():
    geometry = grid()
    mask, flags = rasterise(draw(geometry, BIG, CROSSING), geometry)
    both = inside_ellipse(geometry, **BIG) | inside_ellipse(geometry, **CROSSING)
    assert dice(mask, truth(geometry, both)) >= 0.999
    assert flags == ("ambiguous_contours",)


def test_an_outline_is_held_against_one_of_a_group_that_it_meets(monkeypatch):
    """Of a thousand that overlap on one slice each was held against each, for six minutes."""
    asked, entangled = [], nesting._entangled

    def counted(*words):
        asked.append(words[2:])
        return entangled(*words)

    monkeypatch.setattr(nesting, "_entangled", counted)
    geometry = grid()
    mask, flags = rasterise(draw(geometry, *[BIG] * 20), geometry)
    assert len(asked) == 19 * len(SLICES)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999
    assert flags == ("ambiguous_contours",)


def test_a_contour_drawn_twice_is_not_its_own_hole():
    geometry = grid()
    mask, flags = rasterise(draw(geometry, BIG, BIG), geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999
    assert flags == ("ambiguous_contours",)


def test_a_contour_drawn_again_a_hair_inside_is_not_its_own_hole():
    """No voxel centre lies between the two outlines, so the slice must not vanish."""
    geometry = grid()
    square = np.array([[10.5, 10.5], [20.5, 10.5], [20.5, 20.5], [10.5, 20.5]])
    inner = square + 0.1 * np.sign(15.5 - square)
    drawn = [
        Contour(to_world(geometry, np.column_stack([points, np.full(4, 2.0)])))
        for points in (square, inner)
    ]
    mask, flags = rasterise(drawn, geometry)
    assert np.count_nonzero(mask) == 100
    assert flags == ("ambiguous_contours",)


@pytest.mark.parametrize("step", [0.2, 0.4])
def test_contours_of_thinner_slices_are_refused_and_make_no_holes(step):
    """Two contours of a narrowing tumour, one above the other, are no ring on the slice between."""
    geometry = grid()
    levels = np.arange(1, 2.3, step)
    drawn = [
        Contour(ellipse(geometry, z, centre=BIG["centre"], radii=(14.2 - 3 * k, 11.7 - 3 * k)))
        for k, z in enumerate(levels[:4])
    ]
    with pytest.raises(DataError, match="slices apart: drawn on thinner slices") as caught:
        rasterise(drawn, geometry)
    assert caught.value.reason == "contour_off_plane"


@pytest.mark.parametrize(("part", "flags"), [(0.97, ("thin_ring",)), (0.6, ())])
def test_a_hole_that_leaves_a_thin_ring_is_flagged(part, flags):
    geometry = grid()
    smaller = {"centre": BIG["centre"], "radii": tuple(part * one for one in BIG["radii"])}
    assert rasterise(draw(geometry, BIG, smaller), geometry)[1] == flags


def test_a_tail_between_the_centres_of_pixels_is_no_fault():
    geometry = grid()
    corners = np.array([(30, 33.2), (49, 33.2), (49, 33.6), (30, 33.6)])
    index = np.column_stack([corners, np.full(4, 3.0)])
    tail = Contour(to_world(geometry, index))
    mask, _ = rasterise([*draw(geometry, BIG), tail], geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999


def test_a_hole_in_a_union_stays_a_hole():
    geometry = grid()
    mask, _ = rasterise(draw(geometry, BIG, CROSSING, SMALL), geometry)
    both = inside_ellipse(geometry, **BIG) | inside_ellipse(geometry, **CROSSING)
    assert dice(mask, truth(geometry, both & ~inside_ellipse(geometry, **SMALL))) >= 0.999


def test_xor_contours_are_exclusive_even_where_they_cross():
    geometry = grid()
    mask, flags = rasterise(draw(geometry, BIG, CROSSING, kind=XOR), geometry)
    either = inside_ellipse(geometry, **BIG) ^ inside_ellipse(geometry, **CROSSING)
    assert dice(mask, truth(geometry, either)) >= 0.999
    assert flags == ()


def test_islands_of_a_threshold_are_held_against_their_neighbours_only(monkeypatch):
    """Hundreds in each slice: all pairs took ten seconds a slice, and eight times that of twice."""
    geometry = make_geometry(
        (2, 130, 130), spacing=(1, 1, 4), origin=(0, 0, 0), direction=np.eye(3)
    )
    asked = []
    meet = nesting.boundaries_meet
    monkeypatch.setattr(nesting, "boundaries_meet", lambda *two: asked.append(two) or meet(*two))
    holes = [
        {"centre": (5.2 + 6 * x, 5.3 + 6 * y), "radii": (2, 2)}
        for x in range(20)
        for y in range(20)
    ]
    frame = {"centre": (64, 64), "radii": (300, 300)}
    mask, _ = rasterise(draw(geometry, *holes, frame, slices=(1,)), geometry)
    islands = sum(inside_ellipse(geometry, **hole) for hole in holes).astype(bool)
    np.testing.assert_array_equal(mask[1], ~islands)
    assert len(asked) == len(holes)


def test_undrawn_slices_are_flagged_and_never_filled():
    geometry = grid()
    mask, flags = rasterise(draw(geometry, BIG, slices=(1, 3)), geometry)
    assert not mask[2].any()
    assert flags == ("undrawn_slices",)


def test_a_contour_slightly_off_its_plane_is_taken_and_flagged():
    geometry = grid("oblique")
    mask, flags = rasterise(draw(geometry, BIG, offset=0.3), geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999
    assert flags == ("off_plane_contours",)


def test_a_contour_within_a_tenth_of_a_slice_is_not_worth_a_flag():
    geometry = grid("oblique")
    assert rasterise(draw(geometry, BIG, offset=0.05), geometry)[1] == ()


def test_a_tilted_contour_is_refused():
    geometry = grid()
    points = ellipse(geometry, 2, **BIG)
    points[:, 2] += (points[:, 0] - points[:, 0].mean()) * 0.3
    with pytest.raises(DataError) as caught:
        rasterise([Contour(points)], geometry)
    assert caught.value.reason == "contour_off_plane"


def test_points_lines_and_pairs_are_ignored_and_flagged():
    geometry = grid()
    point = to_world(geometry, np.array([[5.0, 5, 2]]))
    pair = to_world(geometry, np.array([[5.0, 5, 2], [9, 9, 2]]))
    line = Contour(ellipse(geometry, 2, **APART), "OPEN_PLANAR")
    odd = [Contour(point, "POINT"), Contour(pair), line]
    mask, flags = rasterise([*draw(geometry, BIG), *odd], geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **BIG))) >= 0.999
    assert flags == ("ignored_contours",)


def test_what_lies_outside_the_image_is_clipped_and_flagged():
    geometry = grid()
    edge = {"centre": (50.2, 20.3), "radii": (9.1, 7.3)}
    mask, flags = rasterise(draw(geometry, edge, slices=(4, 5, 6)), geometry)
    assert dice(mask, truth(geometry, inside_ellipse(geometry, **edge), (4, 5))) >= 0.999
    assert flags == ("outside_image",)


@pytest.mark.parametrize(
    ("centre", "slices"),
    [
        ((1, 20), (2, 3)),
        ((50, 20), (2, 3)),
        ((25, 1), (2, 3)),
        ((25, 38), (2, 3)),
        ((25, 20), (-1, 0)),
        ((25, 20), (5, 6)),
    ],
)
def test_what_lies_outside_on_any_one_side_is_flagged(centre, slices):
    geometry = grid("oblique")
    drawn = draw(geometry, {"centre": centre, "radii": (5.3, 5.1)}, slices=slices)
    assert rasterise(drawn, geometry)[1] == ("outside_image",)


@pytest.mark.parametrize(("out", "told"), [(0.49, ()), (0.51, ("outside_image",))])
def test_an_outline_around_the_whole_image_holds_it_and_lies_within(out, told):
    """Voxels end half a step beyond their centres, and the outermost slices are the image's."""
    geometry = grid("oblique")
    far = 51 + out, 39 + out
    corners = np.array([(-out, -out), (far[0], -out), far, (-out, far[1])])
    drawn = [
        Contour(to_world(geometry, np.column_stack([corners, np.full(4, float(z))])))
        for z in range(6)
    ]
    mask, flags = rasterise(drawn, geometry)
    assert mask.all()
    assert flags == told


@pytest.mark.parametrize("stated", [719, 720, 721, 722])
@pytest.mark.parametrize("closing", [False, True], ids=["open", "closed"])
def test_points_are_as_many_as_stated_and_the_first_one_again_may_be_counted(stated, closing):
    """Some tools repeat the first point at the end, and some of them count it."""
    series = make_series()
    made = tumour_on(series)
    for contour in made.ROIContourSequence[0].ContourSequence:
        points = list(contour.ContourData)
        contour.ContourData = points + points[:3] * closing
        contour.NumberOfContourPoints = stated
    if stated not in {720, 720 + closing}:
        with pytest.raises(DataError, match=f"a contour of {stated} points holds 72") as caught:
            read_contours(made)
        assert caught.value.reason == "bad_contour"
        return
    (roi,) = read_contours(made)
    mask, flags = rasterise(roi.contours, series.geometry)
    shape = inside_ellipse(series.geometry, centre=CENTRE, radii=RADII)
    np.testing.assert_array_equal(mask, truth(series.geometry, shape, (2, 3)))
    assert flags == ()


def test_the_order_and_the_direction_of_contours_do_not_matter():
    geometry = grid("sagittal")
    contours = draw(geometry, BIG, CROSSING, SMALL, APART)
    mask, flags = rasterise(contours, geometry)
    turned = [Contour(one.points[::-1], one.kind) for one in reversed(contours)]
    again, flags_again = rasterise(turned, geometry)
    np.testing.assert_array_equal(mask, again)
    assert flags == flags_again


def test_neighbouring_squares_share_no_pixel_and_leave_none_out():
    """Edges through pixel centres: each centre belongs to exactly one side."""
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    tiles = [
        fill_polygon(corners * 4 + offset, (9, 9)).astype(int)
        for offset in ([0, 0], [4, 0], [0, 4], [4, 4])
    ]
    assert sum(tiles)[:8, :8].min() == sum(tiles)[:8, :8].max() == 1


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 12)), min_size=3, max_size=12, unique=True)
)
def test_filling_agrees_with_counting_crossings_point_by_point(vertices):
    """A slow witness: crossings to the left of one point at a time."""
    points = np.array(vertices)
    filled = fill_polygon(points, (10, 13))
    for y, x in [(0, 0), (4, 6), (9, 12), (5, 1), (2, 11)]:
        assert filled[y, x] == _odd_crossings(points - [1e-6, 0.618e-6], x, y)


def _odd_crossings(points, x, y) -> bool:
    odd = False
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
            odd = not odd
    return odd


def test_boundaries_meet_is_symmetric_and_knows_nesting():
    geometry = grid()
    flat = {
        name: ellipse(geometry, 0, **shape)[:, :2]
        for name, shape in {"big": BIG, "small": SMALL, "apart": APART, "cross": CROSSING}.items()
    }
    met = {(a, b) for a in flat for b in flat if a != b and boundaries_meet(flat[a], flat[b])}
    assert met == {("big", "cross"), ("cross", "big")}


@given(
    corners=st.lists(st.tuples(st.integers(1, 19), st.integers(1, 19)), min_size=3, max_size=12),
    seed=st.integers(0, 9),
)
@settings(max_examples=300)
def test_of_an_outline_through_centres_neither_last_bits_nor_direction_matter(corners, seed):
    """Tools that trace a mask draw from centre to centre, on diagonals as well."""
    points = np.array(corners, dtype=float)
    noise = np.random.default_rng(seed).normal(0, 1e-11, points.shape)
    filled = fill_polygon(points, (21, 21))
    np.testing.assert_array_equal(fill_polygon(points + noise, (21, 21)), filled)
    np.testing.assert_array_equal(fill_polygon(points[::-1], (21, 21)), filled)


@given(
    corners=st.lists(st.tuples(st.integers(2, 18), st.integers(2, 18)), min_size=3, max_size=9),
    cut=st.integers(1, 20),
)
@settings(max_examples=200)
def test_two_halves_of_a_square_share_no_pixel_and_lack_none(corners, cut):
    """The line between them runs from centre to centre: each centre on it belongs to one half."""
    line = np.array([(cut, 0), *corners, (cut, 20)], dtype=float)
    left = fill_polygon(np.concatenate([line, [(0, 20), (0, 0)]]), (21, 21))
    right = fill_polygon(np.concatenate([line, [(20, 20), (20, 0)]]), (21, 21))
    whole = fill_polygon(np.array([(0, 0), (20, 0), (20, 20), (0, 20)], dtype=float), (21, 21))
    np.testing.assert_array_equal(left ^ right, whole)


def test_a_tumour_of_points_and_lines_says_why_it_is_empty():
    """Its reader sees an outline on the screen."""
    nothing = np.zeros((4, 9, 9), bool)
    for flags, said in ((("ignored_contours",), "open lines"), ((), "holds no voxel")):
        with pytest.raises(DataError, match=said):
            check_rois([Roi("tumour", nothing, "rtstruct", flags=flags)], 1)
