"""The image grid in patient space: affine, spacing, orientation, resampling. Pure.

Arrays are indexed ``[z, y, x]`` (slice, row, column). Affines map homogeneous ``(x, y, z)`` voxel
indices to millimetres in DICOM patient space, LPS (x to the left, y to the back, z to the head).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.reasons import data_error

Affine = NDArray[np.float64]
THICK = 1.5  # times the other edges: an edge so long lies across the slices


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the voxels of one grid lie.

    Attributes:
        shape: Voxels along ``(z, y, x)``.
        affine: Shape ``(4, 4)``, voxel index ``(x, y, z)`` to LPS [mm].
    """

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths along ``(x, y, z)`` [mm]."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Voxel edge lengths in array order [mm]."""
        x, y, z = self.spacing
        return z, y, x

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit axes as columns, shape ``(3, 3)``."""
        axes: NDArray[np.float64] = self.affine[:3, :3] / np.asarray(self.spacing)
        return axes

    @property
    def origin(self) -> tuple[float, float, float]:
        """Centre of voxel ``(0, 0, 0)``, LPS [mm]."""
        x, y, z = self.affine[:3, 3]
        return float(x), float(y), float(z)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel [mm^3]."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def obliquity(self) -> float:
        """Largest angle between a grid axis and its nearest patient axis [degrees]."""
        cosines = np.abs(self.direction).max(axis=0)
        return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())


def make_geometry(
    shape: tuple[int, int, int],
    *,
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    direction: NDArray[np.float64],
) -> Geometry:
    """A grid from its parts.

    Args:
        shape: Voxels along ``(z, y, x)``.
        spacing: Edge lengths along ``(x, y, z)`` [mm], above 0.
        origin: Centre of the first voxel, LPS [mm].
        direction: Unit axes as columns, shape ``(3, 3)``, orthonormal within 1e-4.

    Raises:
        DataError: ``bad_geometry``: a number is not finite, a spacing is not above 0, or the axes
            are not orthonormal.
    """
    numbers = [*spacing, *origin, *np.ravel(direction)]
    if not np.isfinite(numbers).all() or min(spacing) <= 0:
        raise data_error("bad_geometry", f"spacing {spacing} mm, origin {origin} mm")
    error = float(np.abs(direction.T @ direction - np.eye(3)).max())
    if error > 1e-4:
        raise data_error("bad_geometry", f"axes are off orthonormal by {error:.2g}")
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(spacing)
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def worst_corner_displacement(one: Geometry, other: Geometry) -> float:
    """Largest distance between matching outer corners [mm]; infinite if the shapes differ."""
    if one.shape != other.shape:
        return float("inf")
    z, y, x = one.shape
    corners = np.array(list(itertools.product((-0.5, x - 0.5), (-0.5, y - 0.5), (-0.5, z - 0.5))))
    homogeneous = np.c_[corners, np.ones(len(corners))]
    gap = homogeneous @ (one.affine - other.affine).T
    return float(np.linalg.norm(gap[:, :3], axis=1).max())


def to_patient_axes(
    geometry: Geometry, *images: NDArray[Any]
) -> tuple[Geometry, tuple[NDArray[Any], ...]]:
    """Images with their axes turned to those of the patient: no voxel moves, none is made.

    Args:
        geometry: Their grid.
        *images: Each of shape ``(z, y, x)``.

    Returns:
        The grid whose array axes run as nearly as they can to the head, the back and the left, and
        the images on it.
    """
    order = _along_patient(geometry)
    steps = tuple(1 if geometry.direction[axis, k] > 0 else -1 for axis, k in enumerate(order))
    ends = [geometry.shape[2 - k] - 1 for k in order]
    corner = np.where(np.array(steps) < 0, ends, 0)
    affine = geometry.affine.copy()
    affine[:3, :3] = geometry.affine[:3, order] * steps
    affine[:3, 3] += geometry.affine[:3, order] @ corner
    turned = tuple(
        image.transpose([2 - k for k in order[::-1]])[
            tuple(slice(None, None, s) for s in steps[::-1])
        ]
        for image in images
    )
    shape = tuple(geometry.shape[2 - k] for k in order[::-1])
    return Geometry((shape[0], shape[1], shape[2]), affine), turned


def as_seen(
    geometry: Geometry, *slices: NDArray[Any]
) -> tuple[tuple[str, str], tuple[float, float], tuple[NDArray[Any], ...]]:
    """Slices turned as radiologists look at them: from the feet, the front or the left side.

    Args:
        geometry: The volume's grid; slices follow each other along its first array axis.
        *slices: Each of shape ``(y, x)``.

    Returns:
        Which side of the patient lies nearest to their left and to their top edge: ``R`` right,
        ``A`` front (anterior), ``H`` head; the pixel edges across and down [mm]; the slices.
    """
    order = _along_patient(geometry)
    patient = order.index(0), order.index(1)  # the axes along which columns and rows run
    across, down = sorted(patient)
    down_sign = -1 if down == 2 else 1  # heads are up
    flips = (
        -1 if down_sign * geometry.direction[down, order[down]] < 0 else 1,
        -1 if geometry.direction[across, order[across]] < 0 else 1,
    )
    straight = patient == (across, down)
    turned = tuple((one if straight else one.T)[:: flips[0], :: flips[1]] for one in slices)
    edges = geometry.spacing[order[across]], geometry.spacing[order[down]]
    return ("RAH"[across], "RAH"[down]), edges, turned


def slices_first(geometry: Geometry, image: NDArray[Any]) -> tuple[Geometry, NDArray[Any]]:
    """An image whose slices lie along its first array axis: no voxel moves, none is made.

    Slices are told by their thickness. Tools that turn files to the patient's axes leave those of a
    sagittal or coronal exam along another array axis, and what works in slices would work across.

    Args:
        geometry: Its grid.
        image: Shape ``(z, y, x)``.

    Returns:
        Both as they are if the longest voxel edge is the first already, or less than ``THICK``
        times another one. Else rows run as nearly as they can to the head or the back, and columns
        to the back or the left.
    """
    edges = np.round(geometry.spacing_zyx, 3)  # what files round is no difference
    slices = int(np.argmax(edges))
    if slices == 0 or sorted(edges)[1] * THICK > edges[slices]:
        return geometry, image
    patient = [2 - k for k in _along_patient(geometry)[::-1]]  # array axes: to head, back, left
    order = [slices, *(axis for axis in patient if axis != slices)]
    affine = geometry.affine.copy()
    affine[:, :3] = geometry.affine[:, [2 - axis for axis in order[::-1]]]
    turned = np.ascontiguousarray(image.transpose(order))
    z, y, x = turned.shape
    return Geometry((z, y, x), affine), turned


def _along_patient(geometry: Geometry) -> tuple[int, ...]:
    """Of each patient axis x, y and z, the voxel index that runs along it."""
    cosines = np.abs(geometry.direction)
    return max(
        itertools.permutations(range(3)),
        key=lambda taken: sum(cosines[axis, k] for axis, k in enumerate(taken)),
    )


def world_to_index(geometry: Geometry, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Patient points, shape ``(point, 3)`` LPS [mm], as fractional ``(x, y, z)`` voxel indices."""
    inverse = np.linalg.inv(geometry.affine)
    indices: NDArray[np.float64] = points @ inverse[:3, :3].T + inverse[:3, 3]
    return indices


def steady(ratio: float) -> float:
    """A ratio of lengths, rounded to 0.001, to be compared or cut to a whole number.

    Headers round spacings, and oblique axes add noise in the last digits: so an exam has as many
    voxels however the patient lay, and as DICOM and as NIfTI.

    Examples:
        >>> steady(10 / 0.99999999999999), steady(2.7000000477 / 0.8999999762)
        (10.0, 3.0)
    """
    return round(float(ratio), 3)


def in_plane_grid(geometry: Geometry, *, spacing: float) -> Geometry:
    """The same field of view with square pixels of ``spacing`` [mm], slices untouched.

    The grid keeps the centre of the field of view (IBSI: align by image centre), so that it does
    not drift by half a pixel against the original.
    """
    z, y, x = geometry.shape
    old_x, old_y, old_z = geometry.spacing
    new_x, new_y = (
        max(1, round(steady(size * old / spacing))) for size, old in ((x, old_x), (y, old_y))
    )
    centre = np.array([(x - 1) / 2, (y - 1) / 2, 0.0, 1.0])
    affine = geometry.affine.copy()
    affine[:3, :3] = geometry.direction * np.array([spacing, spacing, old_z])
    offset = affine[:3, :3] @ np.array([(new_x - 1) / 2, (new_y - 1) / 2, 0.0])
    affine[:3, 3] = (geometry.affine @ centre)[:3] - offset
    return Geometry((z, new_y, new_x), affine)
