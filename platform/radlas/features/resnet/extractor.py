"""Deep features: parts of the image on a fixed grid, through a 3D ResNet18."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from radlas.config import Config
from radlas.engine.base import GPU_BATCH
from radlas.features.resnet.checkpoint import read_weights
from radlas.features.resnet.device import default_device, runner
from radlas.features.resnet.form import Variant
from radlas.features.resnet.grid import (
    METHODS,
    Anatomy,
    Axes,
    Scene,
    make_scene,
    on_grid,
    tumour_box,
)
from radlas.features.resnet.runner import Runner
from radlas.features.resnet.state import DRAWN, fitted, weights_of
from radlas.model import TUMOUR, Description, FeatureRow, Roi, Volume
from radlas.reasons import data_error
from radlas.roi.facts import bounding_box

if TYPE_CHECKING:
    from radlas.features.resnet.cam import Cam

Size = Annotated[int, Field(ge=16)]  # voxels of a cell of layer4, where it is largest
Sizes = tuple[Size, Size, Size]
Edges = tuple[PositiveFloat, PositiveFloat, PositiveFloat]
Region = Literal["whole", "roi_box", "ring_box"]
_SMALLER = "a smaller `size` in the recipe, extracted anew, or CUDA_VISIBLE_DEVICES= (empty)"


def _is_none(name: str) -> bool:
    return not name


class DeepSettings(Config):
    """Which network, with which weights, sees which part of the image on which grid."""

    variant: Variant = Field(
        default="medicalnet",
        description="Form of ResNet18: output stride 8, or monai's 16; r3d_18 was made for video.",
    )
    weights: Path | None = Field(
        default=None, description="Checkpoint; none gives random weights, as a control."
    )
    seed: NonNegativeInt = Field(default=0, description="Seed of random weights.")
    regions: tuple[Region, ...] = Field(
        default=("whole",),
        min_length=1,
        description="whole: the body; roi_box: the tumour's box; ring_box: that box and `ring_mm`"
        " around it.",
    )
    axes: Axes = Field(
        default="patient",
        description="patient: array axes run to the head, back and left; acquisition: they stay.",
    )
    size: Sizes = Field(
        default=(48, 224, 224), description="Voxels of the body's grid along (z, y, x)."
    )
    spacing: Edges | None = Field(
        default=None,
        description="Voxel edges of the body's grid along (z, y, x) [mm], centred on the body;"
        " none fits the body's box into the grid.",
    )
    box_size: Sizes = Field(
        default=(32, 96, 96), description="Voxels of a box's grid along (z, y, x)."
    )
    box_spacing: Edges | None = Field(
        default=None, description="The same for boxes [mm]; none fits the box into the grid."
    )
    ring_mm: NonNegativeFloat = Field(
        default=10.0, description="What `ring_box` sees around the tumour's box [mm]."
    )
    background: float = Field(default=0.0, description="Value outside the body [z-score].")
    reader: str = Field(
        default="",
        description="Whose masks are taken, where several readers drew a ROI.",
        exclude_if=_is_none,  # sets that were made before it could be named keep their name
    )
    round_digits: PositiveInt = Field(
        default=5, description="Significant digits kept; what lies beyond is a device's rounding."
    )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case that is ready for the network: one input for each region, and what was found in it."""

    inputs: Mapping[str, Volume]
    anatomy: Anatomy


class DeepExtractor:
    """512 features of layer4 for each region, averaged over what the network saw of it."""

    Settings: ClassVar[type[Config]] = DeepSettings
    table: ClassVar[str] = "deep"
    columns: ClassVar[tuple[str, ...]] = ()
    gpu: ClassVar[bool] = True

    def __init__(self, settings: DeepSettings) -> None:
        self.settings = settings
        weights = read_weights(settings.weights) if settings.weights else None
        if weights and settings.weights:  # told when a run is planned, not by every case
            fitted(settings.variant, weights, settings.weights)
        self.weights_digest = weights.digest if weights else ""
        self._note = weights.note if weights else {}

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Where the weights come from, and what copies in lower precision have in common with them.

        Raises:
            ConfigError: The file has changed since this extractor was made.
        """
        if self.settings.weights is None:
            return {}
        weights = weights_of(self.settings.weights, self.weights_digest)
        return {**weights.note, "recast": weights.recast}

    @property
    def drawn(self) -> tuple[str, ...]:
        """The ROIs that its regions are made of: none for the whole image."""
        return (TUMOUR,) if set(self.settings.regions) - {"whole"} else ()

    @property
    def label(self) -> str:
        """Network and weights: ``resnet18-medicalnet-rand0``, or digits of the weights' SHA-256.

        Weights that were made by ``radlas pretrain`` say so, ``resnet18-medicalnet-ssl-3f2a...``,
        and ``untrained`` where it taught them next to nothing.
        """
        kind = "ssl-" if "subjects" in self._note else ""
        kind = "untrained-" if self._note.get("untrained") else kind
        weights = self.weights_digest[:8] or f"rand{self.settings.seed}"
        return f"resnet18-{self.settings.variant}-{kind}{weights}"

    @property
    def banner(self) -> str:
        """What every report must say about the weights; empty if they were trained."""
        if self._note.get("untrained"):
            what = "pre-training taught the network next to nothing beyond random weights"
        elif not self.weights_digest:
            what = f"the network's weights are random (seed {self.settings.seed})"
        else:
            return ""
        return (
            f"{what[0].upper()}{what[1:]}: its features are a control, and no result of them speaks"
            " for deep learning."
        )

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value, the weights among them."""
        found = {name.lower(): version(name) for name in ("numpy", "scipy")}
        torch_version = version("torch").partition("+")[0]  # the same on CPU and GPU builds
        weights = {"weights": self.weights_digest or "random"}
        drawn = {} if self.weights_digest else {"drawn": DRAWN}
        return {"methods": METHODS, **found, "torch": torch_version, **weights, **drawn}

    def runner(self) -> Runner:
        """The network on this process's device, loaded once.

        Raises:
            ConfigError: The weights do not fit, or have changed since this extractor was made.
        """
        wanted = self.settings
        return runner(wanted.variant, str(wanted.weights or ""), self.weights_digest, wanted.seed)

    @property
    def concurrency(self) -> tuple[int, int]:
        """A GPU is as fast as all processors that prepare for it; several workers share both.

        On a machine of many GPUs each of their workers sees all processors: no worker has more
        cases in hand than a batch.
        """
        if default_device() == "cpu":
            return 2, 4
        return min(GPU_BATCH, max(2, len(os.sched_getaffinity(0)) // 2)), GPU_BATCH

    def prepare(self, volume: Volume, rois: Mapping[str, Roi]) -> Prepared:
        """What the network sees of a case; needs no device, and any thread may do it.

        Args:
            volume: Image as stored, voxels ``(z, y, x)``, any real dtype.
            rois: Drawn ROIs by name; the tumour is needed for its boxes.

        Raises:
            DataError: ``not_finite``, ``flat_image``, ``no_tumour`` or ``empty_mask``.
        """
        wanted = self.settings
        scene = make_scene(volume, rois, axes=wanted.axes, background=wanted.background)
        inputs: dict[str, Volume] = {
            region: self._region(scene, region) for region in wanted.regions
        }
        return Prepared(inputs, Anatomy(scene.body, scene.tumour, scene.geometry))

    def describe_prepared(self, cases: Sequence[Prepared]) -> list[Description]:
        """One row of 512 features for each region of each case."""
        images = [volume.voxels for case in cases for volume in case.inputs.values()]
        told = iter(self.runner().describe(images))
        return [
            Description(tuple(self._row(name, *next(told)) for name in case.inputs))
            for case in cases
        ]

    def describe(self, volume: Volume, rois: Mapping[str, Roi]) -> Description:
        """One row of 512 features for each region; see ``prepare``."""
        return self.describe_prepared([self.prepare(volume, rois)])[0]

    def class_activation(
        self,
        prepared: Prepared,
        weights: NDArray[np.float64],
        bias: float,
        *,
        region: str = "whole",
        layer: str = "layer4",
    ) -> Cam:
        """Where in an image a linear score of its features comes from.

        Args:
            prepared: As ``prepare`` makes it.
            weights: The score's weight of each feature, shape ``(512,)``.
            bias: The score without features.
            region: Whose features they are.
            layer: Whose cells the map is made of.

        Raises:
            WorkerError: ``memory`` or ``device``: the GPU is too small, or cannot be used.
        """
        from radlas.features.resnet.cam import grad_cam  # noqa: PLC0415 - torch
        from radlas.features.resnet.trouble import device_errors  # noqa: PLC0415 - torch

        seen = prepared.inputs[region]
        with device_errors(default_device(), held="one map", instead=_SMALLER):
            return grad_cam(
                self.runner(), seen.voxels, seen.geometry, weights=weights, bias=bias, layer=layer
            )

    def sanity(
        self, prepared: Prepared, cam: Cam, weights: NDArray[np.float64], *, region: str = "whole"
    ) -> list[tuple[str, float | None]]:
        """How alike the map stays while the network is randomised; see ``cascade``."""
        from radlas.features.resnet.sanity import cascade  # noqa: PLC0415 - torch
        from radlas.features.resnet.trouble import device_errors  # noqa: PLC0415 - torch

        with device_errors(default_device(), held="one map", instead=_SMALLER):
            return cascade(self.runner(), prepared.inputs[region], cam, weights)

    def _region(self, scene: Scene, region: str) -> Volume:
        wanted = self.settings
        if region == "whole":
            box = bounding_box(scene.body)
            return on_grid(scene, box, size=wanted.size, spacing=wanted.spacing)
        box = tumour_box(scene, wanted.ring_mm if region == "ring_box" else 0.0)
        return on_grid(scene, box, size=wanted.box_size, spacing=wanted.box_spacing)

    def _row(self, region: str, features: NDArray[np.float32], device: str) -> FeatureRow:
        rounded = round_significant(features, self.settings.round_digits)
        if not np.isfinite(rounded).all():
            raise data_error("not_finite", f"the network's features of {region} are no numbers")
        vector = tuple(float(value) for value in rounded)
        return FeatureRow(region, "layer4", vector=vector, device=device)


def round_significant(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Values rounded to significant digits, so that the last bits of a sum seldom matter.

    A value next to an edge may still go either way: what must be equal is computed alike.

    Examples:
        >>> round_significant(np.array([123456.0, 0.00123456, 0.0], dtype=np.float32), 3).tolist()
        [123000.0, 0.001230000052601099, 0.0]
    """
    wide = values.astype(np.float64)
    magnitude = np.floor(np.log10(np.abs(wide), where=wide != 0, out=np.zeros_like(wide)))
    unit = 10.0 ** (magnitude - digits + 1)
    return (np.round(wide / unit) * unit).astype(np.float32)
