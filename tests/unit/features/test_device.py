"""Batches on a device: full or not, halved or not, in half precision or not, the same features."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from radlas.errors import WorkerError
from radlas.features.resnet import device
from radlas.features.resnet.device import PARITY, CpuRunner, TorchRunner, runner_of
from radlas.features.resnet.exact import exactly

from .test_network import trained


@pytest.fixture(scope="module")
def network():
    return trained("medicalnet").requires_grad_(False)


def images(number, shape=(16, 24, 16)):
    return list(np.random.default_rng(0).normal(size=(number, *shape)).astype(np.float32))


class Narrow(torch.nn.Module):
    """A device on which so many images find room and no more."""

    def __init__(self, network, room):
        super().__init__()
        self.inner, self.room, self.asked = network, room, []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError
        return self.inner(x)


def test_features_do_not_depend_on_the_batch(network):
    many = images(5)
    alone = [TorchRunner(network, batch=4).features([one])[0] for one in many]
    together = TorchRunner(network, batch=4).features(many)
    np.testing.assert_array_equal(together, alone)
    bound = 1e-5 * np.abs(alone).max()
    np.testing.assert_allclose(CpuRunner(network).features(many), alone, atol=bound)


def test_out_of_memory_halves_the_batch_and_goes_on(network):
    narrow = Narrow(network, 2)
    runner = TorchRunner(narrow, batch=8)
    found = runner.features(images(5))
    np.testing.assert_array_equal(found, TorchRunner(network, batch=2).features(images(5)))
    assert narrow.asked == [8, 4, 2, 2, 2]  # the batch is always full
    narrow.asked.clear()
    runner.features(images(3))
    assert max(narrow.asked) == 2  # it is not tried again


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (torch.OutOfMemoryError(), "memory", "does not hold the network"),
        (
            RuntimeError("CUDA error: busy\nCompile with"),
            "device",
            "cannot be used: CUDA error: busy",
        ),
    ],
)
def test_a_gpu_that_lets_nobody_in_says_so(monkeypatch, error, reason, said):
    def refuse(*_):
        raise error

    shares = []
    monkeypatch.setattr(device, "default_device", lambda: "cuda")
    monkeypatch.setattr(device, "cached_network", refuse)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setenv("RADLAS_GPU_SHARES", "3")
    with pytest.raises(WorkerError, match=said) as caught:
        device.runner("monai", "", "", 991)
    assert caught.value.reason == reason
    assert str(caught.value).count("\n") <= 2
    assert shares == pytest.approx([0.3])


def test_a_device_too_small_for_one_image_says_so(network):
    with pytest.raises(WorkerError, match="does not hold one image") as caught:
        TorchRunner(Narrow(network, 0), batch=2).features(images(2))
    assert caught.value.reason == "memory"
    with pytest.raises(WorkerError, match="does not hold one image"):  # nor where it compares
        TorchRunner(Narrow(network, 0), torch.float16, batch=2).features(images(2))


def test_what_is_compared_or_trained_runs_exactly_and_on_the_fast_library():
    """The context's own default would switch cuDNN off, and nobody would notice but the clock."""
    with exactly():
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch.backends, "fp32_precision"),
        (torch.backends.cuda.matmul, "allow_tf32"),  # what a vendor's container sets
    ],
)
def test_float32_is_not_shortened_whoever_allowed_it(owner, name):
    before = getattr(owner, name)
    setattr(owner, name, "tf32" if name == "fp32_precision" else True)
    try:
        with exactly():
            found = [torch._C._get_fp32_precision_getter("cuda", one) for one in ("conv", "matmul")]
        after = getattr(owner, name)
    finally:
        setattr(owner, name, before)
    assert found == ["ieee", "ieee"]
    assert after in {"tf32", True}


class Small(torch.nn.Module):
    """Few layers of few channels: half precision is slow on a processor."""

    def __init__(self, layers):
        super().__init__()
        torch.manual_seed(0)
        widths = [1, *[8] * layers]
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv3d(*pair, 3, padding=1) for pair in itertools.pairwise(widths)
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x.float().mean(dim=(2, 3, 4))


def test_half_precision_is_used_only_where_it_is_near_enough():
    """bfloat16 has eight bits: on a network of noise it is not."""
    network = Small(layers=5)
    runner = TorchRunner(network, torch.bfloat16)
    found, expected = runner.features(images(2)), TorchRunner(network).features(images(2))
    assert np.abs(np.subtract(found, expected)).max() <= PARITY * np.abs(expected).max()
    assert runner.told(images(1))[0].device == "cpu float32"


def test_an_image_beyond_half_precision_changes_no_other_whoever_comes_first():
    """It is told in float32, which its row says; its neighbours are what they are alone."""
    network = Small(layers=1)
    runner = TorchRunner(network, torch.float16, batch=3)
    quiet, loud = images(2), 1e6 * images(3)[2]
    alone = runner.told(quiet)
    assert {one.device for one in alone} == {"cpu float16"}
    exact = TorchRunner(network, batch=3).features([loud])[0]
    for order in ([loud, *quiet], [*quiet, loud]):
        found = TorchRunner(network, torch.float16, batch=3).told(order)
        told = {image.tobytes(): one for image, one in zip(order, found, strict=True)}
        np.testing.assert_array_equal(told[loud.tobytes()].features, exact)
        assert told[loud.tobytes()].device == "cpu float32"
        for image, one in zip(quiet, alone, strict=True):
            np.testing.assert_array_equal(told[image.tobytes()].features, one.features)
            assert told[image.tobytes()].device == one.device


def test_a_device_that_fails_is_told_and_no_defect_of_ours(network):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise torch.AcceleratorError("CUDA error: an illegal access")

    broken = Broken()
    broken.register_parameter("p", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(
        WorkerError, match="cannot be used: CUDA error: an illegal access"
    ) as caught:
        TorchRunner(broken).features(images(1))
    assert caught.value.reason == "device"


def test_images_of_several_sizes_come_back_in_their_order(network):
    mixed = [*images(2), *images(1, (16, 16, 16)), *images(2)]
    found = TorchRunner(network, batch=4).features(mixed)
    expected = [TorchRunner(network).features([one])[0] for one in mixed]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_no_image_has_no_feature(network):
    assert runner_of(network).features([]) == TorchRunner(network).features([]) == []
