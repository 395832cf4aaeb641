"""The network on a processor, by ``LeanNetwork``; torch is loaded where gradients are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from radlas.features.resnet.checkpoint import State
from radlas.features.resnet.form import FORMS, Variant
from radlas.features.resnet.lean import LeanNetwork
from radlas.features.resnet.runner import ImageFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from radlas.features.resnet.network import ResNet18

Array = NDArray[np.float32]


class CpuRunner:
    """One image after the other, float32.

    Args:
        variant: Form of the network.
        state: Its tensors by name.
    """

    def __init__(self, variant: Variant, state: State) -> None:
        self._variant, self._state = variant, state
        self._lean = LeanNetwork(FORMS[variant], state)

    @cached_property
    def network(self) -> ResNet18:
        """See ``Runner``; made when it is first asked for."""
        from radlas.features.resnet.weights import network_of, on_device  # noqa: PLC0415 - torch

        own = {name: values.copy() for name, values in self._state.items()}
        return on_device(network_of(self._variant, own).requires_grad_(False), "cpu")

    def describe(self, images: Sequence[Array]) -> list[ImageFeatures]:
        """See ``Runner``."""
        return [ImageFeatures(self._lean.features(image), "cpu float32") for image in images]

    def features(self, images: Sequence[Array]) -> list[Array]:
        """See ``Runner``."""
        return [one.features for one in self.describe(images)]

    def activations(self, image: Array, until: str) -> Tensor:
        """See ``Runner``."""
        import torch  # noqa: PLC0415 - loaded anyway, for what is done with them

        values = torch.from_numpy(self._lean.run(image, until=until))
        return values.permute(3, 0, 1, 2)[None]
