"""The filtered images of the `pyradiomics` profile, each computed only where an ROI lies.

To add a filter: its file in ``filters/``, a function here that yields its images, and its name in
``_FILTERS`` and in ``settings.ImageType``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pywt
from numpy.typing import NDArray

from radlas.features.filters import lbp, pointwise
from radlas.features.filters.box import Box, shape_of
from radlas.features.filters.gradient import gradient_magnitude
from radlas.features.filters.log import floats_of, log_image
from radlas.features.filters.wavelet import wavelet_bands

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
Options = Mapping[str, Any]

SLAB = 1 << 19  # voxels that are split into bands at once


@dataclass(frozen=True, eq=False)
class Target:
    """One ROI on an image.

    Attributes:
        name: Of the ROI.
        mask: On the whole image, shape ``(z, y, x)``.
        box: Its bounding box.
        drawn: The ROI before resegmenting, whose shape is described; ``None`` if it is the same.
    """

    name: str
    mask: Mask
    box: Box
    drawn: Mask | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and the ROIs that share it.

    Attributes:
        voxels: Shape ``(z, y, x)``.
        spacing_zyx: Voxel edges [mm].
        targets: Its ROIs.
    """

    voxels: NDArray[Any]
    spacing_zyx: Spacing
    targets: tuple[Target, ...]

    @cached_property
    def box(self) -> Box:
        """The box around all ROIs."""
        z, y, x = (
            slice(
                min(target.box[axis].start for target in self.targets),
                max(target.box[axis].stop for target in self.targets),
            )
            for axis in range(3)
        )
        return z, y, x


@dataclass(frozen=True, eq=False)
class FilteredImage:
    """An image as seen by the ROIs of a scene.

    Attributes:
        name: Image type, as ``wavelet-LLH``.
        options: Settings that hold for this image.
        values: By ROI, the intensities of its voxels in scan order, float64.
        dtype: What the image was computed in; double of integers, as bins are.
    """

    name: str
    options: Options
    values: Mapping[str, NDArray[np.float64]]
    dtype: np.dtype[Any]


def filtered_images(
    scene: Scene, kinds: Mapping[Any, Options], common: Options
) -> Iterator[FilteredImage]:
    """Every image type that is asked for, one after the other.

    Args:
        scene: The image and its ROIs.
        kinds: Filter to its own settings, by lower-case names.
        common: Settings of all, by upstream's names.
    """
    for kind, custom in kinds.items():
        options = {**common, **custom}
        for name, values in _FILTERS[kind](scene, options):
            dtype = next(iter(values.values())).dtype
            dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
            double = {roi: found.astype(np.float64) for roi, found in values.items()}
            yield FilteredImage(name, options, double, dtype)


ByRoi = dict[str, NDArray[Any]]
Images = Iterator[tuple[str, ByRoi]]


def _cut(scene: Scene, image: NDArray[Any], around: Box | None = None) -> ByRoi:
    """The ROIs' voxels from an image that is given on a box: the scene's, or a part of it."""
    around, found = around or scene.box, {}
    for target in scene.targets:
        shared = tuple(map(_overlap, target.box, around))
        place = tuple(
            slice(side.start - out.start, side.stop - out.start)
            for side, out in zip(shared, around, strict=True)
        )
        found[target.name] = image[place][target.mask[shared]]
    return found


def _overlap(one: slice, other: slice) -> slice:
    """What two ranges share; an empty range within the other if nothing."""
    start = min(max(one.start, other.start), other.stop)
    return slice(start, max(min(one.stop, other.stop), start))


def _original(scene: Scene, options: Options) -> Images:
    yield "original", _cut(scene, scene.voxels[scene.box])


def _log(scene: Scene, options: Options) -> Images:
    shape, voxels = scene.voxels.shape, scene.voxels
    if not np.issubdtype(voxels.dtype, np.floating):
        voxels = floats_of(voxels)  # once for all widths
    needed = np.any([target.mask[scene.box] for target in scene.targets], axis=0)
    for sigma in options["sigma"]:
        sizes = [np.ceil(sigma / edge) + 1 for edge in scene.spacing_zyx]
        if min(shape) < 4 or any(size < least for size, least in zip(shape, sizes, strict=True)):
            continue  # as upstream: the image is too small for this width
        image = log_image(
            voxels, spacing_zyx=scene.spacing_zyx, sigma=sigma, box=scene.box, needed=needed
        )
        yield log_name(sigma), _cut(scene, image)


def _wavelet(scene: Scene, options: Options) -> Images:
    axes = "".join(
        axis
        for axis in "xyz"
        if not (options.get("force2D") and "zyx"[options.get("force2Ddimension", 0)] == axis)
    )
    wavelet, level = options.get("wavelet", "coif1"), options.get("level", 1)
    start = options.get("start_level", 0)
    if level == 1 and start == 0:
        yield from _bands(scene, wavelet, axes)
        return
    yield from _deep_wavelet(scene, wavelet, axes, start, level)


def _bands(scene: Scene, wavelet: str, axes: str) -> Images:
    """One level, slab by slab: eight bands of a whole volume would fill the memory."""
    parts: dict[str, list[ByRoi]] = {}
    for slab in _slabs(scene.box):
        bands = wavelet_bands(scene.voxels, wavelet=wavelet, box=slab, axes=axes)
        for name, image in bands.items():
            parts.setdefault(name, []).append(_cut(scene, image, slab))
    for name in [*list(parts)[1:], "L" * len(axes)]:  # upstream's order
        found = parts.pop(name)
        yield (
            f"wavelet-{name}",
            {roi: np.concatenate([part[roi] for part in found]) for roi in found[0]},
        )


def _slabs(box: Box) -> Iterator[Box]:
    """The box in slabs of whole slices, each of about ``SLAB`` voxels."""
    z, y, x = box
    slices = max(1, SLAB // ((y.stop - y.start) * (x.stop - x.start)))
    for start in range(z.start, z.stop, slices):
        yield slice(start, min(start + slices, z.stop)), y, x


def _deep_wavelet(scene: Scene, wavelet: str, axes: str, start: int, level: int) -> Images:
    """Further levels by PyWavelets, each of the approximation before, without spacing the taps."""
    window, inner = _wavelet_window(scene, wavelet, start + level)
    part = scene.voxels[window]
    data = np.pad(part, [(0, size % 2) for size in part.shape], "wrap")
    numbers = tuple("zyx".index(axis) for axis in axes)
    for step in range(start + level):
        found = pywt.swtn(data, wavelet, level=1, start_level=0, axes=numbers)[0]
        approximation = found.pop("a" * len(axes))
        data = approximation
        if step < start:
            continue
        prefix = f"wavelet{step - start + 1}" if step > start else "wavelet"
        for name, image in found.items():
            letters = name.replace("a", "L").replace("d", "H")
            yield f"{prefix}-{letters}", _cut(scene, image[inner])
    prefix = f"wavelet{level}" if level > 1 else "wavelet"
    yield f"{prefix}-{'L' * len(axes)}", _cut(scene, data[inner])


def _wavelet_window(scene: Scene, wavelet: str, levels: int) -> tuple[Box, Box]:
    """What the taps can reach; an axis on which they would pass the end is kept whole."""
    reach = pywt.Wavelet(wavelet).dec_len * levels
    windows, inner = [], []
    for side, size in zip(scene.box, scene.voxels.shape, strict=True):
        start, stop = side.start - reach, side.stop + reach
        if start < 0 or stop > size:
            start, stop = 0, size
        elif (stop - start) % 2:  # an even part needs no padding
            start, stop = (start - 1, stop) if start else (0, size)
        windows.append(slice(start, stop))
        inner.append(slice(side.start - start, side.stop - start))
    return (windows[0], windows[1], windows[2]), (inner[0], inner[1], inner[2])


def _pointwise(name: str, apply: Callable[..., NDArray[Any]]) -> Callable[[Scene, Options], Images]:
    def images(scene: Scene, options: Options) -> Images:
        yield name, _cut(scene, apply(scene.voxels, box=scene.box))

    return images


def _gradient(scene: Scene, options: Options) -> Images:
    image = gradient_magnitude(
        scene.voxels,
        spacing_zyx=scene.spacing_zyx,
        box=scene.box,
        per_mm=options.get("gradientUseSpacing", True),
    )
    yield "gradient", _cut(scene, image)


def _lbp(scene: Scene, options: Options) -> Images:
    found: dict[str, ByRoi] = {}
    for target in scene.targets:
        patterns = lbp.binary_patterns(
            scene.voxels,
            target.mask,
            levels=options.get("lbp3DLevels", 2),
            radius=options.get("lbp3DIcosphereRadius", 1),
            subdivision=options.get("lbp3DIcosphereSubdivision", 1),
        )
        for name, values in patterns:
            # Columns of one table: loops over what is contiguous are compiled already, and faster.
            found.setdefault(f"lbp-3D-{name}", {})[target.name] = np.ascontiguousarray(values)
    yield from found.items()


_FILTERS: dict[str, Callable[[Scene, Options], Images]] = {
    "original": _original,
    "log": _log,
    "wavelet": _wavelet,
    "square": _pointwise("square", pointwise.square),
    "squareroot": _pointwise("squareroot", pointwise.square_root),
    "logarithm": _pointwise("logarithm", pointwise.logarithm),
    "exponential": _pointwise("exponential", pointwise.exponential),
    "gradient": _gradient,
    "lbp3d": _lbp,
}


def log_name(sigma: float) -> str:
    """Image type of a Laplacian of Gaussian, as upstream calls it.

    Examples:
        >>> log_name(2.5)
        'log-sigma-2-5-mm-3D'
    """
    return f"log-sigma-{sigma}-mm-3D".replace(".", "-")


def crop(target: Target, shape: Sequence[int], *, pad: int) -> Box:
    """The box of an ROI with a margin, within the image."""
    z, y, x = (
        slice(max(side.start - pad, 0), min(side.stop + pad, size))
        for side, size in zip(target.box, shape, strict=True)
    )
    return z, y, x


__all__ = ["FilteredImage", "Scene", "Target", "crop", "filtered_images", "log_name", "shape_of"]
