"""How alike intensities are that lie near each other: Moran's I and Geary's C, exactly. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radlas.features.ibsi.statistics import Values, deviations

Spacing = tuple[float, float, float]


def spatial_association(
    mask: NDArray[np.bool_], intensities: NDArray[np.floating], *, spacing_zyx: Spacing
) -> tuple[float | None, float | None]:
    """Moran's I and Geary's C over all pairs of voxels, weighted by one over their distance.

    Sums over pairs are sums over offsets of an autocorrelation, which Fourier transforms give at
    once. So all pairs are in it, and nothing is sampled.

    Args:
        mask: The ROI, shape ``(z, y, x)``; crop it to its box first, time and memory follow it.
        intensities: Same shape; finite inside the mask.
        spacing_zyx: Voxel edge lengths [mm].

    Returns:
        Moran's I and Geary's C [1]; ``None`` both where all voxels are equal or there is one.

    Source:
        IBSI reference manual (arXiv 1612.07003v11), "Moran's I index", "Geary's C measure".
    """
    apart = _apart(mask, intensities)
    squares = np.square(apart)
    total, voxels = float(squares.sum()), int(np.count_nonzero(mask))
    if total == 0:
        return None, None
    weights, products, squared = _pair_sums(mask, apart, squares, spacing_zyx)
    moran = voxels * products / (weights * total)
    geary = (voxels - 1) * (squared - products) / (weights * total)  # (a-b)^2 = a^2 + b^2 - 2ab
    return moran, geary


def _apart(mask: NDArray[np.bool_], intensities: NDArray[np.floating]) -> Values:
    """Deviations from the mean inside the mask, 0 outside."""
    apart = np.zeros(mask.shape)
    apart[mask] = deviations(intensities[mask].astype(np.float64))
    return apart


def _pair_sums(
    mask: NDArray[np.bool_], apart: Values, squares: Values, spacing_zyx: Spacing
) -> tuple[float, float, float]:
    """Sums over ordered pairs of the weight alone, times both deviations, times one squared."""
    shape = tuple(fft.next_fast_len(2 * size - 1, real=True) for size in mask.shape)
    kernel = _spectrum(_inverse_distances(shape, spacing_zyx)).real.copy()
    kernel *= _multiplicity(shape) / np.prod(shape)
    inside = _spectrum(mask.astype(np.float64), shape)
    weights = _pairs(kernel, inside, inside)
    squared = _pairs(kernel, inside, _spectrum(squares, shape))
    deviations = _spectrum(apart, shape)
    return weights, _pairs(kernel, deviations, deviations), squared


def _inverse_distances(shape: tuple[int, ...], spacing_zyx: Spacing) -> Values:
    """One over the distance of each offset [1/mm], the offset 0 having no weight; wraps round."""
    z, y, x = (
        np.square(edge * np.minimum(np.arange(float(size)), size - np.arange(size)))
        for size, edge in zip(shape, spacing_zyx, strict=True)
    )
    inverse: Values = np.add.outer(np.add.outer(z, y), x)
    inverse[0, 0, 0] = np.inf
    np.sqrt(inverse, out=inverse)
    return np.divide(1, inverse, out=inverse)


def _multiplicity(shape: tuple[int, ...]) -> Values:
    """How often a column of a half spectrum stands in the whole one."""
    times = np.full(shape[-1] // 2 + 1, 2.0)
    times[0] = 1
    if shape[-1] % 2 == 0:
        times[-1] = 1
    return times


def _spectrum(image: Values, shape: tuple[int, ...] | None = None) -> NDArray[np.complex128]:
    found: NDArray[np.complex128] = fft.rfftn(image, shape)
    return found


def _pairs(kernel: Values, one: NDArray[np.complex128], other: NDArray[np.complex128]) -> float:
    """Sum over pairs of kernel times one times other, by Parseval's theorem."""
    return float(np.sum(kernel * (one.real * other.real + one.imag * other.imag)))
