"""Facts of masks, counted by hand on small ones."""

from __future__ import annotations

import numpy as np
import pytest

from radlas.digests import mask_digest
from radlas.geometry import make_geometry
from radlas.roi.facts import bounding_box, mask_facts
from radlas.tables import ROIS


def grid(shape):
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    return make_geometry(shape, spacing=(0.5, 2.0, 6.5), origin=(1, 2, 3), direction=turned)


def test_two_pieces_that_touch_by_an_edge_are_counted_in_millimetres():
    mask = np.zeros((4, 6, 8), dtype=bool)
    mask[1, 2, 3:6] = True
    mask[2, 3, 3] = True
    assert mask_facts(mask, grid(mask.shape)) == {
        "voxels": 4,
        "volume_mm3": pytest.approx(4 * 6.5),
        "slices": 2,
        "components": 2,
        "touches_border": False,
        "extent_x_mm": pytest.approx(1.5),
        "extent_y_mm": pytest.approx(4.0),
        "extent_z_mm": pytest.approx(13.0),
        "mask_digest": mask_digest(mask),
    }


def test_facts_are_columns_of_the_table_in_plain_types():
    facts = mask_facts(np.ones((2, 2, 2), dtype=bool), grid((2, 2, 2)))
    assert set(facts) <= set(ROIS.names)
    assert {type(value) for value in facts.values()} == {int, float, bool, str}


@pytest.mark.parametrize("corner", [(0, 2, 2), (2, 0, 2), (2, 2, 0), (3, 2, 2), (2, 3, 2)])
def test_a_voxel_on_any_face_touches_the_border(corner):
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[corner] = True
    assert mask_facts(mask, grid(mask.shape))["touches_border"]


def test_an_empty_mask_has_facts_of_zero():
    facts = mask_facts(np.zeros((3, 3, 3), dtype=bool), grid((3, 3, 3)))
    counts = {name: value for name, value in facts.items() if name != "mask_digest"}
    assert set(counts.values()) == {0}
    assert bounding_box(np.zeros((3, 3, 3), dtype=bool)) is None


def test_the_bounding_box_is_where_numpy_finds_the_voxels():
    mask = np.random.default_rng(3).random((9, 11, 13)) < 0.004
    found = np.nonzero(mask)
    expected = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    assert bounding_box(mask) == expected
