"""Boxes: the part of an image that is asked for."""

from __future__ import annotations

Box = tuple[slice, slice, slice]


def shape_of(box: Box) -> tuple[int, int, int]:
    """Voxels along each axis."""
    z, y, x = (side.stop - side.start for side in box)
    return z, y, x
