"""The stationary wavelet transform as PyWavelets computes it, for a part of the image."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pywt
from numpy.typing import NDArray

from radlas.features.filters.box import Box
from radlas.features.kernels.taps import split_last, split_middle

Taps = NDArray[Any]
AXES = "zyx"


@lru_cache(maxsize=16)
def filter_taps(wavelet: str, dtype: str) -> tuple[Taps, Taps]:
    """Low- and high-pass taps as PyWavelets holds them in a precision.

    Its single-precision taps are not its double ones rounded; an impulse shows them.

    Examples:
        >>> filter_taps("haar", "float64")[0].round(4)
        array([0.7071, 0.7071])
    """
    length = pywt.Wavelet(wavelet).dec_len
    impulse = np.zeros(4 * length, dtype=dtype)
    impulse[2 * length] = 1
    low, high = pywt.swt(impulse, wavelet, level=1)[0]
    start = 2 * length - length // 2
    return low[start : start + length].copy(), high[start : start + length].copy()


def wavelet_bands(
    voxels: NDArray[Any], *, wavelet: str, box: Box, axes: str = "xyz"
) -> dict[str, NDArray[Any]]:
    """The bands of one level of the undecimated transform, periodic at the image's ends.

    Args:
        voxels: The whole image, shape ``(z, y, x)``; single precision stays so, all else is double.
        wavelet: A name of PyWavelets.
        box: The part that is wanted.
        axes: Those that are filtered, in this order.

    Returns:
        By name, one letter an axis in the order of ``axes``, ``L`` for low and ``H`` for high;
        each of the shape of ``box``, equal to ``pywt.swtn`` bit by bit.
    """
    dtype = "float32" if voxels.dtype == np.float32 else "float64"
    low, high = filter_taps(wavelet, dtype)
    along = {axis: _Reach.of(voxels.shape[at], box[at], low.size) for at, axis in enumerate(AXES)}
    places = [
        along[axis].sources if axis in axes else np.arange(side.start, side.stop)
        for axis, side in zip(AXES, box, strict=True)
    ]
    bands = {"": np.ascontiguousarray(voxels[np.ix_(*places)], dtype=dtype)}
    for axis in axes:
        at = AXES.index(axis)
        bands = {
            name + letter: part
            for name, image in bands.items()
            for letter, part in zip(
                "LH", _split(image, at, low, high, along[axis].turned), strict=True
            )
        }
    return bands


class _Reach:
    """Which samples a box needs along one axis, and where the sums run the other way.

    Upstream pads an odd axis by one sample from its beginning; PyWavelets then goes on
    periodically, and at the end sums the taps that lie beyond it in descending order.
    """

    def __init__(self, sources: NDArray[np.int64], turned: NDArray[np.int64]) -> None:
        self.sources = sources
        self.turned = turned

    @classmethod
    def of(cls, size: int, side: slice, taps: int) -> _Reach:
        padded = size + size % 2
        half = taps // 2
        indices = np.arange(side.start + half - taps + 1, side.stop + half) % padded
        ends = np.arange(side.start, side.stop) + half
        return cls(
            np.where(indices >= size, indices - size, indices), np.clip(ends - padded + 1, 0, taps)
        )


def _split(
    image: NDArray[Any], axis: int, low: Taps, high: Taps, turned: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    z, y, x = (size - (low.size - 1 if at == axis else 0) for at, size in enumerate(image.shape))
    lows, highs = np.empty((z, y, x), image.dtype), np.empty((z, y, x), image.dtype)
    if axis == 2:
        lines = (part.reshape(z * y, -1) for part in (image, lows, highs))
        source, first, second = lines
        split_last(source, low, high, turned, first, second)
    elif axis == 1:
        split_middle(image, low, high, turned, lows, highs)
    else:
        planes = (part.reshape(1, len(part), -1) for part in (image, lows, highs))
        whole, one, other = planes
        split_middle(whole, low, high, turned, one, other)
    return lows, highs
