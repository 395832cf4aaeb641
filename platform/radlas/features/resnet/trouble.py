"""What a GPU says when it cannot go on: whose fault it is, and what to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from radlas.errors import WorkerError

_NO_ENGINE = "unable to find an engine"  # of cuDNN, also where none finds room for its workspace
# Only some failures of a device have a type of their own; its libraries raise what anybody does.
_OF_DEVICE = ("CUDA", "NVIDIA", "NVML", "cuDNN", "CUDNN_", "CUBLAS_", _NO_ENGINE)


@contextmanager
def device_errors(device: str, *, held: str, instead: str) -> Iterator[None]:
    """Turn what a device raises into an error that says what to try; a bug stays what it is.

    Args:
        device: Its type, as ``cuda``.
        held: What its memory has to hold.
        instead: What to try where it does not.

    Raises:
        WorkerError: ``memory`` or ``device``.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise too_small(device, held, instead) from None
    except RuntimeError as error:
        if not is_of_device(error):
            raise
        raise failed(device, error) from None


def too_small(device: str, held: str, instead: str) -> WorkerError:
    """Torch's own message counts bytes, and does not say what to do."""
    return WorkerError(f"the device's memory does not hold {held}", device, instead, "memory")


def failed(device: str, error: RuntimeError) -> WorkerError:
    """Of what CUDA raises the first line says what is wrong."""
    return WorkerError(
        "the GPU cannot be used: " + str(error).partition("\n")[0],
        device,
        "`nvidia-smi` tells who uses it, and in which mode; an empty CUDA_VISIBLE_DEVICES hides it",
        "device",
    )


def is_of_device(error: RuntimeError) -> bool:
    """Whether a device or its libraries failed, after which nothing works in this process."""
    return isinstance(error, torch.AcceleratorError) or any(
        sign in str(error) for sign in _OF_DEVICE
    )


def is_without_engine(error: RuntimeError) -> bool:
    """Whether cuDNN found no way to convolve: of a smaller batch it may find one."""
    return _NO_ENGINE in str(error)
