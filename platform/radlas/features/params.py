"""PyRadiomics parameter files, read as recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radlas.errors import ConfigError

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


def recipe_of(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """A parameter file as settings of the extractor ``radiomics``.

    Rings are not made, intensities not scaled and small ROIs not refused beyond what the file says.

    Args:
        values: The file's content.
        where: Its path, for messages.

    Raises:
        ConfigError: It asks for voxel maps, or for something that is not offered.

    Examples:
        >>> recipe_of({"setting": {"binWidth": 10}, "featureClass": {"glcm": ["Contrast"]}})
        {'normalise': 'none', 'rings': (), 'minimum_voxels': 1, 'bin_width': 10, \
'feature_classes': ('glcm',), 'features': ('glcm_Contrast',)}
    """
    if values.get("voxelSetting"):
        raise ConfigError("voxel maps are not offered", where, "take `voxelSetting` out")
    found: dict[str, Any] = {"normalise": "none", "rings": (), "minimum_voxels": 1}
    passed: dict[str, Any] = {}
    for key, value in (values.get("setting") or {}).items():
        if key == "minimumROISize":
            found["minimum_voxels"] = int(value or 0) + 1  # upstream refuses as many, too
        elif key in _OURS:
            found[_OURS[key]] = value
        elif key not in _SETTLED:
            passed[key] = value
    if passed:
        found["pyradiomics"] = passed
    if values.get("imageType"):
        found["image_types"] = {
            name.lower(): dict(options or {}) for name, options in values["imageType"].items()
        }
    return found | _features(values.get("featureClass") or {})


def _features(classes: Mapping[str, Any]) -> dict[str, Any]:
    if not classes:
        return {}
    features = [f"{family}_{name}" for family, names in classes.items() for name in names or ()]
    whole = [family for family, names in classes.items() if not names]
    found: dict[str, Any] = {"feature_classes": tuple(classes)}
    if features:  # a family without a list is wanted as a whole
        found["features"] = (*features, *(f"{family}_*" for family in whole))
    return found
