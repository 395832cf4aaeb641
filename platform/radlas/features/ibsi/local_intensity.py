"""The brightest cubic centimetre: local and global intensity peak of the IBSI manual. Pure."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from radlas.features.ibsi.spatial import Spacing
from radlas.features.ibsi.statistics import Features, Values, as_numbers
from radlas.reasons import data_error
from radlas.roi.facts import Box, bounding_box

RADIUS_MM = 10 * (3 / (4 * math.pi)) ** (1 / 3)  # of a ball of one cubic centimetre


def local_intensity(
    mask: NDArray[np.bool_], image: NDArray[np.floating], *, spacing_zyx: Spacing
) -> Features:
    """Mean intensity in a ball of 1 cm3, around the brightest voxel and at its highest.

    A ball is centred on a voxel of the ROI and holds the voxels whose centres lie at most
    6.2 mm from its own; also those outside the ROI, but none beyond the image.

    Args:
        mask: The ROI, shape ``(z, y, x)``.
        image: The whole image, not the ROI alone, same shape.
        spacing_zyx: Voxel edge lengths [mm].

    Returns:
        ``localintensity_LocalPeak``: around the brightest voxel of the ROI, of several the
        highest; ``localintensity_GlobalPeak``: the highest of all voxels of the ROI.

    Raises:
        DataError: ``empty_mask``; ``not_finite`` if a voxel of the image within reach is not.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Local intensity features".
    """
    box = bounding_box(mask)
    if box is None:
        raise data_error("empty_mask", "the ROI holds no voxel, so it has no peak")
    reach = [math.floor(RADIUS_MM / edge) for edge in spacing_zyx]
    near, there = _surroundings(image, box, reach)
    means = _ball_sums(near, reach, spacing_zyx) / _ball_sums(there, reach, spacing_zyx)
    inside, values = mask[box], as_numbers(image[box])
    brightest = inside & (values == values[inside].max())
    return {
        "localintensity_LocalPeak": float(means[brightest].max()),
        "localintensity_GlobalPeak": float(means[inside].max()),
    }


def _surroundings(image: NDArray[np.floating], box: Box, reach: list[int]) -> tuple[Values, Values]:
    """The image around a box as far as balls reach, and where there is image at all."""
    spans = list(zip(box, reach, image.shape, strict=True))
    wide = tuple(slice(max(0, one.start - far), one.stop + far) for one, far, _ in spans)
    lacking = [(max(0, far - one.start), max(0, one.stop + far - size)) for one, far, size in spans]
    values = as_numbers(image[wide])
    return np.pad(values, lacking), np.pad(np.ones_like(values), lacking)


def _ball_sums(near: Values, reach: list[int], spacing_zyx: Spacing) -> Values:
    """Sum over the ball around each voxel of the box; a row of the ball is one difference."""
    before = np.pad(near.cumsum(axis=2), ((0, 0), (0, 0), (1, 0)))
    depth, height, width = (size - 2 * far for size, far in zip(near.shape, reach, strict=True))
    sums = np.zeros((depth, height, width))
    for z, y in itertools.product(range(2 * reach[0] + 1), range(2 * reach[1] + 1)):
        half = _half_row(z - reach[0], y - reach[1], spacing_zyx)
        if half is None:
            continue
        rows = before[z : z + depth, y : y + height]
        start, stop = reach[2] - half, reach[2] + half + 1
        sums += rows[:, :, stop : stop + width] - rows[:, :, start : start + width]
    return sums


def _half_row(z: int, y: int, spacing_zyx: Spacing) -> int | None:
    """How many voxels the ball reaches to either side in one row; ``None`` if it misses it."""
    left = RADIUS_MM**2 - (z * spacing_zyx[0]) ** 2 - (y * spacing_zyx[1]) ** 2
    return None if left < 0 else math.floor(math.sqrt(left) / spacing_zyx[2])
