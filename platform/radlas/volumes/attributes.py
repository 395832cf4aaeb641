"""Where a stored volume lies: attributes of its Zarr group.

OME-Zarr 0.5 allows scale and translation only, so the affine attribute (LPS, float64) is the
authority on geometry; a store in which the two disagree is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from radlas.digests import digest_of, from_json
from radlas.errors import StoreError
from radlas.geometry import Geometry
from radlas.volumes.record import unreadable

_AXES = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]


def group_attributes(geometry: Geometry, content: str) -> dict[str, Any]:
    """The attributes of a group whose array ``image`` lies on a grid.

    The digest of the case's content is among them, so that this file, which is written first, is
    another for each: of two writers who differ in a mask alone one stops at it.
    """
    scale = {"type": "scale", "scale": list(geometry.spacing_zyx)}
    dataset = {"path": "image", "coordinateTransformations": [scale]}
    return {
        "ome": {"version": "0.5", "multiscales": [{"axes": _AXES, "datasets": [dataset]}]},
        "radlas": {"affine_lps": geometry.affine.tolist(), "content": content},
    }


def committed_geometry(
    metadata: bytes, shape: Sequence[int], digest: str, case_id: str
) -> Geometry:
    """The grid, once it is shown to be the committed one and to agree with OME-Zarr's scale.

    Args:
        metadata: The group's ``zarr.json``.
        shape: Of its image, ``(z, y, x)``.
        digest: Of the affine, as the commit record has it.
        case_id: Whose it is, for the message.

    Raises:
        StoreError: ``damaged`` or ``geometry_changed``.
    """
    try:
        attributes = from_json(metadata)["attributes"]
        rows = attributes["radlas"]["affine_lps"]
        dataset = attributes["ome"]["multiscales"][0]["datasets"][0]
        scale = dataset["coordinateTransformations"][0]["scale"]
        z, y, x = shape
        geometry = Geometry((z, y, x), np.asarray(rows, dtype=np.float64).reshape(4, 4))
        edges = np.asarray(scale, dtype=np.float64).reshape(3)
        agree = np.allclose(edges, geometry.spacing_zyx, rtol=1e-9)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise unreadable("the geometry", case_id, error) from error
    if digest_of(rows) != digest or not agree:
        raise StoreError(
            f"scale {scale} or affine {rows} is not what was committed",
            f"case {case_id}",
            "another tool rewrote the attributes: restore them from a backup",
            "geometry_changed",
        )
    return geometry
