"""A network's tensors by name: random by a seed, or from a file. Nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.errors import ConfigError
from radlas.features.resnet.checkpoint import UNUSED, State, Weights, read_weights
from radlas.features.resnet.form import FORMS, PLANES, Form, Variant

Array = NDArray[Any]
DRAWN = "by numpy"  # how random weights come to be: what a seed alone does not tell
_NAMED = 8  # as many keys as an error lists
_NORM = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}  # as it begins


def shapes(form: Form) -> dict[str, tuple[int, ...]]:
    """Every tensor of a form by its name in ``ResNet18``."""
    found = _convolved("conv1", "bn1", (PLANES[0], 1, *form.stem_kernel))
    for name, inputs, planes, _, _, projected in form.blocks():
        found |= _convolved(f"{name}.conv1", f"{name}.bn1", (planes, inputs, 3, 3, 3))
        found |= _convolved(f"{name}.conv2", f"{name}.bn2", (planes, planes, 3, 3, 3))
        if projected:
            around = f"{name}.downsample"
            found |= _convolved(f"{around}.0", f"{around}.1", (planes, inputs, 1, 1, 1))
    return found


def _convolved(conv: str, norm: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    norms = {f"{norm}.{part}": shape[:1] for part in _NORM}
    return {f"{conv}.weight": shape, **norms, f"{norm}.{UNUSED}": ()}


def random_state(variant: Variant, seed: int) -> dict[str, Array]:
    """Kaiming weights, the same for the same seed; never called pre-trained.

    Normal with a variance of 2 / (outputs * taps); normalisations do nothing yet.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for name, shape in shapes(FORMS[variant]).items():
        kind = name.rpartition(".")[2]
        if len(shape) > 1:
            fan_out = shape[0] * np.prod(shape[2:])
            found[name] = rng.standard_normal(shape, np.float32)
            found[name] *= np.float32(np.sqrt(2 / fan_out))
        elif kind == UNUSED:
            found[name] = np.array(0)
        else:
            found[name] = np.full(shape, _NORM[kind], np.float32)
    return found


def fitted(variant: Variant, weights: Weights, path: Path) -> dict[str, Array]:
    """The tensors of a file, every one of them, for a variant.

    Raises:
        ConfigError: One is missing, unexpected or of another shape; or they are of another network.
    """
    if weights.of_video != FORMS[variant].projected:
        theirs = "r3d_18" if weights.of_video else "medicalnet or monai"
        raise ConfigError(
            f"these are weights for {theirs}, not for {variant}", str(path), f"variant: {theirs}"
        )
    wanted = shapes(FORMS[variant])
    counts = {name: np.array(0) for name in wanted if UNUSED in name}
    found = {**counts, **weights.state}
    _check(found, wanted, path)
    return found


def fitting(weights: Weights, path: Path) -> tuple[Variant, ...]:
    """The variants that take a file's weights.

    Raises:
        ConfigError: None does; what is wrong by the form that is nearest.
    """
    variants: tuple[Variant, ...] = ("r3d_18",) if weights.of_video else ("medicalnet", "monai")
    fitted(variants[0], weights, path)
    return variants


def state_as_recorded(variant: Variant, path: str, digest: str, seed: int) -> State:
    """The tensors of a recipe's network.

    Args:
        variant: Form of the network.
        path: Weights file; empty for random weights.
        digest: Of the weights, as the recipe records it.
        seed: Seed of random weights.

    Raises:
        ConfigError: The file has changed since the recipe was made, or does not fit.
    """
    if not path:
        return random_state(variant, seed)
    return fitted(variant, weights_of(Path(path), digest), Path(path))


@lru_cache(maxsize=2)
def cached_state(variant: Variant, path: str, digest: str, seed: int) -> State:
    """Those of one network per process: reading takes longer than describing a case."""
    return state_as_recorded(variant, path, digest, seed)


def weights_of(path: Path, digest: str) -> Weights:
    """A file's weights, if they are still those of a recipe.

    Raises:
        ConfigError: The file has changed since the recipe was made.
    """
    weights = read_weights(path)
    if weights.digest != digest:
        raise ConfigError("the weights have changed since the run began", str(path), "start again")
    return weights


def _check(found: State, wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    shapes = [
        f"{name} is {found[name].shape}, not {shape}"
        for name, shape in wanted.items()
        if name in found and found[name].shape != shape
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
