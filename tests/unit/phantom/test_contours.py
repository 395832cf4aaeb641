"""Contours give the mask back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radlas.geometry import make_geometry
from radlas.phantom.contours import slice_contours, to_patient
from radlas.phantom.scanners import rotation


def filled(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Even-odd filling at pixel centres by counting edges crossed to the right."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    inside = np.zeros(shape, bool)
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 != y1:
                at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
                inside ^= ((y0 <= y) != (y1 <= y)) & (x < at)
    return inside


def smooth_level(seed: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:40, :48]
    waves = np.random.default_rng(seed).normal(0, 0.25, (4, 3))
    level = sum(np.sin(a * x + b * y + 9 * c) for a, b, c in waves)
    return np.asarray(level - 0.4, np.float32)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_filling_the_contours_gives_the_mask_back(seed: int):
    """Islands, holes and outlines that leave the image included."""
    level = smooth_level(seed)
    mask = level > 0
    dice = 2 * (filled(slice_contours(level), level.shape) & mask).sum()
    assert dice >= 0.98 * (filled(slice_contours(level), level.shape).sum() + mask.sum())


def test_a_hole_is_a_polygon_inside_another():
    y, x = np.mgrid[:41, :41]
    ring = (5.3 - np.abs(np.hypot(x - 20, y - 20) - 11)).astype(np.float32)
    polygons = slice_contours(ring)
    assert len(polygons) == 2
    np.testing.assert_array_equal(filled(polygons, ring.shape), ring > 0)


def test_an_empty_slice_has_no_contours():
    assert slice_contours(np.full((8, 9), -1, np.float32)) == []


def test_patient_points_lie_on_the_slice():
    direction = rotation((0.6, 0.8, 0.0), 0.3)
    grid = make_geometry(
        (5, 20, 30), spacing=(0.8, 0.8, 6.0), origin=(-4, 7, 90), direction=direction
    )
    points = to_patient(np.array([[0.0, 0.0], [10.5, 3.0], [2.0, 8.25]]), 3, grid)
    along = (points - np.array(grid.origin)) @ direction[:, 2]
    np.testing.assert_allclose(along, 18.0, atol=1e-9)
