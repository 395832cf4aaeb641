"""Which GPUs there are for this process, and how many workers may share one. Without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from radlas.errors import ConfigError

SHARES = 3  # workers of one GPU
GPU_SHARES = "RADLAS_GPU_SHARES"  # a worker's variable: how many share the GPU that it sees
_ANSWER = 10  # a driver that is there answers sooner [s]


def gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        listed = (one.strip() for one in named.split(","))
        return [one for one in listed if one.isdigit() or one.startswith(("GPU-", "MIG-"))]
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((one[1] for one in found if one), key=int)


def shares_of(device: str) -> int:
    """How many workers a GPU gets: one where its driver lets in one process and no second.

    Args:
        device: As ``gpus`` names it.
    """
    driver = shutil.which("nvidia-smi")
    if driver is None:
        return SHARES
    question = [driver, f"--id={device}", "--query-gpu=compute_mode", "--format=csv,noheader"]
    try:
        said = subprocess.run(  # noqa: S603 - the driver's own tool, and a device's name
            question, capture_output=True, text=True, timeout=_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # it is a question, and not needed to go on
        return SHARES
    return 1 if "exclusive" in said.stdout.lower() else SHARES


def share_of_memory() -> float:
    """The part of its GPU's memory that this process may take, with some left for the driver.

    Raises:
        ConfigError: The variable holds no number of workers.
    """
    shares = os.environ.get(GPU_SHARES, "1")
    if not (shares.isdecimal() and int(shares)):
        raise ConfigError(
            f"{shares!r} is no number of workers that share a GPU", GPU_SHARES, f"{GPU_SHARES}=3"
        )
    return 0.9 / int(shares)
