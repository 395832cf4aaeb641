"""Local binary patterns in space, rotation invariant by spherical harmonics.

J. Banerjee et al., "3D LBP-based rotationally invariant region description" (ACCV 2012 Workshops),
in PyRadiomics' form: samples on a sphere of voxels around each voxel, by cubic splines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter
from scipy.special import sph_harm_y

Values = NDArray[np.float64]
BLOCK = 20_000  # voxels at a time: 42 samples each


def binary_patterns(
    voxels: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    levels: int = 2,
    radius: float = 1.0,
    subdivision: int = 1,
) -> Iterator[tuple[str, Values]]:
    """Energy of the pattern at each level of harmonics, and the kurtosis of the samples.

    Args:
        voxels: The whole image, shape ``(z, y, x)``.
        mask: The ROI, same shape.
        levels: Levels of harmonics.
        radius: Of the sphere [voxel].
        subdivision: How often the icosahedron's triangles are divided.

    Yields:
        ``m1``, ``m2``, ... and ``k`` with the value of each voxel of the ROI, shape ``(voxel,)``.
    """
    from scipy.stats import kurtosis  # noqa: PLC0415 - half a second to import, and rarely needed

    sphere = icosphere(subdivision) * radius
    harmonics, degrees = _harmonics(sphere / radius, levels)
    spline = spline_filter(voxels.astype(np.float64), order=3)
    places = np.argwhere(mask)
    energies, peaks = np.empty((len(places), levels)), np.empty(len(places))
    for start in range(0, len(places), BLOCK):
        block = slice(start, start + BLOCK)
        around = places[block, None, :] + sphere[None, :, :]
        samples = map_coordinates(  # in the image's own type, as upstream compares them
            spline, around.reshape(-1, 3).T, output=voxels.dtype, order=3, prefilter=False
        ).reshape(-1, len(sphere))
        peaks[block] = kurtosis(samples, axis=1)
        own = voxels[tuple(places[block].T)]
        pattern = (samples >= own[:, None]).astype(np.float64)
        energies[block] = _energies(pattern, harmonics, degrees, levels)
    for level in range(levels):
        yield f"m{level + 1}", energies[:, level]
    yield "k", peaks


def _energies(
    pattern: Values, harmonics: NDArray[np.complex128], degrees: NDArray[np.int64], levels: int
) -> Values:
    coefficients = pattern @ harmonics
    found = [
        np.sqrt(((coefficients[:, degrees == n] @ harmonics[:, degrees == n].T) ** 2).sum(axis=1))
        for n in range(levels)
    ]
    energies: Values = np.stack(found, axis=1).real
    return energies


def _harmonics(sphere: Values, levels: int) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Upstream hands the polar angle to SciPy as the azimuth and the reverse; so do we."""
    polar, azimuth = np.arccos(sphere[:, 2]), np.arctan2(sphere[:, 1], sphere[:, 0])
    orders = [(n, m) for n in range(levels) for m in range(-n, n + 1)]
    values = [sph_harm_y(n, m, azimuth, polar) for n, m in orders]
    return np.stack(values, axis=1), np.array([n for n, _ in orders])


@lru_cache(maxsize=4)
def icosphere(subdivision: int) -> Values:
    """Vertices of an icosahedron whose triangles are divided, on the unit sphere."""
    golden = (1 + 5**0.5) / 2
    corners = [
        np.roll((0.0, a, b * golden), shift) for shift in range(3) for a in (-1, 1) for b in (-1, 1)
    ]
    points: Values = np.array(corners) / np.sqrt(1 + golden**2)
    for _ in range(subdivision):
        points = np.unique(np.concatenate([points, _middles(points)]).round(12), axis=0)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def _middles(points: Values) -> Values:
    """The middle of each edge: between points that are nearest neighbours."""
    apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    nearest = np.sort(apart, axis=1)[:, 1]
    first, second = np.nonzero(np.triu(apart < 1.35 * nearest.max(), 1) & (apart > 0))
    return (points[first] + points[second]) / 2
