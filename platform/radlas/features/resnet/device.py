"""Where the network runs: on the processor by ``LeanNetwork``, on a GPU by torch in batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radlas.engine.base import BATCH
from radlas.engine.gpus import share_of_memory
from radlas.errors import WorkerError
from radlas.features.resnet.exact import exactly
from radlas.features.resnet.lean import LeanNetwork
from radlas.features.resnet.network import ResNet18, Variant
from radlas.features.resnet.weights import cached_network

Array = NDArray[np.float32]
PARITY = 1e-3  # most that half precision may differ, of the largest feature
_PROBE = (16, 64, 64)  # voxels by which that is decided


class Told(NamedTuple):
    """What is told of one image.

    Attributes:
        features: Shape ``(512,)``.
        device: That made them, and its precision, as ``cpu float32``; kept with every row.
    """

    features: Array
    device: str


class Runner(Protocol):
    """A network ready to look at images.

    Attributes:
        network: The same in torch, for gradients.
    """

    network: ResNet18

    def told(self, images: Sequence[Array]) -> list[Told]:
        """Features of each image, shape ``(z, y, x)``; the other images do not matter."""

    def features(self, images: Sequence[Array]) -> list[Array]:
        """The features alone."""

    def activations(self, image: Array, until: str) -> Tensor:
        """Activations ``(1, channel, z, y, x)`` of a stage, float32, without their history."""


@lru_cache(maxsize=2)
def runner(variant: Variant, path: str, digest: str, seed: int) -> Runner:
    """One network per process, on its GPU if it has one; see ``cached_network``.

    A GPU's memory is parted among the workers that share it. So how much fits does not depend on
    who comes first, and neither do batches and what they change in a sum.

    Raises:
        WorkerError: ``memory`` or ``device``: the GPU is too small, or cannot be used.
    """
    device = default_device()
    if device == "cpu":
        return runner_of(cached_network(variant, path, digest, seed, device))
    try:
        torch.cuda.set_per_process_memory_fraction(share_of_memory())
        return runner_of(cached_network(variant, path, digest, seed, device))
    except torch.OutOfMemoryError:
        what = "the device's memory does not hold the network"
        raise WorkerError(what, device, "another GPU", "memory") from None
    except RuntimeError as error:
        raise _failed(device, error) from None


def _failed(device: str, error: RuntimeError) -> WorkerError:
    """Of what CUDA raises the first line says what is wrong."""
    return WorkerError(
        "the GPU cannot be used: " + str(error).partition("\n")[0],
        device,
        "`nvidia-smi` tells who uses it, and in which mode; CUDA_VISIBLE_DEVICES= goes without",
        "device",
    )


def default_device() -> str:
    """``cuda`` where there is a GPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def runner_of(network: ResNet18) -> Runner:
    """A runner of a network where it is."""
    if next(network.parameters()).device.type == "cpu":
        return CpuRunner(network)
    return TorchRunner(network, torch.float16)


class CpuRunner:
    """One image after the other, float32."""

    def __init__(self, network: ResNet18) -> None:
        self.network = network
        self._lean = LeanNetwork(network)

    def told(self, images: Sequence[Array]) -> list[Told]:
        """See ``Runner``."""
        return [Told(self._lean.features(image), "cpu float32") for image in images]

    def features(self, images: Sequence[Array]) -> list[Array]:
        """See ``Runner``."""
        return [one.features for one in self.told(images)]

    def activations(self, image: Array, until: str) -> Tensor:
        """See ``Runner``."""
        values = torch.from_numpy(self._lean.run(image, until=until))
        return values.permute(3, 0, 1, 2)[None]


class TorchRunner:
    """In batches, in half precision if that changes no feature of noise by more than ``PARITY``.

    What decides is the network and the device, never which image came first. An image beyond the
    range of half precision is described in float32, and it alone. Every batch has the same size,
    filled up with zeros, that of a single image too: how a device sums depends on it. If memory
    does not suffice, the size is halved, for good.

    Args:
        network: On its device.
        half: ``float16``, or ``bfloat16`` where sums need its range; ``None`` for float32 alone.
        batch: Images at once, at first.
    """

    def __init__(
        self, network: ResNet18, half: torch.dtype | None = None, batch: int = BATCH
    ) -> None:
        self.network = network
        self._device = next(network.parameters()).device
        self._half = half
        self._compared = half is None
        self._batch = batch
        self._staged = torch.zeros(0)

    def features(self, images: Sequence[Array]) -> list[Array]:
        """See ``Runner``."""
        return [one.features for one in self.told(images)]

    def told(self, images: Sequence[Array]) -> list[Told]:
        """See ``Runner``.

        Raises:
            WorkerError: ``memory``: not even one image fits; ``device``: it fails.
        """
        found: list[Told] = []
        while len(found) < len(images):
            waiting = images[len(found) :][: self._batch]
            try:
                if not self._compared:
                    self._compare()
                found += self._infer(waiting[: _alike(waiting)])
            except torch.OutOfMemoryError:
                self._halve()
            except torch.AcceleratorError as error:
                raise _failed(self._device.type, error) from None
        return found

    def activations(self, image: Array, until: str) -> Tensor:
        """See ``Runner``. Always float32: gradients follow."""
        with torch.no_grad(), exactly():
            return self.network.run(self._on_device([image], 1), until=until)

    def _infer(self, images: Sequence[Array]) -> list[Told]:
        inputs = self._on_device(images, self._batch)
        found = self._forward(inputs, self._half)
        beyond: NDArray[np.bool_] = np.logical_not(np.isfinite(found).all(axis=1))
        if self._half is not None and beyond.any():
            found[beyond] = self._forward(inputs, None)[beyond]
        names = [self._name(None if far else self._half) for far in beyond]
        return [Told(*one) for one in zip(found, names, strict=True)][: len(images)]

    def _name(self, half: torch.dtype | None) -> str:
        return f"{self._device.type} {str(half or torch.float32).removeprefix('torch.')}"

    def _forward(self, inputs: Tensor, half: torch.dtype | None) -> Array:
        cast = torch.autocast(self._device.type, dtype=half, enabled=half is not None)
        with torch.inference_mode(), exactly(), cast:
            features: Array = self.network(inputs).float().cpu().numpy()
        return features

    def _compare(self) -> None:
        """Whether half precision is near enough, by noise with a background."""
        noise = np.random.default_rng(0).normal(size=_PROBE).astype(np.float32)
        noise[:, : _PROBE[1] // 4] = 0
        inputs = self._on_device([noise], 1)
        exact, quick = self._forward(inputs, None)[0], self._forward(inputs, self._half)[0]
        if not np.abs(exact - quick).max() <= PARITY * np.abs(exact).max():
            self._half = None
        self._compared = True

    def _on_device(self, images: Sequence[Array], size: int) -> Tensor:
        shape = (size, 1, *images[0].shape)
        if self._staged.shape != shape:  # pinning memory takes longer than filling it
            self._staged = torch.zeros(shape, pin_memory=self._device.type == "cuda")
        for place, image in zip(self._staged, images, strict=False):
            place[0] = torch.from_numpy(image)
        self._staged[len(images) :] = 0
        # Not waited for: the features are fetched before it is filled again.
        moved = self._staged.to(self._device, non_blocking=True)
        return moved.contiguous(memory_format=torch.channels_last_3d)

    def _halve(self) -> None:
        if self._batch == 1:
            raise WorkerError(
                "the device's memory does not hold one image",
                self._device.type,
                "a smaller `size` in the recipe, or another GPU",
                "memory",
            )
        self._batch //= 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _alike(images: Sequence[Array]) -> int:
    """How many images, from the first on, have its shape."""
    return next((k for k, one in enumerate(images) if one.shape != images[0].shape), len(images))
