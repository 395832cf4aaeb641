"""Steps that PyRadiomics leaves to SimpleITK, done by the same library calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.features.preprocess import to_itk
from radlas.features.resample import Axis
from radlas.geometry import Geometry

sitk: Any = SimpleITK  # it ships no usable types


def normalise_whole(voxels: NDArray[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    """Upstream's z-score over all voxels, air included, times ``normalizeScale``.

    Args:
        voxels: Shape ``(z, y, x)``.
        options: ``normalizeScale`` and ``removeOutliers`` [standard deviations] are used.
    """
    image = sitk.Normalize(sitk.GetImageFromArray(np.ascontiguousarray(voxels)))
    outliers = options.get("removeOutliers")
    if outliers is not None:
        scores = sitk.GetArrayFromImage(image)
        image = sitk.GetImageFromArray(np.clip(scores, -outliers, outliers))
    scaled: NDArray[Any] = sitk.GetArrayFromImage(image * options.get("normalizeScale", 1))
    return scaled


def nearest_by_itk(
    mask: NDArray[np.bool_], geometry: Geometry, axes: tuple[Axis, Axis, Axis]
) -> NDArray[np.bool_]:
    """A mask on a new grid by ITK, which alone rounds as ITK does between two voxels.

    Args:
        mask: Shape ``(z, y, x)``.
        geometry: Its grid.
        axes: The new one.
    """
    sampled = _sampled(mask.astype(np.uint8), geometry, axes, sitk.sitkNearestNeighbor)
    return sampled.astype(bool)


def spline_by_itk(
    voxels: NDArray[Any], geometry: Geometry, axes: tuple[Axis, Axis, Axis]
) -> NDArray[Any]:
    """An image of integers on a new grid by ITK's cubic B-spline.

    ITK cuts what it finds to whole numbers. On old samples, and where neighbours are equal, the
    last bit of a place in patient space decides between one and the one below, and only ITK
    computes that bit.

    Args:
        voxels: Shape ``(z, y, x)``, integers.
        geometry: Their grid.
        axes: The new one.
    """
    return _sampled(voxels, geometry, axes, sitk.sitkBSpline)


def _sampled(
    voxels: NDArray[Any], geometry: Geometry, axes: tuple[Axis, Axis, Axis], interpolator: Any
) -> NDArray[Any]:
    image = to_itk(voxels, geometry)
    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputSpacing([axis.spacing for axis in axes[::-1]])
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetSize([len(axis.places) for axis in axes[::-1]])
    start = [float(axis.places[0]) for axis in axes[::-1]]
    resampler.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(start))
    resampler.SetInterpolator(interpolator)
    sampled: NDArray[Any] = sitk.GetArrayFromImage(resampler.Execute(image))
    return sampled
