"""Convolutions on a processor: loops of ``kernels/winograd.py`` around BLAS, and any other one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.features.kernels import winograd
from radlas.features.kernels.winograd import Grid, Groups
from radlas.features.kernels.winograd_filters import GROUPS, transformed_filters

Array = NDArray[np.float32]
Steps = tuple[int, int, int]
_SLAB = 2 << 20  # values of transformed slices at once: more is slower than the caches


@dataclass(frozen=True, eq=False)
class Folded:
    """A convolution and the normalisation after it as one.

    Attributes:
        taps: The convolution's, shape ``(outputs, inputs, z, y, x)``.
        scale: What the normalisation multiplies by, shape ``(outputs,)``.
        bias: What is added, same shape.
    """

    taps: Array
    scale: Array
    bias: Array

    @property
    def weights(self) -> Array:
        """What is multiplied by, shape ``(outputs, inputs, z, y, x)``; made anew."""
        found: Array = self.taps * self.scale[:, None, None, None, None]
        return found


class Convolution:
    """A convolution of 3 x 3 x 3 with stride 1, then bias, residual and ReLU.

    Its filters are transformed when it is known whether slices meet each other in pairs.

    Args:
        folded: Its filters.
        dilation: Voxels between taps.
        scratch: Shared by all layers of a network.
    """

    def __init__(self, folded: Folded, dilation: int, scratch: Scratch) -> None:
        self._folded, self._dilation, self._scratch = folded, dilation, scratch
        self._bias = folded.bias
        self._matrices: dict[bool, Array] = {}

    def __call__(self, values: Array, residual: Array) -> Array:
        """Activations to the next ones.

        Args:
            values: Shape ``(z, y, x, channel)``.
            residual: Added before the ReLU: the same shape, or fewer channels, even none.

        Returns:
            Shape ``(z, y, x, channel)``, in a scratch buffer.
        """
        depth, height, width, _ = values.shape
        d = self._dilation
        grid = Grid(depth, d, winograd.side(height, d), winograd.side(width, d))
        image = self._scratch.image((depth, height, width, self._bias.size))
        convolve = self._in_pairs if d < depth <= 2 * d else self._in_slabs
        convolve(values, grid, np.ascontiguousarray(residual), image)
        return image

    def _in_slabs(self, values: Array, grid: Grid, near: Array, image: Array) -> None:
        depth, d = len(values), self._dilation
        widest = max(values.shape[-1], self._bias.size)
        slab = max(4 * d, _SLAB // grid._replace(slices=1).size(widest))
        for start in range(0, depth, slab):
            stop = min(start + slab, depth)
            first, last = max(start - d, 0), min(stop + d, depth)
            tiles = self._tiles(values[first:last], grid)
            made = self._made(grid._replace(slices=stop - start))
            for places, rows, found in _products(tiles, made):
                filters = self._filters(paired=False)[places]
                self._sum_taps(rows, filters, found, range(first - start, last - start))
            winograd.from_tiles(made, d, self._bias, near[start:stop], image[start:stop])

    def _in_pairs(self, values: Array, grid: Grid, near: Array, image: Array) -> None:
        """Where a slice meets one other or none: three products for two slices, not four."""
        depth, d = len(values), self._dilation
        pairs = depth - d
        sums, between = values[:pairs] + values[d:], values[pairs:d]
        tiles = self._tiles(np.concatenate([sums, between, values[d:], values[:pairs]]), grid)
        made = self._made(grid)
        for places, rows, found in _products(tiles, made):
            filters, row = self._filters(paired=True)[places], found.shape[1] // depth
            np.matmul(rows[:, : d * row], filters[:, 1], out=found[:, : d * row])
            first, second = found[:, : pairs * row], found[:, d * row :]
            second[:] = first
            self._add(rows[:, d * row : depth * row], filters[:, 2], first)
            self._add(rows[:, depth * row :], filters[:, 0], second)
        winograd.from_tiles(made, d, self._bias, near, image)

    def _sum_taps(self, rows: Array, filters: Array, found: Array, there: range) -> None:
        """Matrix products of a group of places, summed over the taps along z.

        Args:
            rows: Of transformed slices, some before and behind those wanted among them.
            filters: Shape ``(places, 3, inputs, outputs)``.
            found: Filled, for the slices wanted.
            there: The slices of ``rows``, counted from the first wanted.
        """
        row = rows.shape[1] // len(there)
        wanted, first = found.shape[1] // row, there.start
        np.matmul(rows[:, -first * row : (wanted - first) * row], filters[:, 1], out=found)
        for tap, step in ((0, -self._dilation), (2, self._dilation)):
            low, high = max(0, first - step), min(wanted, there.stop - step)
            if low < high:  # else all that this tap meets are the zeros beyond the image
                met = rows[:, (low + step - first) * row : (high + step - first) * row]
                self._add(met, filters[:, tap], found[:, low * row : high * row])

    def _add(self, rows: Array, filters: Array, found: Array) -> None:
        """Matrix products, one place after the other, each added while it is in the cache.

        BLAS could add by itself, but scipy, which offers that, brings a second one: their threads
        wait for each other, and it lets no other thread of Python run.

        Args:
            rows: Shape ``(places, rows, inputs)``.
            filters: Shape ``(places, inputs, outputs)``.
            found: Added to. Shape ``(places, rows, outputs)``.
        """
        products = self._scratch.take("products", found.shape[1:])
        for left, right, sums in zip(rows, filters, found, strict=True):
            np.matmul(left, right, out=products)
            np.add(sums, products, out=sums)

    def _filters(self, *, paired: bool) -> Array:
        if paired not in self._matrices:
            taps, scale = self._folded.taps, self._folded.scale
            self._matrices[paired] = transformed_filters(taps, scale, paired=paired)
        return self._matrices[paired]

    def _tiles(self, values: Array, grid: Grid) -> Groups:
        tiles = self._scratch.tiles("tiles", grid._replace(slices=len(values)), values.shape[-1])
        winograd.to_tiles(values, self._dilation, tiles)
        return tiles

    def _made(self, grid: Grid) -> Groups:
        return self._scratch.tiles("made", grid, self._bias.size)


def _products(tiles: Groups, made: Groups) -> Iterator[tuple[slice, Array, Array]]:
    """The places that some tile has, the rows of their products, and where the results go."""
    for places, rows, found in zip(GROUPS, tiles, made, strict=True):
        if found.size:
            yield places, _flat(rows), _flat(found)


def _flat(group: Array) -> Array:
    return group.reshape(len(group), -1, group.shape[-1])


class Im2colConvolution:
    """Any other convolution: what each output sees as a row, and one product for each slice.

    Args:
        folded: Its filters.
        stride: Voxels between outputs along ``(z, y, x)``.
        dilation: Voxels between taps.
        relu: Whether it ends with one.
    """

    def __init__(self, folded: Folded, stride: Steps, dilation: int = 1, *, relu: bool) -> None:
        kernel = folded.taps.shape[2:]
        self._stride, self._relu = stride, relu
        self._taps = [tuple(dilation * step for step in tap) for tap in np.ndindex(kernel)]
        self._beyond = [(dilation * (edge // 2),) * 2 for edge in kernel]
        self._bias = folded.bias
        by_tap = folded.weights.transpose(2, 3, 4, 1, 0)
        self._matrix = np.ascontiguousarray(by_tap).reshape(-1, self._bias.size)

    def __call__(self, values: Array) -> Array:
        """Activations ``(z, y, x, channel)`` to the next ones; zero beyond the edge."""
        depth, height, width = (
            -(-edge // step) for edge, step in zip(values.shape, self._stride, strict=False)
        )
        over_z, over_y, over_x = self._stride
        padded = np.pad(values, [*self._beyond, (0, 0)])
        rows = np.empty((height, width, len(self._taps), values.shape[-1]), np.float32)
        found = np.empty((depth, height, width, self._bias.size), np.float32)
        for z in range(depth):
            for number, (i, j, k) in enumerate(self._taps):
                seen = padded[z * over_z + i, j::over_y, k::over_x]
                rows[:, :, number] = seen[:height, :width]
            products = found[z].reshape(-1, self._bias.size)
            np.matmul(rows.reshape(len(products), -1), self._matrix, out=products)
        found += self._bias
        return np.maximum(found, 0, out=found) if self._relu else found


class Scratch:
    """Buffers that are used again: fresh pages for every convolution would cost as much as it."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}
        self._turn = 0

    def image(self, shape: tuple[int, ...]) -> Array:
        """A buffer for activations; three take turns: a block's input and inner values stay."""
        self._turn = (self._turn + 1) % 3
        return self.take(f"image {self._turn}", shape)

    def tiles(self, name: str, grid: Grid, channels: int) -> Groups:
        """A buffer for transformed slices or their products."""
        return grid.groups(self.take(name, (grid.size(channels),)), channels)

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array whose content is anything, until the next of that name is taken."""
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)
