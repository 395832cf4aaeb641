"""The ROIs of one case: those drawn, and the rings made around the tumour. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from radlas.features.preprocess import Prepared
from radlas.model import TUMOUR, Row
from radlas.reasons import data_error
from radlas.roi.facts import mask_facts
from radlas.roi.ring import Ring, ring_name, rings
from radlas.tables import RING_COLUMNS

Mask = NDArray[np.bool_]


def make_rings(
    case: Prepared,
    widths: Sequence[tuple[float, float]],
    *,
    exclude: Sequence[str] = (),
    keep_between: tuple[float, float] | None = None,
) -> dict[str, Ring]:
    """Rings around the tumour of one case, by name.

    Args:
        case: The case, on the grid on which the rings are wanted.
        widths: Inner and outer distance of each ring [mm].
        exclude: Names of ROIs to leave out of the rings; one the case lacks is none to leave out.
        keep_between: Lowest and highest intensity of a ring's voxels [unit of the image].

    Raises:
        DataError: ``no_tumour`` or ``empty_mask``.
    """
    if TUMOUR not in case.masks:
        drawn = ", ".join(case.masks) or "none"
        raise data_error("no_tumour", f"rings need a tumour; ROIs of this case: {drawn}")
    made = rings(
        case.masks[TUMOUR],
        case.volume.geometry.spacing_zyx,
        widths=widths,
        body=case.body,
        exclude=[case.masks[name] for name in exclude if name in case.masks],
        intensities=case.volume.voxels if keep_between else None,
        keep_between=keep_between,
    )
    return {ring_name(*width): one for width, one in zip(widths, made, strict=True)}


def roi_rows(
    case: Prepared, masks: Mapping[str, Mask], made: Mapping[str, Ring]
) -> tuple[Row, ...]:
    """Facts of the ROIs as they were described: columns of ``rois`` that do not name the case.

    Args:
        case: The case on the grid on which it was described.
        masks: The ROIs, drawn and generated.
        made: Those that were generated.
    """
    x, y, z = case.volume.geometry.spacing
    return tuple(
        {
            "roi": name,
            "reader": "",
            "origin": "generated" if name in made else "prepared",
            **mask_facts(mask, case.volume.geometry),
            "voxels_before": case.voxels_before.get(name),
            "spacing_x_mm": x,
            "spacing_y_mm": y,
            "spacing_z_mm": z,
            "misalignment_mm": 0.0,
            "misalignment_voxels": 0.0,
            "mask_values": "",
            **_ring_facts(made.get(name)),
            "flags": "",
        }
        for name, mask in masks.items()
    )


def _ring_facts(ring: Ring | None) -> Row:
    if ring is None:
        return dict.fromkeys(RING_COLUMNS)
    return {
        "requested_width_mm": ring.requested_width,
        "achieved_width_mm": ring.achieved_width,
        "kept_fraction": ring.kept_fraction,
        "in_plane_only": ring.in_plane_only,
        "ring_volume_mm3": ring.volume_mm3,
        "dropped_voxels": ring.dropped_voxels,
    }
