"""Sums that are the same every time, of factors that nobody shortens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exactly() -> Iterator[None]:
    """Deterministic algorithms of cuDNN, and float32 as such, whatever the process is set to.

    A container's variables, or whoever called us, may have allowed TF32, which keeps ten bits of a
    factor: in convolutions by one switch, in matrix products by another, in all by a third.
    ``enabled`` must be said: without it the context switches cuDNN off.
    """
    products = torch.backends.cuda.matmul
    with torch.backends.cudnn.flags(
        enabled=True,
        deterministic=True,
        benchmark=False,
        allow_tf32=False,
        fp32_precision="ieee",  # of operations that have no switch of their own, or follow a common
    ):
        before, products.allow_tf32 = products.allow_tf32, False
        try:
            yield
        finally:
            products.allow_tf32 = before
