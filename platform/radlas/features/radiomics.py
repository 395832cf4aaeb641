"""Hand-crafted features: from a case to rows, whatever the profile and whoever computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from radlas.config import Config
from radlas.errors import DataError
from radlas.features import fast
from radlas.features.found import Found
from radlas.features.preprocess import Prepared, one_itk_thread, prepare
from radlas.features.regions import make_rings, ring_rows
from radlas.features.settings import RadiomicsSettings, image_type_names
from radlas.model import TUMOUR, Description, FeatureRow, Roi, Volume
from radlas.tables import RADIOMICS_FEATURES

Mask = NDArray[np.bool_]


class RadiomicsExtractor:
    """First-order, shape and texture features of the tumour, its edema and its rings."""

    Settings: ClassVar[type[Config]] = RadiomicsSettings
    table: ClassVar[str] = "radiomics"
    columns: ClassVar[tuple[str, ...]] = RADIOMICS_FEATURES
    gpu: ClassVar[bool] = False

    def __init__(self, settings: RadiomicsSettings) -> None:
        self.settings = settings

    @property
    def label(self) -> str:
        """Whose definitions the values follow."""
        return self.settings.profile

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value."""
        packages = ("numba", "numpy", "pyradiomics", "PyWavelets", "scipy", "SimpleITK")
        return {name.lower(): version(name) for name in packages}

    def describe(self, volume: Volume, rois: Mapping[str, Roi]) -> Description:
        """Describe one case: a row per ROI and image type, and the facts of its rings.

        Args:
            volume: Image as stored, voxels ``(z, y, x)``, any real dtype.
            rois: Drawn ROIs by name; ``tumour`` is needed, others may be absent.

        Returns:
            Rows in the order of the ROIs, then of the image types. A feature that is not defined
            is ``None``, and the row says ``undefined_feature``. An optional ROI that is too small
            has rows of ``None`` under ``roi_too_small``.

        Raises:
            DataError: ``no_tumour``, ``empty_mask``, ``roi_too_small`` (the tumour),
                ``not_finite`` or ``flat_image``.
        """
        wanted = self.settings
        with one_itk_thread(), np.errstate(all="ignore"):  # undefined values are reported as such
            case = prepare(
                volume,
                {name: roi.mask for name, roi in rois.items()},
                normalise=wanted.normalise,
                scale=wanted.scale,
                in_plane_spacing=wanted.in_plane_spacing,
                find_body=bool(wanted.rings),
                pixel_type=wanted.pixel_type,
            )
            rings = make_rings(case, wanted.rings, exclude=wanted.ring_excludes)
            masks = {name: case.masks[name] for name in wanted.rois if name in case.masks}
            masks |= {name: made.mask for name, made in rings.items()}
            return Description(_rows(case, masks, wanted), ring_rows(case, rings))


def _rows(
    case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings
) -> tuple[FeatureRow, ...]:
    backend = fast if settings.backend == "fast" and not settings.fallback else _upstream()
    found, faults = backend.describe(case, masks, settings)
    if TUMOUR in faults:
        raise faults[TUMOUR]
    by_name = {(one.roi, one.image_type): one for one in found}
    return tuple(
        _row(roi, image_type, by_name.get((roi, image_type)), settings, faults)
        for roi in masks
        for image_type in image_type_names(settings)
    )


def _row(
    roi: str,
    image_type: str,
    found: Found | None,
    settings: RadiomicsSettings,
    faults: Mapping[str, DataError],
) -> FeatureRow:
    expected = [
        name
        for name in RADIOMICS_FEATURES
        if (family := name.partition("_")[0]) in settings.feature_classes
        and (family != "shape" or image_type == "original")
    ]
    if found is None:
        reason = faults[roi].reason if roi in faults else "image_too_small"
        return FeatureRow(roi, image_type, dict.fromkeys(expected), reason=reason)
    values = {name: found.values.get(name) for name in expected}
    reason = replace(found, values=values).why
    return FeatureRow(roi, image_type, values, reason=reason, levels=found.grey_levels)


def _upstream() -> Any:
    from radlas.features import upstream  # noqa: PLC0415 - a second to import, and rarely needed

    return upstream
