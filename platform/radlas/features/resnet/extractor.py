"""Deep features of the whole image: the body on a fixed grid, through a 3D ResNet18."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from radlas.config import Config
from radlas.digests import file_digest
from radlas.errors import ConfigError
from radlas.features.preprocess import one_itk_thread
from radlas.features.resnet.cam import Cam, grad_cam
from radlas.features.resnet.grid import prepare
from radlas.features.resnet.network import ResNet18, Variant
from radlas.features.resnet.weights import cached_network
from radlas.geometry import Geometry
from radlas.model import Description, FeatureRow, Roi, Volume

Size = Annotated[int, Field(ge=16)]  # below, layer4 has no cell left


class DeepSettings(Config):
    """Which network, with which weights, sees the image on which grid."""

    variant: Variant = Field(
        default="medicalnet", description="Form of ResNet18: output stride 8, or monai's 16."
    )
    weights: Path | None = Field(
        default=None, description="Checkpoint; none gives random weights, as a control."
    )
    seed: NonNegativeInt = Field(default=0, description="Seed of random weights.")
    region: Literal["whole"] = Field(default="whole", description="The whole image.")
    size: tuple[Size, Size, Size] = Field(
        default=(48, 224, 224), description="Voxels of the input grid along (z, y, x)."
    )
    spacing: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        default=None,
        description="Voxel edges of the input grid along (z, y, x) [mm], centred on the body;"
        " none fits the body's box into the grid.",
    )
    background: float = Field(default=0.0, description="Value outside the body [z-score].")
    round_digits: PositiveInt = Field(
        default=5, description="Significant digits kept: the same on every machine."
    )


class DeepExtractor:
    """512 features of layer4, averaged over the whole image."""

    Settings: ClassVar[type[Config]] = DeepSettings
    table: ClassVar[str] = "deep"
    columns: ClassVar[tuple[str, ...]] = ()
    gpu: ClassVar[bool] = True

    def __init__(self, settings: DeepSettings) -> None:
        self.settings = settings
        self.weights_digest = _digest(settings.weights)

    @property
    def label(self) -> str:
        """Network and weights: ``resnet18-medicalnet-rand0``, or digits of the file's SHA-256."""
        weights = self.weights_digest[:8] or f"rand{self.settings.seed}"
        return f"resnet18-{self.settings.variant}-{weights}"

    @property
    def banner(self) -> str:
        """What every report must say about the weights; empty if they come from a file."""
        if self.weights_digest:
            return ""
        return (
            f"The network's weights are random (seed {self.settings.seed}): its features are a"
            " control, and no result of them speaks for deep learning."
        )

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value, the weights among them."""
        found = {name.lower(): version(name) for name in ("numpy", "SimpleITK", "scipy")}
        torch_version = version("torch").partition("+")[0]  # the same on CPU and GPU builds
        return {**found, "torch": torch_version, "weights": self.weights_digest or "random"}

    def network(self) -> ResNet18:
        """The network on this process's device, loaded once.

        Raises:
            ConfigError: The weights do not fit, or have changed since this extractor was made.
        """
        wanted = self.settings
        return cached_network(
            wanted.variant,
            str(wanted.weights or ""),
            self.weights_digest,
            wanted.seed,
            "cuda" if torch.cuda.is_available() else "cpu",
        )

    def prepare(self, volume: Volume) -> tuple[NDArray[np.float32], Geometry]:
        """What the network sees of a volume, and the grid that lies on; Grad-CAM needs both.

        Raises:
            DataError: ``not_finite`` or ``flat_image``.
        """
        wanted = self.settings
        with one_itk_thread():
            return prepare(
                volume, size=wanted.size, spacing=wanted.spacing, background=wanted.background
            )

    def describe(self, volume: Volume, rois: Mapping[str, Roi]) -> Description:
        """One row of 512 features for the whole image; the ROIs are not looked at.

        Args:
            volume: Image as stored, voxels ``(z, y, x)``, any real dtype.
            rois: Ignored.

        Raises:
            DataError: ``not_finite`` or ``flat_image``.
        """
        image, _ = self.prepare(volume)
        features = round_significant(embed(self.network(), image), self.settings.round_digits)
        vector = tuple(float(value) for value in features)
        return Description((FeatureRow("whole", "layer4", vector=vector),))

    def class_activation(
        self, volume: Volume, weights: NDArray[np.float64], bias: float
    ) -> tuple[Volume, Cam]:
        """Where in an image a linear score of its features comes from.

        Args:
            volume: Image as stored.
            weights: The score's weight of each feature, shape ``(512,)``.
            bias: The score without features.

        Returns:
            What the network saw, on its grid, and the map on that grid.
        """
        image, grid = self.prepare(volume)
        return Volume(image, grid), grad_cam(
            self.network(), image, grid, weights=weights, bias=bias
        )


def embed(network: ResNet18, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of one image, shape ``(512,)``, by the network's device, without gradients.

    Args:
        network: In evaluation mode.
        image: Shape ``(z, y, x)``, as ``prepare`` makes it.
    """
    device = next(network.parameters()).device
    inputs = torch.from_numpy(image)[None, None].to(device, memory_format=torch.channels_last_3d)
    exact = torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False)
    with torch.inference_mode(), exact:
        features: NDArray[np.float32] = network(inputs)[0].cpu().numpy()
    return features


def round_significant(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Values rounded to significant digits, so that the last bits of a sum do not matter.

    Examples:
        >>> round_significant(np.array([123456.0, 0.00123456, 0.0], dtype=np.float32), 3).tolist()
        [123000.0, 0.001230000052601099, 0.0]
    """
    wide = values.astype(np.float64)
    magnitude = np.floor(np.log10(np.abs(wide), where=wide != 0, out=np.zeros_like(wide)))
    unit = 10.0 ** (magnitude - digits + 1)
    return (np.round(wide / unit) * unit).astype(np.float32)


def _digest(weights: Path | None) -> str:
    if weights is None:
        return ""
    if not weights.is_file():
        raise ConfigError("no such weights file", str(weights), "check `weights`")
    return file_digest(weights)
