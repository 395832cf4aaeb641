"""Grad-CAM: the map belongs to the real score, lies where the evidence is, and can be empty."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch

from radlas.features.resnet.cam import grad_cam
from radlas.features.resnet.gpu import runner_of
from radlas.features.resnet.network import ResNet18
from radlas.features.resnet.sanity import cascade
from radlas.features.resnet.weights import random_network
from radlas.geometry import Geometry
from radlas.model import Volume
from radlas.roi.mass import cam_mass

SIZE = (24, 40, 32)
GRID = Geometry(SIZE, np.diag([2.0, 2.0, 4.0, 1.0]))
BOX = (slice(5, 12), slice(13, 20), slice(13, 20))  # around voxel (8, 16, 16), a cell's centre
AROUND = (slice(0, 17), slice(8, 25), slice(8, 25))  # one cell more on every side


@functools.cache
def network_of(variant: str = "medicalnet", seed: int = 0) -> ResNet18:
    return random_network(variant, seed)


@functools.cache
def passing_network() -> ResNet18:
    """A network whose first feature is the image itself, passed on by the shortcuts alone.

    All convolutions are zero but the first, which copies its centre voxel: channel 0 of layer4 is
    then the largest value near every eighth voxel, and the other channels are zero.
    """
    network = copy.deepcopy(network_of())
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.weight.zero_()
        network.conv1.weight[0, 0, 3, 3, 3] = 1
    return network


def lit_box() -> np.ndarray:
    image = np.zeros(SIZE, dtype=np.float32)
    image[BOX] = 5
    return image


def head(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=512) / 20


def first_channel(weight: float) -> np.ndarray:
    return np.eye(512)[0] * weight


def mask_of(box) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[box] = True
    return mask


@pytest.mark.parametrize("layer", ["layer4", "layer3", "layer1"])
def test_a_score_that_sees_one_box_has_its_map_there(layer):
    """In place to the voxel: maps stretched over the image lie half a cell off.

    The cells that see the box hold the mass: those centred in it, or where pooling looks from, two
    voxels on. Between cells the map falls off, so on the voxels a cell more is needed.
    """
    cam = grad_cam(
        runner_of(passing_network()),
        lit_box(),
        GRID,
        weights=first_channel(2.0),
        bias=0.3,
        layer=layer,
    )
    steps = passing_network().strides[layer]
    seeing = mask_of(tuple(slice(side.start - 2, side.stop + 2) for side in BOX))
    centred = seeing[tuple(slice(None, None, step) for step in steps)]
    assert cam.cells[centred].sum() > 0.95 * cam.cells.sum()
    masses = cam_mass(cam.map, np.ones(SIZE, dtype=bool), mask_of(AROUND), {})
    assert masses["tumour"].mass_share > 0.95
    centre = [(cam.map * axis).sum() / cam.map.sum() for axis in np.indices(SIZE)]
    np.testing.assert_allclose(centre, [8, 16, 16], atol=0.1)


def test_the_score_is_the_folded_models_on_the_features():
    runner, image = runner_of(network_of(seed=4)), np.random.default_rng(1).normal(size=SIZE)
    image = image.astype(np.float32)
    features = runner.features([image])[0].astype(np.float64)
    cam = grad_cam(runner, image, GRID, weights=head(), bias=-1.5)
    assert cam.score == pytest.approx(features @ head() - 1.5, rel=1e-5)


def test_at_layer4_the_weights_of_the_channels_are_the_heads():
    """There the score is linear in the mean of each channel: an oracle without gradients."""
    network = network_of(seed=4)
    image = np.random.default_rng(2).normal(size=SIZE).astype(np.float32)
    with torch.inference_mode():
        cells = network.run(torch.from_numpy(image)[None, None])[0].numpy().astype(np.float64)
    expected = np.maximum(np.tensordot(head(), cells, axes=1) / cells[0].size, 0)
    cam = grad_cam(runner_of(network), image, GRID, weights=head(), bias=0)
    np.testing.assert_allclose(cam.map[::8, ::8, ::8], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("variant", "cells"),
    [
        ("medicalnet", {"layer4": (32, 16, 16), "layer1": (16, 8, 8)}),
        ("monai", {"layer4": (64, 32, 32), "layer3": (32, 16, 16)}),
    ],
)
def test_the_size_of_a_cell_is_its_stride_in_millimetres(variant, cells):
    runner = runner_of(network_of(variant))
    for layer, cell in cells.items():
        cam = grad_cam(runner, lit_box(), GRID, weights=head(), bias=0, layer=layer)
        assert cam.cell_mm == cell
        assert cam.map.shape == SIZE


def test_evidence_against_leaves_an_empty_map_not_an_undefined_one():
    cam = grad_cam(
        runner_of(passing_network()), lit_box(), GRID, weights=first_channel(-1.0), bias=0
    )
    assert not cam.map.any()
    everywhere = np.ones(SIZE, dtype=bool)
    masses = cam_mass(cam.map, everywhere, mask_of(BOX), {})
    assert (masses["tumour"].mass_share, masses["tumour"].enrichment) == (None, None)
    assert masses["tumour"].volume_share > 0


def test_randomising_the_network_changes_the_map():
    """Adebayo et al. 2018: a map that stays is one of the image, not of the network."""
    network = network_of()
    image = np.random.default_rng(3).normal(size=SIZE).astype(np.float32)
    before, after = (
        grad_cam(runner_of(each), image, GRID, weights=head(), bias=0).map
        for each in (network, network_of(seed=4))
    )
    assert before.any()
    assert after.any()
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.7


def test_a_head_of_another_length_is_a_bug():
    with pytest.raises(ValueError, match="do not fit"):
        grad_cam(runner_of(passing_network()), lit_box(), GRID, weights=np.ones(3), bias=0)


def test_a_uniform_map_is_enriched_nowhere():
    body, tumour, ring = mask_of((slice(0, 16),)), mask_of(BOX), mask_of((slice(12, 15),))
    masses = cam_mass(np.ones(SIZE, np.float32), body, tumour, {"ring_0_10": ring})
    for mass in masses.values():
        assert mass.enrichment == pytest.approx(1)
        assert mass.mass_share == pytest.approx(mass.volume_share)
    assert sum(mass.mass_share for mass in masses.values()) == pytest.approx(1)


def test_only_the_body_counts():
    body = mask_of((slice(0, 16), slice(20, 40)))
    masses = cam_mass(np.ones(SIZE, np.float32), body, mask_of(BOX), {})
    assert masses["tumour"].volume_share == 0  # the box lies in the other half
    assert masses["tumour"].enrichment is None
    assert masses["rest"].mass_share == 1


def test_enrichment_is_mass_over_volume():
    heat = np.zeros(SIZE, dtype=np.float32)
    tumour = mask_of((slice(0, 6),))  # a quarter of the body
    heat[tumour] = 3
    heat[~tumour] = 1
    mass = cam_mass(heat, np.ones(SIZE, dtype=bool), tumour, {})["tumour"]
    assert (mass.mass_share, mass.volume_share, mass.enrichment) == pytest.approx((0.5, 0.25, 2))


def test_a_map_on_the_tumour_is_where_no_chance_would_put_it():
    heat, body = np.zeros(SIZE, np.float32), np.ones(SIZE, bool)
    heat[BOX] = 1
    ring = mask_of(AROUND) & ~mask_of(BOX)
    found = cam_mass(heat, body, mask_of(BOX), {"ring": ring}, shifts=200)
    assert found["tumour"].p == pytest.approx(1 / 201)
    assert found["ring"].p > 0.5
    assert found["rest"].p is None


def test_an_inverted_map_fails_where_the_map_succeeds():
    """The error of scaling to 0..1 the wrong way round: everything but the evidence lights up."""
    runner = runner_of(passing_network())
    heat = grad_cam(runner, lit_box(), GRID, weights=first_channel(2.0), bias=0.3).map
    body, around = np.ones(SIZE, dtype=bool), mask_of(AROUND)
    right = cam_mass(heat, body, around, {}, shifts=200)["tumour"]
    wrong = cam_mass(heat.max() - heat, body, around, {}, shifts=200)["tumour"]
    assert right.mass_share > 0.95
    assert right.p < 0.05
    assert wrong.mass_share < 0.5
    assert wrong.p > 0.5


def test_a_map_that_knows_nothing_of_the_tumour_has_p_values_all_over():
    """Over many maps of noise, p is about uniform: a tenth of them lie below a tenth."""
    rng = np.random.default_rng(0)
    body, tumour = np.ones(SIZE, dtype=bool), mask_of((slice(8, 12), slice(16, 24), slice(12, 20)))
    found = [
        cam_mass(rng.random(SIZE, dtype=np.float32), body, tumour, {}, shifts=60, seed=number)[
            "tumour"
        ].p
        for number in range(200)
    ]
    assert 0.4 < np.mean(found) < 0.6
    assert 0.03 < np.mean(np.array(found) < 0.1) < 0.2


def test_moved_regions_lose_what_sticks_out_of_the_body_and_nothing_else():
    """A map of one value is enriched nowhere, at no place: every p is 1."""
    body = mask_of((slice(2, 20), slice(4, 30), slice(3, 28)))
    found = cam_mass(
        np.full(SIZE, 2, np.float32), body, mask_of(BOX), {"ring": mask_of(AROUND)}, shifts=100
    )
    assert found["tumour"].p == found["ring"].p == 1


def test_a_map_does_not_survive_that_its_network_is_forgotten():
    """Adebayo et al. 2018, from the head down; the network itself stays as it was."""
    network = network_of(seed=4)
    image = np.random.default_rng(2).normal(size=(24, 64, 64)).astype(np.float32)
    grid = Geometry(image.shape, np.diag([2.0, 2.0, 4.0, 1.0]))
    before = network.layer4[0].conv1.weight.clone()
    runner = runner_of(network)
    cam = grad_cam(runner, image, grid, weights=head(), bias=0)
    checked = cascade(runner, Volume(image, grid), cam, head())
    assert [stage for stage, _ in checked] == [
        "head",
        "layer4",
        "layer3",
        "layer2",
        "layer1",
        "stem",
    ]
    assert all(value is None or abs(value) < 0.8 for _, value in checked)
    assert any(value is not None for _, value in checked)
    assert torch.equal(before, network.layer4[0].conv1.weight)
