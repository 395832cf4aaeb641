"""The fast backend of the `pyradiomics` profile: its values without its waiting.

Each image is filtered once for all ROIs that can share it, only where they lie; each ROI is
discretised once per image, and all its texture matrices are counted in one sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.features.discretise import bin_edges, to_levels
from radlas.features.families import Values, texture_values
from radlas.features.firstorder import first_order
from radlas.features.found import Found
from radlas.features.images import FilteredImage, Scene, Target, crop, filtered_images
from radlas.features.itk_steps import nearest_by_itk, normalise_whole, spline_by_itk
from radlas.features.kernels.moments import extent_and_sum
from radlas.features.lattice import DIRECTIONS, Lattice, in_plane, make_lattice
from radlas.features.preprocess import Prepared, pixels
from radlas.features.resample import (
    grid_around,
    itk_reads_beyond,
    resample_nearest,
    resample_voxels,
)
from radlas.features.settings import RadiomicsSettings
from radlas.features.shape import shape_values
from radlas.features.texture import count
from radlas.geometry import Geometry, steady
from radlas.reasons import data_error
from radlas.roi.facts import bounding_box
from radlas.words import counted

Mask = NDArray[np.bool_]
THICK = 3  # pixels; slices farther apart are described one by one if `texture` is auto


def describe(
    case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings
) -> tuple[list[Found], dict[str, DataError]]:
    """Everything about every ROI, image by image.

    Args:
        case: The image on which to describe.
        masks: The ROIs by name.
        settings: What is wanted.

    Returns:
        One for each ROI and image type; and why nothing can be said of an ROI, by its name.
    """
    voxels = pixels(case.volume.voxels, settings.pixel_type)
    if settings.upstream.get("normalize"):
        voxels = normalise_whole(voxels, settings.upstream)
    scenes, faults = _scenes(voxels, case, masks, settings)
    return [found for scene in scenes for found in _describe(scene, settings)], faults


def _scenes(
    voxels: NDArray[Any], case: Prepared, masks: Mapping[str, Mask], settings: RadiomicsSettings
) -> tuple[list[Scene], dict[str, DataError]]:
    """The images to filter with their ROIs; upstream crops the image to each when it resamples."""
    raw = settings.upstream
    whole = Scene(voxels, case.volume.geometry.spacing_zyx, ())
    scenes: list[Scene] = []
    faults: dict[str, DataError] = {}
    for name, mask in masks.items():
        try:
            target = _target(name, mask, settings)
            scene = replace(whole, targets=(target,))
            if raw.get("resampledPixelSpacing") or raw.get("preCrop"):
                scene = _own_scene(scene, case.volume.geometry, settings)
            target = _resegmented(scene.voxels, scene.targets[0], settings)
            scenes.append(replace(scene, targets=(target,)))
        except DataError as error:
            faults[name] = error
    if len(scenes) > 1 and all(scene.voxels is voxels for scene in scenes):
        scenes = [replace(whole, targets=tuple(scene.targets[0] for scene in scenes))]
    return scenes, faults


def _target(name: str, mask: Mask, settings: RadiomicsSettings) -> Target:
    """An ROI that is large enough.

    Raises:
        DataError: ``roi_too_small``.
    """
    voxels = int(np.count_nonzero(mask))
    if voxels < settings.minimum_voxels:
        what = f"{counted(voxels, 'voxel')}, at least {settings.minimum_voxels} wanted"
        raise data_error("roi_too_small", what, name)
    box = bounding_box(mask)
    if box is None:
        raise data_error("empty_mask", "the ROI holds no voxel", name)
    wide, least = sum(side.stop - side.start > 1 for side in box), settings.minimum_dimensions
    if wide < least:
        what = f"the ROI extends along {wide} axes, at least {least} wanted: too few dimensions"
        raise data_error("roi_too_small", what, name)
    return Target(name, mask, box)


def _own_scene(scene: Scene, geometry: Geometry, settings: RadiomicsSettings) -> Scene:
    """The image around one ROI, resampled if that is asked for."""
    raw = settings.upstream
    (target,) = scene.targets
    pad = int(raw.get("padDistance", 5))
    wanted = raw.get("resampledPixelSpacing") or (0, 0, 0)
    shape, spacing = scene.voxels.shape, scene.spacing_zyx
    axes = grid_around(target.box, shape, spacing, wanted[::-1], pad=pad)
    z, y, x = (axis.spacing for axis in axes)
    if np.allclose(spacing, (z, y, x)):
        window = crop(target, shape, pad=pad)
        cut = _target(target.name, target.mask[window], settings)
        return Scene(scene.voxels[window], spacing, (cut,))
    mask, inside = resample_nearest(target.mask, axes), None
    if mask is None:
        mask = nearest_by_itk(target.mask, geometry, axes)
        inside = nearest_by_itk(np.ones_like(target.mask), geometry, axes)
    sampled = _target(target.name, mask, settings)
    if scene.voxels.dtype.kind != "i":
        voxels = resample_voxels(scene.voxels, axes, inside)
    elif itk_reads_beyond(shape):
        double = resample_voxels(scene.voxels.astype(np.float64), axes, inside)
        voxels = double.round(6).astype(np.int32)  # cut as by ITK, but 5 less a rounding is 5
    else:
        voxels = spline_by_itk(scene.voxels, geometry, axes)
    return Scene(voxels, (z, y, x), (sampled,))


def _resegmented(voxels: NDArray[Any], target: Target, settings: RadiomicsSettings) -> Target:
    """The ROI without intensities out of the wanted range; its shape stays that of the whole.

    Raises:
        DataError: ``roi_too_small``: too little is left.
    """
    raw = settings.upstream
    limits = raw.get("resegmentRange")
    if limits is None:
        return target
    inside = voxels[target.mask]  # in the image's type: 0.7 is a little less in single precision
    low, *high = _thresholds(inside, sorted(limits), raw.get("resegmentMode", "absolute"))
    kept = inside >= low
    if high:
        kept &= inside <= high[0]
    mask = np.zeros_like(target.mask)
    mask[target.mask] = kept
    left = _target(target.name, mask, settings)
    return left if raw.get("resegmentShape") else replace(left, drawn=target.mask)


def _thresholds(inside: NDArray[Any], limits: list[float], mode: str) -> list[float]:
    if mode == "relative":
        return [limit * float(inside.max()) for limit in limits]
    if mode == "sigma":
        double = inside.astype(np.float64)
        return [float(double.mean() + double.std() * limit) for limit in limits]
    return limits


def _describe(scene: Scene, settings: RadiomicsSettings) -> Iterator[Found]:
    families, raw = settings.feature_classes, settings.upstream
    planar = bool(raw.get("force2D")) or is_planar(settings.texture, scene.spacing_zyx)
    across = raw.get("force2Ddimension", 0) if raw.get("force2D") else 0
    directions = in_plane(across) if planar else DIRECTIONS
    lattices = {
        target.name: make_lattice(target.mask[target.box], directions) for target in scene.targets
    }
    for image in filtered_images(scene, settings.image_types, settings.common()):
        for target in scene.targets:
            found = _measure(image, target, lattices[target.name], scene, settings)
            if found.aggregation and planar:
                found = replace(found, aggregation="2.5d_average")
            if image.name == "original" and "shape" in families:
                found.values.update(_shape(target, scene))
            yield found


def _shape(target: Target, scene: Scene) -> Values:
    """Of what was drawn, within the box of what is left of it after resegmenting, as upstream."""
    mask = target.mask if target.drawn is None else target.drawn
    return shape_values(mask[target.box], scene.spacing_zyx)


def _measure(
    image: FilteredImage,
    target: Target,
    lattice: Lattice,
    scene: Scene,
    settings: RadiomicsSettings,
) -> Found:
    """First-order and texture features of one ROI in one image."""
    values, families = image.values[target.name], settings.feature_classes
    low, high, total = extent_and_sum(values)
    found = Found(target.name, image.name, {})
    if not np.isfinite(total):
        return replace(found, reason="not_finite")
    edges = bin_edges(low, high, image.options, dtype=image.dtype)
    if edges is None:
        return replace(found, reason="too_many_levels")
    levels = to_levels(np.maximum(values, edges[0]), edges)
    if "firstorder" in families:
        found.values.update(
            first_order(
                values,
                levels.present,
                extent=(low, high),
                total=total,
                voxel_volume=float(np.prod(scene.spacing_zyx)),
                shift=float(image.options.get("voxelArrayShift", 0)),
            )
        )
    texture = [family for family in families if family not in {"shape", "firstorder"}]
    if texture:
        found.values.update(texture_values(count(lattice, levels), texture))
        found = replace(found, aggregation="3d_average")
    alone: dict[str, str] = (
        {} if lattice.neighbours.any() else dict.fromkeys(texture, "no_neighbours")
    )
    return replace(found, grey_levels=int(np.count_nonzero(levels.present)), family_reasons=alone)


def is_planar(texture: str, spacing_zyx: tuple[float, float, float]) -> bool:
    """Whether neighbours are sought within slices only; between thick ones there is no texture."""
    z, y, x = spacing_zyx
    return texture == "2d" or (texture == "auto" and steady(z / max(y, x)) > THICK)
