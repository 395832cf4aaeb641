"""What can be asked of a case before any feature: intensities, grid, ROIs, perturbations."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from radlas.config import Config
from radlas.errors import ConfigError
from radlas.features.chains import PerturbationGrid, expand
from radlas.features.preprocess import Normalise, PixelType
from radlas.model import EDEMA, TUMOUR
from radlas.roi.ring import ring_name


class CaseSettings(Config):
    """The steps that every profile shares, in their order."""

    n4: bool = Field(default=False, description="Correct the bias field by N4 inside the body.")
    n4_cache: Path | None = Field(
        default=None, description="Folder that keeps bias fields by the digest of their image."
    )
    normalise: Normalise = Field(
        default="body",
        description="z-score, or range between two percentiles, inside the body mask; or none.",
    )
    scale: PositiveFloat = Field(
        default=100.0,
        description="What one standard deviation, or the range, of the body becomes [1].",
    )
    percentiles: tuple[NonNegativeFloat, PositiveFloat] = Field(
        default=(1.0, 99.0), description="The two for `normalise: percentile` [%]."
    )
    in_plane_spacing: PositiveFloat | None = Field(
        default=None, description="Resample slices to square pixels of this edge [mm]."
    )
    pixel_type: PixelType = Field(
        default="float32",
        description="Numbers to compute with; int32 rounds intensities, also resampled ones, as"
        " PyRadiomics does for integer files.",
    )
    rois: tuple[str, ...] = Field(
        default=(TUMOUR, EDEMA), description="Drawn ROIs to describe, where a case has them."
    )
    rings: tuple[tuple[NonNegativeFloat, PositiveFloat], ...] = Field(
        default=((0.0, 10.0),), description="Rings to make: inner and outer distance [mm]."
    )
    ring_excludes: tuple[str, ...] = Field(
        default=(), description="Drawn ROIs to leave out of the rings, as `edema`."
    )
    ring_keeps: tuple[FiniteFloat, FiniteFloat] | None = Field(
        default=None,
        description="Lowest and highest intensity of a ring's voxels: air and cortical bone lie"
        " below, metal above [unit of the scaled image].",
    )
    reader: str = Field(
        default="", description="Whose masks are taken, where several readers drew a ROI."
    )
    minimum_voxels: PositiveInt = Field(
        default=27,
        description="Smaller ROIs have no features; a case whose tumour is smaller is quarantined.",
    )
    perturbations: PerturbationGrid | None = Field(
        default=None, description="Changed copies of image and mask to describe as well."
    )

    @model_validator(mode="after")
    def _refuse_what_cannot_be_meant(self) -> Self:
        _check_rings(self.rings)
        if not (self.rois or self.rings):
            raise ValueError("neither `rois` nor `rings` names what is to be described")
        low, high = self.percentiles
        if not low < high <= 100:
            raise ValueError(f"`percentiles` {low:g} and {high:g} do not ascend within 0 to 100")
        if self.ring_keeps and self.ring_keeps[0] >= self.ring_keeps[1]:
            raise ValueError("`ring_keeps` wants the lowest intensity before the highest")
        if self.perturbations:
            _expandable(self.perturbations)
        if self.pixel_type == "int32" and self.normalise != "none":
            raise ValueError("`pixel_type: int32` would round normalised intensities")
        return self


def _expandable(grid: PerturbationGrid) -> None:
    try:
        expand(grid)
    except ConfigError as error:
        raise ValueError(f"`perturbations`: {error.what}") from error


def _check_rings(rings: tuple[tuple[float, float], ...]) -> None:
    for inner, outer in rings:
        if inner >= outer:
            raise ValueError(f"a ring from {inner:g} to {outer:g} mm is empty")
    names = [ring_name(*ring) for ring in rings]
    if len(set(names)) < len(names):
        raise ValueError(f"two rings have one name: {', '.join(names)}")
