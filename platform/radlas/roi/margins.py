"""What a reconstruction filled with one value: slices, margins, corners beyond a round field. Pure.

They are darker than air and nobody measured them. Where they count as air, the noise around the
body counts as body.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

LEAST_SHARE = 0.003  # of an image; less does not move a threshold
ALIKE = 0.9  # share of what is filled that must be so in all slices, and on both sides


def filled_margins(voxels: NDArray[np.floating], width: int) -> Mask | None:
    """Pixels that are filled, and those so near that smoothing mixes them.

    Filled pixels hold the image's lowest value, as all around them do. They are margins if they are
    the same in all slices, and leave a box, or are the same left and right, above and below, as
    around a round field of view. Air that was set to zero around a body is none of that.

    Args:
        voxels: Shape ``(z, y, x)``.
        width: How far smoothing reaches [pixel].

    Returns:
        Shape ``(y, x)``; None where there are no margins.
    """
    lowest = voxels == voxels.min()
    if np.count_nonzero(lowest) <= LEAST_SHARE * lowest.size:
        return None
    share = lowest.mean(axis=0)  # of the slices
    square = np.ones((3, 3), dtype=bool)
    filled, mostly = (ndimage.binary_opening(share >= least, square) for least in (1.0, 0.5))
    if not LEAST_SHARE < filled.mean() < 1 or filled.sum() < ALIKE * mostly.sum():
        return None
    if not (_leaves_a_box(filled) or _is_symmetric(filled)):
        return None
    near: Mask = ndimage.binary_dilation(filled, square, iterations=width)
    return None if near.all() else near


def measured_slices(voxels: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Slices of more than one value; all of them if there is none, as in an image of a test.

    Args:
        voxels: Shape ``(z, y, x)``.

    Returns:
        Shape ``(z,)``.
    """
    flat = voxels.reshape(len(voxels), -1)
    measured: NDArray[np.bool_] = flat.min(axis=1) < flat.max(axis=1)
    return measured if measured.any() else np.ones_like(measured)


def rim_of(pixels: Mask) -> Mask:
    """Those pixels, shape ``(y, x)``, that lie beside others, or at the image's edge."""
    rim: Mask = pixels & ~ndimage.binary_erosion(pixels)
    return rim


def _leaves_a_box(filled: Mask) -> bool:
    rows, columns = (np.flatnonzero(~filled.all(axis=axis)) for axis in (1, 0))
    box = filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bool(np.count_nonzero(box) <= (1 - ALIKE) * np.count_nonzero(filled))


def _is_symmetric(filled: Mask) -> bool:
    return all(
        np.count_nonzero(filled & turned) >= ALIKE * np.count_nonzero(filled | turned)
        for turned in (filled[::-1], filled[:, ::-1])
    )
