"""The same sums every time, in full float32: deterministic cuDNN and no TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_CUDNN: Any = torch.backends.cudnn
# None of torch's older switches for TF32: to read those is an error once a process has set apart
# what they cover. The first of the newer ones is followed by whatever has none of its own.
_SWITCHES: tuple[tuple[Any, str, Any], ...] = (
    (_CUDNN, "enabled", True),
    (_CUDNN, "deterministic", True),
    (_CUDNN, "benchmark", False),
    (_CUDNN, "fp32_precision", "ieee"),
    (_CUDNN.conv, "fp32_precision", "ieee"),
    (_CUDNN.rnn, "fp32_precision", "ieee"),
    (torch.backends.cuda.matmul, "fp32_precision", "ieee"),
)


@contextmanager
def exactly() -> Iterator[None]:
    """Deterministic algorithms of cuDNN, and float32 as such, whatever the process is set to.

    A container's variables, or whoever called us, may have allowed TF32, which keeps ten bits of a
    factor.
    """
    before = [getattr(owner, name) for owner, name, _ in _SWITCHES]
    try:
        for owner, name, value in _SWITCHES:
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name, _), value in zip(_SWITCHES, before, strict=True):
            setattr(owner, name, value)
