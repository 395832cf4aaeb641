"""Outlines of one slice: which are one area, and which lie within another. Pure.

A slice may hold thousands of outlines, as after a threshold: only those whose boxes meet are held
against each other, and areas are kept as the voxels that they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radlas.ingest.dicom.polygons import Points, boundaries_cross, boundaries_meet

Voxels = NDArray[np.intp]  # of a slice, by their place in its rows one after the other; ascending

_THIN_RING = 0.8  # part of an area that its hole may take before a reader should look


def cluster(outlines: Sequence[Points], filled: Sequence[Voxels]) -> list[list[int]]:
    """Groups of outlines that are neither apart nor nested; nested ones may touch.

    Args:
        outlines: Vertices, shape ``(point, 2)`` each [pixel].
        filled: Voxels inside each.
    """
    low = np.array([one.min(0) for one in outlines]).reshape(-1, 2)
    high = np.array([one.max(0) for one in outlines]).reshape(-1, 2)
    home: list[int] = []
    for index in range(len(outlines)):
        near = (low[:index] <= high[index]) & (low[index] <= high[:index])
        rivals = np.flatnonzero(near.all(axis=1)).tolist()
        meeting: set[int] = set()
        for one in rivals:  # of a group that it meets already no other outline is asked
            if home[one] not in meeting and _entangled(outlines, filled, index, one):
                meeting.add(home[one])
        home = [index if one in meeting else one for one in home] if meeting else home
        home.append(index)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(home):
        groups[group].append(index)
    return list(groups.values())


def any_thin_ring(areas: Sequence[Voxels], columns: int) -> bool:
    """True if an area is a hole that takes most of another: perhaps a slice drawn twice."""
    areas = [one for one in areas if one.size]
    sizes = np.array([len(one) for one in areas])
    boxes = np.array([_box(one, columns) for one in areas]).reshape(-1, 4)
    for voxels, size, box in zip(areas, sizes, boxes, strict=True):
        around = (_THIN_RING * sizes < size) & (size < sizes) & (boxes <= box).all(axis=1)
        if any(np.isin(voxels, areas[outer]).all() for outer in np.flatnonzero(around)):
            return True
    return False


def _box(voxels: Voxels, columns: int) -> tuple[int, int, int, int]:
    """First row and column, and the last ones negative: of a box within, none is less."""
    row, column = np.divmod(voxels, columns)
    return row[0], column.min(), -row[-1], -column.max()


def _entangled(outlines: Sequence[Points], filled: Sequence[Voxels], one: int, other: int) -> bool:
    """True if two outlines meet, and neither area lies properly within the other.

    Areas of the same voxels are one drawing twice, though a hair may part their outlines: neither
    is a hole in the other.
    """
    here, there = outlines[one], outlines[other]
    if not boundaries_meet(here, there):
        return filled[one].size > 0 and np.array_equal(filled[one], filled[other])
    if boundaries_cross(here, there):
        return True
    both = len(np.intersect1d(filled[one], filled[other], assume_unique=True))
    sizes = len(filled[one]), len(filled[other])
    return not (both == min(sizes) and sizes[0] != sizes[1])
