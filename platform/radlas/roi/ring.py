"""Rings around the tumour: so many millimetres in space, clipped to the body. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.errors import ConfigError
from radlas.reasons import data_error
from radlas.roi.facts import Box, bounding_box

Mask = NDArray[np.bool_]
SLACK_MM = 1e-6  # voxels exactly on an edge must not depend on rounding


@dataclass(frozen=True, eq=False)
class Ring:
    """One ring, and how much of what was asked for it is.

    Attributes:
        mask: Shape ``(z, y, x)``.
        requested_width: Outer minus inner distance [mm].
        achieved_width: Largest distance to the tumour that a voxel of the ring has [mm];
            0 if the ring is empty.
        kept_fraction: Voxels left after clipping to the body, as a share of those in the image
            [1]; 0 if there were none.
        in_plane_only: True if the slice spacing exceeds the outer distance, so that the ring
            cannot reach the slices above and below the tumour.
    """

    mask: Mask
    requested_width: float
    achieved_width: float
    kept_fraction: float
    in_plane_only: bool


def ring_name(inner_mm: float, outer_mm: float) -> str:
    """The ROI name of a ring.

    Examples:
        >>> ring_name(0, 10), ring_name(2.5, 5.0)
        ('ring_0_10', 'ring_2p5_5')
    """
    return f"ring_{inner_mm:g}_{outer_mm:g}".replace(".", "p")


def ring(
    tumour: Mask,
    spacing_zyx: tuple[float, float, float],
    *,
    inner_mm: float,
    outer_mm: float,
    body: Mask,
    exclude: Sequence[Mask] = (),
) -> Ring:
    """The voxels outside the tumour whose distance to it is in ``(inner, outer]``.

    The distance is the exact Euclidean one between voxel centres: to the nearest voxel of the
    tumour, in millimetres, also across slices.

    Args:
        tumour: Shape ``(z, y, x)``.
        spacing_zyx: Voxel edge lengths in array order [mm].
        inner_mm: Distance at which the ring begins [mm]; 0 begins at the tumour.
        outer_mm: Distance at which it ends [mm], above ``inner_mm``.
        body: Where there is tissue, shape ``(z, y, x)``; the ring is clipped to it.
        exclude: Further masks to leave out, as the drawn edema.

    Raises:
        ConfigError: The distances do not make a ring.
        DataError: ``empty_mask``: there is no tumour to put a ring around.
    """
    if not 0 <= inner_mm < outer_mm:
        raise ConfigError(f"no ring from {inner_mm} to {outer_mm} mm", hint="let inner < outer")
    box = _reach(tumour, spacing_zyx, outer_mm)
    distance = ndimage.distance_transform_edt(~tumour[box], sampling=spacing_zyx)
    wanted = (distance > inner_mm + SLACK_MM) & (distance <= outer_mm + SLACK_MM)
    for other in exclude:
        wanted &= ~other[box]
    kept = wanted & body[box]
    mask = np.zeros(tumour.shape, dtype=bool)
    mask[box] = kept
    return Ring(
        mask,
        requested_width=float(outer_mm - inner_mm),
        achieved_width=float(distance[kept].max(initial=0.0)),
        kept_fraction=float(kept.sum() / max(1, wanted.sum())),
        in_plane_only=bool(spacing_zyx[0] > outer_mm),
    )


def _reach(tumour: Mask, spacing_zyx: tuple[float, float, float], outer_mm: float) -> Box:
    """Everything within ``outer_mm`` of the tumour: the transform need not see more."""
    box = bounding_box(tumour)
    if box is None:
        raise data_error("empty_mask", "the tumour holds no voxel, so it has no ring")
    margins = [int(np.ceil(outer_mm / edge)) + 1 for edge in spacing_zyx]
    z, y, x = (
        slice(max(0, side.start - margin), side.stop + margin)  # slicing clips the far end
        for side, margin in zip(box, margins, strict=True)
    )
    return z, y, x
