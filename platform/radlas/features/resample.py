"""Resampling in space around one ROI, on the grid and with the values of PyRadiomics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.features.filters.box import Box
from radlas.features.kernels.spline import evaluate, prefilter

Mask = NDArray[np.bool_]
MARGIN = 32  # voxels; a spline's memory is a quarter per voxel
TIE = 1e-6  # voxel; nearer to the middle of two voxels, rounding would decide


class Axis(NamedTuple):
    """New samples along one axis.

    Attributes:
        places: Where they lie, as continuous indices of the old samples.
        spacing: Their distance [mm].
    """

    places: NDArray[np.float64]
    spacing: float


def grid_around(
    box: Box, shape: Sequence[int], old: Sequence[float], new: Sequence[float], *, pad: int
) -> tuple[Axis, Axis, Axis]:
    """The part of the new grid that upstream makes for an ROI.

    The grid begins at the image's corner, whatever the ROI, and reaches ``pad`` new voxels beyond
    the ROI's box. An axis along which the ROI has one voxel keeps its spacing; so does one whose
    wanted spacing is 0.

    Args:
        box: The ROI's box.
        shape: Of the image.
        old: Its spacing [mm], in the order of the axes.
        new: The wanted one.
        pad: New voxels around the box.
    """
    z, y, x = (
        _axis(side, size, edge, wanted if wanted and side.stop - side.start > 1 else edge, pad)
        for side, size, edge, wanted in zip(box, shape, old, new, strict=True)
    )
    return z, y, x


def _axis(side: slice, size: int, old: float, new: float, pad: int) -> Axis:
    ratio = old / new
    first = max(np.floor((side.start - 0.5) * ratio - pad), 0.0)
    last = min(np.ceil((side.stop - 0.5) * ratio + pad), np.ceil(size * ratio) - 1)
    start = 0.5 * (new - old) / old + first / ratio
    return Axis(start + np.arange(int(last - first + 1)) / ratio, new)


def itk_reads_beyond(shape: Sequence[int]) -> bool:
    """Whether ITK's spline may read memory that is not the image's.

    Beyond the second of two voxels it does. Also along an axis that keeps its samples: a place in
    patient space leaves the last digits of an index to rounding.

    Args:
        shape: Of the image.
    """
    return 2 in shape


def resample_voxels(
    voxels: NDArray[Any], axes: tuple[Axis, Axis, Axis], inside: Mask | None = None
) -> NDArray[Any]:
    """Cubic B-spline through an image, in its own pixel type.

    Args:
        voxels: The whole image, shape ``(z, y, x)``, floats; for integers see ``spline_by_itk``.
        axes: The new grid; where it leaves the image, the result is 0.
        inside: Where it does not, if rounding decides that.
    """
    spans = [_span(axis.places, size) for axis, size in zip(axes, voxels.shape, strict=True)]
    part = voxels[tuple(slice(*span) for span in spans)]
    coefficients = _coefficients(part)
    found = [
        taps(axis.places - span[0], size)
        for axis, span, size in zip(axes, spans, part.shape, strict=True)
    ]
    (tz, wz), (ty, wy), (tx, wx) = found
    out = np.empty([len(axis.places) for axis in axes], dtype=voxels.dtype)
    evaluate(coefficients, tz, wz, ty, wy, tx, wx, out)
    if inside is not None:
        return np.where(inside, out, 0).astype(voxels.dtype)
    for at, (axis, size) in enumerate(zip(axes, voxels.shape, strict=True)):
        outside = (axis.places < -0.5) | (axis.places >= size - 0.5)
        if outside.any():
            out[(slice(None),) * at + (outside,)] = 0
    return out


def resample_nearest(mask: Mask, axes: tuple[Axis, Axis, Axis]) -> Mask | None:
    """A mask on the new grid; ``None`` if a sample lies just between two voxels.

    Then it is rounding that decides, and only upstream's own library rounds as it does.
    """
    indices, kept = [], []
    for axis, size in zip(axes, mask.shape, strict=True):
        if (np.abs(axis.places - np.floor(axis.places) - 0.5) < TIE).any():
            return None
        nearest = np.floor(axis.places + 0.5).astype(np.int64)
        kept.append((nearest >= 0) & (nearest < size))
        indices.append(np.clip(nearest, 0, size - 1))
    sampled: Mask = mask[np.ix_(*indices)] & np.logical_and.outer(
        np.logical_and.outer(kept[0], kept[1]), kept[2]
    )
    return sampled


def _span(places: NDArray[np.float64], size: int) -> tuple[int, int]:
    low = int(np.floor(places[0])) - MARGIN
    high = int(np.ceil(places[-1])) + MARGIN + 1
    return max(low, 0), min(high, size)


def _coefficients(part: NDArray[Any]) -> NDArray[np.float64]:
    """ITK's order: along x, then y, then z."""
    coefficients = slice_coefficients(part)
    prefilter(coefficients.reshape(len(part), -1))
    return coefficients


def slice_coefficients(part: NDArray[Any]) -> NDArray[np.float64]:
    """Of splines through each slice by itself: along x, then y; shape ``(z, y, x)`` in and out."""
    z, y, x = part.shape
    turned = np.array(part.reshape(z * y, x).T, dtype=np.float64, order="C")
    prefilter(turned)
    coefficients = np.ascontiguousarray(turned.T).reshape(z, y, x)
    for plane in coefficients:
        prefilter(plane)
    return coefficients


def taps(places: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Four coefficients and their weights at each place; indices are mirrored at the ends.

    ITK looks for the first in single precision, on which the last bits depend.
    """
    first = np.floor(places.astype(np.float32)).astype(np.int64) - 1
    w = places - (first + 1)
    w3 = (1.0 / 6.0) * w * w * w
    w0 = (1.0 / 6.0) + 0.5 * w * (w - 1.0) - w3
    w2 = w + w0 - 2.0 * w3
    w1 = 1.0 - w0 - w2 - w3
    found = np.abs(first[:, None] + np.arange(4))
    found = np.where(found >= size, 2 * (size - 1) - found, found)
    return np.clip(found, 0, size - 1), np.stack([w0, w1, w2, w3], axis=1)
