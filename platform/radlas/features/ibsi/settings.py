"""What can be asked of the `ibsi` profile, checked before any image is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from radlas.features.case_settings import CaseSettings
from radlas.features.filters.boundary import FilterSettings
from radlas.features.filters.ibsi import IBSI_FILTERS
from radlas.features.ibsi.interpolate import Interpolation
from radlas.features.ibsi.texture import Aggregation

Family = Literal[
    "shape",
    "localintensity",
    "firstorder",
    "histogram",
    "ivh",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "gldm",
]
FAMILIES: tuple[Family, ...] = get_args(Family)
WHOLE_ONLY = ("shape", "localintensity")  # of the image as it is, whatever the filter
Options = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class IbsiSettings(CaseSettings):
    """Features by the IBSI reference manual: which, from which images, with which numbers."""

    profile: Literal["ibsi"] = Field(default="ibsi", description="Whose definitions.")
    spacing: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] | None = Field(
        default=None,
        description="Grid to resample to, along x, y and z; 0 keeps an axis [mm].",
    )
    interpolation: Interpolation = Field(default="cubic", description="How the image is sampled.")
    round_intensities: bool = Field(
        default=False, description="Round to whole numbers after resampling, as for CT."
    )
    resegment_range: tuple[FiniteFloat, FiniteFloat] | None = Field(
        default=None, description="Intensities that belong to the ROI [unit of the scaled image]."
    )
    resegment_outliers: PositiveFloat | None = Field(
        default=None,
        description="Intensities within so many standard deviations of the mean belong to it [1].",
    )
    image_types: Mapping[str, Options] = Field(
        default_factory=lambda: {"original": {}},
        min_length=1,
        description="`original`, and IBSI 2's filters with their settings; several as a list.",
    )
    feature_classes: tuple[Family, ...] = Field(
        default=FAMILIES,
        min_length=1,
        description="Families; shape and localintensity on original only.",
    )
    discretisation: Literal["fixed_width", "fixed_count", "none"] = Field(
        default="fixed_width", description="`none` takes intensities for grey levels as they are."
    )
    bin_width: PositiveFloat = Field(
        default=25.0, description="Width of a grey level [unit of the scaled image]."
    )
    bin_count: PositiveInt = Field(default=32, description="Grey levels of `fixed_count` [1].")
    bin_origin: FiniteFloat | None = Field(
        default=None,
        description="Where level 1 begins, for the whole study; else at the lower end of"
        " `resegment_range`, else at the ROI's minimum [unit of the scaled image].",
    )
    aggregation: Aggregation | Literal["auto"] = Field(
        default="auto",
        description="How texture matrices are merged; auto: 3d_merged, or 2.5d_merged where slices"
        " lie more than three pixels apart.",
    )

    @field_validator("image_types")
    @classmethod
    def _filters_in_one_form(cls, filters: Mapping[str, Options]) -> Mapping[str, Options]:
        """Every setting of every filter: a recipe has one digest, however it was written."""
        found = {kind: _parsed(kind, options) for kind, options in filters.items()}
        return {
            kind: {} if kind == "original" else [one.model_dump(mode="json") for one in each]
            for kind, each in found.items()
        }

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if self.spacing and self.in_plane_spacing:
            raise ValueError("`spacing` and `in_plane_spacing` would resample twice")
        names = [name for name, _, _ in self.images()]
        if len(set(names)) < len(names):
            raise ValueError(f"two images have one name: {', '.join(names)}")
        if "original" not in self.image_types and set(self.feature_classes) <= set(WHOLE_ONLY):
            raise ValueError(f"{', '.join(WHOLE_ONLY)} are of the original image alone")
        limits = self.resegment_range
        if limits and not limits[0] < limits[1]:
            raise ValueError("`resegment_range` wants the lower limit first")
        return self

    def images(self) -> list[tuple[str, str, FilterSettings | None]]:
        """Every image: its name, its filter, and that one's settings."""
        found: list[tuple[str, str, FilterSettings | None]] = []
        for kind, options in self.image_types.items():
            if kind == "original":
                found.append((kind, kind, None))
            found += [(one.name, kind, one) for one in _parsed(kind, options)]
        return found


def _parsed(kind: str, options: Options) -> list[FilterSettings]:
    """The settings of a filter's images; the original has none."""
    if kind == "original":
        if options:
            raise ValueError(f"`original` has no settings of its own, but was given {options}")
        return []
    if kind not in IBSI_FILTERS:
        known = ", ".join(["original", *IBSI_FILTERS])
        raise ValueError(f"no filter is called `{kind}`; known: {known}")
    each = [options] if isinstance(options, Mapping) else options
    return [IBSI_FILTERS[kind].settings.parse(one, f"image_types.{kind}") for one in each]
