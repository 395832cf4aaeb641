"""Where the patient is: everything that is not the air around. Pure.

Intensities are normalised inside this mask, because their mean over the whole field of view
depends on how much air the technician left around the limb.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry, steady, to_patient_axes
from radlas.roi.holes import fill_holes
from radlas.roi.margins import filled_margins, measured_slices, rim_of
from radlas.roi.planes import grow_rows, means_of_blocks, spread_blocks
from radlas.roi.ranks import Ranked
from radlas.roi.runs import find_runs, painted
from radlas.roi.smooth import REACH, THIN, exceeding, thinned

Mask = NDArray[np.bool_]

AIR_CONTRAST = 0.45  # air's median is at most this share of the rest's, or it is no air
AIR_SHARE = 0.02  # less air than this is no air around a body
COARSE_MM = 1.1  # pixels are put together up to this edge
SMOOTHING_MM = 1.5  # standard deviation: evens out noise, but keeps the skin in place
CLOSING_MM = 3.0  # bridges skin folds and cortical bone at the surface
BINS = 128  # of the histogram
PIECE_SHARE = 0.1  # the other leg belongs to the body, a coil marker does not


def body_of(voxels: NDArray[np.float32], geometry: Geometry) -> Mask:
    """The body of an image, however its file ran through the patient.

    Slices lie across the longest voxel edge; of equal edges, across the one that runs to the head
    first, to the back next. Stored along other axes the same image has the same body.

    Args:
        voxels: Shape ``(z, y, x)``, arbitrary MR units.
        geometry: Their grid.

    Returns:
        Same shape; never empty.
    """
    body = np.empty(voxels.shape, dtype=bool)
    patient, (seen, found) = to_patient_axes(geometry, voxels, body)
    across = int(np.argmax(np.round(patient.spacing_zyx, 3)))  # what files round is no difference
    z = patient.spacing_zyx[across]
    y, x = (edge for axis, edge in enumerate(patient.spacing_zyx) if axis != across)
    slices = np.ascontiguousarray(np.moveaxis(seen, across, 0))
    np.moveaxis(found, across, 0)[:] = body_mask(slices, (x, y, z))
    return body


def body_mask(voxels: NDArray[np.float32], spacing: tuple[float, float, float]) -> Mask:
    """The body in slices of a limb or trunk, see ``body_of``.

    Otsu's thresholds part the logarithmic, smoothed intensities into three classes; the darkest
    is air. (With two, a bright tumour on fat-suppressed T2 takes the muscle for air.) The pieces
    of tissue that are at least a tenth of the largest are closed and their holes filled, slice by
    slice. An image without dark voxels around, as one cropped to the tumour, is all body. Slices of
    one value were filled, not measured: they hold nothing of it, and are no air either.

    Args:
        voxels: Shape ``(z, y, x)``, arbitrary MR units.
        spacing: Voxel edge lengths along ``(x, y, z)`` [mm].

    Returns:
        Shape ``(z, y, x)``; never empty.
    """
    measured = measured_slices(voxels)
    if not measured.all():
        body = np.zeros(voxels.shape, dtype=bool)
        body[measured] = body_mask(voxels[measured], spacing)
        return body
    factors = [max(1, int(steady(COARSE_MM / edge))) for edge in spacing[:2]]
    coarse, edges = _coarser(voxels, spacing, *factors)
    tissue = _tissue(coarse, edges)
    if tissue is None:
        return np.ones(voxels.shape, dtype=bool)
    closed = fill_holes(_close_in_plane(_large_pieces(tissue), edges))
    return _finer(closed, voxels.shape, *factors)


def _coarser(
    voxels: NDArray[np.float32], spacing: tuple[float, float, float], x: int, y: int
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Means of ``y`` by ``x`` pixels: far finer than the smoothing, and far fewer."""
    if x == y == 1:
        return voxels, spacing
    slices, rows, columns = voxels.shape
    means = np.empty((slices, -(-rows // y), -(-columns // x)), dtype=np.float32)
    means_of_blocks(voxels, y, x, means)
    return means, (spacing[0] * x, spacing[1] * y, spacing[2])


def _finer(mask: Mask, shape: tuple[int, ...], x: int, y: int) -> Mask:
    """Each pixel as ``y`` by ``x`` again, as far as the image goes."""
    if x == y == 1:
        return mask
    fine = np.empty(shape, dtype=bool)
    spread_blocks(mask, y, x, fine)
    return fine


def _tissue(voxels: NDArray[np.float32], spacing: tuple[float, float, float]) -> Mask | None:
    """Voxels brighter than air, or ``None`` if there is no air around a body.

    Margins that the reconstruction filled are no air, unless there is none beside them.
    """
    sigma = SMOOTHING_MM / spacing[1], SMOOTHING_MM / spacing[0]
    margins = filled_margins(voxels, int(np.ceil(REACH * max(sigma))))
    if margins is not None and (found := _brighter(voxels, sigma, ~margins)) is not None:
        return found
    return _brighter(voxels, sigma, np.ones(voxels.shape[1:], dtype=bool))


def _brighter(voxels: NDArray[np.float32], sigma: tuple[float, float], seen: Mask) -> Mask | None:
    """Voxels brighter than the air among the pixels ``seen``; ``None`` if it surrounds no body."""
    # What was filled may lie far below all that was measured, and counts as its lowest.
    low = _pixels(voxels, seen).min()
    # Smooth as they are, every second row and column tells as much.
    thin, seen = thinned(voxels, sigma, low=low), seen[::THIN, ::THIN]
    if not seen.any():
        return None
    some = _pixels(thin, seen)
    ranked = Ranked(some)
    reach = ranked.percentile(99)  # vessels and coil flare must not stretch the histogram
    if reach <= 0:
        return None
    # The offset keeps single quanta of noise from filling half of the logarithmic scale.
    levels = np.log(np.minimum(some, reach) / reach + 0.01).astype(np.float32)
    lowest = _lowest_threshold(levels)
    air = levels <= lowest
    if not _is_air(air, ranked, air[:, rim_of(seen)[seen]]):
        return None
    # As bright above the threshold as air is dark below it: half-way then is on the skin itself.
    threshold = (np.exp(lowest) - 0.01) * reach
    enough = np.float32(2 * threshold - float(ranked.median(0, int(air.sum()))))
    tissue = exceeding(voxels, sigma, low=low, most=enough, threshold=threshold)
    return tissue if tissue.any() else None  # specks, which smoothing leaves nothing of


def _pixels(voxels: NDArray[np.float32], seen: Mask) -> NDArray[np.float32]:
    """Those pixels of every slice, shape ``(z, pixel)``; all of them without being picked."""
    return voxels.reshape(len(voxels), -1) if seen.all() else voxels[:, seen]


def _is_air(dark: Mask, values: Ranked, rim: Mask) -> bool:
    """Whether the darkest of some values, as many as are ``dark``, are the air around a body."""
    number = int(dark.sum())
    share = number / dark.size
    if not AIR_SHARE < share < 1:
        return False
    contrast = values.median(0, number) / values.median(number, dark.size)
    return bool(contrast < AIR_CONTRAST and rim.mean() > share)  # air lies around, not within


def _lowest_threshold(levels: NDArray[np.float32]) -> float:
    """The lower of the two thresholds that part a histogram best into three (Otsu 1979).

    All pairs of thresholds are tried: between 128 bins there are eight thousand.
    """
    low, high = float(levels.min()), float(levels.max())
    if not high > low:
        return low
    width = (high - low) / BINS
    bins = np.minimum(((levels.ravel() - low) * np.float32(1 / width)).astype(np.uint8), BINS - 1)
    share = np.bincount(bins, minlength=BINS) / bins.size
    weight = np.concatenate([[0.0], np.cumsum(share)])
    moment = np.concatenate([[0.0], np.cumsum(share * np.arange(BINS))])
    first, second = np.triu_indices(BINS - 1, 1)  # the last bins of the two lower classes
    ends = (np.zeros_like(first), first + 1, second + 1, np.full_like(first, BINS))
    between = np.zeros(first.size)
    for start, stop in itertools.pairwise(ends):
        mass, pull = weight[stop] - weight[start], moment[stop] - moment[start]
        between += np.divide(pull * pull, mass, out=np.zeros_like(mass), where=mass > 0)
    return low + (int(first[np.argmax(between)]) + 1) * width


def _large_pieces(tissue: Mask) -> Mask:
    runs = find_runs(tissue, across=True)
    sizes = np.bincount(runs.piece, weights=runs.stop - runs.start)
    large = sizes >= PIECE_SHARE * sizes.max(initial=0)
    return painted(runs, large[runs.piece], tissue.shape)


def _close_in_plane(mask: Mask, spacing: tuple[float, float, float]) -> Mask:
    """Closing by a disc, slice by slice; beyond the image nothing is eaten away."""
    x, y = (max(1, round(steady(CLOSING_MM / edge))) for edge in spacing[:2])
    slices, rows, columns = mask.shape
    wide = np.zeros((slices, rows + 2 * y, columns + 2 * x), dtype=bool)
    wide[:, y:-y, x:-x] = mask
    eaten = _grow_in_plane(~_grow_in_plane(wide, y, x), y, x)
    return ~eaten[:, y:-y, x:-x]


def _grow_in_plane(mask: Mask, y: int, x: int) -> Mask:
    """Dilation by a disc of so many rows and columns, each half a voxel more, as ITK's ball."""
    down = np.arange(y + 1)
    reach = ((x + 0.5) * np.sqrt(1 - (down / (y + 0.5)) ** 2)).astype(np.int64)
    grown = np.zeros_like(mask)
    grow_rows(mask.view(np.uint8), reach, grown.view(np.uint8))
    return grown
