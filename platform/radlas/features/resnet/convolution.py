"""Convolutions of 3 x 3 x 3 on a processor: loops of ``kernels/winograd.py`` around BLAS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radlas.features.kernels import winograd
from radlas.features.kernels.winograd import Grid, Groups

Array = NDArray[np.float32]
_SLAB = 2 << 20  # values of transformed slices at once: more is slower than the caches


class Convolution:
    """A convolution of 3 x 3 x 3 with stride 1, a bias, something added, and nothing below 0.

    Its filters are transformed when it is known whether slices meet each other in pairs.

    Args:
        fused: Makes it with its normalisation folded in; its weights are not kept.
        room: Shared by all of a network.
    """

    def __init__(self, fused: Callable[[], nn.Conv3d], room: Room) -> None:
        made = fused()
        self._fused, self._bias, self._dilation = fused, bias(made), int(made.dilation[0])
        self._matrices: dict[bool, Tensor] = {}
        self._room = room

    def __call__(self, values: Array, around: Array) -> Array:
        """Activations to the next ones.

        Args:
            values: Shape ``(z, y, x, channel)``.
            around: What is added: the same, of as many channels as it has, 0 among them.

        Returns:
            Shape ``(z, y, x, channel)``, in the room.
        """
        depth, height, width, _ = values.shape
        d = self._dilation
        grid = Grid(depth, d, winograd.side(height, d), winograd.side(width, d))
        image = self._room.image((depth, height, width, self._bias.size))
        convolve = self._in_pairs if d < depth <= 2 * d else self._in_slabs
        convolve(values, grid, np.ascontiguousarray(around), image)
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
                _sum_taps(rows, filters, found, range(first - start, last - start), d)
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
            torch.bmm(rows[:, : d * row], filters[:, 1], out=found[:, : d * row])
            first, second = found[:, : pairs * row], found[:, d * row :]
            second.copy_(first)
            first.baddbmm_(rows[:, d * row : depth * row], filters[:, 2])
            second.baddbmm_(rows[:, depth * row :], filters[:, 0])
        winograd.from_tiles(made, d, self._bias, near, image)

    def _filters(self, *, paired: bool) -> Tensor:
        if paired not in self._matrices:
            along_z = winograd.PAIRED if paired else winograd.TAPS
            weights = self._fused().weight.detach().numpy()
            filters = winograd.transformed_filters(weights, along_z)
            self._matrices[paired] = torch.from_numpy(filters)
        return self._matrices[paired]

    def _tiles(self, values: Array, grid: Grid) -> Groups:
        tiles = self._room.tiles("tiles", grid._replace(slices=len(values)), values.shape[-1])
        winograd.to_tiles(values, self._dilation, tiles)
        return tiles

    def _made(self, grid: Grid) -> Groups:
        return self._room.tiles("made", grid, self._bias.size)


def _products(tiles: Groups, made: Groups) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """The places that some tile has, the rows of their products, and where the results go."""
    for places, rows, found in zip(winograd.GROUPS, tiles, made, strict=True):
        if found.size:
            yield places, _flat(rows), _flat(found)


def _flat(group: Array) -> Tensor:
    return torch.from_numpy(group).flatten(1, -2)


def _sum_taps(rows: Tensor, filters: Tensor, found: Tensor, there: range, dilation: int) -> None:
    """Matrix products of a group of places, summed over the taps along z.

    Args:
        rows: Of transformed slices, some before and behind those wanted among them.
        filters: Shape ``(places, 3, inputs, outputs)``.
        found: Filled, for the slices wanted.
        there: The slices of ``rows``, counted from the first wanted.
        dilation: Slices between taps.
    """
    row = rows.shape[1] // len(there)
    wanted, first = found.shape[1] // row, there.start
    torch.bmm(rows[:, -first * row : (wanted - first) * row], filters[:, 1], out=found)
    for tap, step in ((0, -dilation), (2, dilation)):
        low, high = max(0, first - step), min(wanted, there.stop - step)
        if low < high:  # else all that this tap meets are the zeros beyond the image
            met = rows[:, (low + step - first) * row : (high + step - first) * row]
            found[:, low * row : high * row].baddbmm_(met, filters[:, tap])


class Room:
    """Memory that is used again: fresh pages for every convolution would cost as much as it."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}
        self._turn = 0

    def image(self, shape: tuple[int, ...]) -> Array:
        """The same, for activations: what a block starts from and makes between stays."""
        self._turn = (self._turn + 1) % 3
        return self.take(f"image {self._turn}", shape)

    def tiles(self, name: str, grid: Grid, channels: int) -> Groups:
        """The same, for transformed slices or their products."""
        return grid.groups(self.take(name, (grid.size(channels),)), channels)

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array whose content is anything, until the next of that name is taken."""
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)


def bias(fused: nn.Conv3d) -> Array:
    """Of a convolution into which a normalisation is folded, shape ``(channel,)``."""
    assert fused.bias is not None  # noqa: S101 - folding always makes one
    values: Array = fused.bias.detach().numpy()
    return values
