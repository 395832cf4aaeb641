"""The surface of a mask, at sub-voxel accuracy: smooth in plane, rounded from slice to slice. Pure.

A mask says for each voxel's centre on which side it lies. What lies between the centres is a
model's word, and this is the model:

* In plane the contour is the level of the smoothed mask that parts its pixels from the others,
  moved so that each cross-section keeps the area of its pixels.
* Across slices it follows ``r ** 2 - (r - s) ** 2``, ``s`` being the distance in plane to the
  contour, positive inside, and ``r`` the radius of the disc of the section's area. For a ball
  this is a parabola of the height, whatever the pixel: so second-order interpolation between
  slices, and extrapolation beyond the last, return the ball. Distances themselves end in a root
  at the poles, which no polynomial follows.
* Beyond the last slice it bends as on average inside. The next slice is empty; where the bend
  would carry the surface beyond it, the excess is mirrored: a blunt end, as a cylinder's, closes
  half-way.

Source:
    Interpolation by distances in plane: Raya and Udupa, IEEE Trans Med Imaging 9 (1990) 32. The
    parabola and the caps are ours.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radlas.geometry import steady
from radlas.roi.contour import FAR, Floats, Mask, inward_distance
from radlas.roi.distance import coverage, section_distance, surface_distance
from radlas.roi.facts import bounding_box

Spacing = tuple[float, float, float]

PLANE_PIXELS = 2.0  # distance of neighbouring cross-sections [pixels]
SWELL = 0.25  # of the slice spacing: how far the surface may stand out between two slices
CELLS = 30  # volumes are measured in at least so many cells along the tumour, or in all
TOUCHING = np.ones((3, 3, 3), dtype=bool)  # one piece hangs together by corners too


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface, as cross-sections from its lower pole to its upper one.

    Attributes:
        heights: Increasing, from the centre of the image's first slice, shape ``(plane,)`` [mm].
        outside: Distance in plane to each cross-section, negative inside it, shape
            ``(plane, y, x)`` [mm].
        window: The rows and columns of the image that ``outside`` covers.
    """

    heights: NDArray[np.float64]
    outside: Floats
    window: tuple[slice, slice]


def surfaces_of(mask: Mask, spacing_zyx: Spacing, *, reach: float) -> list[Surface]:
    """The surface of each connected piece of a mask, with what it can reach in plane.

    Args:
        mask: Shape ``(z, y, x)``, slices along the first axis.
        spacing_zyx: Voxel edge lengths in array order [mm].
        reach: How far around a piece distances are wanted [mm].

    Returns:
        One surface for each piece, voxels that touch by a corner being of one; none if the mask
        is empty.
    """
    labels, _ = ndimage.label(mask, TOUCHING)
    far = reach + SWELL * spacing_zyx[0]
    margins = [int(np.ceil(far / edge)) + 1 for edge in spacing_zyx[1:]]
    found = []
    for number, (z, *plane) in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = (
            slice(max(0, side.start - margin), side.stop + margin)
            for side, margin in zip(plane, margins, strict=True)
        )
        heights, outside = _sections(labels[z, rows, columns] == number, spacing_zyx)
        bottom = z.start * spacing_zyx[0]
        found.append(Surface(heights + bottom, outside, (rows, columns)))
    return found


def nearest(
    surfaces: Sequence[Surface],
    *,
    heights: NDArray[np.float64],
    rows: range,
    columns: range,
    reach: float | None,
) -> Floats:
    """Signed distance to the nearest of several surfaces, on a lattice of points.

    Args:
        surfaces: From ``surfaces_of``.
        heights: Increasing, from the centre of the image's first slice, shape ``(height,)`` [mm].
        rows: Indices of pixels, from above to below.
        columns: Indices of pixels, from left to right.
        reach: Distances above this need not be right [mm]; ``None`` asks for distances in plane.

    Returns:
        Shape ``(height, row, column)`` [mm], negative inside.
    """
    found = np.full((heights.size, len(rows), len(columns)), FAR, dtype=np.float32)
    for one in surfaces:
        y, here_y = _shared(rows, one.window[0])
        x, here_x = _shared(columns, one.window[1])
        margin = reach or 0.0
        z = slice(*np.searchsorted(heights, [one.heights[0] - margin, one.heights[-1] + margin]))
        if found[z, y, x].size == 0:
            continue  # out of this piece's reach
        sections = one.heights, np.ascontiguousarray(one.outside[:, here_y, here_x])
        if reach is None:
            here = section_distance(*sections, at=heights[z])
        else:
            here = surface_distance(*sections, at=heights[z], reach=reach)
        np.minimum(found[z, y, x], here, out=found[z, y, x])
    return found


def _shared(indices: range, window: slice) -> tuple[slice, slice]:
    """Those of the indices that a window holds: their places among all, and in the window."""
    places = slice(*(bisect_left(indices, edge) for edge in (window.start, window.stop)))
    held = indices[places]
    return places, slice(held.start - window.start, held.stop - window.start, held.step)


def shell_volumes(
    surfaces: Sequence[Surface], mask: Mask, spacing_zyx: Spacing, *, edges: Sequence[float]
) -> NDArray[np.float64]:
    """Volume outside the surfaces and not farther from them than each edge.

    Measured in cells: in layers about as high as a pixel is wide, each with every ``n``-th pixel
    of every ``n``-th row. Layers take turns, so that together they miss no pixel. The cells
    are laid out from the mask, so a volume does not depend on how much image is around.

    Args:
        surfaces: Of the mask, from ``surfaces_of``, with a reach of the largest edge.
        mask: Shape ``(z, y, x)``, not empty; what lies outside its image does not count.
        spacing_zyx: Voxel edge lengths in array order [mm].
        edges: Distances above 0 [mm].

    Returns:
        Shape ``(edge,)`` [mm3].
    """
    height, pixel = spacing_zyx[0], float(np.sqrt(spacing_zyx[1] * spacing_zyx[2]))
    layers = max(2, round(steady(height / pixel)))
    z, y, x = bounding_box(mask) or (slice(0, 0),) * 3
    stride = max(1, math.isqrt((y.stop - y.start) * (x.stop - x.start)) // CELLS)
    shape = (mask.shape[0] * layers, *mask.shape[1:])
    first = (z.start * layers, y.start, x.start)
    total, reach = np.zeros(len(edges)), max(edges) + pixel
    for layer, rows, columns in _turns(shape, first, stride):
        heights = ((np.array(layer) + 0.5) / layers - 0.5) * height
        here = partial(nearest, surfaces, heights=heights, rows=rows, columns=columns)
        inside = coverage(here(reach=None), edge=0, width=stride * pixel).sum(dtype=np.float64)
        cells = here(reach=reach)
        total += [coverage(cells, edge=edge, width=pixel).sum(dtype=np.float64) for edge in edges]
        total -= inside
    return total * (stride * pixel) ** 2 * height / layers


def _turns(shape: Sequence[int], first: Sequence[int], stride: int) -> Iterator[list[range]]:
    """Layers, rows and columns of the cells, those of each turn together."""
    every = (stride**2, stride, stride)
    for turn in range(stride**2):
        moved = (turn, turn % stride, (turn // stride + turn) % stride)
        yield [
            range((start + step) % count, size, count)
            for start, step, count, size in zip(first, moved, every, shape, strict=True)
        ]


def _sections(mask: Mask, spacing_zyx: Spacing) -> tuple[NDArray[np.float64], Floats]:
    """Cross-sections of one piece, from pole to pole, and their heights from its first slice."""
    height, y, x = spacing_zyx
    inward = inward_distance(mask, spacing_zyx)
    radii = np.sqrt(np.count_nonzero(mask, axis=(1, 2)) * y * x / np.pi)
    stack, bends = _closed(_parabolic(inward, radii), height)
    planes = max(1, round(steady(height / (PLANE_PIXELS * np.sqrt(y * x)))))
    places = list(_places(stack[:, -1], bends[:, -1], planes))
    sections = [
        _section(stack, bends, gap, share, swell=height * SWELL if 0 < gap < len(mask) else 0.0)
        for gap, share in places
    ]
    heights = (np.array([gap + share for gap, share in places]) - 1) * height
    return heights, np.stack(sections).reshape(-1, *mask.shape[1:])


def _parabolic(inward: Floats, radii: NDArray[np.float64]) -> Floats:
    """What is a parabola of the height; shape ``(z, pixel + 1)``, the squared radius last."""
    radius = radii.astype(np.float32)[:, None]
    inward = np.minimum(inward.reshape(len(inward), -1), radius)  # no deeper than the disc
    return np.concatenate([inward * (2 * radius - inward), radius**2], axis=1)


def _closed(stack: Floats, height: float) -> tuple[Floats, Floats]:
    """The stack with one slice more at each end, and the second difference in each gap."""
    bend = np.float32(-2 * height**2)  # a ball's, where too few slices tell
    if len(stack) > 2:
        bend = np.minimum(np.diff(stack[:, -1], 2).mean(), np.float32(0))
    below, above = _beyond(stack[::-1], bend), _beyond(stack, bend)
    closed = np.concatenate([below[None], stack, above[None]])
    bends = np.full((len(stack) + 1, stack.shape[1]), bend, dtype=np.float32)
    seconds = np.diff(closed, 2, axis=0)
    bends[1:-1] = (seconds[1:] + seconds[:-1]) / 2
    return closed, bends


def _beyond(stack: Floats, bend: np.float32) -> Floats:
    """What the slice after the last would be; a cap is nowhere wider than the last."""
    before = stack[-2] if len(stack) > 1 else stack[-1] + bend / 2  # alone, it is the widest
    beyond: Floats = np.minimum(2 * stack[-1] - before + bend, stack[-1])
    return beyond


def _places(squares: Floats, bends: Floats, planes: int) -> Iterator[tuple[int, float]]:
    """Gap and share of the gap of each cross-section, from pole to pole."""
    last = len(bends) - 1
    # Towards a pole in equal steps of the radius, not of the height.
    steps = [(step / (planes + 1)) ** 2 for step in range(planes + 1)]
    bottom = _pole(squares[1], squares[0], bends[0])
    top = _pole(squares[-2], squares[-1], bends[-1])
    yield from ((0, 1 - bottom * (1 - step)) for step in steps)
    yield from ((gap, step / planes) for gap in range(1, last) for step in range(planes))
    yield from ((last, top * (1 - step)) for step in [1.0, *reversed(steps)])


def _pole(inside: np.float32, outside: np.float32, bend: np.float32) -> float:
    """Where the squared radius comes to zero, as a share of the gap."""
    a, c = -float(bend) / 2, float(inside)
    b = -abs(float(outside)) - c + a  # the next slice is empty: what reaches it is mirrored
    return min(1.0, 2 * c / (math.sqrt(b * b + 4 * a * c) - b))


def _section(stack: Floats, bends: Floats, gap: int, share: float, *, swell: float) -> Floats:
    """Distance in plane to the cross-section at one height, negative inside."""
    part = np.float32(share)
    value = stack[gap] + part * (stack[gap + 1] - stack[gap])
    value -= part * (1 - part) / 2 * bends[gap]
    value, radius = value[:-1], np.sqrt(max(value[-1], np.float32(0)))
    widest = np.maximum(stack[gap, :-1], stack[gap + 1, :-1])
    np.minimum(value, widest + np.float32(swell) * (2 * radius + np.float32(swell)), out=value)
    outward: Floats = np.sqrt(np.maximum(radius**2 - value, 0)) - radius
    return outward
