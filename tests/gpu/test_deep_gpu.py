"""The network on a GPU says what it says on the CPU, in half precision and in batches too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radlas.features.resnet.cam import grad_cam
from radlas.features.resnet.contrast import Trainer, TrainingSettings
from radlas.features.resnet.gpu import PARITY, TorchRunner, runner_of
from radlas.features.resnet.weights import on_device, random_network
from radlas.geometry import Geometry

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
SHAPE = (24, 64, 64)
EXACT = 5e-5  # of the largest feature, in float32: ten bits, as TF32 keeps them, are off by more


def images(number: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(number, *SHAPE)).astype(np.float32))


@gpu
@pytest.mark.parametrize("half", [None, torch.float16])
@pytest.mark.parametrize("variant", ["medicalnet", "monai", "r3d_18"])
def test_features_on_the_gpu_equal_those_on_the_cpu(variant, half):
    """Within 1e-3 of the largest feature in half precision; in float32 as TF32 could not be."""
    network = random_network(variant, 0).requires_grad_(False)
    expected = runner_of(network).features(images(5))
    found = TorchRunner(on_device(network, "cuda"), half, batch=4).features(images(5))
    bound = PARITY if half else EXACT
    np.testing.assert_allclose(found, expected, atol=bound * np.abs(expected).max())


@gpu
@pytest.mark.parametrize("variant", ["medicalnet", "monai", "r3d_18"])
def test_every_convolution_on_the_gpu_leaves_channels_last(variant):
    """The stem too, whose one channel lies the same in both layouts."""
    network, seen = on_device(random_network(variant, 0).requires_grad_(False), "cuda"), {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16):
        network(torch.zeros(2, 1, *SHAPE, device="cuda"))
    other = [name for name, out in seen.items() if out.stride()[1] != 1]
    assert (len(seen) >= 17, other) == (True, [])


@gpu
def test_on_a_gpu_that_is_too_small_batches_are_halved_and_features_stay():
    """Of this process alone, and given back afterwards."""
    network = on_device(random_network("medicalnet", 0).requires_grad_(False), "cuda")
    large = list(np.random.default_rng(1).normal(size=(16, 48, 224, 224)).astype(np.float32))
    expected = TorchRunner(network, torch.float16, batch=4).features(large)
    torch.cuda.empty_cache()
    runner = TorchRunner(network, torch.float16, batch=16)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.5 * 2**30 / total)
    try:
        found = runner.features(large)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert runner._batch < 16
    np.testing.assert_allclose(found, expected, atol=PARITY * np.abs(expected).max())


@gpu
def test_training_twice_gives_the_same_bytes():
    training = TrainingSettings(
        variant="medicalnet",
        crop=(16, 32, 32),
        batch=4,
        steps=5,
        learning_rate=1e-3,
        temperature=0.2,
        seed=0,
    )
    seen, found = np.stack(images(8)), []
    for _ in range(2):
        trainer = Trainer(seen, training, "cuda")
        trainer.run(lambda *_: None, 100, Path("never"))
        found.append(trainer.network.state_dict())
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], rtol=0, atol=0)


@gpu
@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_maps_on_the_gpu_equal_those_on_the_cpu(layer):
    network = random_network("medicalnet", 0).requires_grad_(False)
    (image,), head = images(1), np.random.default_rng(1).normal(size=512)
    grid = Geometry(SHAPE, np.eye(4))
    expected = grad_cam(runner_of(network), image, grid, weights=head, bias=0, layer=layer)
    runner = TorchRunner(on_device(network, "cuda"))
    found = grad_cam(runner, image, grid, weights=head, bias=0, layer=layer)
    np.testing.assert_allclose(found.map, expected.map, atol=1e-3 * expected.map.max())
