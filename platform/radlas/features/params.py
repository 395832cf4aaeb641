"""PyRadiomics parameter files, read as recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from radlas.errors import ConfigError
from radlas.features.settings import ImageType

SECTIONS = {"setting", "imageType", "featureClass", "voxelSetting"}
# Settings about files, logs and labels: what they settle is settled when an exam is ingested.
_SETTLED = {"additionalInfo", "label", "label_channel", "geometryTolerance", "correctMask"}
_OURS = {
    "binWidth": "bin_width",
    "binCount": "bin_count",
    "minimumROIDimensions": "minimum_dimensions",
}


def is_parameter_file(values: Mapping[str, Any]) -> bool:
    """Whether a YAML file is one of PyRadiomics: all its keys are that one's sections."""
    return bool(values) and set(values) <= SECTIONS


def settings_of(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """A parameter file as settings of the extractor ``radiomics``.

    Rings are not made, intensities not scaled and small ROIs not refused beyond what the file says.

    Args:
        values: The file's content.
        where: Its path, for messages.

    Raises:
        ConfigError: It asks for voxel maps, or for something that is not offered.

    Examples:
        >>> settings_of({"setting": {"binWidth": 10}, "featureClass": {"glcm": ["Contrast"]}})
        {'normalise': 'none', 'rings': (), 'minimum_voxels': 1, 'bin_width': 10, \
'feature_classes': ('glcm',), 'features': ('glcm_Contrast',)}
    """
    if values.get("voxelSetting"):
        raise ConfigError("voxel maps are not offered", where, "take `voxelSetting` out")
    settings, images, classes = (
        _mapping(values.get(section), section, where)
        for section in ("setting", "imageType", "featureClass")
    )
    found: dict[str, Any] = {"normalise": "none", "rings": (), "minimum_voxels": 1}
    found |= _settings(settings, where)
    if images:
        found["image_types"] = {
            name.lower(): _mapping(options, f"imageType.{name}", where)
            for name, options in images.items()
        }
        if _filtered_only(found["image_types"]) and "shape" in (classes or ["shape"]):
            what = "`shape` is of the original image, which `imageType` leaves out"
            hint = "add `Original: {}`, or name the other classes in `featureClass`"
            raise ConfigError(what, where, hint)
    return found | _features(classes, where)


def _filtered_only(images: Mapping[str, Any]) -> bool:
    """Whether shape has no image; of a name that is not known others will tell."""
    return set(images) <= {*get_args(ImageType)} - {"original"}


def _mapping(section: Any, name: str, where: str) -> dict[str, Any]:
    """A section of the file; empty if it is.

    Raises:
        ConfigError: It is something else than names and what belongs to them.
    """
    if section is None:
        return {}
    if not isinstance(section, Mapping) or not all(isinstance(key, str) for key in section):
        what = f"`{name}` is no mapping of names, but {section!r}"
        raise ConfigError(what, where, "write it as PyRadiomics has it, as `imageType: {LoG: {}}`")
    return dict(section)


def _settings(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    passed: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "minimumROISize":
            found["minimum_voxels"] = _more_than(value, where)
        elif key in _OURS:
            found[_OURS[key]] = value
        elif key not in _SETTLED:
            passed[key] = value
    return found | ({"pyradiomics": passed} if passed else {})


def _more_than(size: Any, where: str) -> int:
    """The smallest ROI that is described: upstream refuses one of ``minimumROISize``, too."""
    if not (size is None or (type(size) is int and size >= 0)):
        raise ConfigError(f"`minimumROISize` wants a whole number from 0, not {size!r}", where)
    return (size or 0) + 1


def _features(classes: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not classes:
        return {}
    for family, names in classes.items():
        if not (names is None or isinstance(names, list | tuple)):
            what = f"`featureClass.{family}` is no list of features, but {names!r}"
            raise ConfigError(what, where, f"write `{family}: []` for all of them")
    features = [f"{family}_{name}" for family, names in classes.items() for name in names or ()]
    whole = [family for family, names in classes.items() if not names]
    found: dict[str, Any] = {"feature_classes": tuple(classes)}
    if features:  # a family without a list is wanted as a whole
        found["features"] = (*features, *(f"{family}_*" for family in whole))
    return found
