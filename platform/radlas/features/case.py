"""From a stored case to rows, whatever the profile: the steps that every extractor shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from radlas.config import Config
from radlas.digests import voxel_digest
from radlas.errors import ConfigError, DataError
from radlas.features.case_settings import CaseSettings
from radlas.features.chains import Perturbation, expand
from radlas.features.found import Found
from radlas.features.n4 import bias_field
from radlas.features.perturb import moved, noise_of, perturb, shuffle
from radlas.features.preprocess import Prepared, one_thread, prepare, with_masks
from radlas.features.regions import make_rings, roi_rows
from radlas.model import TUMOUR, Description, FeatureRow, Roi, Row, Volume
from radlas.reasons import data_error
from radlas.roi.ring import Ring, ring_name

#: Goes up when values change though settings and packages stay.
#: 2: rings by surface.
#: 3: the body along the patient's axes.
#: 4: margins that were filled are no air; square pixels lie where their grid says, and masks on
#: them do not depend on where the patient lay; no ring of a changed copy holds what rings leave
#: out; equal voxels are not skewed; edges of so many bins have the image's precision; integers are
#: resampled by ITK; `ibsi` counts runs across flat ROIs, and no more than 2,000 levels; limits of
#: resegmenting have the image's precision; two slices are not resampled by ITK, which reads beyond;
#: half-way between two voxels `ibsi` samples alike wherever the patient lay; grids have as many
#: voxels whatever files round, as have bodies, rings and boxes.
#: 5: slices of one value are no air; N4 finds the same field whatever the scanner's gain; shuffled
#: ROIs that overlap keep their brightness.
METHODS = "5"
Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]


class _Shared:
    """Results that successive chains share, each kept until another is asked for.

    Chains that differ in their masks alone see one image; all measure one noise.
    """

    def __init__(self, image: Callable[[Volume], Prepared]) -> None:
        self.image = lru_cache(maxsize=1)(image)
        self.noise = lru_cache(maxsize=1)(noise_of)
        self.move = lru_cache(maxsize=1)(moved)


class CaseExtractor:
    """An extractor of named values: prepares the case, and leaves measuring to a profile.

    A profile says what it expects for an image type, and measures ROIs on a prepared case.
    """

    Settings: ClassVar[type[Config]] = CaseSettings
    table: ClassVar[str] = "radiomics"
    gpu: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def drawn(self) -> tuple[str, ...]:
        """The drawn ROIs that it looks at."""
        wanted: CaseSettings = self.settings
        return (TUMOUR, *wanted.rois, *wanted.ring_excludes)

    def image_types(self) -> tuple[str, ...]:
        """Every image type that the settings ask for."""
        raise NotImplementedError

    def expected(self, image_type: str) -> tuple[str, ...]:
        """The values that a row of this image type has."""
        raise NotImplementedError

    def measure(self, case: Prepared, masks: Masks) -> tuple[list[Found], dict[str, DataError]]:
        """What is found of every ROI in every image; and why nothing can be said of one."""
        raise NotImplementedError

    def describe(self, volume: Volume, rois: Mapping[str, Roi]) -> Description:
        """Describe one case: a row per ROI and image type, and the facts of its ROIs.

        Args:
            volume: Image as stored, voxels ``(z, y, x)``, any real dtype.
            rois: Drawn ROIs by name; ``tumour`` is needed, others may be absent.

        Returns:
            Rows in the order of the ROIs, then of the image types; those of changed copies come
            after them, under the name of their perturbation. A feature that is not defined is
            ``None``, and the row's reason says why, by family. An optional ROI of which nothing
            can be said has rows of ``None`` under one reason.

        Raises:
            DataError: ``no_tumour``, ``empty_mask``, ``roi_too_small`` (the tumour),
                ``not_finite`` or ``flat_image``.
        """
        masks = {name: roi.mask for name, roi in rois.items()}
        with one_thread(), np.errstate(all="ignore"):  # undefined values are reported as such
            shared = _Shared(self._image)
            rows, facts = self._rows(volume, masks, shared)
            chains = expand(self.settings.perturbations) if self.settings.perturbations else ()
            seed = voxel_digest(volume.voxels) if chains else ""
            changed = [
                row for chain in chains for row in self._changed(volume, masks, chain, seed, shared)
            ]
        return Description((*rows, *changed), facts)

    def as_described(
        self, volume: Volume, rois: Mapping[str, Roi]
    ) -> tuple[Volume, dict[str, Mask]]:
        """What the rows of the original image are of, before anything that a profile resamples.

        Args:
            volume: As for ``describe``.
            rois: As for ``describe``.

        Returns:
            The image as it was scaled and brought to square pixels, and the ROIs on that grid,
            drawn and rings alike, each of shape ``(z, y, x)``.

        Raises:
            DataError: As ``describe``, but for ROIs that are too small.
        """
        with one_thread(), np.errstate(all="ignore"):
            masks = {name: roi.mask for name, roi in rois.items()}
            case, described, _ = self._prepared(volume, masks, _Shared(self._image))
        return case.volume, described

    def _image(self, volume: Volume) -> Prepared:
        """An image on its scale and grid, without ROIs."""
        wanted: CaseSettings = self.settings
        spacing = volume.geometry.spacing
        return prepare(
            volume,
            {},
            normalise=wanted.normalise,
            scale=wanted.scale,
            percentiles=wanted.percentiles,
            in_plane_spacing=wanted.in_plane_spacing,
            find_body=bool(wanted.rings),
            pixel_type=wanted.pixel_type,
            bias=partial(bias_field, spacing=spacing, cache=wanted.n4_cache) if wanted.n4 else None,
        )

    def _prepared(
        self, volume: Volume, masks: Masks, shared: _Shared
    ) -> tuple[Prepared, dict[str, Mask], dict[str, Ring]]:
        """The case on its scale and grid, the ROIs to describe there, and the rings of them."""
        wanted: CaseSettings = self.settings
        case = with_masks(shared.image(volume), masks, volume.geometry)
        if TUMOUR not in masks:
            drawn = ", ".join(masks) or "none"
            raise data_error("no_tumour", f"features need a tumour; ROIs of this case: {drawn}")
        rings = make_rings(
            case, wanted.rings, exclude=wanted.ring_excludes, keep_between=wanted.ring_keeps
        )
        described = {name: case.masks[name] for name in wanted.rois if name in case.masks}
        described |= {name: made.mask for name, made in rings.items()}
        return case, described, rings

    def _rows(
        self, volume: Volume, masks: Masks, shared: _Shared, *, shuffle_key: str = ""
    ) -> tuple[tuple[FeatureRow, ...], tuple[Row, ...]]:
        case, described, rings = self._prepared(volume, masks, shared)
        if shuffle_key:
            dealt = shuffle(case.volume.voxels, described, seed_key=shuffle_key)
            case = replace(case, volume=replace(case.volume, voxels=dealt))
        found, faults = self.measure(case, described)
        if TUMOUR in faults:
            raise faults[TUMOUR]
        by_name = {(one.roi, one.image_type): one for one in found}
        rows = tuple(
            self._row(roi, image_type, by_name.get((roi, image_type)), faults)
            for roi in described
            for image_type in self.image_types()
        )
        return rows, roi_rows(case, described, rings)

    def _row(
        self, roi: str, image_type: str, found: Found | None, faults: Mapping[str, DataError]
    ) -> FeatureRow:
        expected = self.expected(image_type)
        if found is None:
            reason = faults[roi].reason if roi in faults else "image_too_small"
            return FeatureRow(roi, image_type, dict.fromkeys(expected), reason=reason)
        values = {name: found.values.get(name) for name in expected}
        return FeatureRow(
            roi,
            image_type,
            values,
            reason=replace(found, values=values).why,
            grey_levels=found.grey_levels,
            aggregation=found.aggregation,
        )

    def _changed(
        self, volume: Volume, masks: Masks, chain: Perturbation, seed: str, shared: _Shared
    ) -> tuple[FeatureRow, ...]:
        """The rows of one changed copy; a change that cannot be made leaves rows that say so."""
        wanted: CaseSettings = self.settings
        drawn = {name for name, mask in masks.items() if name in self.drawn and mask.any()}
        excluded = drawn & set(wanted.ring_excludes)
        rings = [ring_name(*width) for width in wanted.rings]
        found: dict[tuple[str, str], FeatureRow] = {}
        # What cannot be done to another ROI spares the tumour, and a ring that it is not cut from.
        for names in (drawn, {TUMOUR, *excluded}, {TUMOUR}):
            try:
                some = {name: masks[name] for name in names}
                there, changed = perturb(
                    volume, some, chain, seed_key=seed, noise=shared.noise, move=shared.move
                )
                key = seed if chain.shuffle else ""
                rows, _ = self._rows(there, changed, shared, shuffle_key=key)
            except (ConfigError, DataError):  # of a step that the case's voxels cannot hold
                continue
            lost = set() if excluded <= names else set(rings)
            found = {(row.roi, row.image_type): row for row in rows if row.roi not in lost}
            break
        described = [*(roi for roi in wanted.rois if roi in masks), *rings]
        return tuple(
            replace(
                found.get((roi, image_type))
                or FeatureRow(
                    roi,
                    image_type,
                    dict.fromkeys(self.expected(image_type)),
                    reason="perturbation_undefined",
                ),
                perturbation=chain.name,
            )
            for roi in described
            for image_type in self.image_types()
        )
