"""Laplacian of Gaussian of IBSI 2: a sampled, truncated kernel that answers to blobs."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, FiniteFloat

from radlas.features.filters.boundary import (
    Boundary,
    FilterSettings,
    Kernel,
    Map,
    Spacing,
    Support,
    Voxels,
    checked,
    convolve,
    isotropic_spacing,
)


class LaplacianSettings(FilterSettings):
    """Width of the Gaussian, and where it is cut off."""

    sigma: FiniteFloat = Field(gt=0, description="Standard deviation of the Gaussian [mm].")
    cutoff: FiniteFloat = Field(
        default=4.0, gt=0, description="Half width of the kernel [standard deviations]."
    )
    planar: bool = Field(default=False, description="Slice by slice, with a kernel of a slice.")

    @property
    def name(self) -> str:
        """Slug, as ``log-sigma-3-0-mm`` or ``log-sigma-3-0-mm-cutoff-6-0-2d``.

        Examples:
            >>> LaplacianSettings(sigma=3).name
            'log-sigma-3-0-mm'
        """
        cut = [] if self.cutoff == 4.0 else ["cutoff", self.cutoff]
        return self._slug("log-sigma", self.sigma, "mm", *cut, *(["2d"] if self.planar else []))


def laplacian_of_gaussian(
    voxels: Voxels,
    *,
    spacing_zyx: Spacing,
    sigma: float,
    cutoff: float,
    planar: bool,
    boundary: Boundary,
) -> Map:
    """Response to the Laplacian of a Gaussian: negative on bright blobs.

    With ``r`` the distance to the centre and ``s`` the sigma, both in voxels, the kernel in ``D``
    dimensions is ``-(D - r^2 / s^2) / s^2 * (2 pi s^2)^(-D/2) * exp(-r^2 / (2 s^2))`` at each of
    ``2 floor(cutoff * s + 1/2) + 1`` voxels per axis. It is not corrected to a sum of 0. It is a
    sum of ``D`` separable kernels, by which it is computed.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.
        sigma: Standard deviation of the Gaussian [mm].
        cutoff: Half width of the kernel [standard deviations].
        planar: True to filter slice by slice (``D = 2``), False for ``D = 3``.
        boundary: What lies outside the image.

    Returns:
        Response map, shape ``(z, y, x)`` [unit of ``voxels`` per squared voxel edge].

    Raises:
        DataError: ``not_finite``.
        ConfigError: The voxels are not isotropic.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), "Laplacian of Gaussian", L6PA.
    """
    values = checked(voxels, spacing_zyx=spacing_zyx, planar=planar)
    width = sigma / isotropic_spacing(spacing_zyx, planar=planar)
    gauss, curved = _kernels(width, _radius(width, cutoff))
    axes = (1, 2) if planar else (0, 1, 2)
    response = np.zeros_like(values)
    for bent in axes:
        z, y, x = (
            None if axis not in axes else curved if axis == bent else gauss for axis in range(3)
        )
        response += convolve(values, (z, y, x), boundary=boundary)
    return response


def support_voxels(settings: LaplacianSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    Args:
        settings: Of the filter.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.

    Raises:
        ConfigError: The voxels are not isotropic.
    """
    width = settings.sigma / isotropic_spacing(spacing_zyx, planar=settings.planar)
    radius = _radius(width, settings.cutoff)
    return 0 if settings.planar else radius, radius, radius


def _radius(width: float, cutoff: float) -> int:
    return math.floor(cutoff * width + 0.5)


def _kernels(width: float, radius: int) -> tuple[Kernel, Kernel]:
    steps = np.arange(-radius, radius + 1) / width
    gauss = np.exp(-(steps**2) / 2) / (math.sqrt(2 * math.pi) * width)
    return gauss, (steps**2 - 1) / width**2 * gauss
