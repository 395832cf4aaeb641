"""Which GPUs there are for this process, and how many workers may share one. Without torch."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from radlas.errors import ConfigError

SHARES = 3  # workers of one GPU
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NONE = {"", "-1", "NoDevFiles"}  # as CUDA reads that variable
_OTHERS = {"kfd", "nvhost-gpu"}  # of ROCm, which torch calls cuda, and of Jetson
GPU_SHARES = "RADLAS_GPU_SHARES"  # a worker's variable: how many share the GPU that it sees
_DEVICES = Path("/dev")
_IMPORT_TIMEOUT = 120  # of torch: a slow disk is quicker [s]
_DRIVER_TIMEOUT = 10  # [s]


def may_be_there() -> bool:
    """Whether torch should be asked if it can use a GPU here, of whatever maker."""
    named = os.environ.get(_VISIBLE)
    if named is not None:
        return named.strip() not in _NONE
    return bool(_device_files() or _OTHERS & {path.name for path in _DEVICES.iterdir()})


def gpus() -> list[str]:
    """The GPUs that torch can use here, as ``CUDA_VISIBLE_DEVICES`` names them."""
    there = _candidates()
    if not there:
        return []
    count, named = _seen_by_torch(), _VISIBLE in os.environ
    if not count:
        what = "there are GPUs, but torch cannot use them: processors do their work"
        logging.getLogger(__name__).warning("%s (%s)", what, ", ".join(sorted(there)))
    if count and named and all(one.startswith("MIG-") for one in there):
        return there  # CUDA shows a process one of them, however many it may use
    # A container's only device may be /dev/nvidia3, and CUDA calls it 0.
    return there[:count] if named else [str(number) for number in range(count)]


def _candidates() -> list[str]:
    """Those that the environment names, or else the device files."""
    named = os.environ.get(_VISIBLE)
    if named is None:
        return _device_files()
    listed = [one.strip() for one in named.split(",")]
    return [one for one in listed if one.isdigit() or one.startswith(("GPU-", "MIG-"))]


def _device_files() -> list[str]:
    """Names of those that stand for GPUs; Windows' Linux has one for them all."""
    names = [path.name for path in _DEVICES.iterdir()]
    return [one for one in names if one == "dxg" or (one[:6] == "nvidia" and one[6:].isdigit())]


def _seen_by_torch() -> int:
    """In a process of its own: torch is slow to import, and the device would stay taken."""
    code = "from torch import cuda; print(cuda.device_count() if cuda.is_available() else 0)"
    words = [sys.executable, "-W", "ignore", "-c", code]
    try:
        said = subprocess.run(  # noqa: S603 - our own interpreter
            words, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return 0
    return int(said.stdout) if said.stdout.strip().isdigit() else 0


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
            question, capture_output=True, text=True, timeout=_DRIVER_TIMEOUT, check=False
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
