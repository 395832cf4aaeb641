"""Batches on a device: full or not, halved or not, in half precision or not, the same features."""

from __future__ import annotations

import itertools
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

from radlas.errors import WorkerError
from radlas.features.resnet import device, extractor, gpu
from radlas.features.resnet.exact import exactly
from radlas.features.resnet.extractor import DeepExtractor, Prepared
from radlas.features.resnet.form import FORMS
from radlas.features.resnet.gpu import PARITY, TorchRunner, runner_of
from radlas.features.resnet.network import ResNet18
from radlas.geometry import Geometry
from radlas.model import Volume

from .test_network import trained


@pytest.fixture(scope="module")
def network():
    return trained("medicalnet").requires_grad_(False)


def images(number, shape=(16, 24, 16)):
    return list(np.random.default_rng(0).normal(size=(number, *shape)).astype(np.float32))


class Network(torch.nn.Module):
    """What a runner asks of one, beside features."""

    def widest(self, shape):
        return int(np.prod(shape))


class Narrow(Network):
    """A device on which so many images find room and no more."""

    def __init__(self, network, room, error=None):
        super().__init__()
        self.inner, self.room, self.asked = network, room, []
        self.error = error or torch.OutOfMemoryError()

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise self.error
        return self.inner(x)


def test_features_do_not_depend_on_the_batch(network):
    many = images(5)
    alone = [TorchRunner(network, batch=4).features([one])[0] for one in many]
    together = TorchRunner(network, batch=4).features(many)
    np.testing.assert_array_equal(together, alone)
    bound = 1e-5 * np.abs(alone).max()
    np.testing.assert_allclose(runner_of(network).features(many), alone, atol=bound)


def test_out_of_memory_halves_the_batch_and_goes_on(network):
    narrow = Narrow(network, 2)
    runner = TorchRunner(narrow, batch=8)
    found = runner.features(images(5))
    np.testing.assert_array_equal(found, TorchRunner(network, batch=2).features(images(5)))
    assert narrow.asked == [8, 4, 2, 2, 2]  # the batch is always full
    narrow.asked.clear()
    runner.features(images(3))
    assert max(narrow.asked) == 2  # it is not tried again


def test_what_did_not_fit_is_free_before_less_is_tried(network, monkeypatch):
    """An error that is being handled holds its frames, and they hold what took the memory."""

    class Hungry(Network):
        def __init__(self):
            super().__init__()
            self.p, self.made = torch.nn.Parameter(torch.zeros(1)), []

        def forward(self, x):
            activations = x + 1
            self.made.append(weakref.ref(activations))
            if len(x) > 1:
                raise torch.OutOfMemoryError
            return activations.mean(dim=(2, 3, 4))

    hungry, halve, held = Hungry(), TorchRunner._halve, []

    def looks(runner, size):
        held.append(hungry.made[-1]())
        halve(runner, size)

    monkeypatch.setattr(TorchRunner, "_halve", looks)
    TorchRunner(hungry, batch=4).features(images(2))
    assert held == [None, None]


NO_ENGINE = "GET was unable to find an engine to execute this computation"


def test_a_library_without_room_for_its_workspace_gets_smaller_batches(network):
    """cuDNN tries every algorithm it has, and then says that it has none."""
    narrow = Narrow(network, 2, RuntimeError(NO_ENGINE))
    TorchRunner(narrow, batch=8).features(images(3))
    assert narrow.asked == [8, 4, 2, 2]
    with pytest.raises(WorkerError, match="cannot be used: GET was unable") as caught:
        TorchRunner(Narrow(network, 0, RuntimeError(NO_ENGINE)), batch=2).features(images(1))
    assert caught.value.reason == "device"


@pytest.mark.parametrize(
    "said",
    [
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    ],
)
def test_a_library_that_fails_is_the_devices_failure_too(network, said):
    """It has no type of its own, and its process is as lost."""
    with pytest.raises(WorkerError, match=said[:30]) as caught:
        TorchRunner(Narrow(network, 0, RuntimeError(said))).features(images(1))
    assert caught.value.reason == "device"


def test_a_bug_is_none_of_the_devices(network):
    bug = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="mat1"):
        TorchRunner(Narrow(network, 0, bug)).features(images(1))


def test_regions_that_take_turns_fill_their_batches_all_the_same(network):
    """Three cases of two regions each are two batches, not six."""
    narrow = Narrow(network, 4)
    turns = [one for k in range(3) for one in (images(3)[k], images(3, (16, 16, 16))[k])]
    found = TorchRunner(narrow, batch=4).features(turns)
    assert narrow.asked == [4, 4]
    alone = [TorchRunner(network, batch=4).features([one])[0] for one in turns]
    np.testing.assert_array_equal(found, alone)


def test_no_activation_has_more_values_than_32_bits_count(network, monkeypatch):
    narrow = Narrow(network, 99)
    monkeypatch.setattr(gpu, "_COUNTED", 5 * 16 * 24 * 16)
    TorchRunner(narrow, batch=16).features(images(5))
    assert narrow.asked == [4, 4]


@pytest.mark.parametrize("variant", FORMS)
def test_the_first_convolution_makes_the_most(variant):
    shape, made = (17, 32, 33), []
    with torch.device("meta"):
        whole = ResNet18(variant).eval()
        for module in whole.modules():
            module.register_forward_hook(lambda _, __, output: made.append(output.numel()))
        whole(torch.empty(1, 1, *shape))
    assert whole.widest(shape) == max(made)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError(), "memory"),
        (torch.AcceleratorError("CUDA error: an illegal access"), "device"),
    ],
)
def test_a_map_that_a_device_cannot_make_is_no_defect_of_ours(network, monkeypatch, error, reason):
    """``device`` is what gives the next try a process of its own."""
    wanted = DeepExtractor(DeepExtractor.Settings())
    monkeypatch.setattr(DeepExtractor, "runner", lambda _: TorchRunner(network))
    grid = Geometry((16, 24, 16), np.eye(4))
    prepared = Prepared({"whole": Volume(images(1)[0], grid)}, None)
    cam = wanted.class_activation(prepared, np.ones(512), 0.0)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(network, "run", fail)
    with pytest.raises(WorkerError) as caught:
        wanted.class_activation(prepared, np.ones(512), 0.0)
    with pytest.raises(WorkerError) as again:
        wanted.sanity(prepared, cam, np.ones(512))
    assert (caught.value.reason, again.value.reason) == (reason, reason)


@pytest.mark.parametrize(("cores", "threads"), [(2, 2), (16, 8), (224, 16)])
def test_a_gpus_worker_prepares_no_more_cases_at_once_than_a_batch(monkeypatch, cores, threads):
    """A machine of eight GPUs has 24 of them, and each sees every core."""
    monkeypatch.setattr(extractor, "default_device", lambda: "cuda")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores))
    assert DeepExtractor(DeepExtractor.Settings()).concurrency == (threads, 16)


def test_an_image_for_a_map_is_copied_before_the_next_one_comes(network):
    """Nobody fetches anything that would tell when a place that is filled again is free."""
    runner = TorchRunner(network)
    one, other = images(2)
    first = runner.activations(one, "stem")
    kept = first.clone()
    runner.activations(other, "stem")
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    assert not runner._staged


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
    monkeypatch.setattr(gpu, "cached_network", refuse)
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
    with exactly():
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"


@pytest.mark.parametrize(
    "words",
    [
        "backends.fp32_precision = 'tf32'",
        "backends.cuda.matmul.fp32_precision = 'tf32'",
        "backends.cudnn.fp32_precision = 'tf32'",
        "backends.cudnn.conv.fp32_precision = 'ieee'",  # and another for what recurs
        "backends.cuda.matmul.allow_tf32 = True",  # what a vendor's container sets
    ],
)
def test_float32_is_not_shortened_whoever_allowed_it_and_all_is_left_as_it_was(words):
    """In a process of its own: some switches cannot be put back as they were by any word."""
    code = f"""
import torch
from torch import backends
from radlas.features.resnet.exact import exactly

torch.{words}
kinds = ("conv", "rnn", "matmul")
told = lambda: [torch._C._get_fp32_precision_getter("cuda", kind) for kind in kinds]
before = told(), backends.cudnn.deterministic
for _ in range(2):
    with exactly():
        print(*told(), backends.cudnn.deterministic)
    print((told(), backends.cudnn.deterministic) == before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["ieee ieee ieee True", "True"] * 2


class Small(Network):
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
    assert runner.describe(images(1))[0].device == "cpu float32"


def test_an_image_beyond_half_precision_changes_no_other_whoever_comes_first():
    """It is told in float32, which its row says; its neighbours are what they are alone."""
    network = Small(layers=1)
    runner = TorchRunner(network, torch.float16, batch=3)
    quiet, loud = images(2), 1e6 * images(3)[2]
    alone = runner.describe(quiet)
    assert {one.device for one in alone} == {"cpu float16"}
    exact = TorchRunner(network, batch=3).features([loud])[0]
    for order in ([loud, *quiet], [*quiet, loud]):
        found = TorchRunner(network, torch.float16, batch=3).describe(order)
        told = {image.tobytes(): one for image, one in zip(order, found, strict=True)}
        np.testing.assert_array_equal(told[loud.tobytes()].features, exact)
        assert told[loud.tobytes()].device == "cpu float32"
        for image, one in zip(quiet, alone, strict=True):
            np.testing.assert_array_equal(told[image.tobytes()].features, one.features)
            assert told[image.tobytes()].device == one.device


def test_a_device_that_fails_is_told_and_no_defect_of_ours(network):
    class Broken(Network):
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
