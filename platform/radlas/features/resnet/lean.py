"""The network on a processor, without what a forward pass there does in vain.

The same function as ``ResNet18`` in evaluation mode, without gradients: normalisation is folded
into the convolutions, values lie channel by channel for each voxel, and convolutions of stride 1
become matrix products (``convolution.py``), the first one and its pooling a loop of its own
(``kernels/stem.py``, ``kernels/strided_stem.py``). Zeros beyond the first and last slice, which
dilated taps mostly meet, are not multiplied. A third of the time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from radlas.features.kernels import stem, strided_stem
from radlas.features.resnet.convolution import Convolution, Room, bias
from radlas.features.resnet.network import STAGES, Block, Form, ResNet18

Array = NDArray[np.float32]
_STEMS: dict[int, Any] = {1: stem, strided_stem.STRIDE: strided_stem}  # by their strides


class LeanNetwork:
    """A network that only infers, one image at a time, so that no answer depends on a batch.

    Args:
        network: In evaluation mode, on the CPU, float32.
    """

    def __init__(self, network: ResNet18) -> None:
        room = Room()
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
    room, image = Room(), np.zeros((8, 8, 8), np.float32)
    with torch.inference_mode():
        for stride in _STEMS:
            values = _TiledStem(nn.Conv3d(1, 4, 7, stride=stride), room)(image)
        Convolution(lambda: nn.Conv3d(4, 4, 3), room)(values, values)


def _tiled(form: Form) -> bool:
    """Whether the stem is what ``_STEMS`` compute."""
    cubic = form.stem_stride in [(step,) * 3 for step in _STEMS]
    return form.pooled and form.stem_kernel == (stem.TAPS,) * 3 and cubic


class _TiledStem:
    """The first convolution with its pooling."""

    def __init__(self, fused: nn.Conv3d, room: Room) -> None:
        stride = fused.stride[0]
        self._loops, self._step = _STEMS[stride], 2 * stride
        self._filters = self._loops.transformed_filters(fused.weight.detach().numpy()[:, 0])
        self._bias, self._room = bias(fused), room

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

    def __init__(self, block: Block, room: Room) -> None:
        first = partial(fuse_conv_bn_eval, block.conv1, block.bn1)
        self._first: Any = _channels_last(first()) if block.stride > 1 else Convolution(first, room)
        self._second = Convolution(partial(fuse_conv_bn_eval, block.conv2, block.bn2), room)
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


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(values).permute(3, 0, 1, 2)[None]


def _values(activations: Tensor) -> Array:
    values: Array = activations[0].permute(1, 2, 3, 0).contiguous().numpy()
    return values


def _channels_last(module: nn.Conv3d) -> nn.Conv3d:
    return module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]
