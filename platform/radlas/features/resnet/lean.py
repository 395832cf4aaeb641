"""The network on a processor, without torch and what a forward pass there does in vain.

The same function as ``ResNet18`` in evaluation mode, without gradients: normalisation is folded
into the convolutions, values lie channel by channel for each voxel, and convolutions become matrix
products (``convolution.py``), the first one and its pooling a loop of its own (``kernels/stem.py``,
``kernels/strided_stem.py``). Zeros beyond the first and last slice, which dilated taps mostly meet,
are not multiplied. Less than half of the time, and no second spent to load torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # ships no types

from radlas.features.kernels import stem, strided_stem
from radlas.features.resnet.checkpoint import State
from radlas.features.resnet.convolution import Convolution, Folded, Im2colConvolution, Scratch
from radlas.features.resnet.form import EPSILON, STAGES, BlockForm, Form

Array = NDArray[np.float32]
_STEMS: dict[int, Any] = {1: stem, strided_stem.STRIDE: strided_stem}  # by their strides


class LeanNetwork:
    """A network that only infers, one image at a time, so that no answer depends on a batch.

    BLAS has one thread, as in a worker: with more it sums in other orders, and a serial run would
    store other last digits than a cluster.

    Args:
        form: Of the network.
        state: Its tensors by name, as ``ResNet18`` names them.
    """

    def __init__(self, form: Form, state: State) -> None:
        scratch, first = Scratch(), _folded(state, "conv1", "bn1")
        tiled = _TiledStem(first, form.stem_stride[0], scratch) if _tiled(form) else None
        self._stem: Any = tiled or _Stem(first, form)
        self._blas = ThreadpoolController().select(user_api="blas")
        self._blocks = [(one.name, _LeanBlock(one, state, scratch)) for one in form.blocks()]

    def run(self, image: Array, *, until: str = "layer4") -> Array:
        """Activations of a stage.

        Args:
            image: Shape ``(z, y, x)``.
            until: One of ``STAGES``.

        Returns:
            Shape ``(z, y, x, channel)``.
        """
        wanted = STAGES[1 : STAGES.index(until) + 1]
        with self._blas.limit(limits=1):
            values: Array = self._stem(image)
            for name, block in self._blocks:
                if name.startswith(wanted):
                    values = block(values)
        return values.copy()  # its place is used again

    def features(self, image: Array) -> Array:
        """Means of layer4, shape ``(512,)``; see ``run``."""
        means: Array = self.run(image).mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
        return means


def compile_loops() -> None:
    """Compile what the network calls, by a stem and a convolution of few channels."""
    scratch, image, few = Scratch(), np.zeros((8, 8, 8), np.float32), np.zeros(4, np.float32)
    for stride in _STEMS:
        folded = Folded(np.zeros((4, 1, 7, 7, 7), np.float32), few, few)
        values = _TiledStem(folded, stride, scratch)(image)
    Convolution(Folded(np.zeros((4, 4, 3, 3, 3), np.float32), few, few), 1, scratch)(values, values)


def _tiled(form: Form) -> bool:
    """Whether the stem is what ``_STEMS`` compute."""
    cubic = form.stem_stride in [(step,) * 3 for step in _STEMS]
    return form.pooled and form.stem_kernel == (stem.TAPS,) * 3 and cubic


def _folded(state: State, conv: str, norm: str) -> Folded:
    parts = (state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
    weight, bias, mean, variance = (part.astype(np.float64) for part in parts)
    scale = weight / np.sqrt(variance + EPSILON)
    added = bias - mean * scale
    return Folded(state[f"{conv}.weight"], scale.astype(np.float32), added.astype(np.float32))


class _TiledStem:
    """The first convolution with its pooling."""

    def __init__(self, folded: Folded, stride: int, scratch: Scratch) -> None:
        self._loops, self._step = _STEMS[stride], 2 * stride
        self._filters = self._loops.transformed_filters(folded.weights[:, 0])
        self._bias, self._scratch = folded.bias, scratch

    def __call__(self, image: Array) -> Array:
        cells = [-(-edge // self._step) for edge in image.shape]
        found = self._scratch.image((*cells, self._bias.size))
        self._loops.convolve_and_pool(image, self._filters, self._bias, found)
        return found


class _Stem:
    """The first convolution where nothing is pooled."""

    def __init__(self, folded: Folded, form: Form) -> None:
        self._convolution = Im2colConvolution(folded, form.stem_stride, relu=True)

    def __call__(self, image: Array) -> Array:
        return self._convolution(image[..., None])


class _LeanBlock:
    """Two convolutions and the shortcut around them."""

    def __init__(self, form: BlockForm, state: State, scratch: Scratch) -> None:
        name, self._stride = form.name, form.stride
        steps = (form.stride,) * 3
        first, second = (_folded(state, f"{name}.conv{k}", f"{name}.bn{k}") for k in (1, 2))
        self._first: Any = Convolution(first, form.dilation, scratch)
        if form.stride > 1:
            self._first = Im2colConvolution(first, steps, form.dilation, relu=True)
        self._second = Convolution(second, form.dilation, scratch)
        self._projection: Im2colConvolution | None = None
        if form.projected:
            shortcut = _folded(state, f"{name}.downsample.0", f"{name}.downsample.1")
            self._projection = Im2colConvolution(shortcut, steps, relu=False)

    def __call__(self, values: Array) -> Array:
        shortcut = values[:: self._stride, :: self._stride, :: self._stride]
        if self._projection is not None:
            shortcut = self._projection(values)
        inner = self._first(values) if self._stride > 1 else self._first(values, shortcut[..., :0])
        result: Array = self._second(inner, shortcut)
        return result
