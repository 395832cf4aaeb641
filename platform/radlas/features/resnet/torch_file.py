"""What only torch can open: its own checkpoints, and numbers that numpy does not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

Array = NDArray[Any]
_ZIP = b"PK\x03\x04"  # how torch, too, tells its newer files from those of before 1.6


def checkpoint_of(path: Path) -> dict[str, Array | None] | None:
    """Tensors of a PyTorch checkpoint; None if it is no mapping of names to tensors.

    Nothing but tensors is opened.

    Raises:
        ValueError: A part of it is not what was saved.
    """
    _check_sums(path)
    state: Any = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        return None
    return {str(name): _values(tensor) for name, tensor in state.items()}


def _check_sums(path: Path) -> None:
    """Torch writes a checksum for each tensor and looks at none: a flipped bit is another weight.

    Files of before 1.6 have none.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
        with ZipFile(file) as archive:
            damaged = archive.testzip()
    if damaged:
        raise ValueError(f"{damaged} in it does not agree with its checksum")


def safetensors_of(path: Path) -> dict[str, Array | None]:
    """Tensors of a file in safetensors' form."""
    with safe_open(path, framework="pt") as file:
        return {name: _values(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118


def _values(tensor: Tensor) -> Array | None:
    """In single precision if they are floating; None where there are none."""
    if tensor.is_meta or tensor.layout != torch.strided:
        return None
    plain = tensor.detach().resolve_conj().resolve_neg()
    plain = plain.int_repr() if plain.is_quantized else plain
    values: Array = (plain.float() if plain.is_floating_point() else plain).numpy()
    return values
