"""What a mask is in numbers: size, extent, pieces. Pure; the same facts for drawn and made ROIs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.digests import mask_digest
from radlas.geometry import Geometry
from radlas.model import Row

Box = tuple[slice, slice, slice]


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box around a mask, as slices ``(z, y, x)``; ``None`` if it is empty.

    Examples:
        >>> mask = np.zeros((3, 4, 5), dtype=bool)
        >>> mask[1, 2:4, 3] = True
        >>> bounding_box(mask)
        (slice(1, 2, None), slice(2, 4, None), slice(3, 4, None))
    """
    z = np.flatnonzero(mask.any(axis=(1, 2)))
    if z.size == 0:
        return None
    flat = np.logical_or.reduce(mask, axis=0)
    y, x = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    return _span(z), _span(y), _span(x)


def mask_facts(mask: NDArray[np.bool_], geometry: Geometry) -> Row:
    """Columns of the table ``rois`` that follow from a mask and its grid alone.

    Args:
        mask: Shape ``(z, y, x)``; may be empty.
        geometry: The grid the mask lies on.

    Returns:
        ``voxels``, ``volume_mm3``, ``slices``, ``components`` (face-connected),
        ``touches_border``, ``extent_x_mm``, ``extent_y_mm``, ``extent_z_mm``, ``mask_digest``.
    """
    box = bounding_box(mask)
    voxels = int(np.count_nonzero(mask))
    inside = mask[box] if box else mask[:0]
    z, y, x = (
        (size * edge for size, edge in zip(inside.shape, geometry.spacing_zyx, strict=True))
        if box
        else (0.0, 0.0, 0.0)
    )
    return {
        "voxels": voxels,
        "volume_mm3": voxels * geometry.voxel_volume,
        "slices": int(inside.any(axis=(1, 2)).sum()),
        "components": int(ndimage.label(inside)[1]) if box else 0,
        "touches_border": box is not None and _touches(box, mask.shape),
        "extent_x_mm": x,
        "extent_y_mm": y,
        "extent_z_mm": z,
        "mask_digest": mask_digest(mask),
    }


def _span(indices: NDArray[np.intp]) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _touches(box: Box, shape: tuple[int, ...]) -> bool:
    return any(side.start == 0 or side.stop == size for side, size in zip(box, shape, strict=True))
