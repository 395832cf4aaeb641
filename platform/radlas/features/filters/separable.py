"""Separable wavelets of IBSI 2: undecimated, by level, in all orientations."""

from __future__ import annotations

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
    radii,
)
from radlas.features.filters.rotation import Pooling, Stages, orientations, respond

Wavelet = Literal["haar", "db2", "db3", "db4", "sym4", "coif1", "coif2", "coif3"]
Bands = Literal["LL", "LH", "HL", "HH", "LLL", "LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH"]

# Scaling filters, solved from what defines them to double precision: sum sqrt(2), orthonormal to
# their even shifts, vanishing moments (Daubechies, Ten Lectures on Wavelets, 1992, chapters 6-8).
_SCALING = {
    "haar": "0.7071067811865476 0.7071067811865476",
    "db2": "0.48296291314453416 0.8365163037378079 0.2241438680420134 -0.12940952255126037",
    "db3": "0.33267055295008263 0.8068915093110925 0.45987750211849154 -0.13501102001025458"
    " -0.08544127388202666 0.03522629188570953",
    "db4": "0.2303778133088965 0.7148465705529157 0.6308807679298589 -0.027983769416859854"
    " -0.18703481171909309 0.030841381835560764 0.0328830116668852 -0.010597401785069032",
    "sym4": "0.032223100604051466 -0.012603967262031304 -0.09921954357663353 0.29785779560530606"
    " 0.8037387518051321 0.497618667632775 -0.029635527646002493 -0.07576571478950221",
    "coif1": "-0.07273261951252645 0.33789766245748176 0.8525720202116004 0.3848648468648577"
    " -0.07273261951252645 -0.015655728135791993",
    "coif2": "0.01638733646320364 -0.04146493678687178 -0.0673725547237256 0.38611006682276283"
    " 0.8127236354494135 0.41700518442323903 -0.07648859907828076 -0.059434418646431085"
    " 0.02368017194684777 0.005611434819368834 -0.001823208870911032 -0.000720549445520347",
    "coif3": "-0.0037935128643808015 0.0077825964256727454 0.023452696142077165"
    " -0.06577191128146936 -0.06112339000297254 0.4051769024091182 0.7937772226260872"
    " 0.42848347637737 -0.07179982161915484 -0.08230192710629981 0.03455502757329773"
    " 0.015880544863669452 -0.009007976136730624 -0.002574517688136797 0.0011175187708306303"
    " 0.0004662169598204029 -7.0983302506379e-05 -3.4599773197272774e-05",
}


class SeparableWaveletSettings(FilterSettings):
    """Which wavelet, which band of which level, in which orientations."""

    wavelet: Wavelet = Field(description="Family and number of vanishing moments or order.")
    bands: Bands = Field(
        description="Low (L) or high (H) pass along x, y and z; of two letters, each slice is"
        " filtered on its own."
    )
    level: PositiveInt = Field(default=1, le=3, description="Level of decomposition, 1 to 3.")
    rotation_invariance: bool = Field(
        default=True, description="Pool all orientations of the filters, by right angles."
    )
    pooling: Pooling = Field(default="mean", description="How orientations become one map.")

    @property
    def name(self) -> str:
        """Slug, as ``wavelet-db3-llh-1-mean``.

        Examples:
            >>> SeparableWaveletSettings(wavelet="db3", bands="LLH").name
            'wavelet-db3-llh-1-mean'
        """
        pooled = [self.pooling] if self.rotation_invariance else []
        return self._slug("wavelet", self.wavelet, self.bands, self.level, *pooled)


def separable_wavelet(
    voxels: Voxels,
    *,
    spacing_zyx: Spacing,
    wavelet: Wavelet,
    bands: Bands,
    level: int,
    rotation_invariance: bool,
    pooling: Pooling,
    boundary: Boundary,
) -> Map:
    """One undecimated wavelet band.

    Levels before the last are low passes along all axes. From each level to the next, filters are
    widened by a zero between any two weights (a trous). A filter of ``n`` weights is centred on
    its weight ``n / 2``, counted from 0. The whole cascade is turned, then pooled.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.
        wavelet: Name of the wavelet.
        bands: ``L`` or ``H`` along x, y and z; of two, slices are filtered on their own.
        level: Level of decomposition, from 1.
        rotation_invariance: True to pool the 24 orientations (4 in the slice).
        pooling: How orientations become one; without effect on a single one.
        boundary: What lies outside the image; at later levels, outside the low pass before.

    Returns:
        Response map, shape ``(z, y, x)`` [unit of ``voxels``].

    Raises:
        DataError: ``not_finite``.
        ConfigError: The voxels are not isotropic.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), "Separable wavelets", 25BO.
    """
    values = checked(voxels, spacing_zyx=spacing_zyx, planar=len(bands) == 2)
    stages = _cascade(wavelet, bands, level)
    filters = orientations(stages) if rotation_invariance else [stages]
    return respond(values, filters, pooling=pooling, boundary=boundary)


def support_voxels(settings: SeparableWaveletSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    Args:
        settings: Of the filter.
        spacing_zyx: Not needed: filters are given in voxels.
    """
    stages = _cascade(settings.wavelet, settings.bands, settings.level)
    z, y, x = (sum(reach) for reach in zip(*map(radii, stages), strict=True))
    return z, y, x


def _cascade(wavelet: str, bands: str, level: int) -> Stages:
    low_passes = (_stage(wavelet, "L" * len(bands), each) for each in range(1, level))
    return *low_passes, _stage(wavelet, bands, level)


def _stage(wavelet: str, bands: str, level: int) -> Kernels:
    x, y = (_widened(_filter(wavelet, band), level) for band in bands[:2])
    return _widened(_filter(wavelet, bands[2]), level) if len(bands) == 3 else None, y, x


def _filter(wavelet: str, band: str) -> Kernel:
    scaling = np.array(_SCALING[wavelet].split(), dtype=np.float64)
    if band == "L":
        return scaling[::-1]
    return scaling * np.where(np.arange(len(scaling)) % 2, 1.0, -1.0)


def _widened(weights: Kernel, level: int) -> Kernel:
    step = 2 ** (level - 1)
    kernel = np.zeros(len(weights) * step + 1)  # a last zero puts the centre on weight n / 2
    kernel[:-1:step] = weights
    return kernel
