"""Weights for the network: random by a seed, or from a file. Nothing is ever downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from radlas.digests import file_digest
from radlas.errors import ConfigError
from radlas.features.resnet.network import ResNet18, Variant

_NAMED = 8  # as many keys as an error lists


def random_network(variant: Variant, seed: int) -> ResNet18:
    """A network with Kaiming weights, the same for the same seed; never called pre-trained.

    The global random state is neither read nor moved.
    """
    with torch.device("meta"):  # spares torch's own, unseeded initialisation
        network = ResNet18(variant)
    network.to_empty(device="cpu")
    _initialise(network, torch.Generator().manual_seed(seed))
    return network.eval()


def load_network(variant: Variant, path: Path) -> ResNet18:
    """A network with the weights of a file, every one of them.

    Args:
        variant: Which form the weights are put into; the file cannot tell.
        path: A ``.safetensors`` file, or a PyTorch checkpoint of tensors alone. MedicalNet's
            ``{"state_dict": {"module.conv1.weight": ...}}`` is unwrapped.

    Raises:
        ConfigError: The file is missing, unsafe or unreadable, or a key is missing, unexpected or
            of another shape.
    """
    with torch.device("meta"):
        network = ResNet18(variant)
    state = read_state(path)
    _check(state, network.state_dict(), path)
    network.load_state_dict(state, assign=True)
    return network.eval()


@lru_cache(maxsize=2)
def cached_network(variant: Variant, path: str, digest: str, seed: int, device: str) -> ResNet18:
    """One network per process: loading takes longer than describing a case.

    Args:
        variant: Form of the network.
        path: Weights file; empty for random weights.
        digest: SHA-256 of the file, as the recipe records it.
        seed: Seed of random weights.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The file has changed since the recipe was made.
    """
    if path and file_digest(Path(path)) != digest:
        raise ConfigError("the weights have changed since the run began", path, "start again")
    network = load_network(variant, Path(path)) if path else random_network(variant, seed)
    network.requires_grad_(False).to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):  # the faster layout, with the same values
            module.weight.data = module.weight.contiguous(memory_format=torch.channels_last_3d)
    return network


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name, without wrappers and ``module.`` prefixes.

    Raises:
        ConfigError: The file is missing, holds more than tensors, or is not readable.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError("no such weights file", str(path), "check the path") from None
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        head = str(error).strip().splitlines()[0]
        hint = "give a checkpoint of tensors alone; other pickles are not opened"
        raise ConfigError(f"not readable as weights: {head}", str(path), hint) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError("not a mapping of names to tensors", str(path), "save a state dict")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        elif isinstance(module, nn.BatchNorm3d):
            module.reset_parameters()  # constants: mean 0, variance 1, weight 1, bias 0


def _check(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    shapes = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    problems = [
        _list("missing", [name for name in wanted if name not in found]),
        _list("unexpected", [name for name in found if name not in wanted]),
        _list("of another shape", shapes),
    ]
    if any(problems):
        raise ConfigError(
            "these are not the weights of this network: " + "; ".join(filter(None, problems)),
            str(path),
            "give the backbone of a 3D ResNet18 with shortcut A and one input channel",
        )


def _list(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {what} ({', '.join(names[:_NAMED])}{more})"
