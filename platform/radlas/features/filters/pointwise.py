"""Filters that change each voxel by itself, scaled by the image's largest magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.features.filters.box import Box

Image = NDArray[np.float64]


def _part(voxels: NDArray[Any], box: Box) -> tuple[Image, float]:
    low, high = float(voxels.min()), float(voxels.max())
    return voxels[box].astype(np.float64), max(abs(low), abs(high))


def square(voxels: NDArray[Any], *, box: Box) -> Image:
    """``(c x)^2`` with ``c = 1 / sqrt(max |x|)``, so that the range stays.

    Args:
        voxels: The whole image, shape ``(z, y, x)``; its maximum sets the scale.
        box: The part that is wanted.
    """
    part, largest = _part(voxels, box)
    return (1 / np.sqrt(largest) * part) ** 2 if largest else part


def square_root(voxels: NDArray[Any], *, box: Box) -> Image:
    """``sqrt(c |x|)`` with the sign of ``x`` and ``c = max |x|``; arguments as of ``square``."""
    part, largest = _part(voxels, box)
    return np.copysign(np.sqrt(np.abs(part) * largest), part)


def logarithm(voxels: NDArray[Any], *, box: Box) -> Image:
    """``c log(|x| + 1)`` with the sign of ``x``, ``c`` keeping the range; as of ``square``."""
    part, largest = _part(voxels, box)
    if not largest:
        return part
    scale = largest / np.log(largest + 1)
    scaled: Image = np.copysign(np.log(np.abs(part) + 1), part) * scale
    return scaled


def exponential(voxels: NDArray[Any], *, box: Box) -> Image:
    """``exp(c x)`` with ``c = log(max |x|) / max |x|``; arguments as of ``square``."""
    part, largest = _part(voxels, box)
    return np.exp(np.log(largest) / largest * part) if largest else np.ones_like(part)
