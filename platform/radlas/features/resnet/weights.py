"""Weights for the network: random by a seed, or from a file. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from radlas.digests import file_digest
from radlas.errors import ConfigError
from radlas.features.resnet.network import FORMS, ResNet18, Variant

_NAMED = 8  # as many keys as an error lists
_HEADS = ("fc.", "conv_seg.")  # what is trained upon the backbone, in published files
_UNUSED = "num_batches_tracked"  # counts of training; absent from old files, and of no effect
_NOTE = "radlas"  # key of our own note in a safetensors file


@dataclass(frozen=True, eq=False)
class Weights:
    """A backbone's tensors, and what is known of where they come from.

    Attributes:
        state: By their names in ``ResNet18``, float32.
        digest: SHA-256 of names, shapes and values: the same for a file and its conversion.
        note: ``source_sha256`` of the file first imported, ``source`` its name; for weights made by
            ``radlas pretrain`` also ``objective``, ``steps``, ``subjects`` and ``centres``.
        heads: Tensors of the file that do not belong to the backbone and were left out.
    """

    state: Mapping[str, Tensor]
    digest: str
    note: Mapping[str, Any]
    heads: tuple[str, ...] = field(default=())

    @property
    def of_video(self) -> bool:
        """Whether they are those of ``r3d_18``."""
        return _is_of_video(self.state)


def random_network(variant: Variant, seed: int) -> ResNet18:
    """A network with Kaiming weights, the same for the same seed; never called pre-trained.

    The global random state is neither read nor moved.
    """
    with torch.device("meta"):  # spares torch's own, unseeded initialisation
        network = ResNet18(variant)
    network.to_empty(device="cpu")
    initialise(network, seed)
    return network.eval()


def initialise(module: nn.Module, seed: int) -> None:
    """Kaiming weights for all convolutions of a module, and normalisations that do nothing yet."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            fresh = torch.empty(part.weight.shape)
            nn.init.kaiming_normal_(fresh, mode="fan_out", generator=generator)
            part.weight.data = fresh.to(part.weight.device)
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
    network.requires_grad_(False).to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):  # the faster layout, with the same values
            module.weight.data = module.weight.contiguous(memory_format=torch.channels_last_3d)
    return network


def read_weights(path: Path) -> Weights:
    """The backbone in a weights file.

    Args:
        path: A ``.safetensors`` file, or a PyTorch checkpoint of tensors alone: MedicalNet's
            ``{"state_dict": {"module.conv1.weight": ...}}``, torchvision's ``r3d_18`` (the stem
            summed over its three channels: what it makes of a grey image), or names as ours.

    Raises:
        ConfigError: The file is missing, holds more than tensors, is not readable, or its tensors
            were never trained.
    """
    found, note = _read(path)
    heads = tuple(name for name in found if name.startswith(_HEADS))
    state = {name: tensor for name, tensor in found.items() if name not in heads}
    if any(name.startswith("stem.") for name in state):
        state = _from_video(state)
    state = {name: tensor if _UNUSED in name else tensor.float() for name, tensor in state.items()}
    _refuse_untrained(state, path)
    note = note or {"source": path.name, "source_sha256": file_digest(path)}
    return Weights(state, _digest(state), note, heads)


def save_weights(path: Path, state: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write a backbone as safetensors, with a note of where it comes from.

    Raises:
        ConfigError: There is something at the path.
    """
    if path.exists():
        raise ConfigError("there is a file already", str(path), "name another, or remove it")
    temporary = path.with_name(f".{path.name}.part")
    tensors = {name: tensor.contiguous().cpu() for name, tensor in state.items()}
    note_text = json.dumps(dict(note), sort_keys=True)
    temporary.write_bytes(save(tensors, metadata={_NOTE: note_text}))
    temporary.rename(path)


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
    counts = {name: torch.tensor(0) for name in wanted if _UNUSED in name}
    state = {**counts, **weights.state}
    _check(state, wanted, path)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, without wrappers and ``module.`` prefixes; and our own note, if any."""
    note: dict[str, Any] = {}
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                state: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                note = json.loads((file.metadata() or {}).get(_NOTE, "{}"))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError("no such weights file", str(path), "check the path") from None
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        head = str(error).strip().splitlines()[0]
        hint = "give a checkpoint of tensors alone; other pickles are not opened"
        raise ConfigError(f"not readable as weights: {head}", str(path), hint) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError("not a mapping of names to tensors", str(path), "save a state dict")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}, note


def _from_video(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of torchvision as ours; a grey image shows the same to each channel of the stem."""
    renamed = {}
    for name, tensor in state.items():
        ours = name.replace("stem.0.", "conv1.").replace("stem.1.", "bn1.")
        for number in "12":
            ours = ours.replace(f".conv{number}.0.", f".conv{number}.")
            ours = ours.replace(f".conv{number}.1.", f".bn{number}.")
        renamed[ours] = tensor
    stem = renamed.get("conv1.weight")
    if stem is not None and stem.ndim == 5:  # outputs, channels, z, y, x
        renamed["conv1.weight"] = stem.sum(dim=1, keepdim=True)
    return renamed


def _is_of_video(state: Mapping[str, Tensor]) -> bool:
    stem = state.get("conv1.weight")
    return stem is not None and tuple(stem.shape[2:]) == FORMS["r3d_18"].stem_kernel


def _refuse_untrained(state: Mapping[str, Tensor], path: Path) -> None:
    """Running means of 0 and variances of 1 everywhere: no image ever went through in training."""
    means = [tensor for name, tensor in state.items() if name.endswith("running_mean")]
    spreads = [tensor for name, tensor in state.items() if name.endswith("running_var")]
    fresh = [not bool(mean.any()) for mean in means]
    fresh += [bool((spread == 1).all()) for spread in spreads]
    if fresh and all(fresh):
        raise ConfigError(
            "these weights were never trained: every normalisation stands as it was made",
            str(path),
            "for a control with random weights say `weights: null` and a `seed`",
        )


def _digest(state: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(state):
        if _UNUSED not in name:
            tensor = state[name].contiguous()
            found.update(f"{name} {tuple(tensor.shape)}\n".encode())
            found.update(tensor.numpy().astype("<f4", copy=False).tobytes())
    return found.hexdigest()


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
