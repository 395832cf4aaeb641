"""The network on a processor, without what a forward pass there does in vain.

The same function as ``ResNet18`` in evaluation mode, without gradients: normalisation is folded
into the convolutions, values lie channel by channel for each voxel, and convolutions of stride 1
become matrix products (``kernels/winograd.py``), the first one and its pooling a loop of its own
(``kernels/stem.py``, ``kernels/strided_stem.py``). Zeros beyond the first and last slice, which
dilated taps mostly meet, are not multiplied. A third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from radlas.features.kernels import stem, strided_stem, winograd
from radlas.features.resnet.network import STAGES, Block, Form, ResNet18

Array = NDArray[np.float32]
_STEMS: dict[int, Any] = {1: stem, strided_stem.STRIDE: strided_stem}  # by their strides
_SLAB = 2 << 20  # values of transformed slices at once: more is slower than the caches


class LeanNetwork:
    """A network that only infers, one image at a time, so that no answer depends on a batch.

    Args:
        network: In evaluation mode, on the CPU, float32.
    """

    def __init__(self, network: ResNet18) -> None:
        room = _Room()
        fused = fuse_conv_bn_eval(network.conv1, network.bn1)
        tiled = _tiled(network.form)
        self._stem: Any = _TiledStem(fused, room) if tiled else _Stem(fused)
        self._blocks: dict[str, list[_LeanBlock]] = {
            stage: [_LeanBlock(block, room) for block in getattr(network, stage)]
            for stage in STAGES[1:]
        }

    def run(self, image: Array, *, until: str = "layer4") -> Array:
        """Activations of a stage.

        Args:
            image: Shape ``(z, y, x)``.
            until: One of ``STAGES``.

        Returns:
            Shape ``(z, y, x, channel)``.
        """
        with torch.inference_mode():
            values: Array = self._stem(image)
            for stage in STAGES[1 : STAGES.index(until) + 1]:
                for block in self._blocks[stage]:
                    values = block(values)
        return values.copy()  # its place is used again

    def features(self, image: Array) -> Array:
        """Means of layer4, shape ``(512,)``; see ``run``."""
        means: Array = self.run(image).mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
        return means


def compile_loops() -> None:
    """Compile what the network calls, by a stem and a convolution of few channels."""
    room, image = _Room(), np.zeros((8, 8, 8), np.float32)
    with torch.inference_mode():
        for stride in _STEMS:
            values = _TiledStem(nn.Conv3d(1, 4, 7, stride=stride), room)(image)
        _Convolution(lambda: nn.Conv3d(4, 4, 3), room)(values, values)


def _tiled(form: Form) -> bool:
    """Whether the stem is what ``_STEMS`` compute."""
    cubic = form.stem_stride in [(step,) * 3 for step in _STEMS]
    return form.pooled and form.stem_kernel == (stem.TAPS,) * 3 and cubic


class _TiledStem:
    """The first convolution with its pooling."""

    def __init__(self, fused: nn.Conv3d, room: _Room) -> None:
        stride = fused.stride[0]
        self._loops, self._step = _STEMS[stride], 2 * stride
        self._filters = self._loops.transformed_filters(fused.weight.detach().numpy()[:, 0])
        self._bias, self._room = _bias(fused), room

    def __call__(self, image: Array) -> Array:
        cells = [-(-edge // self._step) for edge in image.shape]
        found = self._room.image((*cells, self._bias.size))
        self._loops.convolve_and_pool(image, self._filters, self._bias, found)
        return found


class _Stem:
    """The first convolution where nothing is pooled."""

    def __init__(self, fused: nn.Conv3d) -> None:
        self._convolution = _channels_last(fused)

    def __call__(self, image: Array) -> Array:
        found = self._convolution(torch.from_numpy(image)[None, None])
        return _values(functional.relu(found))


class _LeanBlock:
    """Two convolutions and what goes around them."""

    def __init__(self, block: Block, room: _Room) -> None:
        first = partial(fuse_conv_bn_eval, block.conv1, block.bn1)
        self._first: Any = (
            _channels_last(first()) if block.stride > 1 else _Convolution(first, room)
        )
        self._second = _Convolution(partial(fuse_conv_bn_eval, block.conv2, block.bn2), room)
        self._stride = block.stride
        self._around: nn.Module | None = None
        if block.downsample is not None:
            self._around = _channels_last(fuse_conv_bn_eval(*block.downsample))

    def __call__(self, values: Array) -> Array:
        around = values[:: self._stride, :: self._stride, :: self._stride]
        if self._around is not None:
            around = _values(self._around(_tensor(values)))
        if self._stride > 1:
            inner = _values(functional.relu(self._first(_tensor(values))))
        else:
            inner = self._first(values, around[..., :0])
        result: Array = self._second(inner, around)
        return result


class _Convolution:
    """A convolution of 3 x 3 x 3 with stride 1, a bias, something added, and nothing below 0.

    Its filters are transformed when it is known whether slices meet each other in pairs.

    Args:
        fused: Makes it with its normalisation folded in; its weights are not kept.
        room: Shared by all of a network.
    """

    def __init__(self, fused: Callable[[], nn.Conv3d], room: _Room) -> None:
        made = fused()
        self._fused, self._bias, self._dilation = fused, _bias(made), int(made.dilation[0])
        self._matrices: dict[bool, Tensor] = {}
        self._room = room

    def __call__(self, values: Array, around: Array) -> Array:
        depth, height, width, inputs = values.shape
        d, outputs = self._dilation, self._bias.size
        image = self._room.image((depth, height, width, outputs))
        sides = (d, d, winograd.tiles(height, d), winograd.tiles(width, d))
        if d < depth <= 2 * d:
            self._in_pairs(values, sides, around, image)
            return image
        slab = max(4 * d, _SLAB // (winograd.PLACES * math.prod(sides) * max(inputs, outputs)))
        for start in range(0, depth, slab):
            stop = min(start + slab, depth)
            first, last = max(start - d, 0), min(stop + d, depth)
            tiles = self._tiles(values[first:last], sides)
            made = self._room.take("made", (winograd.PLACES, stop - start, *sides, outputs))
            self._multiply(tiles, made, first - start, math.prod(sides))
            self._finish(made, around[start:stop], image[start:stop])
        return image

    def _in_pairs(self, values: Array, sides: tuple[int, ...], around: Array, image: Array) -> None:
        """Where a slice meets one other or none: three products for two slices, not four."""
        depth, d = len(values), self._dilation
        pairs = depth - d
        sums, between = values[:pairs] + values[d:], values[pairs:d]
        tiles = self._tiles(np.concatenate([sums, between, values[d:], values[:pairs]]), sides)
        made = self._room.take("made", (winograd.PLACES, depth, *sides, image.shape[-1]))
        rows, found, filters = _flat(tiles), _flat(made), self._filters(paired=True)
        row = math.prod(sides)
        torch.bmm(rows[:, : d * row], filters[:, 1], out=found[:, : d * row])
        first, second = found[:, : pairs * row], found[:, d * row :]
        second.copy_(first)
        first.baddbmm_(rows[:, d * row : depth * row], filters[:, 2])
        second.baddbmm_(rows[:, depth * row :], filters[:, 0])
        self._finish(made, around, image)

    def _filters(self, *, paired: bool) -> Tensor:
        if paired not in self._matrices:
            along_z = winograd.PAIRED if paired else winograd.TAPS
            weights = self._fused().weight.detach().numpy()
            filters = winograd.transformed_filters(weights, along_z)
            self._matrices[paired] = torch.from_numpy(filters)
        return self._matrices[paired]

    def _tiles(self, values: Array, sides: tuple[int, ...]) -> Array:
        shape = (winograd.PLACES, len(values), *sides, values.shape[-1])
        tiles = self._room.take("tiles", shape)
        winograd.to_tiles(values, self._dilation, tiles)
        return tiles

    def _finish(self, made: Array, around: Array, image: Array) -> None:
        near = np.ascontiguousarray(around)
        winograd.from_tiles(made, self._dilation, self._bias, near, image)

    def _multiply(self, tiles: Array, made: Array, first: int, row: int) -> None:
        """Each place's matrix product, summed over the taps along z.

        Args:
            tiles: Transformed slices, some before and behind those wanted among them.
            made: Filled, for the slices wanted.
            first: First slice of ``tiles``, counted from the first wanted: 0 or negative.
            row: Tiles of a slice.
        """
        rows, found, filters = _flat(tiles), _flat(made), self._filters(paired=False)
        wanted, there = made.shape[1], range(first, first + tiles.shape[1])
        torch.bmm(rows[:, -first * row : (wanted - first) * row], filters[:, 1], out=found)
        for tap, step in ((0, -self._dilation), (2, self._dilation)):
            low, high = max(0, there.start - step), min(wanted, there.stop - step)
            if low < high:  # else all that this tap meets are the zeros beyond the image
                met = rows[:, (low + step - first) * row : (high + step - first) * row]
                found[:, low * row : high * row].baddbmm_(met, filters[:, tap])


def _flat(tiles: Array) -> Tensor:
    """The rows of each place's matrix product."""
    return torch.from_numpy(tiles).view(winograd.PLACES, -1, tiles.shape[-1])


class _Room:
    """Memory that is used again: fresh pages for every convolution would cost as much as it."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}
        self._turn = 0

    def image(self, shape: tuple[int, ...]) -> Array:
        """The same, for activations: what a block starts from and makes between stays."""
        self._turn = (self._turn + 1) % 3
        return self.take(f"image {self._turn}", shape)

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array whose content is anything, until the next of that name is taken."""
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)


def _bias(fused: nn.Conv3d) -> Array:
    assert fused.bias is not None  # noqa: S101 - folding always makes one
    bias: Array = fused.bias.detach().numpy()
    return bias


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(values).permute(3, 0, 1, 2)[None]


def _values(activations: Tensor) -> Array:
    values: Array = activations[0].permute(1, 2, 3, 0).contiguous().numpy()
    return values


def _channels_last(module: nn.Conv3d) -> nn.Conv3d:
    return module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]
