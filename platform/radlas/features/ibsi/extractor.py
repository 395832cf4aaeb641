"""The `ibsi` profile: features as the reference manual defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from radlas.catalogue import PROFILES
from radlas.config import Config
from radlas.errors import DataError
from radlas.features.case import METHODS, CaseExtractor, Masks
from radlas.features.discretise import ibsi_levels
from radlas.features.fast import is_planar
from radlas.features.filters.ibsi import response_map
from radlas.features.found import Found
from radlas.features.ibsi.distance_zone import distance_zone_features
from radlas.features.ibsi.histogram import histogram
from radlas.features.ibsi.interpolate import centred_grid, sample, sample_mask
from radlas.features.ibsi.ivh import ivh
from radlas.features.ibsi.local_intensity import local_intensity
from radlas.features.ibsi.morphology import morphology
from radlas.features.ibsi.settings import WHOLE_ONLY, IbsiSettings
from radlas.features.ibsi.statistics import statistics
from radlas.features.ibsi.texture import Aggregation, texture
from radlas.features.preprocess import Prepared, pixels
from radlas.geometry import Geometry
from radlas.reasons import data_error
from radlas.roi.facts import Box, bounding_box
from radlas.words import counted

Mask = NDArray[np.bool_]
Voxels = NDArray[np.float64]
PACKAGES = ("numba", "numpy", "scipy", "SimpleITK")
COLUMNS = PROFILES["ibsi"]


class IbsiExtractor(CaseExtractor):
    """Every family of the reference manual, of the tumour, its edema and its rings."""

    Settings: ClassVar[type[Config]] = IbsiSettings
    columns: ClassVar[tuple[str, ...]] = COLUMNS
    settings: IbsiSettings

    label = "ibsi"

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of everything that can move a value."""
        return {"methods": METHODS, **{name.lower(): version(name) for name in PACKAGES}}

    def image_types(self) -> tuple[str, ...]:
        """The original and IBSI 2's filters, as their settings name them."""
        return tuple(name for name, _, _ in self.settings.images())

    def expected(self, image_type: str) -> tuple[str, ...]:
        """The features of the wanted families; two belong to the original image only."""
        return tuple(
            name
            for name in COLUMNS
            if (family := name.partition("_")[0]) in self.settings.feature_classes
            and (family not in WHOLE_ONLY or image_type == "original")
        )

    def measure(self, case: Prepared, masks: Masks) -> tuple[list[Found], dict[str, DataError]]:
        """Resample, filter the whole image, then describe every ROI on it."""
        wanted = self.settings
        voxels, geometry, sampled = self._sampled(case, masks)
        targets: dict[str, tuple[Mask, Mask]] = {}
        faults: dict[str, DataError] = {}
        for name, mask in sampled.items():
            try:
                targets[name] = mask, self._resegmented(name, mask, voxels)
            except DataError as error:
                faults[name] = error
        found = []
        for image_type, kind, options in wanted.images():
            image = voxels
            if options is not None:
                image = response_map(kind, options, voxels, spacing_zyx=geometry.spacing_zyx)
            found += [
                self._described(
                    name, image_type, image, whole=whole, inside=inside, geometry=geometry
                )
                for name, (whole, inside) in targets.items()
            ]
        return found, faults

    def _sampled(self, case: Prepared, masks: Masks) -> tuple[Voxels, Geometry, dict[str, Mask]]:
        wanted, old = self.settings, case.volume.geometry
        voxels = pixels(case.volume.voxels, wanted.pixel_type).astype(np.float64)
        new = centred_grid(old, wanted.spacing) if wanted.spacing else old
        moved = dict(masks)
        if new.shape != old.shape or not np.allclose(new.affine, old.affine):
            sampled = sample(voxels, old, new, interpolation=wanted.interpolation)
            voxels = np.clip(sampled, voxels.min(), voxels.max())  # splines overshoot
            moved = {name: sample_mask(mask, old, new) for name, mask in masks.items()}
        return np.rint(voxels) if wanted.round_intensities else voxels, new, moved

    def _resegmented(self, name: str, mask: Mask, voxels: Voxels) -> Mask:
        """The ROI's voxels whose intensity belongs to it.

        Raises:
            DataError: ``roi_too_small``.
        """
        kept, wanted = mask.copy(), self.settings
        inside = voxels[mask]
        good = np.ones(inside.shape, dtype=bool)
        if wanted.resegment_range:
            low, high = wanted.resegment_range
            good &= (inside >= low) & (inside <= high)
        if wanted.resegment_outliers and good.any():
            mean, spread = inside[good].mean(), inside[good].std()
            good &= np.abs(inside - mean) <= wanted.resegment_outliers * spread
        kept[mask] = good
        left = int(np.count_nonzero(kept))
        if left < wanted.minimum_voxels:
            what = f"{counted(left, 'voxel')}, at least {wanted.minimum_voxels} wanted"
            raise data_error("roi_too_small", what, name)
        return kept

    def _described(
        self,
        roi: str,
        image_type: str,
        image: Voxels,
        *,
        whole: Mask,
        inside: Mask,
        geometry: Geometry,
    ) -> Found:
        """One ROI in one image; ``whole`` is what was drawn, ``inside`` what was resegmented."""
        wanted, box = self.settings, _box(whole)
        found = Found(roi, image_type, {})
        values = image[inside]
        if not np.isfinite(values).all():
            return replace(found, reason="not_finite")
        levels = np.zeros(inside.shape, dtype=np.int64)[box]
        grey = ibsi_levels(
            values,
            method=wanted.discretisation,
            width=wanted.bin_width,
            count=wanted.bin_count,
            origin=self._origin(image_type),
        )
        if grey is None:
            none = wanted.discretisation == "none"
            return replace(found, reason="undefined_feature" if none else "too_many_levels")
        levels[inside[box]] = grey
        found.values.update(self._intensities(values, grey))
        if image_type == "original":
            found.values.update(
                morphology(
                    whole[box],
                    image[box],
                    spacing_zyx=geometry.spacing_zyx,
                    intensity_mask=inside[box],
                )
            )
            found.values.update(local_intensity(inside, image, spacing_zyx=geometry.spacing_zyx))
        aggregation = self._aggregation(geometry)
        found.values.update(self._texture(levels, whole[box], aggregation))
        for name, value in found.values.items():
            if value is not None and not np.isfinite(value):  # beyond the numbers there are
                found.values[name] = None
        return replace(found, grey_levels=int(np.unique(grey).size), aggregation=aggregation)

    def _origin(self, image_type: str) -> float | None:
        """Where level 1 begins; the limits of a range say nothing of a filter's response."""
        wanted = self.settings
        if wanted.bin_origin is not None or image_type != "original":
            return wanted.bin_origin
        return wanted.resegment_range[0] if wanted.resegment_range else None

    def _intensities(self, values: Voxels, grey: NDArray[np.int64]) -> dict[str, float | None]:
        found: dict[str, float | None] = dict(statistics(values))
        found |= histogram(grey)
        if self.settings.discretisation == "none":
            return found | ivh(values, kind="discrete")
        return found | ivh(values, kind="arbitrary")

    def _texture(
        self, levels: NDArray[np.int64], whole: Mask, aggregation: Aggregation
    ) -> dict[str, float | None]:
        families = set(self.settings.feature_classes)
        found: dict[str, float | None] = {}
        if families & {"glcm", "glrlm", "glszm", "ngtdm", "gldm"}:
            found |= texture(levels, aggregation=aggregation)
        if "gldzm" in families:
            kind: Any = aggregation.partition("_")[0]
            found |= distance_zone_features(levels, aggregation=kind, roi=whole)
        return found

    def _aggregation(self, geometry: Geometry) -> Aggregation:
        if self.settings.aggregation != "auto":
            return self.settings.aggregation
        planar = is_planar("auto", geometry.spacing_zyx)
        return "2.5d_merged" if planar else "3d_merged"


def _box(mask: Mask) -> Box:
    box = bounding_box(mask)
    if box is None:
        raise data_error("empty_mask", "the ROI holds no voxel")
    return box
