"""Files of weights: tensors alone, strictly read, and known by their values.

Torch is loaded for files of its own only (``torch_file.py``).
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from radlas.digests import file_digest, from_json
from radlas.errors import ConfigError
from radlas.features.notes import NOTE
from radlas.features.resnet.form import FORMS
from radlas.features.resnet.untrained import refuse_untrained
from radlas.forms import misfit
from radlas.places.stages import whole

Array = NDArray[Any]
State = Mapping[str, Array]
_HEADS = ("fc.", "conv_seg.")  # what is trained upon the backbone, in published files
UNUSED = "num_batches_tracked"  # counts of training; absent from old files, and of no effect
_NOTE = "radlas"  # key of our own note in a safetensors file
_OF = "weights_sha256"  # in that note: whose it is
_OF_NUMPY = {"BOOL", "F16", "F32", "F64", *(f"{k}{n}" for k in "UI" for n in (8, 16, 32, 64))}
_FRESH = 0.02  # what a few steps of training move a normalisation by, at most [1]


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

    state: State
    digest: str
    note: Mapping[str, Any]
    heads: tuple[str, ...] = field(default=())

    @property
    def of_video(self) -> bool:
        """Whether they are those of ``r3d_18``."""
        return _is_of_video(self.state)

    @property
    def recast(self) -> list[str]:
        """What copies in lower precision have in common with them; see ``recast_digests``."""
        return recast_digests(self.state)


def read_weights(path: Path) -> Weights:
    """The backbone in a weights file.

    Args:
        path: A ``.safetensors`` file, or a PyTorch checkpoint of tensors alone: MedicalNet's
            ``{"state_dict": {"module.conv1.weight": ...}}``, torchvision's ``r3d_18`` (the stem
            summed over its three channels: what it makes of a grey image), or names as ours.

    Raises:
        ConfigError: The file is missing, holds more than tensors, is not readable, its tensors hold
            what is no number or were hardly trained, or its note is of other weights. Weights made
            by ``radlas pretrain`` may be hardly trained: their note says so.
    """
    found, note = _read(path)
    heads = tuple(name for name in found if name.startswith(_HEADS))
    numbers = _numbers({name: one for name, one in found.items() if name not in heads}, path)
    state = _from_video(numbers) if any(name.startswith("stem.") for name in numbers) else numbers
    digest, of = weights_digest(state), note.pop(_OF, None)
    told = of == digest and "untrained" in note
    refuse_untrained(state, path, within=0.0 if told else _FRESH)
    if of not in (None, digest):
        raise ConfigError(
            "the note in this file is of other weights",
            str(path),
            "import the original file again: radlas weights import",
        )
    note = note or {"source": path.name, "source_sha256": file_digest(path)}
    return Weights(state, digest, note, heads)


def save_weights(path: Path, state: State, note: Mapping[str, Any]) -> str:
    """Write a backbone as safetensors, with a note of where it comes from; returns its digest.

    Raises:
        ConfigError: There is something at the path, it does not say what the file is, or the
            weights are no numbers.
    """
    check_free(path)
    tensors = {name: np.asarray(one, order="C") for name, one in _numbers(state, path).items()}
    digest = weights_digest(tensors)
    note_text = json.dumps({**note, _OF: digest}, sort_keys=True)
    with whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={_NOTE: note_text}))
    return digest


def check_free(path: Path) -> None:
    """Refuse a place where weights cannot be kept, or could not be read again.

    Raises:
        ConfigError: There is something at the path, or it does not end in ``.safetensors``.
    """
    if path.exists():
        raise ConfigError("there is a file already", str(path), "name another, or remove it")
    if path.suffix != ".safetensors":
        raise ConfigError("the weights file must end in .safetensors", str(path))


def _read(path: Path) -> tuple[dict[str, Array | None], dict[str, Any]]:
    """Tensors by name, without ``module.`` prefixes, None for one without values; and our note."""
    try:
        found, note = _opened(path)
    except FileNotFoundError:
        raise ConfigError("no such weights file", str(path), "check the path") from None
    except pickle.UnpicklingError as error:
        what = "not a checkpoint of tensors alone: it holds code or other objects, or is damaged"
        raise ConfigError(what, str(path), "save the state dict of its network") from error
    except Exception as error:  # torch raises what it likes on a file that is no checkpoint
        head = next(iter(str(error).strip().splitlines()), type(error).__name__)
        hint = "is the file whole? Give a checkpoint of tensors alone"
        raise ConfigError(f"not readable as weights: {head}", str(path), hint) from error
    if found is None:
        raise ConfigError("not a mapping of names to tensors", str(path), "save a state dict")
    return _without_prefix(found, path), note


def _without_prefix(found: Mapping[str, Array | None], path: Path) -> dict[str, Array | None]:
    """Tensors by their names in the network.

    Raises:
        ConfigError: Two have one name: which of them was trained, nothing says.
    """
    named = {name.removeprefix("module."): one for name, one in found.items()}
    if len(named) < len(found):
        twice = next(name for name in named if {name, f"module.{name}"} <= found.keys())
        what = f"{twice} is there with and without `module.` before it"
        raise ConfigError(what, str(path), "save the state dict of one network")
    return named


def _opened(path: Path) -> tuple[Mapping[str, Array | None] | None, dict[str, Any]]:
    if path.suffix != ".safetensors":
        from radlas.features.resnet.torch_file import checkpoint_of  # noqa: PLC0415 - a second

        return checkpoint_of(path), {}
    with safe_open(path, framework="np") as file:
        note = _our_note((file.metadata() or {}).get(_NOTE, "{}"))
        names = list(file.keys())
        if {file.get_slice(name).get_dtype() for name in names} <= _OF_NUMPY:
            return {name: file.get_tensor(name) for name in names}, note
    from radlas.features.resnet.torch_file import safetensors_of  # noqa: PLC0415 - a second

    return safetensors_of(path), note


def _from_video(state: State) -> dict[str, Array]:
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
        renamed["conv1.weight"] = stem.sum(axis=1, keepdims=True)
    return renamed


def _is_of_video(state: State) -> bool:
    stem = state.get("conv1.weight")
    return stem is not None and tuple(stem.shape[2:]) == FORMS["r3d_18"].stem_kernel


def _our_note(text: str) -> dict[str, Any]:
    """What ``save_weights`` wrote.

    Raises:
        ValueError: Somebody else wrote it.
    """
    note: dict[str, Any] = from_json(text)
    if misfit(note, NOTE) or not _is_complete(note):
        raise ValueError(f"its note under {_NOTE!r} is none of ours")
    return note


def _is_complete(note: Mapping[str, Any]) -> bool:
    """Whether it tells all that is told of weights, or nothing."""
    made_here = {"objective", "steps", "subjects", "centres", "found", "chance"}
    wanted = made_here if "subjects" in note else {"source", "source_sha256"}
    return not note or wanted <= set(note)


def _numbers(state: Mapping[str, Array | None], path: Path) -> dict[str, Array]:
    """All in single precision; counts of training stay as they are.

    Integers are codes of a compressed network; NaN would go through it and into every row.

    Raises:
        ConfigError: One is no such thing.
    """
    found: dict[str, Array] = {}
    for name, values in state.items():
        if values is None:
            what = f"{name} is sparse, or without values"
        elif UNUSED in name:
            found[name] = values
            continue
        elif values.dtype.kind != "f":
            what = f"{name} is of {values.dtype}"
        else:
            with np.errstate(over="ignore"):
                found[name] = values.astype(np.float32, copy=False)
            what = _impossible(name, found[name])
        if what:
            raise ConfigError(what, str(path), "give weights in floating point")
    return found


def _impossible(name: str, values: Array) -> str:
    """What no training leaves behind; empty if there is nothing of it."""
    if not np.isfinite(values).all():
        return f"{name} holds NaN or infinity"
    if name.endswith("running_var") and (values < 0).any():
        return f"{name} holds variances below 0"  # their roots are NaN, which a rectifier may hide
    return ""


def weights_digest(state: State) -> str:
    """SHA-256 of names, shapes and values in single precision."""
    found = hashlib.sha256()
    for name in sorted(state):
        if UNUSED not in name:
            found.update(f"{name} {state[name].shape}\n".encode())
            found.update(np.ascontiguousarray(state[name]).astype("<f4", copy=False).data)
    return found.hexdigest()


def recast_digests(state: State) -> list[str]:
    """Digests of the weights as half precision and as bfloat16 would keep them.

    A copy that was saved in one of them and read again has that digest in common with its original,
    and no other network has.
    """
    floats = {name: values for name, values in state.items() if UNUSED not in name}
    return [
        weights_digest({name: kept(values) for name, values in floats.items()})
        for kept in (_in_half, _in_bfloat)
    ]


def _in_half(values: Array) -> Array:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _in_bfloat(values: Array) -> Array:
    """The upper half of a single's bits, to the nearest one, and to the even one of two."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)
    return rounded
