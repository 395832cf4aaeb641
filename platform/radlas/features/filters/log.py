"""Laplacian of Gaussian by ITK's recursive filters, for the part of an image that is asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.features.filters.box import Box, shape_of
from radlas.features.kernels.recursive import add_scaled, filter_last, filter_middle

# Damped cosines that fit a Gaussian and its second derivative: G. Farnebäck and C.-F. Westin,
# "Improving Deriche-style recursive Gaussian filters", J Math Imaging Vis 26 (2006), as in ITK.
FREQUENCIES = 0.6681, 2.0787
DECAYS = -1.3932, -1.3732
SMOOTH = (1.3530, 1.8151), (-0.3531, 0.0902)
CURVED = (-1.3563, 5.2318), (0.3446, -2.2355)
FORGOTTEN = 28.0  # after so many decay lengths nothing is left that float32 could hold
MARGIN = 8  # voxels more, for the edge itself

Coefficients = NDArray[np.float64]
Image = NDArray[np.float32]


def log_image(
    voxels: NDArray[Any],
    *,
    spacing_zyx: tuple[float, float, float],
    sigma: float,
    box: Box,
    needed: NDArray[np.bool_] | None = None,
) -> Image:
    """The scale-normalised Laplacian of Gaussian, as SimpleITK computes it from the whole image.

    The recursion remembers; where it has forgotten, the image need not begin earlier.

    Args:
        voxels: The whole image, shape ``(z, y, x)``, at least four voxels along each axis.
        spacing_zyx: Voxel edges [mm].
        sigma: Width of the Gaussian [mm].
        box: The part that is wanted.
        needed: Which voxels of it matter, of its shape; all if ``None``.

    Returns:
        The shape of ``box``; equal to SimpleITK's voxels bit by bit where they matter.
    """
    part = voxels if voxels.dtype in (np.float32, np.float64) else floats_of(voxels)
    shares = tuple(-DECAYS[1] * edge / sigma for edge in spacing_zyx)
    smooth = [coefficients(sigma, edge, second=False) for edge in spacing_zyx]
    curved = [coefficients(sigma, edge, second=True) for edge in spacing_zyx]
    total = np.zeros(shape_of(box), dtype=np.float32)
    for axis in (2, 1, 0):  # ITK's order: the second derivative first, then x, y, z
        image, left = _along(part, curved[axis], axis, box, shares)
        middle, last = (other for other in (2, 1, 0) if other != axis)
        image, left = _along(image, smooth[middle], middle, left, shares)
        lines = None if needed is None else needed.any(axis=last).ravel()
        image, _ = _along(image, smooth[last], last, left, shares, lines=lines)
        add_scaled(total.ravel(), image.ravel(), 1.0 / spacing_zyx[axis] ** 2)
    return total


def floats_of(voxels: NDArray[Any]) -> NDArray[Any]:
    """Integers as floats that hold each of them exactly, in single precision if that does."""
    largest = max(abs(int(voxels.min())), abs(int(voxels.max())))
    return voxels.astype(np.float32 if largest < 1 << 24 else np.float64)


def coefficients(sigma: float, spacing: float, *, second: bool) -> Coefficients:
    """Of the recursion: 4 there, 4 back, 4 of memory, and 4 for each edge.

    Args:
        sigma: Width of the Gaussian [mm].
        spacing: Distance of samples [mm].
        second: For the second derivative, normalised across scales; else for the Gaussian.
    """
    width = sigma / spacing
    c1, c2 = (math.cos(frequency / width) for frequency in FREQUENCIES)
    s1, s2 = (math.sin(frequency / width) for frequency in FREQUENCIES)
    e1, e2 = (math.exp(decay / width) for decay in DECAYS)
    d4 = e1 * e1 * e2 * e2
    d3 = -2 * c1 * e1 * e2 * e2
    d3 += -2 * c2 * e2 * e1 * e1
    d2 = 4 * c2 * c1 * e1 * e2
    d2 += e1 * e1 + e2 * e2
    d1 = -2 * (e2 * c2 + e1 * c1)
    memory = (d1, d2, d3, d4)
    waves = (c1, c2, s1, s2, e1, e2)
    there = _numerator(SMOOTH, waves)
    sums = [1.0 + d1 + d2 + d3 + d4, d1 + 2 * d2 + 3 * d3 + 4 * d4]
    squares = d1 + 4 * d2 + 9 * d3 + 16 * d4
    if second:
        there = _second_derivative(there, _numerator(CURVED, waves), sums, squares, sigma)
    else:
        alpha = 2 * sum(there) / sums[0] - there[0]
        there = [n * (1.0 / alpha) for n in there]
    n0, n1, n2, n3 = there
    back = [n1 - d1 * n0, n2 - d2 * n0, n3 - d3 * n0, -d4 * n0]
    total = 1.0 + d1 + d2 + d3 + d4
    ahead, behind = n0 + n1 + n2 + n3, back[0] + back[1] + back[2] + back[3]
    edges = [d * ahead / total for d in memory] + [d * behind / total for d in memory]
    return np.array([*there, *back, *memory, *edges])


def _numerator(
    fit: tuple[tuple[float, float], tuple[float, float]],
    waves: tuple[float, float, float, float, float, float],
) -> list[float]:
    c1, c2, s1, s2, e1, e2 = waves
    (a1, b1), (a2, b2) = fit
    n1 = e2 * (b2 * s2 - (a2 + 2 * a1) * c2)
    n1 += e1 * (b1 * s1 - (a1 + 2 * a2) * c1)
    n2 = (a1 + a2) * c2 * c1
    n2 -= b1 * c2 * s1 + b2 * c1 * s2
    n2 *= 2 * e1 * e2
    n2 += a2 * e1 * e1 + a1 * e2 * e2
    n3 = e2 * e1 * e1 * (b2 * s2 - a2 * c2)
    n3 += e1 * e2 * e2 * (b1 * s1 - a1 * c1)
    return [a1 + a2, n1, n2, n3]


def _moments(n: list[float]) -> tuple[float, float, float]:
    return (
        n[0] + n[1] + n[2] + n[3],
        n[1] + 2 * n[2] + 3 * n[3],
        n[1] + 4 * n[2] + 9 * n[3],
    )


def _second_derivative(
    smooth: list[float], curved: list[float], sums: list[float], squares: float, sigma: float
) -> list[float]:
    """Of both fits the mixture that answers nothing to a constant, and 2 to a parabola."""
    total, first = sums
    sum0, moment0, square0 = _moments(smooth)
    sum2, moment2, square2 = _moments(curved)
    beta = -(2 * sum2 - total * curved[0]) / (2 * sum0 - total * smooth[0])
    mixed = [two + beta * zero for two, zero in zip(curved, smooth, strict=True)]
    n, m, q = sum2 + beta * sum0, moment2 + beta * moment0, square2 + beta * square0
    alpha = q * total * total - squares * n * total
    alpha += -2 * m * first * total + 2 * first * first * n
    alpha /= total * total * total
    return [value * (sigma * sigma / alpha) for value in mixed]


def _along(
    image: NDArray[Any],
    k: Coefficients,
    axis: int,
    box: Box,
    shares: tuple[float, ...],
    *,
    lines: NDArray[np.bool_] | None = None,
) -> tuple[Image, Box]:
    """Filter along one axis and keep of it what the box wants; the box on what is left.

    A line off the box matters the less the farther it is, for the filters that follow will forget
    it; so much less of it need be read.
    """
    side, size = box[axis], image.shape[axis]
    apart = [
        share * np.maximum(np.maximum(one.start - np.arange(n), np.arange(n) - one.stop + 1), 0)
        for one, n, share in zip(box, image.shape, shares, strict=True)
    ]
    first, second = (apart[other] for other in range(3) if other != axis)
    left = FORGOTTEN - np.add.outer(first, second).ravel()
    if lines is not None:
        left = np.where(lines, left, 0)
    margin = np.ceil(left / shares[axis]).astype(np.int64) + MARGIN
    lows = np.where(left > 0, np.maximum(side.start - margin, 0), size)
    highs = np.where(left > 0, np.minimum(side.stop + margin, size), 0)
    z, y, x = (side.stop - side.start if at == axis else n for at, n in enumerate(image.shape))
    out = np.empty((z, y, x), dtype=np.float32)
    image = np.ascontiguousarray(image)
    if axis == 2:
        filter_last(
            image.reshape(-1, size), k, side.start, side.stop, lows, highs, out.reshape(-1, x)
        )
    elif axis == 1:
        filter_middle(image, k, side.start, side.stop, lows, highs, out)
    else:
        flat, there = image.reshape(1, size, -1), out.reshape(1, z, -1)
        filter_middle(flat, k, side.start, side.stop, lows, highs, there)
    inner = [slice(0, side.stop - side.start) if at == axis else one for at, one in enumerate(box)]
    return out, (inner[0], inner[1], inner[2])
