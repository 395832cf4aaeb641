"""The filters of IBSI 2 by name: settings, response map, and how far they reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from radlas.features.filters import gabor, laplacian, laws, mean, separable
from radlas.features.filters.boundary import FilterSettings, Map, Spacing, Support, Voxels


class IbsiFilter(NamedTuple):
    """One filter.

    Attributes:
        settings: Its settings; each field is a keyword of ``respond``.
        respond: Voxels ``(z, y, x)``, ``spacing_zyx`` and the settings in, response map out.
        support: Settings and ``spacing_zyx`` in, voxels around a box along (z, y, x) out.
    """

    settings: type[FilterSettings]
    respond: Callable[..., Map]
    support: Callable[..., Support]


IBSI_FILTERS: dict[str, IbsiFilter] = {
    "mean": IbsiFilter(mean.MeanSettings, mean.mean, mean.support_voxels),
    "log": IbsiFilter(
        laplacian.LaplacianSettings, laplacian.laplacian_of_gaussian, laplacian.support_voxels
    ),
    "laws": IbsiFilter(laws.LawsSettings, laws.laws, laws.support_voxels),
    "gabor": IbsiFilter(gabor.GaborSettings, gabor.gabor, gabor.support_voxels),
    "wavelet": IbsiFilter(
        separable.SeparableWaveletSettings, separable.separable_wavelet, separable.support_voxels
    ),
}


def response_map(
    name: str, settings: FilterSettings, voxels: Voxels, *, spacing_zyx: Spacing
) -> Map:
    """The image, filtered.

    Args:
        name: Of the filter, a key of ``IBSI_FILTERS``.
        settings: Of that filter's type.
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm].

    Returns:
        Response map, same shape.

    Raises:
        DataError: ``not_finite``.
        ConfigError: The voxels are not isotropic.
    """
    asked: dict[str, Any] = dict(settings)
    return IBSI_FILTERS[name].respond(voxels, spacing_zyx=spacing_zyx, **asked)


def support(name: str, settings: FilterSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    A crop with this margin, cut off only where the image ends, gives the box the values of the
    whole image. With the periodic boundary this holds only if the margin lies inside the image:
    otherwise voxels of the opposite side are missing.

    Args:
        name: Of the filter, a key of ``IBSI_FILTERS``.
        settings: Of that filter's type.
        spacing_zyx: Distance of voxel centres along each axis [mm].

    Raises:
        ConfigError: The voxels are not isotropic.
    """
    return IBSI_FILTERS[name].support(settings, spacing_zyx=spacing_zyx)
