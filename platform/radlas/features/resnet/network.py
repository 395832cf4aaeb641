"""3D ResNet18 in torch, in the forms of ``form.py``.

The published code cuts the gradient through the shortcut (``tensor.data``); here it flows, as
training and Grad-CAM below layer4 need it to.
"""

from __future__ import annotations

import math
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from radlas.features.resnet.form import EPSILON, FORMS, STAGES, BlockForm, Form, Steps, Variant


def shortcut(x: Tensor, planes: int, stride: int) -> Tensor:
    """Shortcut A: every ``stride``-th voxel, missing channels zero. Differentiable.

    Args:
        x: Activations, shape ``(batch, channel, z, y, x)``.
        planes: Channels wanted, at least those of ``x``.
        stride: Step along each axis; equals average pooling of one voxel with that stride.
    """
    thinned = x[:, :, ::stride, ::stride, ::stride]
    return functional.pad(thinned, (0, 0, 0, 0, 0, 0, 0, planes - x.shape[1]))


class Block(nn.Module):
    """Two 3x3x3 convolutions and the shortcut around them."""

    def __init__(self, form: BlockForm) -> None:
        super().__init__()
        planes, stride = form.planes, form.stride
        self.conv1 = _conv(form.inputs, planes, stride, form.dilation)
        self.bn1 = _norm(planes)
        self.conv2 = _conv(planes, planes, 1, form.dilation)
        self.bn2 = _norm(planes)
        self.planes, self.stride = planes, stride
        self.downsample: nn.Sequential | None = None
        if form.projected:
            narrow = nn.Conv3d(form.inputs, planes, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(narrow, _norm(planes))

    def forward(self, x: Tensor) -> Tensor:
        """Activations ``(batch, channel, z, y, x)`` to the next ones."""
        inner = functional.relu(self.bn1(self.conv1(x)))
        outer: Tensor = self.bn2(self.conv2(inner))
        return functional.relu(outer + self.around(x))

    def around(self, x: Tensor) -> Tensor:
        """What is added to the two convolutions' result."""
        if self.downsample is not None:
            projected: Tensor = self.downsample(x)
            return projected
        return x if x.shape[1] == self.planes else shortcut(x, self.planes, self.stride)


class ResNet18(nn.Module):
    """The backbone: one channel in, 512 features out.

    Args:
        variant: One of ``FORMS``.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant, self.form = variant, FORMS[variant]
        form = self.form
        self.strides = _strides(form)  # input voxels per cell of a stage, along (z, y, x)
        z, y, x = (edge // 2 for edge in form.stem_kernel)
        self.conv1 = nn.Conv3d(
            1, 64, form.stem_kernel, stride=form.stem_stride, padding=(z, y, x), bias=False
        )
        self.bn1 = _norm(64)
        blocks = form.blocks()
        for stage in STAGES[1:]:
            self.add_module(stage, nn.Sequential(*map(Block, islice(blocks, 2))))

    def stem(self, x: Tensor) -> Tensor:
        """The first convolution, and the pooling after it where the form has one."""
        x = functional.relu(self.bn1(self.conv1(x)))
        return max_pool(x) if self.form.pooled else x

    def widest(self, shape: tuple[int, ...]) -> int:
        """Values of an image's largest activation, which is the first convolution's.

        Args:
            shape: Voxels of the image along ``(z, y, x)``.
        """
        cells = (-(-edge // step) for edge, step in zip(shape, self.form.stem_stride, strict=True))
        return self.conv1.out_channels * math.prod(cells)

    def run(self, x: Tensor, *, after: str = "", until: str = "layer4") -> Tensor:
        """Activations of stage ``until``, from the image or from those of stage ``after``.

        Args:
            x: The image ``(batch, 1, z, y, x)``, or activations of ``after``.
            after: Last stage already done, one of ``STAGES``; empty to start with the image.
            until: Last stage to do.
        """
        first = STAGES.index(after) + 1 if after else 0
        for stage in STAGES[first : STAGES.index(until) + 1]:
            x = getattr(self, stage)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Images ``(batch, 1, z, y, x)`` to features ``(batch, 512)``: layer4, averaged."""
        return pool(self.run(x))


def max_pool(x: Tensor) -> Tensor:
    """Maxima over 3 x 3 x 3 voxels around every second one along each axis.

    Args:
        x: Activations, shape ``(batch, channel, z, y, x)``.
    """
    if x.device.type == "cpu" or not x.requires_grad:
        return functional.max_pool3d(x, 3, stride=2, padding=1)
    return max_pool_in_turns(x)


def max_pool_in_turns(x: Tensor) -> Tensor:
    """The same, axis by axis: on a GPU torch's own adds overlapping gradients in any order.

    Where values tie, a gradient is shared among them instead of going to the first.
    """
    for axis in (2, 3, 4):
        before, behind = [0] * 6, 2 * (4 - axis)
        before[behind] = before[behind + 1] = 1
        wide = functional.pad(x, before, value=-torch.inf).movedim(axis, -1)
        left, middle, right = wide[..., :-2:2], wide[..., 1:-1:2], wide[..., 2::2]
        x = torch.maximum(torch.maximum(left, middle), right).movedim(-1, axis)
    return x


def pool(activations: Tensor) -> Tensor:
    """Global average: ``(batch, channel, z, y, x)`` to ``(batch, channel)``.

    Never in half precision: so rounded, some features would be off by as much as patients differ.
    """
    wide = torch.promote_types(activations.dtype, torch.float32)
    return torch.mean(activations, dim=(2, 3, 4), dtype=wide)


def _strides(form: Form) -> dict[str, Steps]:
    steps = tuple(edge * (2 if form.pooled else 1) for edge in form.stem_stride)
    found = {"stem": steps}
    for name, stride in zip(STAGES[1:], form.strides, strict=True):
        steps = tuple(edge * stride for edge in steps)
        found[name] = steps
    return {name: (z, y, x) for name, (z, y, x) in found.items()}


def _conv(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv3d:
    return nn.Conv3d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


def _norm(planes: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(planes, eps=EPSILON)
