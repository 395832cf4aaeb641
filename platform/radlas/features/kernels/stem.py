"""A convolution of 7 x 7 x 7 neighbours of one channel, and the pooling after it, in one go.

A slice's convolution becomes 80 products, one for each place of a tile's transform
(``toom_cook.py``): two outputs from eight inputs along y, four from ten along x, with a fifth of
the multiplications. Along z the seven taps are summed as they are. A tile is pooled before it
leaves the caches: at full size its 64 channels would fill half a gigabyte. Four outputs along y too
would save a fifth of the time, and be four times less exact.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.features.kernels.toom_cook import Matrix, both_signs, transforms

TAPS = 7
_REACH = TAPS // 2
_ROWS, _COLUMNS = 8, 10  # inputs of a tile along y and x
PLACES = _ROWS * _COLUMNS
_DOWN, _ACROSS = _ROWS - TAPS + 1, _COLUMNS - TAPS + 1  # its outputs
_POOLED = _ACROSS // 2 + 1  # cells along x that see a tile
_SLICES = 8  # at once: more, and a tile does not fit the nearest cache
Array = NDArray[np.float32]

# With their negatives, 0 and infinity they lose least in single precision.
_ALONG_Y = (Fraction(1), Fraction(1, 2), Fraction(2))
_ALONG_X = (Fraction(1, 2), Fraction(2), Fraction(3, 4), Fraction(4, 3))
_FOR_Y, _FOR_X = (transforms(both_signs(*line), TAPS) for line in (_ALONG_Y, _ALONG_X))
# Their powers, which lead back from values at the points to coefficients.
_A, _B, _C, _D = (np.float32(point) for point in _ALONG_X)
_A2, _B2, _C2, _D2 = (np.float32(point**2) for point in _ALONG_X)
_A3, _B3, _C3, _D3 = (np.float32(point**3) for point in _ALONG_X)
_HALF, _TWO = np.float32(0.5), np.float32(2)


def transformed_filters(weights: Array) -> Array:
    """Filters as their products need them, transformed in double precision.

    Args:
        weights: Shape ``(outputs, 7, 7, 7)``.

    Returns:
        Shape ``(80, 7, outputs)``: for each place of a tile and each tap along z a row.
    """
    wide = weights.astype(np.float64)
    made = np.einsum("iy,ozyx,jx->ijzo", _FOR_Y.of_taps, wide, _FOR_X.of_taps)
    return np.ascontiguousarray(made.reshape(PLACES, TAPS, -1), np.float32)


def convolve_and_pool(image: Array, filters: Array, bias: Array, found: Array) -> None:
    """Maxima over 3 x 3 x 3 outputs, every second one along each axis, and nothing below 0.

    Args:
        image: Shape ``(z, y, x)``, finite; zero beyond its edge.
        filters: Of ``transformed_filters``.
        bias: Shape ``(channel,)``.
        found: Filled. Shape ``(ceil(z / 2), ceil(y / 2), ceil(x / 2), channel)``.
    """
    lines = np.ascontiguousarray(image.transpose(1, 2, 0))
    found[:] = 0
    _all_tiles(lines, _FOR_Y.of_inputs, _FOR_X.of_inputs, filters, bias, found)


@kernel
def _all_tiles(
    lines: Array, down: Matrix, across: Matrix, filters: Array, bias: Array, found: Array
) -> None:
    height, width, depth = lines.shape
    channels = bias.size
    near = np.empty((_ROWS, _COLUMNS, depth))
    half = np.empty((_ROWS, _COLUMNS, depth))
    # Zeros before and behind, and one slice more: slices are done in pairs.
    values = np.zeros((PLACES, depth + TAPS), np.float32)
    column = np.empty((_ROWS, _SLICES, channels), np.float32)
    made = np.empty((_COLUMNS, _DOWN, _SLICES, channels), np.float32)
    outputs = np.empty((_DOWN, _ACROSS, channels), np.float32)
    maxima = np.empty((_DOWN, _POOLED, channels), np.float32)
    flat_column = column.reshape(_ROWS, -1)
    flat_made = made.reshape(_COLUMNS, _DOWN, -1)
    for y in range(0, height, _DOWN):
        for x in range(0, width, _ACROSS):
            _take(lines, y, x, near)
            _transform(near, down, across, half, values)
            for z in range(0, depth, _SLICES):
                slices = min(_SLICES, depth - z)
                for j in range(_COLUMNS):
                    for i in range(_ROWS):
                        place = i * _COLUMNS + j
                        _products(values[place], z, filters[place], slices, column[i])
                    _back_along_y(flat_column, flat_made[j])
                for k in range(slices):
                    _back_along_x(made, k, bias, height - y, width - x, outputs)
                    _pool(outputs, maxima, z + k, y, x, found)


@kernel
def _take(lines: Array, y: int, x: int, near: Matrix) -> None:
    height, width, depth = lines.shape
    for i in range(_ROWS):
        for j in range(_COLUMNS):
            row, column = y + i - _REACH, x + j - _REACH
            inside = 0 <= row < height and 0 <= column < width
            for z in range(depth):
                near[i, j, z] = lines[row, column, z] if inside else 0


@kernel
def _transform(near: Matrix, down: Matrix, across: Matrix, half: Matrix, values: Array) -> None:
    """In double precision: it is a twentieth of the work."""
    depth = near.shape[2]
    half[:] = 0
    for i in range(_ROWS):
        for k in range(_ROWS):
            factor = down[i, k]
            if factor != 0:
                for j in range(_COLUMNS):
                    for z in range(depth):
                        half[i, j, z] += factor * near[k, j, z]
    line = np.empty(depth)
    for i in range(_ROWS):
        for j in range(_COLUMNS):
            line[:] = 0
            for k in range(_COLUMNS):
                factor = across[j, k]
                if factor != 0:
                    for z in range(depth):
                        line[z] += factor * half[i, k, z]
            for z in range(depth):
                values[i * _COLUMNS + j, z + _REACH] = line[z]


@kernel
def _products(v: Array, start: int, rows: Array, slices: int, made: Array) -> None:
    """Sums over the taps along z, two slices at once: each filter is fetched once for both.

    Args:
        v: A place's values, three zeros before the first slice's.
        start: First slice wanted.
        rows: The place's filters, shape ``(7, channel)``.
        slices: How many are wanted.
        made: Filled. Shape ``(at least slices, even; channel)``.
    """
    for z in range(0, slices, 2):
        at = start + z
        a, b, c, d = v[at], v[at + 1], v[at + 2], v[at + 3]
        e, f, g, h = v[at + 4], v[at + 5], v[at + 6], v[at + 7]
        first, second = made[z], made[z + 1]
        for k in range(rows.shape[1]):
            p, q, r, s = rows[0, k], rows[1, k], rows[2, k], rows[3, k]
            t, u, w = rows[4, k], rows[5, k], rows[6, k]
            first[k] = a * p + b * q + c * r + d * s + e * t + f * u + g * w
            second[k] = b * p + c * q + d * r + e * s + f * t + g * u + h * w


@kernel
def _back_along_y(column: Array, made: Array) -> None:
    """Eight values of a column to its two outputs."""
    for k in range(column.shape[1]):
        one, minus_one = column[1, k], column[2, k]
        half, minus_half = column[3, k], column[4, k]
        two, minus_two = column[5, k], column[6, k]
        odd = (one - minus_one) + _HALF * (half - minus_half) + _TWO * (two - minus_two)
        made[0, k] = column[0, k] + (one + minus_one) + (half + minus_half) + (two + minus_two)
        made[1, k] = odd + column[7, k]


@kernel
def _back_along_x(
    made: Array, z: int, bias: Array, height: int, width: int, outputs: Array
) -> None:
    """Ten values of a row to its four outputs; 0 beyond the image, where nothing is pooled."""
    for i in range(_DOWN):
        m0, m1, m2, m3 = made[0, i, z], made[1, i, z], made[2, i, z], made[3, i, z]
        m4, m5, m6, m7 = made[4, i, z], made[5, i, z], made[6, i, z], made[7, i, z]
        m8, m9 = made[8, i, z], made[9, i, z]
        for k in range(bias.size):
            a, minus_a = m1[k] + m2[k], m1[k] - m2[k]
            b, minus_b = m3[k] + m4[k], m3[k] - m4[k]
            c, minus_c = m5[k] + m6[k], m5[k] - m6[k]
            d, minus_d = m7[k] + m8[k], m7[k] - m8[k]
            plus = bias[k]
            outputs[i, 0, k] = m0[k] + (a + b) + (c + d) + plus
            outputs[i, 1, k] = (_A * minus_a + _B * minus_b) + (_C * minus_c + _D * minus_d) + plus
            outputs[i, 2, k] = (_A2 * a + _B2 * b) + (_C2 * c + _D2 * d) + plus
            odd = (_A3 * minus_a + _B3 * minus_b) + (_C3 * minus_c + _D3 * minus_d)
            outputs[i, 3, k] = odd + m9[k] + plus
        for j in range(width if i < height else 0, _ACROSS):
            for k in range(bias.size):
                outputs[i, j, k] = 0


@kernel
def _pool(outputs: Array, maxima: Array, z: int, y: int, x: int, found: Array) -> None:
    """A tile's part in the cells it touches: those of its even rows and the next, three columns."""
    depth, height, width, channels = found.shape
    for i in range(_DOWN):
        for k in range(channels):
            second, fourth = outputs[i, 1, k], outputs[i, 3, k]
            maxima[i, 0, k] = max(outputs[i, 0, k], second)
            maxima[i, 1, k] = max(second, outputs[i, 2, k], fourth)
            maxima[i, 2, k] = fourth
    for cz in range(z // 2, min((z + 1) // 2 + 1, depth)):
        for j in range(min(_POOLED, width - x // 2)):
            upper, lower = maxima[0, j], maxima[1, j]
            cell = found[cz, y // 2, x // 2 + j]
            for k in range(channels):
                cell[k] = max(cell[k], upper[k], lower[k])
            if y // 2 + 1 < height:
                cell = found[cz, y // 2 + 1, x // 2 + j]
                for k in range(channels):
                    cell[k] = max(cell[k], lower[k])
