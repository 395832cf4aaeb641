"""Whether a map is one of the network: it must not survive that the network is randomised.

Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: layers are randomised one
after the other, from the head down, and the map is compared with the first.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radlas.features.resnet.cam import Cam, grad_cam
from radlas.features.resnet.form import STAGES
from radlas.features.resnet.gpu import TorchRunner
from radlas.features.resnet.network import ResNet18
from radlas.features.resnet.runner import Runner
from radlas.model import Volume


def cascade(
    runner: Runner, seen: Volume, first: Cam, weights: NDArray[np.float64], *, seed: int = 0
) -> list[tuple[str, float | None]]:
    """Rank correlation of a map with those of a network that is randomised from the head down.

    Args:
        runner: The network that made the map; it is left as it is.
        seen: Its input.
        first: The map.
        weights: Of the head, shape ``(512,)``.
        seed: Of the random weights.

    Returns:
        ``head``, then the stages from the last to the stem, each with the correlation over the
        cells once it is randomised too; ``None`` where a map is all of one value.
    """
    rng = np.random.default_rng(seed)
    head = rng.permutation(weights)
    found = [("head", _alike(first, _map(runner, seen, first, head)))]
    network = copy.deepcopy(runner.network)
    for number, stage in enumerate(reversed(STAGES)):
        randomise(network, stage, seed + number)
        found.append((stage, _alike(first, _map(TorchRunner(network), seen, first, head))))
    return found


def randomise(network: ResNet18, stage: str, seed: int) -> None:
    """Give one stage the weights of a network that was never trained."""
    modules = [network.conv1, network.bn1] if stage == "stem" else [getattr(network, stage)]
    for number, module in enumerate(modules):
        _initialise(module, seed + number)


def _initialise(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            fresh = torch.empty(part.weight.shape)
            nn.init.kaiming_normal_(fresh, mode="fan_out", generator=generator)
            part.weight.data.copy_(fresh)  # where it is, and in its layout
        elif isinstance(part, nn.BatchNorm3d):
            part.reset_parameters()  # constants: mean 0, variance 1, weight 1, bias 0


def _map(runner: Runner, seen: Volume, first: Cam, weights: NDArray[np.float64]) -> Cam:
    return grad_cam(
        runner, seen.voxels, seen.geometry, weights=weights, bias=0.0, layer=first.layer
    )


def _alike(one: Cam, other: Cam) -> float | None:
    from scipy.stats import spearmanr  # noqa: PLC0415 - half a second that only maps need

    if one.cells.std() == 0 or other.cells.std() == 0:
        return None
    return float(spearmanr(one.cells.ravel(), other.cells.ravel()).statistic)
