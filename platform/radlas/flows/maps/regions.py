"""Regions of a body on the grid of a map, and which of them the map can tell anything about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.preprocess import resample_mask
from radlas.features.resnet.grid import Anatomy
from radlas.geometry import Geometry
from radlas.model import TUMOUR
from radlas.reasons import data_error
from radlas.roi.facts import bounding_box
from radlas.roi.ring import ring, ring_name

Mask = NDArray[np.bool_]
RINGS_MM = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0), (0.0, 20.0))
SHOWN_MM = (0.0, 10.0)  # the ring drawn in the montage
BODY, REST = "body", "rest"
_WHOLE = 0.95  # least part of a region that must be in the network's input


@dataclass(frozen=True, eq=False)
class Regions:
    """Masks on a map's grid.

    Attributes:
        masks: ``tumour``, ``body`` and rings by name, shape ``(z, y, x)`` of the map.
        inside: What part of each region, and of the rest of the body, is in the input [1].
        tumour_mm: The tumour's smaller extent within a slice [mm].
    """

    masks: Mapping[str, Mask]
    inside: Mapping[str, float]
    tumour_mm: float

    @property
    def measured(self) -> dict[str, Mask]:
        """The rings whose mass is told."""
        return {name: self.masks[name] for name in map(_named, RINGS_MM)}


def regions_on(anatomy: Anatomy, grid: Geometry) -> Regions:
    """Rings made on the image's own voxels, then taken to the network's.

    Args:
        anatomy: Body and tumour as the network's axes see them.
        grid: Of the network's input; its axes are theirs.

    Raises:
        DataError: ``no_tumour``.
    """
    if anatomy.tumour is None:
        raise data_error("no_tumour", "a map is compared with the tumour")
    spacing, tumour, body = anatomy.geometry.spacing_zyx, anatomy.tumour, anatomy.body
    made = {TUMOUR: tumour, BODY: body}
    for inner, outer in (*RINGS_MM, SHOWN_MM):
        one = ring(tumour, spacing, inner_mm=inner, outer_mm=outer, body=body)
        made[ring_name(inner, outer)] = one.mask
    seen = _seen(anatomy.geometry, grid)
    rest = body & ~np.logical_or.reduce([tumour, *(made[_named(one)] for one in RINGS_MM)])
    inside = {name: _part(mask, seen) for name, mask in {**made, REST: rest}.items()}
    _, y, x = bounding_box(tumour) or (slice(0), slice(0), slice(0))
    extents = ((side.stop - side.start) * mm for side, mm in zip((y, x), spacing[1:], strict=True))
    masks = {name: resample_mask(mask, anatomy.geometry, grid) for name, mask in made.items()}
    return Regions(masks, inside, min(extents))


def not_told(regions: Regions, cell_mm: tuple[float, float, float]) -> tuple[set[str], list[str]]:
    """Regions of which a map of such cells says nothing, and what a reader must know.

    Within a slice, what is thinner than a cell has its neighbours' share; a region that the network
    saw a part of has that part's. Along z a cell may span more than a ring, which is said.

    Args:
        regions: Of the case.
        cell_mm: Edges of a cell along ``(z, y, x)`` [mm].
    """
    wide = {name: edges[1] - edges[0] for edges in RINGS_MM if (name := _named(edges))}
    wide[TUMOUR] = regions.tumour_mm
    fine = [name for name, mm in wide.items() if mm < max(cell_mm[1:])]
    cut = [name for name in (*wide, REST) if regions.inside[name] < _WHOLE]
    tall = [name for name, mm in wide.items() if mm < cell_mm[0] and name not in {*fine, *cut}]
    notes = []
    if fine:
        notes.append(f"finer than a cell of the map, so not told: {', '.join(sorted(fine))}")
    if cut:
        notes.append(f"only in part what the network saw, so not told: {', '.join(sorted(cut))}")
    if tall:
        notes.append(
            f"along z a cell is taller than this is wide: {', '.join(sorted(tall))}; there it is"
            " told with what lies above and below"
        )
    return {*fine, *cut}, notes


def _named(edges: tuple[float, float]) -> str:
    return ring_name(*edges)


def _seen(image: Geometry, grid: Geometry) -> tuple[slice, ...]:
    """The image's voxels whose centres lie in the grid: a box, because the axes are the same."""
    between = np.linalg.inv(grid.affine) @ image.affine
    found = []
    for axis, (count, size) in enumerate(zip(image.shape[::-1], grid.shape[::-1], strict=True)):
        places = between[axis, axis] * np.arange(count) + between[axis, 3]
        there = np.flatnonzero((places > -0.5) & (places < size - 0.5))
        found.append(slice(there[0], there[-1] + 1) if there.size else slice(0))
    return tuple(found[::-1])


def _part(mask: Mask, box: tuple[slice, ...]) -> float:
    """How much of a mask lies in a box [1]; of nothing, all."""
    total = np.count_nonzero(mask)
    return float(np.count_nonzero(mask[box]) / total) if total else 1.0
