"""The forms of 3D ResNet18 whose published weights are known. Without torch.

``medicalnet`` and ``monai`` share one set of weights, with parameter-free shortcuts; the features
and the size of a cell differ, so the variant is part of a feature set's name. ``r3d_18`` was made
for video: another stem, convolved shortcuts.

Source: Chen, Ma, Zheng, "Med3D: Transfer Learning for 3D Medical Image Analysis", 2019, and the
layer table of its published network; MONAI's ``resnet18``; Tran et al., "A Closer Look at
Spatiotemporal Convolutions for Action Recognition", CVPR 2018, and torchvision's ``r3d_18``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Variant = Literal["medicalnet", "monai", "r3d_18"]
Steps = tuple[int, int, int]
FEATURES = 512
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
PLANES = (64, 64, 128, 256, FEATURES)  # channels that each stage makes
EPSILON = 1e-5  # what a normalisation adds to a variance, torch's default


class Form(NamedTuple):
    """What sets a variant apart: its stem, and where it strides or dilates."""

    stem_kernel: Steps
    stem_stride: Steps
    pooled: bool
    strides: tuple[int, int, int, int]
    dilations: tuple[int, int, int, int]
    projected: bool  # shortcuts that change shape are convolutions

    def blocks(self) -> Iterator[BlockForm]:
        """Two of each stage, in their order."""
        for k, (stride, dilation) in enumerate(zip(self.strides, self.dilations, strict=True)):
            before, planes = PLANES[k : k + 2]
            projected = self.projected and (stride > 1 or before != planes)
            stage = STAGES[k + 1]
            yield BlockForm(f"{stage}.0", before, planes, stride, dilation, projected)
            yield BlockForm(f"{stage}.1", planes, planes, 1, dilation, projected=False)


class BlockForm(NamedTuple):
    """Two convolutions of 3 x 3 x 3 and the shortcut around them.

    Attributes:
        name: As ``layer2.0``.
        inputs: Channels that come in.
        planes: Channels that go out.
        stride: Of the first convolution and the shortcut.
        dilation: Of both convolutions.
        projected: Whether the shortcut is a convolution.
    """

    name: str
    inputs: int
    planes: int
    stride: int
    dilation: int
    projected: bool


FORMS: dict[Variant, Form] = {
    # output stride 8
    "medicalnet": Form((7, 7, 7), (2, 2, 2), True, (1, 2, 1, 1), (1, 1, 2, 4), False),
    # output stride 16
    "monai": Form((7, 7, 7), (1, 1, 1), True, (1, 2, 2, 2), (1, 1, 1, 1), False),
    # output stride 8 across slices, 16 within
    "r3d_18": Form((3, 7, 7), (1, 2, 2), False, (1, 2, 2, 2), (1, 1, 1, 1), True),
}
