"""The gate of geometry: are these slices the planes of one grid? Pure; refuses what is not exact.

Spacing along z comes from positions; thickness and spacing tags are not believed. The limits are
those of highdicom's check for a regular volume (its tests are held to it), and one more: no slice
may lie off the fitted grid by a tenth of a voxel, which slow drift would pass between neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.geometry import Geometry, make_geometry
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.strays import is_placed
from radlas.reasons import data_error

_REGULAR = 0.01  # neighbours' distances may differ by this share of the mean
_JITTER = 0.1  # by less than this it is jitter, by more another protocol
_WORST_RESIDUAL_VOXELS = 0.1
_ORIENTATION_TOLERANCE = 1e-4
_SAME_PLACE = 0.01  # slices nearer than this are at one position [mm]


@dataclass(frozen=True, eq=False)
class SliceHeaders:
    """What the headers of a series say of its planes.

    Attributes:
        positions: ImagePositionPatient, shape ``(slice, 3)``, LPS [mm].
        orientations: ImageOrientationPatient, shape ``(slice, 6)``.
        spacings: PixelSpacing: between rows, between columns; shape ``(slice, 2)`` [mm].
        sizes: Rows and columns of each slice.
        frames_of_reference: FrameOfReferenceUID of each slice; empty where it is missing.
    """

    positions: NDArray[np.float64]
    orientations: NDArray[np.float64]
    spacings: NDArray[np.float64]
    sizes: Sequence[tuple[int, int]]
    frames_of_reference: Sequence[str]


def plan_stack(headers: SliceHeaders) -> tuple[Geometry, list[int]]:
    """The grid of a series and the order of its slices: x, y, z right-handed.

    Raises:
        DataError: The slices are not the planes of one grid; the reason says how, with numbers.
    """
    if len(headers.sizes) < 2:
        raise data_error("too_few_slices", f"{len(headers.sizes)} slice")
    _check_alike(headers)
    axes = headers.orientations[0]
    normal = np.cross(axes[:3], axes[3:])
    between_rows, between_columns = (float(edge) for edge in headers.spacings[0])
    shape = (len(headers.sizes), *headers.sizes[0])
    direction = np.column_stack([axes[:3], axes[3:], normal])

    def grid(origin: NDArray[np.float64], step: float) -> Geometry:
        x, y, z = (float(number) for number in origin)
        spacing = (between_columns, between_rows, step)
        return make_geometry(shape, spacing=spacing, origin=(x, y, z), direction=direction)

    grid(headers.positions[0], 1.0)  # axes and pixels first: with them wrong, no distance counts
    order = [int(index) for index in np.argsort(headers.positions @ normal, kind="stable")]
    positions = headers.positions[order]
    _check_one_stack(positions, positions @ normal, min(between_rows, between_columns))
    step = slice_spacing(positions @ normal)
    geometry = grid(positions[0], step)
    _check_straight(geometry, positions)
    return geometry, order


def grid_of(slices: Sequence[ImageFile]) -> Geometry | None:
    """The grid of a series by the headers of a scan, None if they are no planes of one."""
    if any(one.shape[0] > 1 or not is_placed(one) for one in slices):
        return None
    headers = SliceHeaders(
        positions=np.array([one.position for one in slices]),
        orientations=np.array([one.orientation for one in slices]),
        spacings=np.array([one.pixel_spacing for one in slices]),
        sizes=[one.shape[1:] for one in slices],
        frames_of_reference=[one.frame_of_reference for one in slices],
    )
    try:
        return plan_stack(headers)[0]
    except DataError:
        return None


def has_pixels_of(grid: Geometry, image: ImageFile) -> bool:
    """True if two axes of a grid step from pixel to pixel of a slice, whichever way they go."""
    if not is_placed(image):
        return False
    between_rows, between_columns = image.pixel_spacing
    along = np.reshape(image.orientation, (2, 3)) * [[between_columns], [between_rows]]
    gaps = np.abs(np.abs(grid.affine[:3, :3].T) - np.abs(along)[:, None]).max(axis=2)
    return bool((gaps.min(axis=1) <= _SAME_PLACE).all())


def _check_one_stack(
    positions: NDArray[np.float64], places: NDArray[np.float64], pixel: float
) -> None:
    """Refuse stacks beside one another, as of two stations of the table: nothing is there twice."""
    level = np.diff(places) <= _SAME_PLACE
    aside = float(np.linalg.norm(np.diff(positions, axis=0)[level], axis=1).max(initial=0))
    if aside > pixel:
        what = f"slices of one depth lie {aside:.1f} mm beside one another: of several stacks"
        hint = "export each stack, or station, as a series of its own"
        raise data_error("mixed_slices", what, hint=hint)


def slice_spacing(places: NDArray[np.float64]) -> float:
    """The distance of neighbouring planes [mm].

    Args:
        places: Of the planes along their normal, ascending, shape ``(slice,)`` [mm].

    Raises:
        DataError: ``duplicate_slices``, ``slice_gap``, ``jittered_slices`` or ``uneven_slices``.
    """
    steps = np.diff(places)
    mean = float(places[-1] - places[0]) / len(steps)
    if steps.min() > _SAME_PLACE and np.abs(steps - mean).max() <= _REGULAR * mean:
        return mean
    raise _irregular(places, steps)


def _irregular(places: NDArray[np.float64], steps: NDArray[np.float64]) -> DataError:
    apart = steps[steps > _SAME_PLACE]
    told = f"steps of {steps.min():.3f} to {steps.max():.3f} mm"
    if len(apart) < len(steps):
        planes = len(apart) + 1
        return data_error("duplicate_slices", f"{len(places)} slices at {planes} positions")
    step = float(np.median(apart))
    times = np.round(apart / step)
    off = np.abs(apart / step - times).max()
    if times.min() >= 1 and times.max() > 1 and off <= _JITTER:
        missing = int((times - 1).sum())
        return data_error("slice_gap", f"{missing} of {len(places) + missing} missing, {told}")
    if off <= _JITTER:
        return data_error("jittered_slices", told)
    return data_error("uneven_slices", told)


def _check_alike(headers: SliceHeaders) -> None:
    for name, vectors in (
        ("ImagePositionPatient", headers.positions),
        ("ImageOrientationPatient", headers.orientations),
        ("PixelSpacing", headers.spacings),
    ):
        if bad := int((~np.isfinite(vectors)).any(axis=1).sum()):
            raise data_error("bad_geometry", f"{name} of {bad} slices is not finite")
    sizes = set(headers.sizes)
    if len(sizes) > 1:
        raise data_error("mixed_slices", f"{len(sizes)} slice sizes: {sorted(sizes)}")
    frames = len(set(headers.frames_of_reference) - {""})
    if frames > 1:
        raise data_error("mixed_slices", f"slices name {frames} frames of reference")
    turn = float(np.abs(headers.orientations - headers.orientations[0]).max())
    stretch = float(np.abs(headers.spacings - headers.spacings[0]).max())
    if turn > _ORIENTATION_TOLERANCE or stretch > 1e-4 * float(headers.spacings[0].max()):
        what = f"slices differ by {turn:.2g} in orientation and {stretch:.2g} mm in pixel spacing"
        raise data_error("mixed_slices", what)


def _check_straight(geometry: Geometry, positions: NDArray[np.float64]) -> None:
    steps = np.arange(len(positions))[:, None] * geometry.affine[:3, 2]
    gaps = positions - geometry.origin - steps
    residual = float(np.linalg.norm(gaps, axis=1).max())
    if residual > _WORST_RESIDUAL_VOXELS * min(geometry.spacing):
        along = np.linalg.norm(gaps[-1]) / max(1e-12, geometry.spacing[2] * (len(positions) - 1))
        angle = np.degrees(np.arctan(along))
        what = f"slices lie up to {residual:.3f} mm off a straight stack ({angle:.1f} degrees)"
        raise data_error("sheared_slices", what)
