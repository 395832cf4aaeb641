"""What can be asked of the radiomics extractor, checked before any image is read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import (
    Field,
    FiniteFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from radlas.features.case_settings import CaseSettings
from radlas.features.images import log_name
from radlas.features.upstream_options import canonical, check_kinds
from radlas.tables import RADIOMICS_FEATURES

FeatureClass = Literal["shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm"]
ImageType = Literal[
    "original",
    "log",
    "wavelet",
    "square",
    "squareroot",
    "logarithm",
    "exponential",
    "gradient",
    "lbp3d",
]
CLASSES: tuple[FeatureClass, ...] = get_args(FeatureClass)

# Upstream settings that may be passed through. Those that name a label, loosen the geometry or
# switch to voxel maps would break promises of this extractor; three have a name of their own here.
_PASSED = (
    "normalize normalizeScale removeOutliers resampledPixelSpacing"
    " interpolator padDistance distances force2D force2Ddimension resegmentRange resegmentMode"
    " resegmentShape preCrop start_level level wavelet gradientUseSpacing voxelArrayShift"
    " symmetricalGLCM weightingNorm gldm_a"
)
_FILTER_KEYS = {
    "log": "sigma",
    "wavelet": "wavelet level start_level",
    "gradient": "gradientUseSpacing",
    "lbp3d": "lbp3DLevels lbp3DIcosphereRadius lbp3DIcosphereSubdivision",
}
_RENAMED = {
    "binWidth": "bin_width",
    "binCount": "bin_count",
    "minimumROISize": "minimum_voxels",
    "minimumROIDimensions": "minimum_dimensions",
    "sigma": "image_types.log.sigma",
}


# What upstream computes and the fast backend does not; the values are those of upstream's default.
_UPSTREAM_ONLY: Mapping[str, Any] = {
    "distances": [1],
    "symmetricalGLCM": True,
    "weightingNorm": None,
    "gldm_a": 0,
    "interpolator": "sitkBSpline",
}


def _unfiltered() -> Mapping[ImageType, Mapping[str, Any]]:
    return {"original": {}}


class RadiomicsSettings(CaseSettings):
    """Which features to compute, from which images and ROIs, with which numbers."""

    profile: Literal["pyradiomics"] = Field(
        default="pyradiomics",
        description="Whose definitions; those of IBSI are the extractor `ibsi`, never mixed in.",
    )
    backend: Literal["fast", "pyradiomics"] = Field(
        default="fast",
        description="Who computes: our own loops, or PyRadiomics itself; the values are the same.",
    )
    image_types: Mapping[ImageType, Mapping[str, Any]] = Field(
        default_factory=_unfiltered,
        min_length=1,
        description="Filters and their settings, as `log: {sigma: [2, 4]}` [mm]; `binWidth` or"
        " `binCount` in one of them holds for that filter alone.",
    )
    feature_classes: tuple[FeatureClass, ...] = Field(
        default=CLASSES, min_length=1, description="Families of features; shape on original only."
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Features to keep, as `glcm_Contrast` or `glcm_*`; all of the families if"
        " there are none.",
    )
    bin_width: PositiveFloat = Field(
        default=25.0, description="Width of a grey level [unit of the scaled image]."
    )
    bin_count: PositiveInt | None = Field(
        default=None, description="Number of grey levels instead of a fixed width [1]."
    )
    bin_origin: FiniteFloat | None = Field(
        default=None,
        description="Where level 1 begins, the same for the whole study, lower intensities"
        " included [unit of the scaled image]; PyRadiomics begins at each ROI's minimum.",
    )
    texture: Literal["3d", "2d", "auto"] = Field(
        default="3d",
        description="Neighbours in space, within slices, or within slices where these lie more"
        " than three pixels apart; each row tells its `aggregation`.",
    )
    minimum_dimensions: Literal[0, 1, 2, 3] = Field(
        default=2,
        description="Axes along which an ROI must have more than one voxel [1].",
    )
    pyradiomics: Mapping[str, Any] = Field(
        default_factory=dict, description="Settings of PyRadiomics by their names there."
    )

    @field_validator("image_types")
    @classmethod
    def _filters_in_one_form(
        cls, filters: Mapping[ImageType, Mapping[str, Any]]
    ) -> Mapping[ImageType, Mapping[str, Any]]:
        return {kind: canonical(custom) for kind, custom in filters.items()}

    @field_validator("pyradiomics")
    @classmethod
    def _passed_in_one_form(cls, passed: Mapping[str, Any]) -> Mapping[str, Any]:
        return canonical(passed)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        _check_filters(self.image_types)
        _check_passed(self.pyradiomics)
        raw = self.upstream
        if self.bin_count is not None and any(
            "binWidth" in one for one in self.image_types.values()
        ):
            raise ValueError("a filter's `binWidth` does nothing beside `bin_count`")
        if raw.get("normalize") and self.normalise != "none":
            raise ValueError("`pyradiomics.normalize` and `normalise: body` would scale twice")
        if raw.get("resampledPixelSpacing") and self.in_plane_spacing:
            raise ValueError("`resampledPixelSpacing` and `in_plane_spacing` would resample twice")
        _check_features(self.features, self.feature_classes)
        named = any(name.startswith("shape_") for name in self.features)
        if "original" not in self.image_types and (named or self.feature_classes == ("shape",)):
            raise ValueError("`shape` is of the original image, which `image_types` leaves out")
        if self.bin_origin is not None and self.bin_count is not None:
            raise ValueError("`bin_count` divides each ROI's own range: leave `bin_origin` out")
        if self.backend == "pyradiomics" or self.fallback:
            self._refuse_what_upstream_has_not()
        return self

    def _refuse_what_upstream_has_not(self) -> None:
        cause = ", ".join(self.fallback) or "backend"
        if self.bin_origin is not None or self.texture != "3d":
            raise ValueError(f"PyRadiomics, needed for `{cause}`, has no bin_origin and no texture")
        if "lbp3d" in self.image_types:
            raise ValueError(f"PyRadiomics, needed for `{cause}`, has no lbp3d with this SciPy")

    @property
    def fallback(self) -> tuple[str, ...]:
        """The settings for which PyRadiomics itself must compute, though ``fast`` was asked for."""
        if self.backend == "pyradiomics":
            return ()
        asked = self.upstream
        return tuple(
            key
            for key, usual in _UPSTREAM_ONLY.items()
            if key in asked and _plain(asked[key]) != usual
        )

    @property
    def upstream(self) -> dict[str, Any]:
        """What is passed through."""
        return dict(self.pyradiomics)

    def common(self) -> dict[str, Any]:
        """The settings of all filters and features, by upstream's names."""
        bins = {"binWidth": self.bin_width}
        if self.bin_count is not None:
            bins["binCount"] = self.bin_count
        if self.bin_origin is not None:
            bins["binOrigin"] = self.bin_origin
        return {**bins, **self.upstream}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def image_type_names(settings: RadiomicsSettings) -> tuple[str, ...]:
    """Every image type that the settings ask for, by the name upstream gives it.

    Examples:
        >>> image_type_names(RadiomicsSettings(image_types={"original": {}, "log": {"sigma": [2]}}))
        ('original', 'log-sigma-2-0-mm-3D')
    """
    names: list[str] = []
    for kind, custom in settings.image_types.items():
        if kind == "log":
            names += [log_name(sigma) for sigma in sigmas(settings.image_types)]
        elif kind == "wavelet":
            names += _wavelet_names({**settings.upstream, **custom})
        elif kind == "lbp3d":
            levels = range(1, custom.get("lbp3DLevels", 2) + 1)
            names += [*(f"lbp-3D-m{level}" for level in levels), "lbp-3D-k"]
        else:
            names.append(kind)
    return tuple(names)


def _wavelet_names(custom: Mapping[str, Any]) -> list[str]:
    axes, levels = (2 if custom.get("force2D") else 3), custom.get("level", 1)
    bands = ["".join(band) for band in itertools.product("LH", repeat=axes)]
    prefixes = ["wavelet", *(f"wavelet{level}" for level in range(2, levels + 1))]
    details = [f"{prefix}-{band}" for prefix in prefixes for band in bands[1:]]
    return [f"{prefixes[-1]}-{bands[0]}", *details]  # only the last approximation is an image


def sigmas(image_types: Mapping[ImageType, Mapping[str, Any]]) -> tuple[float, ...]:
    """The widths of the Laplacian of Gaussian [mm]."""
    return tuple(image_types.get("log", {}).get("sigma", ()))


def _check_features(features: tuple[str, ...], classes: tuple[FeatureClass, ...]) -> None:
    for name in features:
        family, _, feature = name.partition("_")
        if family not in classes or (feature != "*" and name not in RADIOMICS_FEATURES):
            families = ", ".join(classes)
            raise ValueError(f"no feature is called `{name}` in the families {families}")


def _check_filters(image_types: Mapping[ImageType, Mapping[str, Any]]) -> None:
    for kind, custom in image_types.items():
        check_kinds(custom, f"image_types.{kind}")
        known = ["binWidth", "binCount", *_FILTER_KEYS.get(kind, "").split()]
        unknown = [key for key in custom if key not in known]
        if unknown:
            raise ValueError(f"`{kind}` has no {', '.join(unknown)}; known: {', '.join(known)}")
    if "log" in image_types and "sigma" not in image_types["log"]:
        raise ValueError("`log` needs widths above 0, as `log: {sigma: [2, 4]}`")


def _check_passed(raw: Mapping[str, Any]) -> None:
    check_kinds(raw, "pyradiomics")
    for key in raw:
        if key in _RENAMED:
            raise ValueError(f"`pyradiomics.{key}` is set by `{_RENAMED[key]}`")
        if key not in _PASSED.split():
            raise ValueError(f"`pyradiomics.{key}` is not passed through; known: {_PASSED}")
