"""The stem of ``stem.py`` with two inputs per output along each axis.

In a slice the image is four interleaved ones, each convolved with four taps a side or three. A
tile of four outputs a side becomes 49 products of each (``toom_cook.py``), a quarter of the
multiplications. Along z the seven taps are summed as they are.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.features.kernels.toom_cook import Matrix, both_signs, transforms

STRIDE = 2
_TAPS = 7  # along z
_SIDE = 4  # taps of an interleaved image along y and x, and outputs of a tile
_INPUTS = 2 * _SIDE - 1
_IMAGES = STRIDE * STRIDE
_POOLED = _SIDE // 2 + 1  # cells a side that see a tile
_SLICES = 8  # at once: more, and a tile does not fit the nearest cache
Array = NDArray[np.float32]

# With infinity they lose least in single precision.
_TRANSFORMS = transforms([*both_signs(Fraction(1), Fraction(1, 2)), Fraction(2)], _SIDE)
_EIGHTH, _QUARTER, _HALF = np.float32(0.125), np.float32(0.25), np.float32(0.5)
_TWO, _FOUR, _EIGHT = np.float32(2), np.float32(4), np.float32(8)


def transformed_filters(weights: Array) -> Array:
    """Filters as their products need them, transformed in double precision.

    Args:
        weights: Shape ``(outputs, 7, 7, 7)``.

    Returns:
        Shape ``(49, 4, 7, outputs)``: for each place of a tile, each interleaved image, and each
        tap along z a row.
    """
    padded = np.pad(weights.astype(np.float64), ((0, 0), (0, 0), (1, 0), (1, 0)))
    parts = padded.reshape(-1, _TAPS, _SIDE, STRIDE, _SIDE, STRIDE)
    of_taps = _TRANSFORMS.of_taps
    made = np.einsum("iy,ozypxq,jx->ijpqzo", of_taps, parts, of_taps)
    return np.ascontiguousarray(made.reshape(_INPUTS**2, _IMAGES, _TAPS, -1), np.float32)


def convolve_and_pool(image: Array, filters: Array, bias: Array, found: Array) -> None:
    """Maxima over 3 x 3 x 3 outputs, every second one along each axis, and nothing below 0.

    Args:
        image: Shape ``(z, y, x)``, finite; zero beyond its edge.
        filters: Of ``transformed_filters``.
        bias: Shape ``(channel,)``.
        found: Filled. Shape ``(ceil(z / 4), ceil(y / 4), ceil(x / 4), channel)``.
    """
    lines = np.ascontiguousarray(image.transpose(1, 2, 0))
    found[:] = 0
    _all_tiles(lines, _TRANSFORMS.of_inputs, filters, bias, found)


@kernel
def _all_tiles(lines: Array, transform: Matrix, filters: Array, bias: Array, found: Array) -> None:
    height, width, depth = lines.shape
    channels = bias.size
    near = np.empty((_INPUTS, _INPUTS, depth))
    half = np.empty((_INPUTS, _INPUTS, depth))
    values = np.zeros((_INPUTS**2, _IMAGES, depth + _TAPS), np.float32)
    column = np.empty((_INPUTS, _SLICES, channels), np.float32)
    made = np.empty((_INPUTS, _SIDE, _SLICES, channels), np.float32)
    outputs = np.empty((_SIDE, _SIDE, channels), np.float32)
    maxima = np.empty((_POOLED, _POOLED, channels), np.float32)
    flat_column = column.reshape(_INPUTS, -1)
    flat_made = made.reshape(_INPUTS, _SIDE, -1)
    down, across, deep = -(-height // STRIDE), -(-width // STRIDE), -(-depth // STRIDE)
    for y in range(0, down, _SIDE):
        for x in range(0, across, _SIDE):
            for image in range(_IMAGES):
                _take(lines, image, y, x, near)
                _transform(near, transform, half, values[:, image])
            for z in range(0, deep, _SLICES):
                slices = min(_SLICES, deep - z)
                for j in range(_INPUTS):
                    for i in range(_INPUTS):
                        place = i * _INPUTS + j
                        _products(values[place], z, filters[place], slices, column[i])
                    _back_along_y(flat_column, flat_made[j])
                for k in range(slices):
                    _back_along_x(made, k, bias, down - y, across - x, outputs)
                    _pool(outputs, maxima, z + k, y, x, found)


@kernel
def _take(lines: Array, image: int, y: int, x: int, near: Matrix) -> None:
    """A tile's inputs from one of the interleaved images."""
    height, width, depth = lines.shape
    for i in range(_INPUTS):
        for j in range(_INPUTS):
            row = (y + i - _SIDE // 2) * STRIDE + image // STRIDE
            column = (x + j - _SIDE // 2) * STRIDE + image % STRIDE
            inside = 0 <= row < height and 0 <= column < width
            for z in range(depth):
                near[i, j, z] = lines[row, column, z] if inside else 0


@kernel
def _transform(near: Matrix, transform: Matrix, half: Matrix, values: Array) -> None:
    """In double precision: it is a twentieth of the work."""
    depth = near.shape[2]
    half[:] = 0
    for i in range(_INPUTS):
        for k in range(_INPUTS):
            factor = transform[i, k]
            if factor != 0:
                for j in range(_INPUTS):
                    for z in range(depth):
                        half[i, j, z] += factor * near[k, j, z]
    line = np.empty(depth)
    for i in range(_INPUTS):
        for j in range(_INPUTS):
            line[:] = 0
            for k in range(_INPUTS):
                factor = transform[j, k]
                if factor != 0:
                    for z in range(depth):
                        line[z] += factor * half[i, k, z]
            for z in range(depth):
                values[i * _INPUTS + j, z + _TAPS // 2] = line[z]


@kernel
def _products(values: Array, start: int, filters: Array, slices: int, made: Array) -> None:
    """Sums over the interleaved images and the taps along z.

    Args:
        values: A place's, three zeros before the first slice's. Shape ``(4, z)``.
        start: First slice wanted.
        filters: The place's, shape ``(4, 7, channel)``.
        slices: How many are wanted.
        made: Filled. Shape ``(at least slices, channel)``.
    """
    for image in range(0, _IMAGES, 2):  # two at once: sums are fetched and kept half as often
        v, w = values[image], values[image + 1]
        of_v, of_w = filters[image], filters[image + 1]
        for z in range(slices):
            at = (start + z) * STRIDE
            v0, v1, v2, v3 = v[at], v[at + 1], v[at + 2], v[at + 3]
            v4, v5, v6 = v[at + 4], v[at + 5], v[at + 6]
            w0, w1, w2, w3 = w[at], w[at + 1], w[at + 2], w[at + 3]
            w4, w5, w6 = w[at + 4], w[at + 5], w[at + 6]
            for k in range(made.shape[1]):
                before = made[z, k] if image else np.float32(0)
                one = v0 * of_v[0, k] + v1 * of_v[1, k] + v2 * of_v[2, k] + v3 * of_v[3, k]
                two = w0 * of_w[0, k] + w1 * of_w[1, k] + w2 * of_w[2, k] + w3 * of_w[3, k]
                one += v4 * of_v[4, k] + v5 * of_v[5, k] + v6 * of_v[6, k]
                two += w4 * of_w[4, k] + w5 * of_w[5, k] + w6 * of_w[6, k]
                made[z, k] = before + (one + two)


@kernel
def _back_along_y(column: Array, made: Array) -> None:
    """Seven values of a column to its four outputs."""
    for k in range(column.shape[1]):
        even, odd = column[1, k] + column[2, k], column[1, k] - column[2, k]
        low, turned = column[3, k] + column[4, k], column[3, k] - column[4, k]
        two = column[5, k]
        made[0, k] = column[0, k] + even + low + two
        made[1, k] = odd + _HALF * turned + _TWO * two
        made[2, k] = even + _QUARTER * low + _FOUR * two
        made[3, k] = odd + _EIGHTH * turned + _EIGHT * two + column[6, k]


@kernel
def _back_along_x(
    made: Array, z: int, bias: Array, height: int, width: int, outputs: Array
) -> None:
    """Seven values of a row to its four outputs; 0 beyond the image, where nothing is pooled."""
    for i in range(_SIDE):
        m0, m1, m2, m3 = made[0, i, z], made[1, i, z], made[2, i, z], made[3, i, z]
        m4, m5, m6 = made[4, i, z], made[5, i, z], made[6, i, z]
        for k in range(bias.size):
            even, odd = m1[k] + m2[k], m1[k] - m2[k]
            low, turned = m3[k] + m4[k], m3[k] - m4[k]
            two, plus = m5[k], bias[k]
            outputs[i, 0, k] = m0[k] + even + low + two + plus
            outputs[i, 1, k] = odd + _HALF * turned + _TWO * two + plus
            outputs[i, 2, k] = even + _QUARTER * low + _FOUR * two + plus
            outputs[i, 3, k] = odd + _EIGHTH * turned + _EIGHT * two + m6[k] + plus
        for j in range(width if i < height else 0, _SIDE):
            outputs[i, j] = 0


@kernel
def _pool(outputs: Array, maxima: Array, z: int, y: int, x: int, found: Array) -> None:
    """A tile's part in the cells it touches, three a side, which reach over its edge."""
    depth, height, width, channels = found.shape
    for i in range(_SIDE):
        _three_from_four(outputs[i], outputs[i])
    for j in range(_POOLED):
        _three_from_four(outputs[:, j], maxima[:, j])
    for cz in range(z // 2, min((z + 1) // 2 + 1, depth)):
        for i in range(min(_POOLED, height - y // 2)):
            for j in range(min(_POOLED, width - x // 2)):
                cell = found[cz, y // 2 + i, x // 2 + j]
                for k in range(channels):
                    cell[k] = max(cell[k], maxima[i, j, k])


@kernel
def _three_from_four(line: Array, maxima: Array) -> None:
    """Maxima around every second value of a line, the first before it; may be where it was."""
    for k in range(line.shape[1]):
        second, fourth = line[1, k], line[3, k]
        maxima[0, k] = max(line[0, k], second)
        maxima[1, k] = max(second, line[2, k], fourth)
        maxima[2, k] = fourth
