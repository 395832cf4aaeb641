"""How far a training has come, as a file of torch's: whole or not there, its bits as written."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from radlas.places.stages import whole

#: What a file that is damaged raises when it is read, or when what it holds is taken up.
OF_DAMAGE = (
    EOFError,
    RuntimeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    TypeError,
    ValueError,
)


def write_progress(state: Mapping[str, Any], path: Path) -> None:
    """Write a file that is whole or not there.

    Args:
        state: Tensors and numbers.
        path: Where it goes.

    Raises:
        OSError: The disk is full. Torch then complains of what it could not end, and that hides it.
    """
    with whole(path) as temporary, temporary.open("wb") as file:  # given a name, torch hides it too
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def read_progress(path: Path) -> Any:
    """What ``write_progress`` wrote, on the processor.

    Torch writes a sum of each part, and does not look at it.

    Raises:
        Exception: One of ``OF_DAMAGE``: a part is not what was written.
    """
    with zipfile.ZipFile(path) as archive:
        if part := archive.testzip():
            raise ValueError(f"{part} is not what was written")
    return torch.load(path, map_location="cpu", weights_only=True)
