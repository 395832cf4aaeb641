"""Convolution of 3 x 3 neighbours with fewer products: four outputs a side from six inputs a side.

A convolution in slices becomes 36 matrix products, one for each place of a tile's transform, with
a quarter of the multiplications. The sixth product of a row or column counts in the fourth output
alone: tiles of three outputs, which fill a side that four do not divide, are spared it. Along z the
three taps are summed as matrices, outside, and where slices come in pairs three products do for
four. A dilation of ``d`` is ``d * d`` interleaved images without one. Both transforms touch each
value once.

Source: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin & Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, F(4x4, 3x3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel
from radlas.features.kernels.winograd_filters import GROUPS

Array = NDArray[np.float32]
Groups = tuple[Array, Array, Array, Array]


class Side(NamedTuple):
    """How tiles cover one side of an interleaved image.

    Attributes:
        tiles: Their number.
        long: How many of them, the first ones, have four outputs; the others have three.
    """

    tiles: int
    long: int


def side(extent: int, dilation: int) -> Side:
    """With as few tiles as there can be, and then as many short ones."""
    longest = -(-extent // dilation)
    tiles = -(-longest // 4)
    return Side(tiles, max(0, longest - 3 * tiles))


class Grid(NamedTuple):
    """The tiles of some slices.

    Attributes:
        slices: How many.
        dilation: Voxels between taps.
        down: Tiles along y.
        across: Tiles along x.
    """

    slices: int
    dilation: int
    down: Side
    across: Side

    def size(self, channels: int) -> int:
        """Values of all groups."""
        return sum(math.prod(shape) for shape in self._shapes(channels))

    def groups(self, values: Array, channels: int) -> Groups:
        """Places for each group's values in a line of ``size``.

        Returns:
            Four of shape ``(places, z, d, d, tiles along y, tiles along x, channel)``.
        """
        found, start = [], 0
        for shape in self._shapes(channels):
            stop = start + math.prod(shape)
            found.append(values[start:stop].reshape(shape))
            start = stop
        first, second, third, fourth = found
        return first, second, third, fourth

    def _shapes(self, channels: int) -> list[tuple[int, ...]]:
        return [
            (places.stop - places.start, self.slices, *self._tiles(group), channels)
            for group, places in enumerate(GROUPS)
        ]

    def _tiles(self, group: int) -> tuple[int, int, int, int]:
        down = self.down.long if group >= 2 else self.down.tiles
        across = self.across.long if group % 2 else self.across.tiles
        return self.dilation, self.dilation, down, across


@kernel
def to_tiles(image: Array, dilation: int, found: Groups) -> None:
    """Transform an image, zero beyond its edge.

    Args:
        image: Shape ``(z, y, x, channel)``.
        dilation: Voxels between taps.
        found: Filled; see ``Grid.groups``.
    """
    depth, height, width, channels = image.shape
    inner, right, below, corner = found
    along_y, along_x = inner.shape[4], inner.shape[5]
    long_y, long_x = below.shape[4], right.shape[5]
    tile = np.empty((6, 6, channels), np.float32)
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for z in range(depth):
        for phase in range(dilation * dilation):
            py, px = phase // dilation, phase % dilation
            for place in range(along_y * along_x):
                ty, tx = place // along_x, place % along_x
                top, left = _start(ty, long_y) - 1, _start(tx, long_x) - 1
                for j in range(6):
                    x = (left + j) * dilation + px
                    for i in range(6):
                        y = (top + i) * dilation + py
                        if 0 <= x < width and 0 <= y < height:
                            tile[i, j] = image[z, y, x]
                        else:
                            tile[i, j] = 0
                for j in range(6):
                    for c in range(channels):
                        a, b, d = tile[1, j, c], tile[2, j, c], tile[3, j, c]
                        first, fifth, last = tile[0, j, c], tile[4, j, c], tile[5, j, c]
                        p, q, r, s = fifth - four * b, d - four * a, fifth - b, two * (d - a)
                        tile[0, j, c] = four * first - five * b + fifth
                        tile[1, j, c], tile[2, j, c] = p + q, p - q
                        tile[3, j, c], tile[4, j, c] = r + s, r - s
                        tile[5, j, c] = four * a - five * d + last
                for i in range(6 if ty < long_y else 5):
                    group, first = (inner, 5 * i) if i < 5 else (below, 0)
                    zeroth = group[first, z, py, px, ty, tx]
                    one = group[first + 1, z, py, px, ty, tx]
                    minus_one = group[first + 2, z, py, px, ty, tx]
                    plus_two = group[first + 3, z, py, px, ty, tx]
                    minus_two = group[first + 4, z, py, px, ty, tx]
                    for c in range(channels):
                        a, b, d = tile[i, 1, c], tile[i, 2, c], tile[i, 3, c]
                        fifth = tile[i, 4, c]
                        p, q, r, s = fifth - four * b, d - four * a, fifth - b, two * (d - a)
                        zeroth[c] = four * tile[i, 0, c] - five * b + fifth
                        one[c], minus_one[c] = p + q, p - q
                        plus_two[c], minus_two[c] = r + s, r - s
                    if tx < long_x:
                        sixth = (right[i] if i < 5 else corner[0])[z, py, px, ty, tx]
                        for c in range(channels):
                            sixth[c] = four * tile[i, 1, c] - five * tile[i, 3, c] + tile[i, 5, c]


@kernel
def from_tiles(products: Groups, dilation: int, bias: Array, residual: Array, image: Array) -> None:
    """Transform back, add residual and bias, and keep what is above 0.

    Args:
        products: Of each group's places; see ``Grid.groups``.
        dilation: As in ``to_tiles``.
        bias: Shape ``(channel,)``.
        residual: Shape ``(z, y, x, first channels)``: the others have none.
        image: Filled. Shape ``(z, y, x, channel)``.
    """
    depth, height, width, channels = image.shape
    with_residual = residual.shape[3]
    inner, right, below, corner = products
    along_y, along_x = inner.shape[4], inner.shape[5]
    long_y, long_x = below.shape[4], right.shape[5]
    tile = np.empty((4, 6, channels), np.float32)
    out = np.empty((4, channels), np.float32)
    zero, two, four, eight = np.float32(0), np.float32(2), np.float32(4), np.float32(8)
    for z in range(depth):
        for phase in range(dilation * dilation):
            py, px = phase // dilation, phase % dilation
            for place in range(along_y * along_x):
                ty, tx = place // along_x, place % along_x
                top, left = _start(ty, long_y), _start(tx, long_x)
                for j in range(6 if tx < long_x else 5):
                    group, first, step = (inner, j, 5) if j < 5 else (right, 0, 1)
                    zeroth = group[first, z, py, px, ty, tx]
                    one = group[first + step, z, py, px, ty, tx]
                    minus_one = group[first + 2 * step, z, py, px, ty, tx]
                    plus_two = group[first + 3 * step, z, py, px, ty, tx]
                    minus_two = group[first + 4 * step, z, py, px, ty, tx]
                    for c in range(channels):
                        s, e = one[c] + minus_one[c], one[c] - minus_one[c]
                        u, v = plus_two[c] + minus_two[c], plus_two[c] - minus_two[c]
                        tile[0, j, c] = zeroth[c] + s + u
                        tile[1, j, c] = e + two * v
                        tile[2, j, c] = s + four * u
                        tile[3, j, c] = e + eight * v
                    if ty < long_y:
                        sixth = (below[j] if j < 5 else corner[0])[z, py, px, ty, tx]
                        for c in range(channels):
                            tile[3, j, c] += sixth[c]
                for i in range(4 if ty < long_y else 3):
                    y = (top + i) * dilation + py
                    if y >= height:
                        break
                    for c in range(channels):
                        s, e = tile[i, 1, c] + tile[i, 2, c], tile[i, 1, c] - tile[i, 2, c]
                        u, v = tile[i, 3, c] + tile[i, 4, c], tile[i, 3, c] - tile[i, 4, c]
                        out[0, c] = tile[i, 0, c] + s + u + bias[c]
                        out[1, c] = e + two * v + bias[c]
                        out[2, c] = s + four * u + bias[c]
                        out[3, c] = e + eight * v + tile[i, 5, c] + bias[c]
                    for j in range(4 if tx < long_x else 3):
                        x = (left + j) * dilation + px
                        if x >= width:
                            break
                        for c in range(with_residual):
                            out[j, c] += residual[z, y, x, c]
                        for c in range(channels):
                            image[z, y, x, c] = max(out[j, c], zero)


@kernel
def _start(tile: int, long: int) -> int:
    """First output of a tile."""
    return 4 * tile - max(0, tile - long)
