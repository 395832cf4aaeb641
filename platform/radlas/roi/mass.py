"""Where a map's mass lies: shares by region of the body, against chance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.roi.facts import Box, bounding_box

Mask = NDArray[np.bool_]
SHIFTS = 200  # places that a null distribution is made of


@dataclass(frozen=True)
class RegionMass:
    """How much of a map lies in one region of the body.

    Attributes:
        mass_share: Share of the map's sum inside the body [1]; ``None`` if the map is all zero.
        volume_share: Share of the body's voxels [1].
        enrichment: ``mass_share / volume_share``; ``None`` if either is missing.
        p: How often the same region is as enriched at a random place of the body; ``None`` if there
            is nothing to compare.
    """

    mass_share: float | None
    volume_share: float
    enrichment: float | None
    p: float | None = None


def cam_mass(
    cam_map: NDArray[np.float32],
    body: Mask,
    tumour: Mask,
    rings: Mapping[str, Mask],
    *,
    shifts: int = 0,
    seed: int = 0,
) -> dict[str, RegionMass]:
    """Shares of a map inside the body, by region; regions may overlap.

    The null is that the map knows nothing of where the tumour is: tumour and rings are moved
    together so that the tumour's centre comes to lie on a random voxel of the body, again and
    again, and what sticks out of the body does not count: ``p = (1 + as enriched) / (1 + shifts)``.

    Args:
        cam_map: At least 0, shape ``(z, y, x)``.
        body: Where the map counts, same shape.
        tumour: Same shape.
        rings: Further regions by name, same shape.
        shifts: Places to try for ``p``; 0 for none.
        seed: Of the places.

    Returns:
        ``tumour``, the rings, and ``rest``: the body outside all of them, without ``p``.
    """
    regions = {"tumour": tumour, **rings}
    rest = ~np.logical_or.reduce(list(regions.values()))
    inside = np.where(body, cam_map, 0).astype(np.float64)
    total, voxels = float(inside.sum()), int(np.count_nonzero(body))
    found = {
        name: _mass(inside[mask].sum(), total, int(np.count_nonzero(body & mask)), voxels)
        for name, mask in {**regions, "rest": rest}.items()
    }
    if not shifts or total <= 0 or not tumour.any():
        return found
    null = _shifted(inside, body, regions, shifts, seed) * voxels / total
    for place, name in enumerate(regions):
        one = found[name]
        if one.enrichment is not None:
            # Sums in another order differ in their last digits: what is equal counts as such.
            as_enriched = int(np.count_nonzero(null[:, place] >= one.enrichment * (1 - 1e-9)))
            p = (1 + as_enriched) / (1 + shifts)
            found[name] = RegionMass(one.mass_share, one.volume_share, one.enrichment, p)
    return found


def _shifted(
    inside: NDArray[np.float64], body: Mask, regions: Mapping[str, Mask], shifts: int, seed: int
) -> NDArray[np.float64]:
    """Mean of the map in each region at random places, shape ``(shift, region)``."""
    box = bounding_box(np.logical_or.reduce(list(regions.values())))
    assert box is not None  # noqa: S101 - the tumour is among them
    near = [mask[box] for mask in regions.values()]
    centre = np.argwhere(regions["tumour"]).mean(axis=0).round().astype(int)
    places = np.argwhere(body)
    chosen = np.random.default_rng(seed).integers(len(places), size=shifts)
    means = np.zeros((shifts, len(near)))
    for number, place in enumerate(places[chosen]):
        there, part = _overlap(box, place - centre, body.shape)
        values, tissue = inside[there], body[there]
        for k, mask in enumerate(near):
            count = np.count_nonzero(tissue & mask[part])
            means[number, k] = values[mask[part]].sum() / count if count else 0.0
    return means


def _overlap(box: Box, shift: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[Box, Box]:
    """Where a box lands after a shift, as far as the image goes, and which part of it that is."""
    there, part = [], []
    for side, step, size in zip(box, shift.tolist(), shape, strict=True):
        low, high = side.start + step, side.stop + step
        kept = slice(min(max(low, 0), size), max(min(high, size), 0))
        there.append(kept)
        part.append(slice(kept.start - low, kept.stop - low))
    return (there[0], there[1], there[2]), (part[0], part[1], part[2])


def _mass(mass: float, total: float, count: int, voxels: int) -> RegionMass:
    volume_share = count / max(1, voxels)
    if total <= 0:
        return RegionMass(None, volume_share, None)
    share = float(mass / total)
    return RegionMass(share, volume_share, share / volume_share if volume_share else None)
