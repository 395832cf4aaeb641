"""Hand-crafted features by PyRadiomics: this file alone imports it.

The steps are those of upstream's ``execute()``, whose values they equal bit by bit, but their order
is turned round: every image is filtered once and shared by all ROIs of the case.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
import radiomics
from numpy.typing import NDArray
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor

from radlas.config import Config
from radlas.errors import DataError
from radlas.features.preprocess import Prepared, one_itk_thread, prepare, to_itk
from radlas.features.regions import make_rings, ring_rows
from radlas.features.settings import RadiomicsSettings, image_type_names, sigmas
from radlas.model import TUMOUR, Description, FeatureRow, Roi, Volume
from radlas.reasons import data_error
from radlas.tables import RADIOMICS_FEATURES

Mask = NDArray[np.bool_]
Values = dict[str, float | None]

# Upstream prints what it finds on stderr; here every finding is a row's reason or an error.
logging.getLogger("radiomics").setLevel(logging.CRITICAL)


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
        packages = ("numpy", "pyradiomics", "PyWavelets", "scipy", "SimpleITK")
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
            )
            rings = make_rings(case, wanted.rings, exclude=wanted.ring_excludes)
            masks = {name: case.masks[name] for name in wanted.rois if name in case.masks}
            masks |= {name: made.mask for name, made in rings.items()}
            return Description(_rows(case, masks, wanted), ring_rows(case, rings))


@dataclass(frozen=True, eq=False)
class _Target:
    """One ROI as upstream wants it: SimpleITK masks, and their bounding box."""

    name: str
    mask: Any
    shape_mask: Any
    box: NDArray[np.int64]  # x low, x high, y low, ...; both ends included


@dataclass(frozen=True, eq=False)
class _Scene:
    """An image and the ROIs that can share it."""

    image: Any
    targets: tuple[_Target, ...]


def _rows(
    case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings
) -> tuple[FeatureRow, ...]:
    upstream = _upstream(settings)
    scenes, too_small = _scenes(case, masks, settings, upstream)
    found = {
        (roi, image_type): values
        for scene in scenes
        for roi, image_type, values in _describe(scene, upstream)
    }
    return tuple(
        _row(roi, image_type, found.get((roi, image_type)), settings, too_small)
        for roi in masks
        for image_type in image_type_names(settings)
    )


def _row(
    roi: str,
    image_type: str,
    found: Values | None,
    settings: RadiomicsSettings,
    too_small: Collection[str],
) -> FeatureRow:
    expected = [
        name
        for name in RADIOMICS_FEATURES
        if (family := name.partition("_")[0]) in settings.feature_classes
        and (family != "shape" or image_type == "original")
    ]
    values = {name: (found or {}).get(name) for name in expected}
    reason = ""
    if found is None:
        reason = "roi_too_small" if roi in too_small else "image_too_small"
    elif None in values.values():
        reason = "undefined_feature"
    return FeatureRow(roi, image_type, values, reason=reason)


def _upstream(settings: RadiomicsSettings) -> Any:
    upstream = RadiomicsFeatureExtractor(**settings.pyradiomics, additionalInfo=False)
    upstream.settings["binWidth"] = settings.bin_width
    if settings.bin_count is not None:
        upstream.settings["binCount"] = settings.bin_count
    names = {name.lower(): name for name in radiomics.getImageTypes()}
    upstream.enabledImagetypes = {
        names[name]: dict(custom) for name, custom in settings.image_types.items()
    }
    if "log" in settings.image_types:
        upstream.enabledImagetypes["LoG"]["sigma"] = list(sigmas(settings.image_types))
    upstream.enabledFeatures = {name: [] for name in settings.feature_classes}
    return upstream


def _scenes(
    case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings, upstream: Any
) -> tuple[list[_Scene], set[str]]:
    """The images to filter, each with its ROIs; and the names of ROIs that are too small."""
    voxels = case.volume.voxels
    whole = np.rint(voxels).astype(np.int32) if settings.pixel_type == "int32" else voxels
    image = to_itk(whole, case.volume.geometry)
    raw = upstream.settings
    # Upstream crops the image to each ROI when it resamples or pre-crops: nothing to share then.
    shared = raw["resampledPixelSpacing"] is None and not raw["preCrop"]
    if shared and raw["normalize"]:
        image = imageoperations.normalizeImage(image, **raw)
    scenes, too_small = [], set()
    for name, mask in masks.items():
        try:
            _check_size(name, mask, settings.minimum_voxels)
            drawn = to_itk(mask.astype(np.uint32), case.volume.geometry)
            scenes.append(_load(name, image, drawn, upstream, shared=shared))
        except DataError:
            if name == TUMOUR:
                raise
            too_small.add(name)
    if shared and scenes:
        scenes = [_Scene(image, tuple(target for scene in scenes for target in scene.targets))]
    return scenes, too_small


def _check_size(name: str, mask: Mask, minimum: int) -> None:
    voxels = int(np.count_nonzero(mask))
    if voxels < minimum:
        raise data_error("roi_too_small", f"{voxels} voxels, at least {minimum} wanted", name)


def _load(name: str, image: Any, mask: Any, upstream: Any, *, shared: bool) -> _Scene:
    """One ROI as upstream's ``execute()`` would see it, resegmented if that is asked for.

    Raises:
        DataError: ``roi_too_small``: upstream finds it flat, or resegmenting leaves too little.
    """
    raw = upstream.settings
    try:
        if not shared:
            image, mask = upstream.loadImage(image, mask, None, **raw)
        inside = mask
        box, _ = imageoperations.checkMask(image, mask, **raw)
        if raw["resegmentRange"] is not None:
            inside = imageoperations.resegmentMask(image, mask, **raw)
            box, _ = imageoperations.checkMask(image, inside, **raw)
    except ValueError as error:  # upstream's only way to refuse an ROI
        raise data_error("roi_too_small", str(error), name) from error
    shape_mask = inside if raw.get("resegmentShape") else mask
    return _Scene(image, (_Target(name, inside, shape_mask, box),))


def _describe(scene: _Scene, upstream: Any) -> Iterator[tuple[str, str, Values]]:
    """Filter the image once per image type; describe every ROI on it."""
    for kind, custom in upstream.enabledImagetypes.items():
        settings = {**upstream.settings, **custom}
        here = _around(scene, settings) if kind == "Wavelet" else scene
        filtered = getattr(imageoperations, f"get{kind}Image")
        for image, image_type, used in filtered(here.image, here.targets[0].mask, **settings):
            for target in here.targets:
                cropped = imageoperations.cropToTumorMask(image, target.mask, target.box)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # of means over nothing: None
                    values = upstream.computeFeatures(*cropped, image_type, **used)
                if kind == "Original":
                    values |= upstream.computeShape(image, target.shape_mask, target.box, **used)
                yield target.name, image_type, _named(values, image_type)


def _named(values: Mapping[str, Any], image_type: str) -> Values:
    """Values by column; what is not finite is ``None``."""
    numbers = {
        name.removeprefix(f"{image_type}_"): float(np.real(value)) for name, value in values.items()
    }
    return {name: value if np.isfinite(value) else None for name, value in numbers.items()}


def _around(scene: _Scene, settings: Mapping[str, Any]) -> _Scene:
    """The part of a scene that the wavelet's taps can reach from its ROIs: same values, less work.

    An axis on which the taps would pass the image's end is kept whole, for upstream wraps there.
    """
    taps = imageoperations.pywt.Wavelet(settings.get("wavelet", "coif1")).dec_len
    reach = taps * (settings.get("start_level", 0) + settings.get("level", 1))
    boxes = np.stack([target.box for target in scene.targets])
    low = boxes[:, 0::2].min(axis=0) - reach
    high = boxes[:, 1::2].max(axis=0) + reach + 1
    size = np.array(scene.image.GetSize())
    whole = (low < 0) | (high > size)
    low, high = np.where(whole, 0, low), np.where(whole, size, high)
    window = tuple(slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return _Scene(
        scene.image[window],
        tuple(
            replace(
                target,
                mask=target.mask[window],
                shape_mask=target.shape_mask[window],
                box=target.box - np.repeat(low, 2),
            )
            for target in scene.targets
        ),
    )
