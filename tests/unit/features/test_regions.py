"""Regions of a map: the same however an image is stored, and told only where the map can tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import DataError
from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.grid import Anatomy, input_grid
from radlas.flows.maps.regions import REST, Regions, not_told, regions_on
from radlas.geometry import make_geometry
from radlas.model import TUMOUR

from .test_grid import SHAPE, WAYS, stored_otherwise, thigh

EXTRACTOR = DeepExtractor(
    DeepExtractor.Settings.parse(
        {
            "size": (16, 40, 30),
            "box_size": (16, 16, 16),
            "regions": ["whole", "roi_box", "ring_box"],
        }
    )
)


def seen(way=None):
    case = thigh() if way is None else stored_otherwise(*thigh(), *way)
    return EXTRACTOR.prepare(*case)


@settings(max_examples=12)
@given(way=st.sampled_from(WAYS))
def test_however_an_image_is_stored_its_regions_are_the_same(way):
    expected, found = (
        regions_on(one.anatomy, one.inputs["ring_box"].geometry) for one in (seen(), seen(way))
    )
    assert found.inside == expected.inside
    for name, mask in expected.masks.items():
        np.testing.assert_array_equal(found.masks[name], mask)


@pytest.mark.parametrize("region", ["whole", "roi_box", "ring_box"])
def test_what_the_network_saw_of_a_region_is_counted_voxel_by_voxel(region):
    """By an independent count: each voxel's place in the patient, looked up in the input's box."""
    case = seen()
    anatomy, grid = case.anatomy, case.inputs[region].geometry
    regions = regions_on(anatomy, grid)
    z, y, x = np.nonzero(anatomy.tumour)
    tumour = np.stack([x, y, z, np.ones_like(x)])
    places = np.linalg.inv(grid.affine) @ anatomy.geometry.affine @ tumour
    size = np.array(grid.shape[::-1])[:, None]
    within = ((places[:3] > -0.5) & (places[:3] < size - 0.5)).all(axis=0)
    assert regions.inside[TUMOUR] == within.mean() == 1
    assert (regions.inside[REST] == 1) == (region == "whole")


def test_a_ring_that_the_network_saw_in_part_is_not_told():
    case = seen()
    small = (0.1, 0.1, 0.1)
    told = {
        region: not_told(regions_on(case.anatomy, case.inputs[region].geometry), small)
        for region in ("whole", "roi_box", "ring_box")
    }
    assert told["whole"] == (set(), [])
    refused, (note,) = told["roi_box"]
    assert {"ring_0_5", "ring_5_10", "ring_10_20", "ring_0_20", REST} == refused
    assert note.startswith("only in part what the network saw")
    refused, _ = told["ring_box"]  # 10 mm around the tumour
    assert {"ring_10_20", "ring_0_20", REST} == refused


@pytest.mark.parametrize(
    ("cell", "refused"),
    [
        ((1.0, 4.9, 4.9), set()),
        ((1.0, 2.0, 5.1), {"ring_0_5", "ring_5_10"}),
        ((1.0, 11.0, 9.0), {"ring_0_5", "ring_5_10", "ring_10_20", TUMOUR}),
        ((99.0, 1.0, 1.0), set()),
    ],
)
def test_what_is_thinner_than_a_cell_is_not_told_and_a_tall_cell_is_said(cell, refused):
    rings = ("ring_0_5", "ring_5_10", "ring_10_20", "ring_0_20")
    inside = dict.fromkeys((TUMOUR, *rings, REST), 1.0)
    found, notes = not_told(Regions({}, inside, tumour_mm=9.0), cell)
    assert found == refused
    assert any("finer than a cell" in note for note in notes) == bool(refused)
    assert any("taller" in note for note in notes) == (cell[0] > 5)


def test_without_a_tumour_there_are_no_regions():
    geometry = make_geometry(SHAPE, spacing=(1, 1, 1), origin=(0, 0, 0), direction=np.eye(3))
    anatomy = Anatomy(np.ones(SHAPE, bool), None, geometry)
    with pytest.raises(DataError, match="a map is compared with the tumour"):
        regions_on(anatomy, input_grid(geometry, None, size=SHAPE, spacing=None))
