"""Laws kernels of IBSI 2: levels, edges, spots, waves and ripples, and the energy they carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from radlas.features.filters.boundary import (
    Boundary,
    FilterSettings,
    Kernel,
    Kernels,
    Map,
    Spacing,
    Support,
    Voxels,
    checked,
    convolve,
    radii,
)
from radlas.features.filters.rotation import Pooling, orientations, respond

LawsKernel = Literal["L3", "E3", "S3", "L5", "E5", "S5", "W5", "R5"]
_WEIGHTS: dict[str, tuple[int, ...]] = {
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}


class LawsSettings(FilterSettings):
    """Which kernels along which axis, in which orientations, and whether as energy."""

    kernels: tuple[LawsKernel, LawsKernel] | tuple[LawsKernel, LawsKernel, LawsKernel] = Field(
        description="Kernels along x, y and z; of two, each slice is filtered on its own."
    )
    rotation_invariance: bool = Field(
        default=True, description="Pool all orientations of the kernels, by right angles."
    )
    pooling: Pooling = Field(default="max", description="How orientations become one map.")
    energy_distance: PositiveInt | None = Field(
        default=7,
        description="Chebyshev distance over which absolute responses are averaged [voxel];"
        " `null` for the responses themselves.",
    )

    @property
    def name(self) -> str:
        """Slug, as ``laws-l5e5e5-energy-7-max``.

        Examples:
            >>> LawsSettings(kernels=("L5", "E5", "E5")).name
            'laws-l5e5e5-energy-7-max'
        """
        energy = [] if self.energy_distance is None else ["energy", self.energy_distance]
        pooled = [self.pooling] if self.rotation_invariance else []
        return self._slug("laws", "".join(self.kernels), *energy, *pooled)


def laws(
    voxels: Voxels,
    *,
    spacing_zyx: Spacing,
    kernels: Sequence[LawsKernel],
    rotation_invariance: bool,
    pooling: Pooling,
    energy_distance: int | None,
    boundary: Boundary,
) -> Map:
    """Response to a Laws kernel, or its energy.

    Kernels have Euclidean norm 1. Orientations are pooled first. The energy is the mean absolute
    pooled response over ``2 * energy_distance + 1`` voxels per axis.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.
        kernels: Two or three names, along x, y and z; of two, slices are filtered on their own.
        rotation_invariance: True to pool the 24 orientations (4 in the slice).
        pooling: How orientations become one; without effect on a single one.
        energy_distance: Chebyshev distance of the average [voxel]; ``None`` for no energy.
        boundary: What lies outside the image; for the energy, outside the response.

    Returns:
        Response or energy map, shape ``(z, y, x)`` [unit of ``voxels``].

    Raises:
        DataError: ``not_finite``.
        ConfigError: The voxels are not isotropic.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), "Laws kernels", JTXT. Laws, "Rapid texture
        identification", Proc. SPIE 238 (1980).
    """
    values = checked(voxels, spacing_zyx=spacing_zyx, planar=len(kernels) == 2)
    stages = (_weights(kernels),)
    filters = orientations(stages) if rotation_invariance else [stages]
    response = respond(values, filters, pooling=pooling, boundary=boundary)
    if energy_distance is None:
        return response
    window = _window(energy_distance, planar=len(kernels) == 2)
    return convolve(np.abs(response), window, boundary=boundary)


def support_voxels(settings: LawsSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    Args:
        settings: Of the filter.
        spacing_zyx: Not needed: kernels are given in voxels.
    """
    reach = radii(_weights(settings.kernels))
    planar = len(settings.kernels) == 2
    if settings.rotation_invariance:
        reach = (0 if planar else max(reach), max(reach), max(reach))
    if settings.energy_distance is None:
        return reach
    z, y, x = radii(_window(settings.energy_distance, planar=planar))
    return reach[0] + z, reach[1] + y, reach[2] + x


def _weights(names: Sequence[str]) -> Kernels:
    x, y = (_unit(name) for name in names[:2])
    return _unit(names[2]) if len(names) == 3 else None, y, x


def _unit(name: str) -> Kernel:
    weights = np.array(_WEIGHTS[name], dtype=np.float64)
    kernel: Kernel = weights / np.sqrt(np.sum(weights**2))
    return kernel


def _window(distance: int, *, planar: bool) -> Kernels:
    row = np.full(2 * distance + 1, 1.0 / (2 * distance + 1))
    return None if planar else row, row, row
