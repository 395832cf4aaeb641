"""Size and form of an ROI, as PyRadiomics defines them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.features.families import Values
from radlas.features.kernels.widest import hulls, widest, widest_in_plane
from radlas.features.mesh import surface

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


class Diameters(NamedTuple):
    """Largest distances between vertices of the mesh [mm].

    Attributes:
        in_slice: Within a plane of rows and columns.
        in_column: Within a plane of slices and columns (one row).
        in_row: Within a plane of slices and rows (one column).
        in_space: Anywhere.
    """

    in_slice: float
    in_column: float
    in_row: float
    in_space: float


def shape_values(mask: Mask, spacing_zyx: Spacing) -> Values:
    """The 14 shape features.

    Args:
        mask: The ROI in its box, shape ``(z, y, x)``; not empty.
        spacing_zyx: Voxel edges [mm].
    """
    mesh = surface(mask, spacing_zyx)
    widths = diameters(mask, spacing_zyx)
    least, minor, major = (
        max(float(value), 0.0) for value in principal_variances(mask, spacing_zyx)
    )
    voxels = int(np.count_nonzero(mask))
    found = {
        "Elongation": _ratio(minor, major),
        "Flatness": _ratio(least, major),
        "LeastAxisLength": 4 * np.sqrt(least),
        "MajorAxisLength": 4 * np.sqrt(major),
        "Maximum2DDiameterColumn": widths.in_column,
        "Maximum2DDiameterRow": widths.in_row,
        "Maximum2DDiameterSlice": widths.in_slice,
        "Maximum3DDiameter": widths.in_space,
        "MeshVolume": mesh.volume,
        "MinorAxisLength": 4 * np.sqrt(minor),
        "Sphericity": (36 * np.pi * mesh.volume**2) ** (1 / 3) / mesh.area,
        "SurfaceArea": mesh.area,
        "SurfaceVolumeRatio": mesh.area / mesh.volume,
        "VoxelVolume": voxels * float(np.prod(spacing_zyx)),
    }
    return {
        f"shape_{name}": None if value is None else float(value) for name, value in found.items()
    }


def diameters(mask: Mask, spacing_zyx: Spacing) -> Diameters:
    """Largest distances between the mesh's vertices, which lie half-way between voxels.

    Only corners of the hull in a plane can be farthest apart, in the plane and in space.
    """
    points = vertices(mask)
    edges = np.array(spacing_zyx) / 2
    squares = []
    for axis in range(3):
        turned = np.ascontiguousarray(
            np.roll(points, -axis, axis=1)
        )  # planes across the axis first
        planes, rows, _ = (int(size) for size in turned.max(axis=0) + 1)
        hull = np.empty((2 * planes * rows, 2), dtype=np.int64)
        starts = hulls(turned, planes, rows, hull)
        plane, row, column = (float(edge) for edge in np.roll(edges, -axis))
        squares.append(widest_in_plane(hull, starts, row, column))
        if axis == 0:  # slices are the fewest planes
            whole = hull, starts, (plane, row, column)
    best = widest(*whole, max(squares))
    in_slice, in_column, in_row, in_space = np.sqrt([*squares, best])
    return Diameters(float(in_slice), float(in_column), float(in_row), float(in_space))


def vertices(mask: Mask) -> NDArray[np.int64]:
    """The mesh's vertices ``(z, y, x)`` in half voxels, shape ``(vertex, 3)``, from 0.

    One lies between each voxel of the ROI and each face neighbour outside.
    """
    padded = np.pad(mask, 1)
    found = []
    for axis in range(3):
        crossed = np.argwhere(np.diff(padded, axis=axis))
        crossed *= 2
        crossed[:, axis] += 1
        found.append(crossed)
    return np.concatenate(found) - 1


def principal_variances(mask: Mask, spacing_zyx: Spacing) -> NDArray[np.float64]:
    """Variances of the voxel centres along the principal axes, ascending [mm2], divided by N."""
    n = np.count_nonzero(mask)
    places = [np.arange(size) for size in mask.shape]
    covariance = np.zeros((3, 3))
    flat = [mask.sum(axis=axis) for axis in range(3)]  # two axes are left in each
    lines = (flat[2].sum(axis=1), flat[2].sum(axis=0), flat[1].sum(axis=0))
    means = [line @ place / n for line, place in zip(lines, places, strict=True)]
    centred = [place - mean for place, mean in zip(places, means, strict=True)]
    for i in range(3):
        covariance[i, i] = lines[i] @ centred[i] ** 2 / n
    for i, j, gone in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        covariance[i, j] = covariance[j, i] = centred[i] @ flat[gone] @ centred[j] / n
    scaled = covariance * np.outer(spacing_zyx, spacing_zyx)
    variances: NDArray[np.float64] = np.linalg.eigvalsh(scaled)
    # What rounding leaves of a zero variance differs between machines, and roots enlarge it.
    variances[variances < 1e-12 * variances[-1]] = 0
    return variances


def _ratio(lesser: float, greater: float) -> float | None:
    return float(np.sqrt(lesser / greater)) if greater > 0 else None
