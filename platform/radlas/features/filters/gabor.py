"""Gabor filter of IBSI 2: stripes of one wavelength in a plane, in one direction or in all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, field_validator
from scipy import fft

from radlas.features.filters.boundary import (
    Boundary,
    FilterSettings,
    Map,
    Spacing,
    Support,
    Voxels,
    checked,
    isotropic_spacing,
    pad,
)
from radlas.features.filters.rotation import Pooling, pool

Spectrum = NDArray[np.complex128]
_BLOCK = 2**21  # padded voxels transformed at once: some 100 MB


class GaborSettings(FilterSettings):
    """Width, wavelength and direction of the stripes."""

    sigma: FiniteFloat = Field(
        gt=0, description="Standard deviation of the envelope across the stripes [mm]."
    )
    wavelength: FiniteFloat = Field(
        gt=0, description="Distance of the stripes, IBSI's lambda [mm]."
    )
    gamma: FiniteFloat = Field(
        default=1.0,
        gt=0,
        description="Aspect ratio: the envelope is sigma / gamma along the stripes [1].",
    )
    theta: FiniteFloat = Field(
        default=0.0, description="Direction, clockwise in the slice [degree]."
    )
    theta_step: FiniteFloat | None = Field(
        default=None, gt=0, description="Pool all directions by this step from theta on [degree]."
    )
    orthogonal_planes: bool = Field(
        default=False, description="Pool axial, coronal and sagittal slices; axial only if false."
    )
    pooling: Pooling = Field(default="mean", description="How responses become one map.")
    cutoff: FiniteFloat = Field(
        default=6.0,
        gt=0,
        description="Half width of the kernel [standard deviations of its longer axis].",
    )

    @field_validator("theta_step")
    @classmethod
    def _divides_a_half_circle(cls, step: float | None) -> float | None:
        if step is not None and not math.isclose(180 / step, round(180 / step), rel_tol=1e-9):
            raise ValueError("the step must divide 180 degrees into equal parts")
        return step

    @property
    def name(self) -> str:
        """Slug, as ``gabor-sigma-5-0-lambda-2-0-gamma-1-5-theta-0-0-step-22-5-mean-3planes``.

        Examples:
            >>> GaborSettings(sigma=5, wavelength=2, theta=60).name
            'gabor-sigma-5-0-lambda-2-0-gamma-1-0-theta-60-0'
        """
        shape = ["sigma", self.sigma, "lambda", self.wavelength, "gamma", self.gamma]
        turned = [] if self.theta_step is None else ["step", self.theta_step]
        planes = ["3planes"] if self.orthogonal_planes else []
        pooled = [self.pooling] if turned or planes else []
        cut = [] if self.cutoff == 6.0 else ["cutoff", self.cutoff]
        return self._slug("gabor", *shape, "theta", self.theta, *turned, *pooled, *planes, *cut)


def gabor(
    voxels: Voxels,
    *,
    spacing_zyx: Spacing,
    sigma: float,
    wavelength: float,
    gamma: float,
    theta: float,
    theta_step: float | None,
    orthogonal_planes: bool,
    pooling: Pooling,
    cutoff: float,
    boundary: Boundary,
) -> Map:
    """Modulus of the response to a two-dimensional Gabor kernel.

    With ``u = x cos(theta) + y sin(theta)`` and ``v = x sin(theta) - y cos(theta)`` in voxels, the
    kernel is ``exp(-(u^2 + gamma^2 v^2) / (2 sigma^2) + 2 pi i u / wavelength)`` on a square of
    ``2 floor(cutoff * sigma / min(1, gamma) + 1/2) + 1`` voxels. IBSI 2 names no such limit.
    Directions half a turn apart have one modulus, so all of them lie within 180 degrees.

    Args:
        voxels: Image, shape ``(z, y, x)``.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.
        sigma: Standard deviation of the envelope across the stripes [mm].
        wavelength: Distance of the stripes [mm].
        gamma: Ratio of the envelope's widths across and along the stripes [1].
        theta: Direction, clockwise with x to the right and y down [degree].
        theta_step: Step of the directions to pool [degree], a divisor of 180; ``None`` for one.
        orthogonal_planes: True to pool planes (y, x), (z, x) and (z, y), False for (y, x) alone.
        pooling: How directions, then planes become one.
        cutoff: Half width of the kernel [standard deviations of its longer axis].
        boundary: What lies outside the image.

    Returns:
        Response map, shape ``(z, y, x)``, at least 0 [unit of ``voxels``].

    Raises:
        DataError: ``not_finite``.
        ConfigError: Voxels are not isotropic: not squares, or not cubes for orthogonal planes.

    Source:
        IBSI 2 reference manual (arXiv 2006.05470), "Gabor filters", Q88H.
    """
    values = checked(voxels, spacing_zyx=spacing_zyx, planar=not orthogonal_planes)
    step = isotropic_spacing(spacing_zyx, planar=not orthogonal_planes)
    angles = _angles(theta, theta_step)
    kernels = [
        _kernel(sigma / step, wavelength / step, gamma, angle, _radius(sigma / step, gamma, cutoff))
        for angle in angles
    ]
    planes = (
        np.moveaxis(_planewise(np.moveaxis(values, axis, 0), kernels, pooling, boundary), 0, axis)
        for axis in ((0, 1, 2) if orthogonal_planes else (0,))
    )
    return pool(planes, pooling=pooling)


def support_voxels(settings: GaborSettings, *, spacing_zyx: Spacing) -> Support:
    """Voxels around a box, along z, y and x, that its filtered values depend on.

    Args:
        settings: Of the filter.
        spacing_zyx: Distance of voxel centres along each axis [mm]; isotropic.

    Raises:
        ConfigError: The voxels are not isotropic.
    """
    step = isotropic_spacing(spacing_zyx, planar=not settings.orthogonal_planes)
    radius = _radius(settings.sigma / step, settings.gamma, settings.cutoff)
    return radius if settings.orthogonal_planes else 0, radius, radius


def _angles(theta: float, step: float | None) -> list[float]:
    count = 1 if step is None else round(180 / step)
    return [math.radians(theta + index * (step or 0.0)) for index in range(count)]


def _radius(width: float, gamma: float, cutoff: float) -> int:
    return math.floor(cutoff * width / min(1.0, gamma) + 0.5)


def _kernel(width: float, wave: float, gamma: float, angle: float, radius: int) -> Spectrum:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    across = x * math.cos(angle) + y * math.sin(angle)
    along = x * math.sin(angle) - y * math.cos(angle)
    envelope = np.exp(-(across**2 + (gamma * along) ** 2) / (2 * width**2))
    kernel: Spectrum = envelope * np.exp(2j * np.pi * across / wave)
    return kernel


def _planewise(
    slices: Map, kernels: Sequence[Spectrum], pooling: Pooling, boundary: Boundary
) -> Map:
    reach = len(kernels[0]) // 2
    shape = [fft.next_fast_len(size + 2 * reach) for size in slices.shape[1:]]
    spectra = [fft.fft2(kernel, s=shape) for kernel in kernels]
    count = max(1, _BLOCK // math.prod(shape))
    blocks = (slices[start : start + count] for start in range(0, len(slices), count))
    return np.concatenate(
        [pool(_moduli(block, spectra, reach, boundary), pooling=pooling) for block in blocks]
    )


def _moduli(
    block: Map, spectra: Sequence[Spectrum], reach: int, boundary: Boundary
) -> Iterator[Map]:
    image = fft.fft2(pad(block, (0, reach, reach), boundary=boundary), s=spectra[0].shape)
    rows, columns = (slice(2 * reach, 2 * reach + size) for size in block.shape[1:])
    for spectrum in spectra:
        # Rows outside the result are not transformed back along the second axis.
        half = fft.ifft(image * spectrum, axis=1)[:, rows]
        yield np.abs(fft.ifft(half, axis=2)[:, :, columns])
