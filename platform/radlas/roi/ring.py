"""Rings around the tumour: so many millimetres in space, clipped to the body. Pure.

Distances run from the tumour's surface at sub-voxel accuracy (``radlas.roi.surface``). A ring is
made of whole voxels, and how many of their centres fall into it depends on where the slices
happen to lie. So the edges of a ring may move until its voxels have the volume of the ring in
space, by at most half a pixel's diagonal: the pixel of a voxel that is let in still reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.errors import ConfigError
from radlas.geometry import steady
from radlas.reasons import data_error
from radlas.roi.contour import Floats, Mask
from radlas.roi.facts import Box, bounding_box
from radlas.roi.surface import SWELL, Spacing, nearest, shell_volumes, surfaces_of

SLACK_MM = 1e-3  # distances are told to the micrometre: equal ones must not part by rounding


@dataclass(frozen=True, eq=False)
class Ring:
    """One ring, and how much of what was asked for it is.

    Attributes:
        mask: Shape ``(z, y, x)``.
        requested_width: Outer minus inner distance [mm].
        achieved_width: Largest distance from the tumour's surface to the centre of a voxel that
            was kept, minus the inner distance [mm]; 0 if the ring is empty. It exceeds the
            requested width by at most half a pixel's diagonal.
        kept_fraction: Voxels left after clipping to the body and dropping intensities, as a
            share of those in the image and not excluded [1]; 0 if there were none.
        in_plane_only: True if the slice spacing exceeds the requested width, so that the slices
            cannot resolve it: across slices the ring is there or not, but has no thickness.
        volume_mm3: Volume of the ring in space, at sub-voxel accuracy, as far as it lies in the
            image and before anything is left out [mm3].
        dropped_voxels: Voxels inside the body left out for their intensity.
    """

    mask: Mask
    requested_width: float
    achieved_width: float
    kept_fraction: float
    in_plane_only: bool
    volume_mm3: float
    dropped_voxels: int


def ring_name(inner_mm: float, outer_mm: float) -> str:
    """The ROI name of a ring.

    Examples:
        >>> ring_name(0, 10), ring_name(2.5, 5.0)
        ('ring_0_10', 'ring_2p5_5')
    """
    return f"ring_{inner_mm:g}_{outer_mm:g}".replace(".", "p")


def ring(
    tumour: Mask,
    spacing_zyx: Spacing,
    *,
    inner_mm: float,
    outer_mm: float,
    body: Mask,
    exclude: Sequence[Mask] = (),
    intensities: NDArray[np.floating] | None = None,
    keep_between: tuple[float, float] | None = None,
) -> Ring:
    """The ring from ``inner_mm`` to ``outer_mm``: ``rings`` with one pair of distances."""
    (made,) = rings(
        tumour,
        spacing_zyx,
        widths=[(inner_mm, outer_mm)],
        body=body,
        exclude=exclude,
        intensities=intensities,
        keep_between=keep_between,
    )
    return made


def rings(
    tumour: Mask,
    spacing_zyx: Spacing,
    *,
    widths: Sequence[tuple[float, float]],
    body: Mask,
    exclude: Sequence[Mask] = (),
    intensities: NDArray[np.floating] | None = None,
    keep_between: tuple[float, float] | None = None,
) -> tuple[Ring, ...]:
    """Rings around one tumour, all from the same distances.

    A voxel belongs to a ring if it is not tumour and its centre's distance from the tumour's
    surface is in ``(inner, outer]``. Both edges are moved by at most half a pixel's diagonal to
    give the ring's voxels the volume of the ring in space. An edge moves alike for every ring
    that has it, so rings that share an edge share no voxel and leave none out between them.

    Args:
        tumour: Shape ``(z, y, x)``.
        spacing_zyx: Voxel edge lengths in array order [mm].
        widths: Distances at which each ring begins and ends [mm]; 0 begins at the tumour.
        body: Where there is tissue, shape ``(z, y, x)``; rings are clipped to it.
        exclude: Further masks to leave out, as the drawn edema.
        intensities: The image, shape ``(z, y, x)``, in any unit; needed by ``keep_between``.
        keep_between: Lowest and highest intensity that a ring may hold [unit of
            ``intensities``]. Air and cortical bone have next to no signal on MR, so one lower
            bound drops both; ``np.inf`` above keeps all that is bright.

    Raises:
        ConfigError: The distances do not make a ring; or ``intensities`` and ``keep_between`` do
            not go together, or with the tumour.
        DataError: ``empty_mask``: there is no tumour to put a ring around. ``not_finite``: an
            intensity that decides over a voxel is not a number.
    """
    for inner, outer in widths:
        if not 0 <= inner < outer < np.inf:
            raise ConfigError(f"no ring from {inner} to {outer} mm", hint="let inner < outer")
    _check_range(tumour.shape, intensities, keep_between)
    if not widths:
        return ()
    box = _reach(tumour, spacing_zyx, max(outer for _, outer in widths))
    distance, volumes = _measure(tumour[box], spacing_zyx, widths)
    limits = _limits(distance[~tumour[box]], volumes, spacing_zyx)
    free = ~tumour[box] & (distance <= max(limits.values()))
    for other in exclude:
        free &= ~other[box]
    tissue = free & body[box]
    kept = tissue
    if intensities is not None and keep_between is not None:
        kept = _in_range(tissue, intensities[box], keep_between)
    made = []
    for inner, outer in widths:
        shell = (distance > limits[inner]) & (distance <= limits[outer])
        wanted, inside, left = (
            int(np.count_nonzero(shell & part)) for part in (free, tissue, kept)
        )
        mask = np.zeros(tumour.shape, dtype=bool)
        mask[box] = shell & kept
        made.append(
            Ring(
                mask,
                requested_width=float(outer - inner),
                achieved_width=float(distance[mask[box]].max(initial=inner) - inner),
                kept_fraction=left / max(1, wanted),
                in_plane_only=steady(max(spacing_zyx)) > steady(outer - inner),
                volume_mm3=volumes[outer] - volumes[inner],
                dropped_voxels=inside - left,
            )
        )
    return tuple(made)


def _reach(tumour: Mask, spacing_zyx: Spacing, outer_mm: float) -> Box:
    """Everything that a ring can hold."""
    box = bounding_box(tumour)
    if box is None:
        raise data_error("empty_mask", "the tumour holds no voxel, so it has no ring")
    far = outer_mm + SWELL * max(spacing_zyx)
    margins = [int(np.ceil(far / edge)) + 2 for edge in spacing_zyx]
    z, y, x = (
        slice(max(0, side.start - margin), side.stop + margin)  # slicing clips the far end
        for side, margin in zip(box, margins, strict=True)
    )
    return z, y, x


def _measure(
    tumour: Mask, spacing_zyx: Spacing, widths: Sequence[tuple[float, float]]
) -> tuple[Floats, dict[float, float]]:
    """Distance of each voxel's centre from the surface, and the volume up to each edge [mm3]."""
    axis = int(np.argmax(np.round(spacing_zyx, 3)))  # slices are stacked along it, or the first
    height, y, x = turned = _turned(spacing_zyx, axis)
    mask = np.moveaxis(tumour, axis, 0)
    edges = sorted({edge for pair in widths for edge in pair if edge > 0})
    reach = edges[-1] + max(y, x)
    surfaces = surfaces_of(mask, turned, reach=reach)
    heights = np.arange(mask.shape[0], dtype=np.float64) * height
    rows, columns = (range(size) for size in mask.shape[1:])
    distance = nearest(surfaces, heights=heights, rows=rows, columns=columns, reach=reach)
    volumes = shell_volumes(surfaces, mask, turned, edges=edges).tolist()
    told = np.round(np.moveaxis(distance, 0, axis), 3)
    return told, {0.0: 0.0, **dict(zip(edges, volumes, strict=True))}


def _turned(spacing_zyx: Spacing, axis: int) -> Spacing:
    first, second = (edge for place, edge in enumerate(spacing_zyx) if place != axis)
    return spacing_zyx[axis], first, second


def _limits(
    distance: Floats, volumes: Mapping[float, float], spacing_zyx: Spacing
) -> dict[float, float]:
    """Where each edge comes to lie, so that the voxels up to it have the volume up to it."""
    voxel = float(np.prod(spacing_zyx))
    first, second = sorted(spacing_zyx)[:2]
    half_diagonal = float(np.hypot(first, second)) / 2
    return {
        edge: _limit(distance, edge, half_diagonal, voxels=round(volume / voxel))
        if edge
        else -np.inf
        for edge, volume in volumes.items()
    }


def _limit(distance: Floats, edge: float, play: float, *, voxels: int) -> float:
    """The distance, near ``edge``, up to which there are so many voxels."""
    near = np.sort(distance[np.abs(distance - edge) <= play])
    missing = voxels - np.count_nonzero(distance < edge - play)
    if missing <= 0 or missing >= near.size:
        return edge - play if missing <= 0 else edge + play
    value = near[missing]  # of the first voxel that would be one too many
    before, after = np.searchsorted(near, value), np.searchsorted(near, value, side="right")
    # Voxels at one distance are taken together: which of them come first is chance.
    return float(value) - (0.0 if after - missing < missing - before else SLACK_MM / 2)


def _check_range(
    shape: tuple[int, ...],
    intensities: NDArray[np.floating] | None,
    keep_between: tuple[float, float] | None,
) -> None:
    if intensities is None and keep_between is None:
        return
    if intensities is None or keep_between is None or intensities.shape != shape:
        raise ConfigError(
            f"no ring by intensity: an image of shape {getattr(intensities, 'shape', None)} and"
            f" the range {keep_between}, for a tumour of shape {shape}",
            hint="give both `intensities`, on the tumour's grid, and `keep_between`, or neither",
        )
    if not keep_between[0] <= keep_between[1]:
        raise ConfigError(
            f"no intensity lies between {keep_between[0]} and {keep_between[1]}",
            hint="let the first bound of `keep_between` not exceed the second",
        )


def _in_range(
    tissue: Mask, values: NDArray[np.floating], keep_between: tuple[float, float]
) -> Mask:
    """The part of the tissue whose intensity may stand in a ring."""
    if not np.isfinite(values[tissue]).all():
        raise data_error("not_finite", "the image holds voxels near the tumour that are no number")
    low, high = keep_between
    kept: Mask = tissue & (low <= values) & (values <= high)
    return kept
