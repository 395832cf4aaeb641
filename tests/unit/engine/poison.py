"""Work for engines, most of it wrong in the ways real work is; workers import it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from radlas.errors import DataError, WorkerError
from radlas.reasons import data_error


def work(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == 5:
        time.sleep(60)
    if task == 7:
        raise data_error("empty_mask", "no voxel")
    if task == 9:
        raise ValueError("surprise")
    return task * task


def visible_gpus(seconds: float) -> tuple[str, str]:
    """What this process sees of the machine's GPUs, and how many share it."""
    time.sleep(seconds)
    return os.environ["CUDA_VISIBLE_DEVICES"], os.environ["RADLAS_GPU_SHARES"]


def new_pages(times: int) -> int:
    """Pages that the system had to provide for one mebibyte, made and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        bytes(range(256)) * (1 << 12)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def fails_with_its_device(marker: str) -> int:
    """Once, and then for ever in that process, as CUDA does."""
    mine, path = str(os.getpid()), Path(marker)
    if not path.exists():
        path.write_text(mine)
    if path.read_text() == mine:
        raise WorkerError("an illegal access", reason="device")
    return os.getpid()


HELD: list[weakref.ref[Much]] = []
LOCKS: list[Any] = []


class Much:
    """What takes room."""


def fails_with_much(_: int) -> None:
    """While it has something in hand."""
    much = Much()
    HELD.append(weakref.ref(much))
    raise WorkerError("too much", reason="memory")


def fails_of_much(task: int) -> None:
    """Of what failed before, elsewhere."""
    try:
        fails_with_much(task)
    except WorkerError:
        raise WorkerError("too much", reason="memory") from None


def waits(seconds: float) -> int:
    """With a lock in hand that Python clears away after it, as codecs have one."""
    LOCKS.append(multiprocessing.Lock())
    time.sleep(seconds)
    return os.getpid()


def parent(_: int) -> int:
    """The process whose child this is."""
    return os.getppid()


def collects(_: int) -> bool:
    """Whether garbage is searched for."""
    return gc.isenabled()


def says_who_it_is(seconds: float) -> None:
    """On its way to a long work."""
    print(os.getpid(), file=sys.stderr, flush=True)
    time.sleep(seconds)


class Unknown:
    """A task of a module that the worker does not have."""

    def __reduce__(self):
        return __import__, ("a_plug_in_of_another_machine",)


class PickyError(DataError):
    """An error of a plug-in, which opens only as it was made."""

    def __init__(self, case: str) -> None:
        super().__init__(f"odd: {case}")


def travels(task: object) -> object:
    if task == "error":
        raise PickyError("a")
    return threading.Lock() if task == "result" else os.getpid()


def prints(text: str) -> None:
    print(text, flush=True)
    os.write(1, f"{text}\n".encode())  # as a library in C does
