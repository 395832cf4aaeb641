"""Weights for the network: random by a seed, or from a file. Nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from radlas.errors import ConfigError
from radlas.features.resnet.checkpoint import UNUSED, Weights, read_weights
from radlas.features.resnet.network import FORMS, ResNet18, Variant

_NAMED = 8  # as many keys as an error lists


def random_network(variant: Variant, seed: int) -> ResNet18:
    """A network with Kaiming weights, the same for the same seed; never called pre-trained.

    The global random state is neither read nor moved.
    """
    with torch.device("meta"):  # spares torch's own, unseeded initialisation
        network = ResNet18(variant)
    state = network.state_dict().items()
    room = {name: torch.empty(one.shape, dtype=one.dtype) for name, one in state}
    network.load_state_dict(room, assign=True)  # `to_empty` would load sympy, which takes longer
    initialise(network, seed)
    return network.eval()


def initialise(module: nn.Module, seed: int) -> None:
    """Kaiming weights for all convolutions of a module, and normalisations that do nothing yet."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            fresh = torch.empty(part.weight.shape)
            nn.init.kaiming_normal_(fresh, mode="fan_out", generator=generator)
            part.weight.data.copy_(fresh)  # where it is, and in its layout
        elif isinstance(part, nn.BatchNorm3d):
            part.reset_parameters()  # constants: mean 0, variance 1, weight 1, bias 0


def load_network(variant: Variant, path: Path) -> ResNet18:
    """A network with the weights of a file, every one of them; see ``read_weights``.

    Args:
        variant: Which form the weights are put into; the file tells only ``r3d_18`` from the rest.
        path: The file.

    Raises:
        ConfigError: The file is missing, unsafe or unreadable, its tensors were never trained, or
            one is missing, unexpected or of another shape.
    """
    return _filled(variant, read_weights(path), path)


@lru_cache(maxsize=2)
def cached_network(variant: Variant, path: str, digest: str, seed: int, device: str) -> ResNet18:
    """One network per process: loading takes longer than describing a case.

    Args:
        variant: Form of the network.
        path: Weights file; empty for random weights.
        digest: Of the weights, as the recipe records it.
        seed: Seed of random weights.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The file has changed since the recipe was made.
    """
    if path:
        weights = read_weights(Path(path))
        if weights.digest != digest:
            raise ConfigError("the weights have changed since the run began", path, "start again")
        network = _filled(variant, weights, Path(path))
    else:
        network = random_network(variant, seed)
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


def fitting(weights: Weights, path: Path) -> tuple[Variant, ...]:
    """The variants that take a file's weights.

    Raises:
        ConfigError: None does; what is wrong by the form that is nearest.
    """
    variants: tuple[Variant, ...] = ("r3d_18",) if weights.of_video else ("medicalnet", "monai")
    _filled(variants[0], weights, path)
    return variants


def _filled(variant: Variant, weights: Weights, path: Path) -> ResNet18:
    if weights.of_video != FORMS[variant].projected:
        theirs = "r3d_18" if weights.of_video else "medicalnet or monai"
        raise ConfigError(
            f"these are weights for {theirs}, not for {variant}", str(path), f"variant: {theirs}"
        )
    with torch.device("meta"):
        network = ResNet18(variant)
    wanted = network.state_dict()
    counts = {name: torch.tensor(0) for name in wanted if UNUSED in name}
    state = {**counts, **weights.state}
    _check(state, wanted, path)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _check(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    shapes = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    extra = [name for name in found if name not in wanted]
    projected = any(".downsample." in name for name in extra)
    problems = [
        "its shortcuts have weights (shortcut B), this network's have none" if projected else "",
        _list("missing", [name for name in wanted if name not in found]),
        _list("unexpected", extra),
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
