"""Magnitude of the gradient, by ITK on the part of the image that it reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.features.filters.box import Box

sitk: Any = SimpleITK  # it ships no usable types


def gradient_magnitude(
    voxels: NDArray[Any], *, spacing_zyx: tuple[float, float, float], box: Box, per_mm: bool = True
) -> NDArray[Any]:
    """Length of the central differences [unit of the image per mm, or per voxel].

    Args:
        voxels: The whole image, shape ``(z, y, x)``.
        spacing_zyx: Voxel edges [mm].
        box: The part that is wanted.
        per_mm: False to count voxels instead of millimetres.
    """
    window = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels[window]))
    image.SetSpacing(spacing_zyx[::-1])
    found: NDArray[Any] = sitk.GetArrayFromImage(sitk.GradientMagnitude(image, per_mm))
    inner = tuple(
        slice(side.start - out.start, side.stop - out.start)
        for side, out in zip(box, window, strict=True)
    )
    return found[inner]
