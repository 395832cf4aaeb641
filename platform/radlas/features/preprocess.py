"""Steps before any feature: one pixel type, one intensity scale, square pixels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from radlas.features.kernels.scores import z_scores
from radlas.features.slices import resample_slices
from radlas.geometry import Geometry, in_plane_grid
from radlas.model import Volume
from radlas.reasons import data_error
from radlas.roi.body import body_of

Mask = NDArray[np.bool_]
sitk: Any = SimpleITK  # it ships no usable types
Image = NDArray[Any]  # float32 or float64
Normalise = Literal["none", "body", "percentile"]
PixelType = Literal["float32", "int32", "float64"]
TIE = 1e-6  # voxel: midway between two voxels, rounding would choose by where the patient lay


@dataclass(frozen=True, eq=False)
class Prepared:
    """One case on the grid and scale on which it is described.

    Attributes:
        volume: Voxels float32, shape ``(z, y, x)``.
        body: Where there is tissue, same shape; everything if nobody asked for it.
        masks: The ROIs by name, same shape.
        voxels_before: Voxels of each ROI on the grid as stored.
    """

    volume: Volume
    body: Mask
    masks: Mapping[str, Mask]
    voxels_before: Mapping[str, int]


@contextmanager
def one_thread() -> Iterator[None]:
    """SimpleITK and BLAS on one thread each, as a worker among many has them; restored afterwards.

    Products that BLAS parts among threads differ in the last bit, and rows of one process would
    from those of a worker.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def prepare(
    volume: Volume,
    masks: Mapping[str, Mask],
    *,
    normalise: Normalise,
    scale: float,
    in_plane_spacing: float | None,
    find_body: bool = True,
    pixel_type: PixelType = "float32",
    percentiles: tuple[float, float] = (1.0, 99.0),
    bias: Callable[[Image, Mask], Image] | None = None,
) -> Prepared:
    """Cast, normalise, then resample a case.

    Args:
        volume: Image as stored, any real dtype.
        masks: ROIs by name, on the volume's grid.
        normalise: ``body`` for the z-score inside the body mask times ``scale``, ``percentile`` for
            the range between two percentiles inside it as ``0`` to ``scale``.
        scale: What one standard deviation, or the range, becomes [1].
        in_plane_spacing: Edge of square pixels to resample to [mm]; ``None`` keeps the grid.
            Slices stay as they are.
        find_body: False to skip the search for a body that nothing will be clipped to.
        pixel_type: ``float64`` to compute in double precision; integers come at the very end, by
            ``pixels``.
        percentiles: Those of ``normalise: percentile`` [%].
        bias: From an image and its body to the bias field to divide by, as ``n4.bias_field``.

    Raises:
        DataError: ``not_finite`` or ``flat_image``.
    """
    long = pixel_type == "int32" and volume.voxels.dtype.itemsize > 2  # single holds 24 bits only
    double = pixel_type == "float64" or long
    voxels = as_floats(volume.voxels, np.float64 if double else np.float32)
    if find_body or normalise != "none" or bias:
        body = body_of(voxels.astype(np.float32, copy=False), volume.geometry)
    else:
        body = np.ones(voxels.shape, dtype=bool)
    if bias:
        voxels = (voxels / bias(voxels, body)).astype(voxels.dtype)
    if normalise == "body":
        voxels = body_z_score(voxels, body, scale=scale)
    elif normalise == "percentile":
        voxels = body_range(voxels, body, scale=scale, percentiles=percentiles)
    ready = Prepared(Volume(voxels, volume.geometry), body, {}, {})
    if in_plane_spacing is not None:
        ready = _to_square_pixels(ready, in_plane_spacing)
    return with_masks(ready, masks, volume.geometry)


def with_masks(case: Prepared, masks: Mapping[str, Mask], stored: Geometry) -> Prepared:
    """A prepared image with other ROIs.

    Args:
        case: What ``prepare`` made of the image.
        masks: ROIs by name, on the grid as stored.
        stored: That grid.
    """
    there, moved = case.volume.geometry, masks
    if there is not stored:
        moved = {name: resample_mask(mask, stored, there) for name, mask in masks.items()}
    return replace(case, masks=moved, voxels_before=_count(masks))


def pixels(voxels: Image, pixel_type: PixelType) -> NDArray[Any]:
    """Voxels as numbers of the declared type; integers are rounded.

    Args:
        voxels: Floats, any shape.
        pixel_type: As declared in the recipe.

    Raises:
        DataError: ``not_finite``: an intensity is beyond 32 bits.
    """
    if pixel_type != "int32":
        return voxels
    if max(abs(float(voxels.min())), abs(float(voxels.max()))) >= 2**31 - 1:
        raise data_error("not_finite", "an intensity is beyond the integers of 32 bits")
    return np.rint(voxels).astype(np.int32)


def as_floats(voxels: NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> Image:
    """A copy in floats: 8-bit voxels overflow in later arithmetic, integers round resampled ones.

    Raises:
        DataError: ``not_finite``: a voxel is NaN, infinite, or beyond the type.
    """
    with np.errstate(over="ignore"):  # reported below
        copy = np.array(voxels, dtype=dtype)
    if voxels.dtype.kind in "iub":
        return copy
    wrong = int(copy.size - np.count_nonzero(np.isfinite(copy)))
    if wrong:
        raise data_error("not_finite", f"{wrong} of {copy.size} voxels are NaN or infinite")
    return copy


def body_z_score(voxels: Image, body: Mask, *, scale: float) -> Image:
    """Voxels as standard deviations from the body's mean, times ``scale``.

    Statistics are taken in float64, so that they do not depend on the order of summation.

    Raises:
        DataError: ``flat_image``: all voxels of the body are equal.
    """
    inside = voxels[body].astype(np.float64)
    mean = inside.mean()
    inside -= mean  # in place: what numpy's own deviation takes anew for each step
    deviation = np.sqrt(np.square(inside, out=inside).mean())
    if not deviation > 1e-6 * abs(mean):
        raise data_error("flat_image", f"{inside.size} voxels of the body all equal {mean:g}")
    scores = np.empty(voxels.shape, voxels.dtype)
    z_scores(np.ascontiguousarray(voxels), mean, deviation, float(scale), scores)
    return scores


def body_range(
    voxels: Image, body: Mask, *, scale: float, percentiles: tuple[float, float]
) -> Image:
    """Voxels so that two percentiles of the body become 0 and ``scale``; nothing is cut off.

    Raises:
        DataError: ``flat_image``: both percentiles are equal.
    """
    low, high = np.percentile(voxels[body].astype(np.float64), percentiles)
    if not high > low:
        raise data_error("flat_image", f"percentiles {percentiles} of the body both are {low:g}")
    scaled: Image = ((voxels - low) / (high - low) * scale).astype(voxels.dtype)
    return scaled


def to_itk(voxels: NDArray[Any], geometry: Geometry) -> Any:
    """A SimpleITK image of an array ``(z, y, x)`` at its place in patient space."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


def resample_mask(mask: Mask, geometry: Geometry, grid: Geometry) -> Mask:
    """A mask on another grid, by the nearest voxel; outside the field of view there is none.

    Where two voxels are equally near, as wherever two become one, the later along each axis of the
    new grid is taken.
    """
    later = grid.direction @ (TIE * np.asarray(grid.spacing))
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.shape[::-1])
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin((np.asarray(grid.origin) + later).tolist())
    resampler.SetOutputDirection(grid.direction.ravel().tolist())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    sampled = resampler.Execute(to_itk(mask.astype(np.uint8), geometry))
    found: Mask = sitk.GetArrayFromImage(sampled).astype(bool)
    return found


def _to_square_pixels(case: Prepared, spacing: float) -> Prepared:
    old, voxels = case.volume.geometry, case.volume.voxels
    grid = in_plane_grid(old, spacing=spacing)
    if grid.shape == old.shape and np.allclose(grid.affine, old.affine, rtol=0, atol=1e-9):
        return case
    image = resample_slices(voxels, old, grid)
    return replace(case, volume=Volume(image, grid), body=resample_mask(case.body, old, grid))


def _count(masks: Mapping[str, Mask]) -> dict[str, int]:
    return {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
