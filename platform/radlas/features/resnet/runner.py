"""A network that is ready to look at images, wherever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from radlas.features.resnet.network import ResNet18

Array = NDArray[np.float32]


class ImageFeatures(NamedTuple):
    """The features of one image, and what made them.

    Attributes:
        features: Shape ``(512,)``.
        device: Device and precision, as ``cpu float32``; kept with every row.
    """

    features: Array
    device: str


class Runner(Protocol):
    """What every place where a network runs offers."""

    @property
    def network(self) -> ResNet18:
        """The same in torch, for gradients."""

    def describe(self, images: Sequence[Array]) -> list[ImageFeatures]:
        """Features of each image, shape ``(z, y, x)``; the other images do not matter."""

    def features(self, images: Sequence[Array]) -> list[Array]:
        """The features alone."""

    def activations(self, image: Array, until: str) -> Tensor:
        """Activations ``(1, channel, z, y, x)`` of a stage, float32, without their history."""
