"""Size and form of one ROI, and where its intensity lies, as the IBSI manual defines them. Pure.

The densities by oriented minimum bounding box and by minimum volume enclosing ellipsoid are left
out: there is no consensus on their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from radlas.features.ibsi.spatial import Spacing, spatial_association
from radlas.features.ibsi.statistics import Features, Values, as_numbers, ratio
from radlas.features.mesh import Surface, surface
from radlas.features.shape import diameters, vertices
from radlas.reasons import data_error
from radlas.roi.facts import bounding_box

Mask = NDArray[np.bool_]
ELLIPSOID_TERMS = 20  # where the manual cuts off the series of the ellipsoid's area
_OF_VOLUME = [
    *("MeshVolume", "SurfaceVolumeRatio", "Compactness1", "Compactness2"),
    *("SphericalDisproportion", "Sphericity", "Asphericity", "IntegratedIntensity"),
    *("VolumeDensityBoundingBox", "VolumeDensityConvexHull", "VolumeDensityEllipsoid"),
]
_FLAT = 1e-13  # of the first principal variance: less is rounding, and the ROI is flat


def morphology(
    mask: Mask,
    intensities: NDArray[np.floating],
    *,
    spacing_zyx: Spacing,
    intensity_mask: Mask | None = None,
) -> Features:
    """The 25 morphological features that have a consensus value.

    Names are PyRadiomics' where the definition is the same. The axis lengths differ from them:
    here the covariance is divided by the number of voxels less one.

    Args:
        mask: The ROI, shape ``(z, y, x)``.
        intensities: The image, same shape.
        spacing_zyx: Voxel edge lengths [mm].
        intensity_mask: The ROI after re-segmentation, if that took voxels out of it; intensities
            are read there, the form is that of ``mask``.

    Returns:
        Values by column, ``shape_MeshVolume`` [mm3] and so on. ``None``: what needs axes, of a
        single voxel; ratios to an ellipsoid without volume, of flat ROIs; the centre of mass
        shift if intensities sum up to 0; Moran's I and Geary's C of equal voxels; what needs the
        volume of the mesh if that is not above 0, as of voxels that touch by edges and corners
        only, between which a mesh may not close.

    Raises:
        DataError: ``empty_mask`` or ``not_finite``.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Morphological features"; the mesh is that of
        marching cubes at 0.5.
    """
    box = bounding_box(mask)
    if box is None:
        raise data_error("empty_mask", "the ROI holds no voxel, so it has no form")
    inside = mask[box]
    bright = inside if intensity_mask is None else intensity_mask[box]
    image = np.where(bright, intensities[box], 0)
    values = as_numbers(image[bright])
    mesh = surface(inside, spacing_zyx)
    moran, geary = spatial_association(bright, image, spacing_zyx=spacing_zyx)
    found: Features = {
        **_sizes(mesh, float(inside.sum() * np.prod(spacing_zyx))),
        **_envelopes(mesh, vertices(inside) * (np.asarray(spacing_zyx) / 2)),
        **_axes(mesh, _places(inside, spacing_zyx)),
        "Maximum3DDiameter": diameters(inside, spacing_zyx).in_space,
        "CentreOfMassShift": _shift(inside, bright, values, spacing_zyx),
        "IntegratedIntensity": mesh.volume * float(values.mean()),
        "MoranI": moran,
        "GearyC": geary,
    }
    if mesh.volume <= 0:
        found |= dict.fromkeys(_OF_VOLUME)
    return {f"shape_{name}": value for name, value in found.items()}


def ellipsoid_area(major: float, minor: float, least: float) -> float:
    """Area of an ellipsoid [mm2], as the manual gives it.

    This is not its area, except of a ball. The series is one for eccentricities of the least
    axis against the two others; the manual takes those of the two others against the major
    axis, and the consensus is made with them: 1.36 for the digital phantom, where its true
    ellipsoid gives 1.30. The terms are those of the manual multiplied out, so that nothing is
    divided by an eccentricity of 0 where two axes are equal.

    Args:
        major: Longest half axis [mm], above 0.
        minor: Middle half axis [mm].
        least: Shortest half axis [mm].

    Source:
        IBSI reference manual, "Area density (approximate enclosing ellipsoid)", up to the 20th
        Legendre polynomial.

    Examples:
        >>> round(ellipsoid_area(1.0, 1.0, 1.0) / np.pi, 12)
        4.0
    """
    alpha, beta = 1 - (minor / major) ** 2, 1 - (least / major) ** 2  # eccentricities squared
    middle, product = (alpha + beta) / 2, alpha * beta
    term, following, total = 1.0, middle, 1.0
    for degree in range(1, ELLIPSOID_TERMS + 1):
        total += following / (1 - 4 * degree**2)
        after = (2 * degree + 1) * middle * following - degree * product * term
        term, following = following, after / (degree + 1)
    return 4 * np.pi * major * minor * total


def _sizes(mesh: Surface, voxel_volume: float) -> Features:
    """Features of volume and area alone: how far the ROI is from a ball."""
    volume, area = mesh.volume, mesh.area
    if volume <= 0:
        return {"VoxelVolume": voxel_volume, "SurfaceArea": area}
    ball = (36 * np.pi * volume**2) ** (1 / 3)  # area of a ball of the same volume
    return {
        "MeshVolume": volume,
        "VoxelVolume": voxel_volume,
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "Compactness1": volume / (np.pi**0.5 * area**1.5),
        "Compactness2": (ball / area) ** 3,
        "SphericalDisproportion": area / ball,
        "Sphericity": ball / area,
        "Asphericity": area / ball - 1,
    }


def _envelopes(mesh: Surface, corners: Values) -> Features:
    """The mesh against the box and the convex hull around its corners ``(corner, zyx)`` [mm]."""
    hull: Any = ConvexHull(corners)
    z, y, x = np.ptp(corners, axis=0).tolist()
    return {
        "VolumeDensityBoundingBox": mesh.volume / (z * y * x),
        "AreaDensityBoundingBox": mesh.area / (2 * (z * y + z * x + y * x)),
        "VolumeDensityConvexHull": mesh.volume / float(hull.volume),
        "AreaDensityConvexHull": mesh.area / float(hull.area),
    }


def _axes(mesh: Surface, places: Values) -> Features:
    """Principal axes of the voxels' centres, and the ellipsoid they span."""
    names = ["MajorAxisLength", "MinorAxisLength", "LeastAxisLength", "Elongation", "Flatness"]
    ellipsoid = ["VolumeDensityEllipsoid", "AreaDensityEllipsoid"]
    if len(places) < 2:
        return dict.fromkeys(names + ellipsoid)
    variances = np.linalg.eigvalsh(np.cov(places, rowvar=False, ddof=1))[::-1]
    a, b, c = (2 * np.sqrt(np.where(variances > _FLAT * variances[0], variances, 0))).tolist()
    found: Features = dict(zip(names, (2 * a, 2 * b, 2 * c, b / a, c / a), strict=True))
    if c == 0:
        return found | dict.fromkeys(ellipsoid)
    densities = mesh.volume / (4 / 3 * np.pi * a * b * c), mesh.area / ellipsoid_area(a, b, c)
    return found | dict(zip(ellipsoid, densities, strict=True))


def _shift(inside: Mask, bright: Mask, values: Values, spacing_zyx: Spacing) -> float | None:
    """Distance of the centre of mass from the centre of the form [mm]."""
    total, terms = float(values.sum()), float(np.abs(values).sum())
    if ratio(1.0, total, terms=terms) is None:
        return None
    mass = values @ _places(bright, spacing_zyx) / total
    return float(np.linalg.norm(mass - _places(inside, spacing_zyx).mean(axis=0)))


def _places(mask: Mask, spacing_zyx: Spacing) -> Values:
    """Centres of the voxels of a mask, shape ``(voxel, zyx)`` [mm]."""
    return np.argwhere(mask).astype(np.float64) * np.asarray(spacing_zyx, dtype=np.float64)
