"""The ROIs of one case: those drawn, and the rings made around the tumour. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from radlas.features.preprocess import Prepared
from radlas.model import TUMOUR, Row
from radlas.reasons import data_error
from radlas.roi.facts import mask_facts
from radlas.roi.ring import Ring, ring, ring_name

Mask = NDArray[np.bool_]


def make_rings(
    case: Prepared, widths: Sequence[tuple[float, float]], *, exclude: Sequence[str] = ()
) -> dict[str, Ring]:
    """Rings around the tumour of one case, by name.

    Args:
        case: The case, on the grid on which the rings are wanted.
        widths: Inner and outer distance of each ring [mm].
        exclude: Names of ROIs to leave out of the rings; one the case lacks is none to leave out.

    Raises:
        DataError: ``no_tumour`` or ``empty_mask``.
    """
    if TUMOUR not in case.masks:
        drawn = ", ".join(case.masks) or "none"
        raise data_error("no_tumour", f"rings need a tumour; ROIs of this case: {drawn}")
    others = [case.masks[name] for name in exclude if name in case.masks]
    return {
        ring_name(inner, outer): ring(
            case.masks[TUMOUR],
            case.volume.geometry.spacing_zyx,
            inner_mm=inner,
            outer_mm=outer,
            body=case.body,
            exclude=others,
        )
        for inner, outer in widths
    }


def ring_rows(case: Prepared, rings: Mapping[str, Ring]) -> tuple[Row, ...]:
    """Facts of generated rings: columns of the table ``rois`` that do not name the case."""
    return tuple(
        {
            "roi": name,
            "reader": "",
            "origin": "generated",
            **mask_facts(made.mask, case.volume.geometry),
            "misalignment_mm": 0.0,
            "misalignment_voxels": 0.0,
            "mask_values": "",
            "requested_width_mm": made.requested_width,
            "achieved_width_mm": made.achieved_width,
            "kept_fraction": made.kept_fraction,
            "in_plane_only": made.in_plane_only,
            "flags": "",
        }
        for name, made in rings.items()
    )
