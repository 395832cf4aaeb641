"""Deep features: one grid, one background, one answer; random weights never in disguise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from radlas.errors import ConfigError, DataError
from radlas.features.resnet.extractor import DeepExtractor, round_significant
from radlas.features.resnet.gpu import runner_of
from radlas.features.resnet.grid import input_grid, make_scene, on_grid
from radlas.features.resnet.weights import random_network
from radlas.geometry import make_geometry, world_to_index
from radlas.model import Volume
from radlas.roi.facts import bounding_box

from .test_network import trained

SMALL = (16, 24, 16)


def limb():
    """A bright box in air, off the middle of the image."""
    voxels = np.random.default_rng(0).normal(20, 3, size=(10, 50, 40))
    voxels[2:9, 10:40, 6:30] = np.random.default_rng(1).normal(400, 60, size=(7, 30, 24))
    axes = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
    geometry = make_geometry(voxels.shape, spacing=(1, 1.5, 4), origin=(5, 6, 7), direction=axes)
    return Volume(voxels.astype(np.float32), geometry)


def extractor(**settings):
    return DeepExtractor(DeepExtractor.Settings.parse({"size": SMALL} | settings))


def seen_of(volume, spacing):
    scene = make_scene(volume, {}, axes="acquisition", background=-2.5)
    seen = on_grid(scene, bounding_box(scene.body), size=SMALL, spacing=spacing)
    return seen.voxels, seen.geometry


def vector(volume, **settings):
    (row,) = extractor(**settings).describe(volume, {}).rows
    return np.array(row.vector)


def test_a_case_has_one_vector_of_512_features_in_single_precision():
    (row,) = extractor().describe(limb(), {}).rows
    assert (row.roi, row.image_type, len(row.vector)) == ("whole", "layer4", 512)
    assert all(float(np.float32(value)) == value for value in row.vector)
    assert np.std(row.vector) > 0


def test_gain_and_offset_of_the_scanner_do_not_move_the_features():
    volume = limb()
    louder = Volume(volume.voxels * 5 + 100, volume.geometry)
    np.testing.assert_allclose(vector(volume), vector(louder), rtol=1e-3, atol=1e-3)


def test_one_and_two_threads_give_the_same_digits():
    """A serial run has as many as the machine, a worker one: the rows they store are the same."""
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append([vector(limb(), size=(16, 96, 96), seed=seed) for seed in range(3)])
    np.testing.assert_array_equal(*found)


def test_the_seed_is_part_of_the_answer_and_of_the_name():
    assert not np.allclose(vector(limb(), seed=1), vector(limb(), seed=0))
    assert extractor(seed=7).label == "resnet18-medicalnet-rand7"
    assert extractor(variant="monai").label == "resnet18-monai-rand0"


def test_random_weights_are_announced_and_never_called_trained():
    banner = extractor(seed=3).banner
    assert "random (seed 3)" in banner
    assert "trained" not in banner + extractor().label


def test_weights_from_a_file_name_the_feature_set_by_their_digest(tmp_path):
    path = tmp_path / "weights.pth"
    network = trained("medicalnet", 11)
    torch.save({"state_dict": network.state_dict()}, path)
    made = extractor(weights=path)
    assert made.label == f"resnet18-medicalnet-{made.weights_digest[:8]}"
    assert made.versions["weights"] == made.weights_digest
    assert made.banner == ""
    (seen,) = made.prepare(limb(), {}).inputs.values()
    with torch.inference_mode():
        expected = network(torch.from_numpy(seen.voxels)[None, None])[0].numpy()
    found = vector(limb(), weights=path, round_digits=8)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


def test_missing_weights_are_noticed_before_any_case_is_read(tmp_path):
    with pytest.raises(ConfigError, match="no such weights file"):
        extractor(weights=tmp_path / "none.pth")


def test_a_grid_below_one_cell_is_refused():
    with pytest.raises(ConfigError, match="greater than or equal to 16"):
        extractor(size=(8, 32, 32))


def test_the_bodys_box_fills_the_grid_edge_to_edge():
    geometry = limb().geometry
    box = (slice(2, 9), slice(10, 40), slice(6, 30))
    grid = input_grid(geometry, box, size=SMALL, spacing=None)
    ends = np.array([[-0.5, -0.5, -0.5], [15.5, 23.5, 15.5]])
    corners = ends @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    np.testing.assert_allclose(
        world_to_index(geometry, corners), [[5.5, 9.5, 1.5], [29.5, 39.5, 8.5]], atol=1e-9
    )


def test_a_grid_of_fixed_spacing_is_centred_on_the_body():
    geometry = limb().geometry
    box = (slice(2, 9), slice(10, 40), slice(6, 30))
    grid = input_grid(geometry, box, size=SMALL, spacing=(3, 2, 2))
    middle = grid.affine @ np.array([7.5, 11.5, 7.5, 1])
    np.testing.assert_allclose(world_to_index(geometry, middle[None, :3]), [[17.5, 24.5, 5]])
    assert grid.spacing_zyx == pytest.approx((3, 2, 2))


def test_outside_the_body_there_is_one_value_and_no_noise():
    volume = limb()
    (image, grid), (again, _) = (seen_of(volume, (4, 4, 4)) for _ in range(2))
    np.testing.assert_array_equal(image, again)
    assert image.shape == grid.shape == SMALL
    assert (image[0, 0] == -2.5).all()
    assert abs(image[7:9, 10:14, 7:9].mean()) < 0.6  # the body itself is about its mean


def test_a_flat_image_is_quarantined():
    geometry = limb().geometry
    with pytest.raises(DataError) as caught:
        vector(Volume(np.full(geometry.shape, 3, np.uint8), geometry))
    assert caught.value.reason == "flat_image"


@pytest.mark.parametrize("digits", [1, 3, 5])
def test_rounding_keeps_significant_digits_of_any_size_and_sign(digits):
    values = np.random.default_rng(2).normal(size=50).astype(np.float32) * 10.0 ** np.arange(
        -25, 25
    )
    rounded = round_significant(values.astype(np.float32), digits)
    assert [f"{x:.{digits}g}" for x in values] == [f"{x:.{digits}g}" for x in rounded]
    assert (np.abs(rounded / values - 1) <= 0.5 * 10.0 ** (1 - digits)).all()
    assert round_significant(np.zeros(2, np.float32), digits).tolist() == [0, 0]


def test_features_do_not_depend_on_the_memory_layout_of_the_weights():
    plain = runner_of(random_network("medicalnet", 0))
    image = np.random.default_rng(3).normal(size=(16, 16, 16)).astype(np.float32)
    (found,), (expected,) = (one.features([image]) for one in (extractor().runner(), plain))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
