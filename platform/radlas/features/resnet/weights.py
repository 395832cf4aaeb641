"""Networks in torch with the tensors of ``state.py``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from radlas.features.resnet.checkpoint import State, read_weights
from radlas.features.resnet.form import Variant
from radlas.features.resnet.network import ResNet18
from radlas.features.resnet.state import fitted, random_state, state_as_recorded


def network_of(variant: Variant, state: State) -> ResNet18:
    """A network in evaluation mode of these tensors, every one of them; it has them from now on."""
    with torch.device("meta"):  # spares torch's own, unseeded initialisation
        network = ResNet18(variant)
    tensors = {name: torch.from_numpy(values) for name, values in state.items()}
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def state_of(network: ResNet18) -> State:
    """Its tensors by name, where they are if that is the processor."""
    return {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}


def random_network(variant: Variant, seed: int) -> ResNet18:
    """One with random weights, never called pre-trained; see ``random_state``."""
    return network_of(variant, random_state(variant, seed))


def load_network(variant: Variant, path: Path) -> ResNet18:
    """A network with the weights of a file, every one of them; see ``read_weights``.

    Args:
        variant: Which form the weights are put into; the file tells only ``r3d_18`` from the rest.
        path: The file.

    Raises:
        ConfigError: The file is missing, unsafe or unreadable, its tensors were never trained, or
            one is missing, unexpected or of another shape.
    """
    return network_of(variant, fitted(variant, read_weights(path), path))


@lru_cache(maxsize=2)
def cached_network(variant: Variant, path: str, digest: str, seed: int, device: str) -> ResNet18:
    """One network per process, for no training; see ``state_as_recorded``.

    Args:
        variant: Form of the network.
        path: Weights file; empty for random weights.
        digest: Of the weights, as the recipe records it.
        seed: Seed of random weights.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The file has changed since the recipe was made, or does not fit.
    """
    network = network_of(variant, state_as_recorded(variant, path, digest, seed))
    return on_device(network.requires_grad_(False), device)


def on_device(network: ResNet18, device: str) -> ResNet18:
    """The network moved there, in the faster layout, with the same values.

    In the other one a GPU has no deterministic algorithm of cuDNN for dilated convolutions.
    """
    network.to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = _channels_last(module.weight, device)
    return network


def _channels_last(weight: Tensor, device: str) -> Tensor:
    """Of one input channel both layouts are alike, and to torch it has the one last asked for."""
    if device == "cpu":  # there such a stem is slower so
        return weight.contiguous(memory_format=torch.channels_last_3d)
    return weight.to(memory_format=torch.channels_last_3d)
