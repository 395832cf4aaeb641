"""The network by torch, on a GPU: in batches, in half precision where that is near enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radlas.engine.base import GPU_BATCH
from radlas.engine.gpus import share_of_memory
from radlas.features.resnet.exact import exactly
from radlas.features.resnet.form import Variant
from radlas.features.resnet.network import ResNet18
from radlas.features.resnet.processor import CpuRunner
from radlas.features.resnet.runner import ImageFeatures, Runner
from radlas.features.resnet.trouble import (
    device_errors,
    failed,
    is_of_device,
    is_without_engine,
    too_small,
)
from radlas.features.resnet.weights import cached_network, state_of

Array = NDArray[np.float32]
PARITY = 1e-3  # most that half precision may differ, of the largest feature
_PROBE = (16, 64, 64)  # voxels by which that is decided
_COUNTED = 2**31 - 1  # values of a tensor that 32 bits count: torch hands larger ones on unsplit


def on_the_gpu(variant: Variant, path: str, digest: str, seed: int) -> Runner:
    """The network on this process's GPU; see ``cached_network``.

    Its memory is parted among the workers that share it. So how much fits does not depend on who
    comes first, and neither do batches and what they change in a sum.

    Raises:
        WorkerError: ``memory`` or ``device``: the GPU is too small, or cannot be used.
    """
    with device_errors("cuda", held="the network", instead="another GPU"):
        torch.cuda.set_per_process_memory_fraction(share_of_memory())
        return runner_of(cached_network(variant, path, digest, seed, "cuda"))


def runner_of(network: ResNet18) -> Runner:
    """A runner of a network where it is."""
    if next(network.parameters()).device.type == "cpu":
        return CpuRunner(network.variant, state_of(network))
    return TorchRunner(network, torch.float16)


class TorchRunner:
    """In batches, in half precision if that changes no feature of noise by more than ``PARITY``.

    What decides is the network and the device, never which image came first. An image beyond the
    range of half precision is described in float32, and it alone. Every batch has the same size,
    filled up with zeros, that of a single image too: how a device sums depends on it. If memory
    does not suffice, the size is halved, for good; and no batch is so large that an activation
    has more values than 32 bits count.

    Args:
        network: On its device.
        half: ``float16``, or ``bfloat16`` where sums need its range; ``None`` for float32 alone.
        batch: Images at once, at first.
    """

    def __init__(
        self, network: ResNet18, half: torch.dtype | None = None, batch: int = GPU_BATCH
    ) -> None:
        self.network = network
        self._device = next(network.parameters()).device
        self._half = half
        self._compared = half is None
        self._batch = batch
        self._staged: dict[tuple[int, ...], Tensor] = {}

    def features(self, images: Sequence[Array]) -> list[Array]:
        """See ``Runner``."""
        return [one.features for one in self.describe(images)]

    def describe(self, images: Sequence[Array]) -> list[ImageFeatures]:
        """See ``Runner``.

        Raises:
            WorkerError: ``memory``: not even one image fits; ``device``: it fails.
        """
        found: dict[int, ImageFeatures] = {}
        waiting = _alike(images)
        while waiting:
            size = self._size(images[waiting[0][0]].shape)
            now, later = waiting[0][:size], waiting[0][size:]
            told = self._if_it_fits([images[place] for place in now], size)
            if told is None:
                self._halve(size)
                continue
            found.update(zip(now, told, strict=True))
            waiting[:1] = [later] if later else []
        return [found[place] for place in range(len(images))]

    def activations(self, image: Array, until: str) -> Tensor:
        """See ``Runner``. Always float32: gradients follow."""
        with torch.no_grad(), exactly():
            seen = torch.tensor(image, device=self._device)
            return self.network.run(seen[None, None], until=until)

    def _size(self, shape: tuple[int, ...]) -> int:
        """Images of a batch."""
        size = self._batch
        while size > 1 and size * self.network.widest(shape) > _COUNTED:
            size //= 2
        return size

    def _if_it_fits(self, images: Sequence[Array], size: int) -> list[ImageFeatures] | None:
        """None if memory does not suffice; what took it is then free, as no error holds it."""
        try:
            if not self._compared:
                self._compare()
            return self._infer(images, size)
        except torch.OutOfMemoryError:
            return None
        except RuntimeError as error:
            if is_without_engine(error) and size > 1:
                return None
            if not is_of_device(error):
                raise
            raise failed(self._device.type, error) from None

    def _infer(self, images: Sequence[Array], size: int) -> list[ImageFeatures]:
        inputs = self._on_device(images, size)
        found = self._forward(inputs, self._half)
        beyond: NDArray[np.bool_] = np.logical_not(np.isfinite(found).all(axis=1))
        if self._half is not None and beyond.any():
            found[beyond] = self._forward(inputs, None)[beyond]
        names = [self._name(None if far else self._half) for far in beyond]
        return [ImageFeatures(*one) for one in zip(found, names, strict=True)][: len(images)]

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
        if shape not in self._staged:  # pinning memory takes longer than filling it
            self._staged[shape] = torch.zeros(shape, pin_memory=self._device.type == "cuda")
        staged = self._staged[shape]
        for place, image in zip(staged, images, strict=False):
            place[0] = torch.from_numpy(image)
        staged[len(images) :] = 0
        # Not waited for: the features are fetched before it is filled again.
        return staged.to(self._device, non_blocking=True)

    def _halve(self, size: int) -> None:
        if size == 1:
            instead = "a smaller `size` in the recipe, or another GPU"
            raise too_small(self._device.type, "one image", instead)
        self._batch = size // 2
        self._staged.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _alike(images: Sequence[Array]) -> list[list[int]]:
    """Places of the images of each shape: a case's regions take turns, a batch has one shape."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    return list(places.values())
