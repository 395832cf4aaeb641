"""3D ResNet18 with parameter-free shortcuts, in the two forms that share one set of weights.

MedicalNet's checkpoints fit both, but the features and the size of a cell differ, so the variant
is part of a feature set's name. The published code cuts the gradient through the shortcut
(``tensor.data``); here it flows, as fine-tuning and Grad-CAM below layer4 need it to.

Source: Chen, Ma, Zheng, "Med3D: Transfer Learning for 3D Medical Image Analysis", 2019, and the
layer table of its published network; MONAI's ``resnet18`` for the other form.
"""

from __future__ import annotations

import itertools
import operator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Variant = Literal["medicalnet", "monai"]
FEATURES = 512
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


class _Form(NamedTuple):
    """Where a variant shrinks its grid: a stride, or a dilation instead of one."""

    stem_stride: int
    strides: tuple[int, int, int, int]
    dilations: tuple[int, int, int, int]


_FORMS: dict[Variant, _Form] = {
    "medicalnet": _Form(2, (1, 2, 1, 1), (1, 1, 2, 4)),  # output stride 8
    "monai": _Form(1, (1, 2, 2, 2), (1, 1, 1, 1)),  # output stride 16
}


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

    def __init__(self, inputs: int, planes: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, planes, stride, dilation)
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = _conv(planes, planes, 1, dilation)
        self.bn2 = nn.BatchNorm3d(planes)
        self.planes, self.stride = planes, stride

    def forward(self, x: Tensor) -> Tensor:
        """Activations ``(batch, channel, z, y, x)`` to the next ones."""
        inner = functional.relu(self.bn1(self.conv1(x)))
        outer: Tensor = self.bn2(self.conv2(inner))
        return functional.relu(outer + shortcut(x, self.planes, self.stride))


class ResNet18(nn.Module):
    """The backbone: one channel in, 512 features out.

    Args:
        variant: ``medicalnet`` (output stride 8) or ``monai`` (output stride 16).
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        form = _FORMS[variant]
        steps = itertools.accumulate((2 * form.stem_stride, *form.strides), operator.mul)
        self.strides = dict(zip(STAGES, steps, strict=True))  # input voxels per cell of a stage
        self.conv1 = nn.Conv3d(1, 64, 7, stride=form.stem_stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        planes = (64, 64, 128, 256, FEATURES)
        for k, (stride, dilation) in enumerate(zip(form.strides, form.dilations, strict=True)):
            blocks = (
                Block(planes[k], planes[k + 1], stride=stride, dilation=dilation),
                Block(planes[k + 1], planes[k + 1], stride=1, dilation=dilation),
            )
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))

    def stem(self, x: Tensor) -> Tensor:
        """The first convolution and the pooling after it."""
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.max_pool3d(x, 3, stride=2, padding=1)

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


def pool(activations: Tensor) -> Tensor:
    """Global average: ``(batch, channel, z, y, x)`` to ``(batch, channel)``."""
    return torch.mean(activations, dim=(2, 3, 4))


def _conv(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv3d:
    return nn.Conv3d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )
