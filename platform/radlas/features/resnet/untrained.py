"""Random weights in disguise: what their normalisations tell of a network that never learned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.errors import ConfigError

Array = NDArray[Any]


def refuse_untrained(state: Mapping[str, Array], path: Path, *, within: float) -> None:
    """Refuse normalisations as they are made: statistics of no image, or scales that nothing moved.

    Either alone tells: a pass in training mode moves the statistics of random weights, but only
    training moves the scales, and one step of it by a thousandth. Whatever number they were made
    with, and whatever scaled them since, all channels have it.

    Args:
        state: A network's tensors by their names in ``ResNet18``.
        path: Their file, for the message.
        within: By how much a normalisation may differ and is untrained all the same [1].

    Raises:
        ConfigError: They were never trained, or hardly.
    """
    norms = [name.removesuffix("running_mean") for name in state if name.endswith("running_mean")]
    fresh = {"running_mean": 0.0, "running_var": 1.0}
    unseen = [
        _near(state[norm + part], value, within)
        for norm in norms
        for part, value in fresh.items()
        if norm + part in state
    ]
    unmoved = [
        _alike(state[norm + part], within)
        for norm in norms
        for part in ("weight", "bias")
        if norm + part in state
    ]
    if any(known and all(known) for known in (unseen, unmoved)):
        raise ConfigError(
            "these weights were never trained, or hardly: every normalisation stands as it was"
            " made" + (f", or within {within:g} of it" if within else ""),
            str(path),
            "for a control with random weights say `weights: null` and a `seed`",
        )


def _near(values: Array, value: float, within: float) -> bool:
    return bool((np.abs(values - np.float32(value)) <= within).all())


def _alike(values: Array, within: float) -> bool:
    return not values.size or bool(np.ptp(values) <= 2 * within)
