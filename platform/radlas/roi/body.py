"""Where the patient is: everything that is not the air around. Pure.

Intensities are normalised inside this mask, because their mean over the whole field of view
depends on how much air the technician left around the limb.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
sitk: Any = SimpleITK  # it ships no usable types

AIR_CONTRAST = 0.45  # air's median is at most this share of the rest's, or it is no air
AIR_SHARE = 0.02  # less air than this is no air around a body
SMOOTHING_MM = 1.5  # standard deviation: evens out noise, but keeps the skin in place
CLOSING_MM = 3.0  # bridges skin folds and cortical bone at the surface
PIECE_SHARE = 0.1  # the other leg belongs to the body, a coil marker does not


def body_mask(voxels: NDArray[np.float32], spacing: tuple[float, float, float]) -> Mask:
    """The body in an MR image of a limb or trunk.

    Otsu's thresholds part the logarithmic, smoothed intensities into three classes; the darkest
    is air. (With two, a bright tumour on fat-suppressed T2 takes the muscle for air.) The pieces
    of tissue that are at least a tenth of the largest are closed and their holes filled, slice by
    slice. An image without dark voxels around, as one cropped to the tumour, is all body.

    Args:
        voxels: Shape ``(z, y, x)``, arbitrary MR units.
        spacing: Voxel edge lengths along ``(x, y, z)`` [mm].

    Returns:
        Shape ``(z, y, x)``; never empty.
    """
    tissue = _tissue(voxels, spacing)
    if tissue is None:
        return np.ones(voxels.shape, dtype=bool)
    closed = _close_in_plane(_large_pieces(tissue), spacing)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in closed])


def _tissue(voxels: NDArray[np.float32], spacing: tuple[float, float, float]) -> Mask | None:
    """Voxels brighter than air, or ``None`` if there is no air around a body."""
    raised = voxels - voxels.min()
    smooth = _smooth_in_plane(raised, spacing)
    reach = np.percentile(smooth, 99)  # vessels and coil flare must not stretch the histogram
    if reach <= 0:
        return None
    # The offset keeps single quanta of noise from filling half of the logarithmic scale.
    levels = np.log(np.minimum(smooth, reach) / reach + 0.01).astype(np.float32)
    lowest = _lowest_threshold(levels)
    air = levels <= lowest
    if not _is_air(air, smooth):
        return None
    # As bright above the threshold as air is dark below it: half-way then is on the skin itself.
    threshold = (np.exp(lowest) - 0.01) * reach
    enough = 2 * threshold - np.median(smooth[air])
    tissue: Mask = _smooth_in_plane(np.minimum(raised, enough), spacing) > threshold
    return tissue


def _is_air(dark: Mask, smooth: NDArray[np.float32]) -> bool:
    share = dark.mean()
    if not AIR_SHARE < share < 1:
        return False
    edges = (dark[:, 0], dark[:, -1], dark[:, :, 0], dark[:, :, -1])
    frame = np.concatenate([edge.ravel() for edge in edges]).mean()
    contrast = np.median(smooth[dark]) / np.median(smooth[~dark])
    return bool(contrast < AIR_CONTRAST and frame > share)  # air lies around, not within


def _lowest_threshold(levels: NDArray[np.float32]) -> float:
    image = sitk.GetImageFromArray(levels)
    threshold = sitk.OtsuMultipleThresholdsImageFilter()
    threshold.SetNumberOfThresholds(2)
    threshold.SetNumberOfHistogramBins(128)
    threshold.Execute(image)
    return float(threshold.GetThresholds()[0])


def _smooth_in_plane(
    voxels: NDArray[np.float32], spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    sigma = [0.0, SMOOTHING_MM / spacing[1], SMOOTHING_MM / spacing[0]]
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(voxels, sigma)
    return smooth


def _large_pieces(tissue: Mask) -> Mask:
    labels, count = ndimage.label(tissue)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    kept: Mask = (sizes >= PIECE_SHARE * sizes.max())[labels] & tissue
    return kept


def _close_in_plane(mask: Mask, spacing: tuple[float, float, float]) -> Mask:
    radius = [max(1, round(CLOSING_MM / edge)) for edge in spacing[:2]]
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    closed = sitk.BinaryMorphologicalClosing(image, [*radius, 0], sitk.sitkBall)
    array: Mask = sitk.GetArrayFromImage(closed).astype(bool)
    return array
