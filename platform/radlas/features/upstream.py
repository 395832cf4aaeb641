"""The second backend: PyRadiomics itself. This file alone imports it.

It is the oracle of the tests, and takes over where a setting asks for what the fast backend does
not offer. The steps are those of upstream's ``execute()``, whose values they equal bit by bit.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import radiomics
from numpy.typing import NDArray
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor

from radlas.errors import DataError
from radlas.features.discretise import bin_edges
from radlas.features.families import Values
from radlas.features.found import Found
from radlas.features.preprocess import Prepared, pixels, to_itk
from radlas.features.resample import itk_reads_beyond
from radlas.features.settings import RadiomicsSettings, sigmas
from radlas.reasons import data_error
from radlas.words import counted

Mask = NDArray[np.bool_]

# Upstream prints what it finds on stderr; here every finding is a row's reason or an error.
logging.getLogger("radiomics").setLevel(logging.CRITICAL)


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


def describe(
    case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings
) -> tuple[list[Found], dict[str, DataError]]:
    """As ``fast.describe``, by upstream's own functions."""
    upstream = _upstream(settings)
    scenes, faults = _scenes(case, masks, settings, upstream)
    return [found for scene in scenes for found in _describe(scene, upstream)], faults


def _upstream(settings: RadiomicsSettings) -> Any:
    upstream = RadiomicsFeatureExtractor(additionalInfo=False)
    upstream.settings.update(settings.common())
    upstream.settings["minimumROIDimensions"] = max(1, settings.minimum_dimensions)
    upstream.settings["minimumROISize"] = settings.minimum_voxels - 1  # which it refuses, too
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
) -> tuple[list[_Scene], dict[str, DataError]]:
    """The images to filter, each with its ROIs; and why nothing can be said of an ROI."""
    image = to_itk(pixels(case.volume.voxels, settings.pixel_type), case.volume.geometry)
    raw = upstream.settings
    # Upstream crops the image to each ROI when it resamples or pre-crops: nothing to share then.
    shared = raw["resampledPixelSpacing"] is None and not raw["preCrop"]
    if shared and raw["normalize"]:
        image = imageoperations.normalizeImage(image, **raw)
    scenes: list[_Scene] = []
    faults: dict[str, DataError] = {}
    for name, mask in masks.items():
        try:
            _check_size(name, mask, settings.minimum_voxels)
            drawn = to_itk(mask.astype(np.uint32), case.volume.geometry)
            scenes.append(_load(name, image, drawn, upstream, shared=shared))
        except DataError as error:
            faults[name] = error
    if shared and scenes:
        scenes = [_Scene(image, tuple(target for scene in scenes for target in scene.targets))]
    return scenes, faults


def _check_size(name: str, mask: Mask, minimum: int) -> None:
    voxels = int(np.count_nonzero(mask))
    if voxels < minimum:
        raise data_error(
            "roi_too_small", f"{counted(voxels, 'voxel')}, at least {minimum} wanted", name
        )


def _load(name: str, image: Any, mask: Any, upstream: Any, *, shared: bool) -> _Scene:
    """One ROI as upstream's ``execute()`` would see it, resegmented if that is asked for.

    Raises:
        DataError: ``roi_too_small``: upstream finds it flat, or resegmenting leaves too little;
            ``image_too_small``: it would resample an image of two slices.
    """
    raw = upstream.settings
    if _reads_beyond(image, raw):
        what = "ITK's spline through two voxels along an axis may read beyond the image"
        raise data_error("image_too_small", what, name)
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


def _reads_beyond(image: Any, options: Mapping[str, Any]) -> bool:
    """Whether upstream would sample two voxels along an axis by ITK's spline; see ``resample``."""
    if options["resampledPixelSpacing"] is None:
        return False
    old, wanted = np.array(image.GetSpacing()), np.array(options["resampledPixelSpacing"])
    kept = np.allclose(old, np.where(wanted == 0, old, wanted))  # nothing is sampled then
    spline = options["interpolator"] in {"sitkBSpline", imageoperations.sitk.sitkBSpline}
    return spline and not kept and itk_reads_beyond(image.GetSize())


def _describe(scene: _Scene, upstream: Any) -> Iterator[Found]:
    """Filter the image once per image type; describe every ROI on it."""
    for kind, custom in upstream.enabledImagetypes.items():
        settings = {**upstream.settings, **custom}
        here = _around(scene, settings) if kind == "Wavelet" else scene
        filtered = getattr(imageoperations, f"get{kind}Image")
        for image, image_type, used in filtered(here.image, here.targets[0].mask, **settings):
            for target in here.targets:
                inside, label = imageoperations.cropToTumorMask(image, target.mask, target.box)
                values, reason = {}, _fault(inside, label, used)
                able, alone = _able(upstream, label, used)
                if not reason:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", RuntimeWarning)  # means over nothing: None
                        values = able.computeFeatures(inside, label, image_type, **used)
                if kind == "Original":
                    values |= upstream.computeShape(image, target.shape_mask, target.box, **used)
                named = _named(values, image_type)
                yield Found(target.name, image_type, named, reason=reason, family_reasons=alone)


def _able(upstream: Any, mask: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """Upstream, but for texture where no direction has two voxels: there it ends in an error.

    Also returns why a family has no values.
    """
    sides = list(mask.GetSize()[::-1])
    if options["force2D"]:
        del sides[options["force2Ddimension"]]
    texture = [name for name in upstream.enabledFeatures if name not in {"shape", "firstorder"}]
    if max(sides) > min(options["distances"]) or not texture:
        return upstream, {}
    able = copy(upstream)
    able.enabledFeatures = {
        name: some for name, some in upstream.enabledFeatures.items() if name not in texture
    }
    return able, dict.fromkeys(texture, "no_neighbours")


def _fault(image: Any, mask: Any, options: Mapping[str, Any]) -> str:
    """Why an ROI has no values in an image, where upstream would end in an error; empty if not."""
    voxels, label = (imageoperations.sitk.GetArrayFromImage(one) for one in (image, mask))
    inside = voxels[label == 1].astype(np.float64)
    if not np.isfinite(inside).all():
        return "not_finite"
    extent = float(inside.min()), float(inside.max())
    return "too_many_levels" if bin_edges(*extent, options, dtype=np.float64) is None else ""


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
