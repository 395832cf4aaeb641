"""Grad-CAM of the score that is really used: the fitted model's, folded into one linear head.

The raw map is kept, without the scaling to 0..1 by which one library turns it upside down.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from radlas.features.resnet.exact import exactly
from radlas.features.resnet.form import FEATURES, STAGES, Steps
from radlas.features.resnet.network import pool
from radlas.features.resnet.runner import Runner
from radlas.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Cam:
    """Where in an image a score comes from.

    Attributes:
        map: Shape of the input grid ``(z, y, x)``, at least 0, in units of the score; all zero if
            nothing speaks for a higher score.
        cells: The same before it was interpolated, one value per cell of the layer.
        cell_mm: Edges of one cell of the layer along ``(z, y, x)`` [mm]: no detail is finer.
        score: The head's score of this image.
        layer: The layer whose activations were weighed.
    """

    map: NDArray[np.float32]
    cells: NDArray[np.float32]
    cell_mm: tuple[float, float, float]
    score: float
    layer: str


def grad_cam(
    runner: Runner,
    image: NDArray[np.float32],
    grid: Geometry,
    *,
    weights: NDArray[np.float64],
    bias: float,
    layer: str = "layer4",
) -> Cam:
    """Weigh the channels of a layer by the score's gradient, and keep what raises the score.

    Args:
        runner: The network on its device.
        image: Its input, shape ``(z, y, x)``, as ``prepare`` makes it.
        grid: The grid of the input.
        weights: The score's weight of each feature, shape ``(512,)``, scaling folded in.
        bias: The score without features.
        layer: One of ``STAGES``.

    Raises:
        ValueError: Shapes do not fit, or there is no such layer: a bug in the caller.
        ArithmeticError: The score that was explained is not the weighted sum of the features.
    """
    if weights.shape != (FEATURES,) or layer not in STAGES:
        raise ValueError(f"weights {weights.shape} or layer {layer!r} do not fit the network")
    network = runner.network
    activations = runner.activations(image, layer).requires_grad_(True)  # the tape begins here
    head = torch.as_tensor(weights, dtype=torch.float32, device=activations.device)
    with exactly():
        features = pool(network.run(activations, after=layer))[0]
        score = features @ head + bias
        (gradient,) = torch.autograd.grad(score, activations)
    final = float(score.detach())
    _check_score(final, features.detach().cpu().numpy(), weights, bias)
    with torch.no_grad():
        channel_weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
        raw = functional.relu((channel_weights * activations).sum(dim=1, keepdim=True))
        fine = upsample(raw, image.shape, network.strides[layer])
    steps = network.strides[layer]
    z, y, x = (edge * step for edge, step in zip(grid.spacing_zyx, steps, strict=True))
    cells = raw[0, 0].cpu().numpy()
    return Cam(fine[0, 0].cpu().numpy(), cells, (z, y, x), final, layer)


def upsample(cells: Tensor, size: tuple[int, ...], strides: Steps) -> Tensor:
    """Cells on the grid of the input, trilinear, each at the voxel its receptive field centres on.

    With odd kernels and symmetric padding, cell ``k`` looks at voxel ``k * stride``. Stretching
    the cells over the image instead, as is common, moves every map by half a cell.

    Args:
        cells: Shape ``(batch, channel, z, y, x)``.
        size: Voxels of the input along ``(z, y, x)``.
        strides: Input voxels per cell along ``(z, y, x)``.
    """
    knots = [(n - 1) * step + 1 for n, step in zip(cells.shape[2:], strides, strict=True)]
    fine = functional.interpolate(cells, size=knots, mode="trilinear", align_corners=True)
    z, y, x = (voxels - count for voxels, count in zip(size, knots, strict=True))
    return functional.pad(fine, (0, x, 0, y, 0, z), mode="replicate")


def _check_score(
    score: float, features: NDArray[np.float32], weights: NDArray[np.float64], bias: float
) -> None:
    terms = features.astype(np.float64) * weights
    expected, scale = float(terms.sum()) + bias, float(np.abs(terms).sum()) + abs(bias)
    if not abs(score - expected) <= 1e-5 * max(scale, 1e-12):
        raise ArithmeticError(f"the head scores {score:.9g}, the features {expected:.9g}")
