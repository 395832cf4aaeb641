"""One slice of a map, as ``explain`` keeps it for the montage, and as pages read it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from radlas.flows.maps.regions import SHOWN_MM
from radlas.geometry import as_seen
from radlas.model import TUMOUR, Volume
from radlas.places.documents import damaged
from radlas.report.evidence.explanation import CamImage
from radlas.roi.ring import ring_name

_ARRAYS = ("image", "map", "tumour", "ring")


def as_slice(seen: Volume, cam_map: Any, masks: Mapping[str, Any], *, sided: bool) -> bytes:
    """The slice with the most tumour, as one npz file.

    Args:
        seen: What the network saw.
        cam_map: Shape ``(z, y, x)``, as the masks.
        masks: Region to mask.
        sided: Whether it is known how the patient lay; else the slice is not turned.
    """
    z = int(masks[TUMOUR].sum(axis=(1, 2)).argmax())
    arrays: tuple[Any, ...] = (
        seen.voxels[z],
        cam_map[z],
        masks[TUMOUR][z],
        masks[ring_name(*SHOWN_MM)][z],
    )
    sides: tuple[str, ...] = ()
    across, down = seen.geometry.spacing[:2]
    if sided:
        sides, (across, down), arrays = as_seen(seen.geometry, *arrays)
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        **dict(zip(_ARRAYS, arrays, strict=True)),
        spacing_mm=np.array((down, across)),
        scale_max=np.array(cam_map.max()),
        sides=np.array(sides, dtype="U1"),
    )
    return stream.getvalue()


def of_slice(file: IO[bytes] | Path) -> CamImage:
    """What ``as_slice`` wrote.

    Raises:
        StoreError: The file is damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            found = {name: stored[name] for name in (*_ARRAYS, "spacing_mm", "scale_max")}
            sides = tuple(map(str, stored["sides"])) if "sides" in stored else ()  # older: none
        height, width = map(float, found["spacing_mm"])
        image: CamImage = {
            **{name: found[name] for name in _ARRAYS},  # type: ignore[typeddict-item]  # all four
            "spacing_mm": (height, width),
            "scale_max": float(found["scale_max"]),
            "sides": sides,
        }
        if len(sides) not in {0, 2} or not set(sides) <= set("RAH"):
            raise ValueError("its sides are none of a patient")
        if not all(found[name].dtype.kind in "biuf" for name in _ARRAYS):
            raise ValueError("an image in it is of no numbers")
        if not (min(height, width) > 0 and max(height, width, image["scale_max"]) < np.inf):
            raise ValueError("its pixels have no size")
    except Exception as error:  # zip and numpy raise what they like; the file is at fault
        hint = "restore it from a backup, or remove explanation.json beside its folder and explain"
        raise damaged(str(file), f"{type(error).__name__}: {error}", f"{hint} again") from error
    return image
