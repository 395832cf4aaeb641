"""Where a map's mass lies: shares by region of the body. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RegionMass:
    """How much of a map lies in one region of the body.

    Attributes:
        mass_share: Share of the map's sum inside the body [1]; ``None`` if the map is all zero.
        volume_share: Share of the body's voxels [1].
        enrichment: ``mass_share / volume_share``; ``None`` if either is missing.
    """

    mass_share: float | None
    volume_share: float
    enrichment: float | None


def cam_mass(
    cam_map: NDArray[np.float32], body: Mask, tumour: Mask, rings: Mapping[str, Mask]
) -> dict[str, RegionMass]:
    """Shares of a map inside the body, by region; regions may overlap.

    Args:
        cam_map: At least 0, shape ``(z, y, x)``.
        body: Where the map counts, same shape.
        tumour: Same shape.
        rings: Further regions by name, same shape.

    Returns:
        ``tumour``, the rings, and ``rest``: the body outside all of them.
    """
    regions = {"tumour": tumour, **rings}
    rest = ~np.logical_or.reduce(list(regions.values()))
    inside = np.where(body, cam_map, 0).astype(np.float64)
    total, voxels = inside.sum(), int(np.count_nonzero(body))
    return {
        name: _mass(inside[mask].sum(), total, int(np.count_nonzero(body & mask)), voxels)
        for name, mask in {**regions, "rest": rest}.items()
    }


def _mass(mass: float, total: float, count: int, voxels: int) -> RegionMass:
    volume_share = count / max(1, voxels)
    if total <= 0:
        return RegionMass(None, volume_share, None)
    share = float(mass / total)
    return RegionMass(share, volume_share, share / volume_share if volume_share else None)
