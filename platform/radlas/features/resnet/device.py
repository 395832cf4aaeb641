"""Where the network runs: on the processor, or on a GPU; torch is loaded for the latter alone."""

from __future__ import annotations

from functools import lru_cache

from radlas.engine.gpus import may_be_there
from radlas.features.resnet.form import Variant
from radlas.features.resnet.processor import CpuRunner
from radlas.features.resnet.runner import Runner
from radlas.features.resnet.state import cached_state


@lru_cache(maxsize=2)
def runner(variant: Variant, path: str, digest: str, seed: int) -> Runner:
    """One network per process, on its GPU if it has one; see ``cached_state``.

    Raises:
        WorkerError: ``memory`` or ``device``: the GPU is too small, or cannot be used.
    """
    if default_device() == "cpu":
        return CpuRunner(variant, cached_state(variant, path, digest, seed))
    from radlas.features.resnet.gpu import on_the_gpu  # noqa: PLC0415 - torch

    return on_the_gpu(variant, path, digest, seed)


def default_device() -> str:
    """``cuda`` where there is a GPU."""
    if not may_be_there():
        return "cpu"
    import torch  # noqa: PLC0415 - it takes seconds, and only it can tell

    return "cuda" if torch.cuda.is_available() else "cpu"
