"""Mean filter of IBSI 2: what is left when detail is averaged away."""

from __future__ import annotations

import numpy as np
from pydantic import Field, PositiveInt, field_validator

from radlas.features.filters.boundary import (
    Boundary,
    FilterSettings,
    Kernels,
    Map,
    Spacing,
    Support,
    Voxels,
    checked,
    convolve,
    radii,
)


class MeanSettings(FilterSettings):
    """Over which neighbourhood the mean is taken."""

    size: PositiveInt = Field(default=15, description="Edge of the neighbourhood, odd [voxel].")
    planar: bool = Field(default=False, description="Slice by slice: a square, not a cube.")

    @field_validator("size")
    @classmethod
    def _has_a_centre(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("an even neighbourhood has no central voxel")
        return size

    @property
    def name(self) -> str:
        """Slug, as ``mean-15`` or ``mean-15-2d-zero``.

        Examples:
            >>> MeanSettings(size=15, planar=True, boundary="zero").name
            'mean-15-2d-zero'
        """
        return self._slug("mean", self.size, *(["2d"] if self.planar else []))


def mean(
    voxels: Voxels, *, spacing_zyx: Spacing, size: int, planar: bool, boundary: Boundary
) -> Map:
    """Mean of each voxel's neighbourhood.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.
        size: Edge of the neighbourhood, odd [voxel].
        planar: True for squares in the slice, False for cubes.
        boundary: What lies outside the image.

    Returns:
        Response map, shape ``(z, y, x)`` [unit of ``voxels``].

    Raises:
        DataError: ``not_finite``.
        ConfigError: The voxels are not isotropic.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), "Mean filter", S60F.
    """
    values = checked(voxels, spacing_zyx=spacing_zyx, planar=planar)
    return convolve(values, _kernels(size, planar), boundary=boundary)


def support_voxels(settings: MeanSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    Args:
        settings: Of the filter.
        spacing_zyx: Not needed: the neighbourhood is given in voxels.
    """
    return radii(_kernels(settings.size, settings.planar))


def _kernels(size: int, planar: bool) -> Kernels:
    row = np.full(size, 1.0 / size)
    return None if planar else row, row, row
