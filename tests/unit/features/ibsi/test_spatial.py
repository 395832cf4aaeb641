"""Moran's I and Geary's C: the sums over all pairs, however they are added up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radlas.features.ibsi.spatial import spatial_association

SPACING = (3.5, 2.0, 1.5)


def by_pairs(mask, image, spacing):
    """The definitions, pair by pair."""
    places, values = np.argwhere(mask) * spacing, image[mask].astype(float)
    apart = values - values.mean()
    weights = products = differences = 0.0
    for one, other in itertools.permutations(range(len(values)), 2):
        weight = 1 / np.linalg.norm(places[one] - places[other])
        weights += weight
        products += weight * apart[one] * apart[other]
        differences += weight * (values[one] - values[other]) ** 2
    total, n = (apart**2).sum(), len(values)
    return n * products / weights / total, (n - 1) * differences / (2 * weights * total)


@given(
    mask=arrays(bool, (3, 4, 3)).filter(lambda one: one.sum() > 1),
    image=arrays(int, (3, 4, 3), elements=st.integers(-5, 5)),
    edges=st.tuples(*[st.floats(0.3, 7)] * 3),
)
@settings(max_examples=60)
def test_transforms_give_the_sums_over_all_pairs(mask, image, edges):
    found = spatial_association(mask, image, spacing_zyx=edges)
    if np.ptp(image[mask]) == 0:
        assert found == (None, None)
    else:
        assert found == pytest.approx(by_pairs(mask, image, edges), rel=1e-9, abs=1e-11)


def test_two_different_voxels_are_as_unlike_as_can_be():
    mask = np.ones((1, 1, 2), dtype=bool)
    image = np.array([[[3.0, 8.0]]])
    assert spatial_association(mask, image, spacing_zyx=SPACING) == pytest.approx((-1, 1))


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_equal_voxels_and_a_single_one_have_neither(value):
    for shape in ((1, 1, 1), (1, 1, 3), (3, 4, 5)):
        mask, image = np.ones(shape, dtype=bool), np.full(shape, value)
        assert spatial_association(mask, image, spacing_zyx=SPACING) == (None, None)


def test_gain_offset_and_unit_of_length_leave_no_trace():
    rng = np.random.default_rng(3)
    mask, image = rng.random((6, 7, 8)) < 0.6, rng.normal(size=(6, 7, 8))
    here = spatial_association(mask, image, spacing_zyx=SPACING)
    there = spatial_association(
        mask, 70 - 3 * image, spacing_zyx=tuple(10 * edge for edge in SPACING)
    )
    assert there == pytest.approx(here, rel=1e-9)


def test_smooth_images_are_alike_and_chessboards_unlike():
    z, y, x = np.indices((8, 8, 8))
    mask = np.ones((8, 8, 8), dtype=bool)
    smooth, smooth_c = spatial_association(mask, z + y + x, spacing_zyx=(1, 1, 1))
    rough, rough_c = spatial_association(mask, (z + y + x) % 2, spacing_zyx=(1, 1, 1))
    assert rough < 0 < smooth
    assert smooth_c < 1 < rough_c
