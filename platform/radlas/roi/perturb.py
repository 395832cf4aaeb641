"""Masks as another position, another reader or another hand would have had them. Pure.

The perturbations are those of Zwanenburg et al. 2019, Sci Rep 9:614; differences stand at each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.errors import ConfigError
from radlas.reasons import data_error
from radlas.roi.facts import Box, bounding_box

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Spacing = tuple[float, float, float]

SLACK_MM = 1e-6  # voxels exactly on an edge must not depend on rounding
TIE = 1e-6  # [voxel]: a shift by half a voxel takes one slice of two, not both or neither


@dataclass(frozen=True)
class Motion:
    """A rotation in the plane of the slices, then a shift.

    Attributes:
        degrees: Angle from the x axis towards the y axis of the array [degrees].
        shift_zyx: Where the rotated content goes, along ``(z, y, x)`` [voxels].
        centre_yx: What the rotation leaves in place, along ``(y, x)`` [voxel index].
    """

    degrees: float
    shift_zyx: tuple[float, float, float]
    centre_yx: tuple[float, float]

    def forward(self, spacing_zyx: Spacing) -> tuple[Floats, Floats]:
        """Matrix ``(3, 3)`` and offset ``(3,)`` that map ``(z, y, x)`` indices to the new ones."""
        matrix = _turn(self.degrees, spacing_zyx)
        centre = np.array([0.0, *self.centre_yx])
        return matrix, centre + self.shift_zyx - matrix @ centre

    def backward(self, spacing_zyx: Spacing) -> tuple[Floats, Floats]:
        """Matrix and offset that say where the content of an index comes from."""
        matrix = _turn(-self.degrees, spacing_zyx)
        centre = np.array([0.0, *self.centre_yx])
        return matrix, centre - matrix @ (centre + self.shift_zyx)


def centre_of(mask: Mask) -> tuple[float, float]:
    """Centre of mass in the plane of the slices, ``(y, x)`` [voxel index].

    Raises:
        DataError: ``empty_mask``.
    """
    box = _box(mask)
    y, x = np.nonzero(mask[box])[1:]
    return float(y.mean()) + box[1].start, float(x.mean()) + box[2].start


def move_mask(mask: Mask, motion: Motion, spacing_zyx: Spacing) -> Mask:
    """The mask after a motion, on the same grid.

    The 0/1 mask is interpolated linearly along all axes and kept from 0.5, which keeps its volume;
    a shift by half a voxel moves it to the lower index. Across thick slices such a mask is up to
    half a slice off the image, which can be anywhere between two.

    Args:
        mask: Shape ``(z, y, x)``.
        motion: Where it goes.
        spacing_zyx: Voxel edge lengths [mm].

    Raises:
        DataError: ``empty_mask``; ``mask_outside``: a part of it leaves the image;
            ``roi_too_small``: nothing is left, as of a single voxel between four.
    """
    box = _box(mask)
    target = _landing(mask, motion, spacing_zyx)
    matrix, offset = motion.backward(spacing_zyx)
    start = np.array([side.start for side in target])
    share = ndimage.affine_transform(
        mask[box].astype(np.float32),
        matrix,
        matrix @ start + offset + TIE - [side.start for side in box],
        output_shape=tuple(side.stop - side.start for side in target),
        order=1,
        mode="grid-constant",
    )
    moved = np.zeros_like(mask)
    moved[target] = share >= 0.5
    if not moved.any():
        what = f"of {np.count_nonzero(mask)} voxels none is left between the voxels of the grid"
        raise data_error("roi_too_small", what)
    return moved


def resize(mask: Mask, spacing_zyx: Spacing, *, mm: float) -> Mask:
    """The mask with its surface moved outwards, or inwards if ``mm`` is negative.

    A voxel outside belongs to the grown mask if its centre lies within ``mm`` of the surface, which
    is half a pixel from the outermost centres. So it is within ``mm`` plus half a pixel of the
    centre of a voxel of the mask, by exact Euclidean distance, also across slices. That is exact
    for faces along the axes; balls come out 0.15 pixels large on average. Shrinking is growing
    what is not the mask. The image's border is no surface: a tumour that the field of view
    cuts off goes on behind it, and a mask that fills the image stays as it is.

    Args:
        mask: Shape ``(z, y, x)``.
        spacing_zyx: Voxel edge lengths [mm].
        mm: How far the surface moves [mm].

    Raises:
        ConfigError: ``mm`` is below half a pixel, so that nothing would move.
        DataError: ``empty_mask``; ``roi_too_small``: shrinking leaves no voxel.

    Source:
        Zwanenburg et al. 2019 grow and shrink to a share of the volume. Millimetres are what
        readers differ by, whatever the size of the tumour.
    """
    half = min(spacing_zyx[1:]) / 2
    if 0 < abs(mm) < half - SLACK_MM:
        what = f"moving the surface by {mm:g} mm changes no mask on pixels of {2 * half:g} mm"
        raise ConfigError(what, hint="ask for half a pixel at least, or for none")
    reach = abs(mm) + half + SLACK_MM
    box = around(mask, spacing_zyx, margin_mm=reach)
    resized = mask.copy()
    if mm > 0:
        resized[box] |= depth(~mask[box], spacing_zyx) <= reach
        return resized
    inside = depth(mask[box], spacing_zyx)
    resized[box] = inside > reach
    if not resized.any():
        what = f"{np.count_nonzero(mask)} voxels, {inside.max() - half:.3g} mm deep at most"
        raise data_error("roi_too_small", f"{what}: shrunk by {-mm:g} mm, nothing is left")
    return resized


def around(mask: Mask, spacing_zyx: Spacing, *, margin_mm: float) -> Box:
    """Everything within ``margin_mm`` of the mask, and a voxel more.

    Raises:
        DataError: ``empty_mask``.
    """
    margins = [int(np.ceil(margin_mm / edge)) + 1 for edge in spacing_zyx]
    z, y, x = (
        slice(max(0, side.start - margin), side.stop + margin)  # slicing clips the far end
        for side, margin in zip(_box(mask), margins, strict=True)
    )
    return z, y, x


def depth(mask: Mask, spacing_zyx: Spacing) -> Floats:
    """From every voxel of a mask to the nearest that is not [mm]; infinite if all are in it."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    distance: Floats = ndimage.distance_transform_edt(mask, sampling=spacing_zyx)
    return distance


def _turn(degrees: float, spacing_zyx: Spacing) -> Floats:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    edges = np.asarray(spacing_zyx, dtype=np.float64)
    matrix: Floats = turn * edges / edges[:, None]  # a turn in millimetres, not in voxels
    return matrix


def _box(mask: Mask) -> Box:
    box = bounding_box(mask)
    if box is None:
        raise data_error("empty_mask", "the mask holds no voxel to perturb")
    return box


def _landing(mask: Mask, motion: Motion, spacing_zyx: Spacing) -> Box:
    """The box in which the moved mask lies; refused if a voxel's centre leaves the image."""
    matrix, offset = motion.forward(spacing_zyx)
    landed = np.argwhere(mask) @ matrix.T + offset
    lost = np.any((landed <= -0.5) | (landed > np.array(mask.shape) - 0.5), axis=1).sum()
    if lost:
        what = f"{lost} of {len(landed)} voxels of the ROI leave the image"
        raise data_error("mask_outside", what, hint="rotate or shift by less")
    reach = np.abs(matrix).sum(axis=1) / 2  # of a voxel from its centre: an oblong one, turned
    low, high = np.floor(landed.min(axis=0) - reach), np.ceil(landed.max(axis=0) + reach)
    z, y, x = (
        slice(max(0, int(a)), min(int(b) + 1, size))
        for a, b, size in zip(low, high, mask.shape, strict=True)
    )
    return z, y, x
