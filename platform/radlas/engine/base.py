"""What an engine is: it runs pure work on tasks and hands every result back, also the failures."""

from __future__ import annotations

import hashlib
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from radlas.errors import RadlasError, WorkerError, remedy
from radlas.registry import makers

T = TypeVar("T")
R = TypeVar("R")
LARGEST_BUNDLE = 32  # tasks of a bundle: a crash costs few a second try
GPU_BATCH = 16  # tasks that a GPU takes at once, at first: its bundles are whole batches


@dataclass(frozen=True)
class Done(Generic[T, R]):
    """One finished task: a result or an error, never both, never neither.

    Attributes:
        task: What was asked.
        result: What the work returned; None if it failed.
        error: Why it failed. Unexpected exceptions arrive as ``WorkerError`` with reason ``bug``.
        seconds: Wall time of the work [s].
        peak_rss_mib: Largest resident memory of the working process so far [MiB].
        worker: Name of the working process.
        attempt: 1, or 2 for a second try.
    """

    task: T
    result: R | None = None
    error: RadlasError | None = None
    seconds: float = 0.0
    peak_rss_mib: float = 0.0
    worker: str = ""
    attempt: int = 1


@dataclass(frozen=True)
class Bundle(Generic[T]):
    """Several tasks for one call: they share a device, and some are read while one is computed."""

    tasks: tuple[T, ...]

    def __len__(self) -> int:
        return len(self.tasks)


class Engine(Protocol):
    """Runs work on tasks. The order of results is free; a flow may not depend on it."""

    name: str

    def map(
        self, work: Callable[[T], R], tasks: Sequence[T], *, gpu: bool = False
    ) -> Iterator[Done[T, R]]:
        """One ``Done`` per task, as they finish.

        Args:
            work: Importable, pure function.
            tasks: Small and picklable: addresses, no voxels.
            gpu: Prefer workers that offer a GPU, where there are any.
        """

    def bundle(self, tasks: int) -> int:
        """How many of so many tasks one call should take, where work can take several at once."""

    def close(self) -> None:
        """Stop what was started."""


class SerialEngine:
    """Runs tasks in this process, in order: the reference the other engines are held to."""

    name = "serial"

    def map(
        self, work: Callable[[T], R], tasks: Sequence[T], *, gpu: bool = False
    ) -> Iterator[Done[T, R]]:
        """See ``Engine.map``; ``gpu`` makes no difference here."""
        return (measure(work, task) for task in tasks)

    def bundle(self, tasks: int) -> int:
        """See ``Engine.bundle``."""
        return min(tasks, LARGEST_BUNDLE)

    def close(self) -> None:
        """Nothing was started."""


def measure(work: Callable[[T], R], task: T) -> Done[T, R]:
    """Run one task here; whatever it raises becomes part of its ``Done``."""
    start = time.perf_counter()
    result, error = None, None
    try:
        result = work(task)
    except RadlasError as expected:
        error = _without_frames(expected)
    except MemoryError:
        error = WorkerError("out of memory", hint="fewer workers, or more memory", reason="memory")
    except OSError as failure:
        # Its text may hold a path, and a path a name: only what went wrong is told.
        what = os.strerror(failure.errno) if failure.errno else type(failure).__name__
        hint = remedy(failure) or "disk full or unreachable?"
        error = WorkerError(what, hint=f"{hint}; then run again", reason="os_error")
    except (Exception, SystemExit) as bug:  # noqa: BLE001 - one task's bug costs that task alone, and is told
        error = WorkerError(  # nor the text of a bug: it may quote what a file says
            type(bug).__name__,
            _innermost(bug),
            f"this is a defect of {makers(bug)}: please report it",
            "bug",
        )
    return Done(
        task=task,
        result=result,
        error=error,
        seconds=time.perf_counter() - start,
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        worker=f"{this_machine()}:{os.getpid()}",
    )


def _without_frames(error: RadlasError) -> RadlasError:
    """An error as it is once it has travelled: what its frames hold, as a device's memory, is free.

    Else it would stay taken while the next task runs, which then fails like the one before.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


@cache
def this_machine() -> str:
    """What the ledger calls this machine: the ledger travels, and hosts are called like people.

    A digest of what the system drew at random, so that no list of host names can be tried on it.
    """
    for path in map(Path, ("/etc/machine-id", "/proc/sys/kernel/random/boot_id")):
        with suppress(OSError):
            if drawn := path.read_text(encoding="ascii").strip():
                return hashlib.sha256(f"radlas {drawn}".encode()).hexdigest()[:8]
    return "machine"


def _innermost(bug: BaseException) -> str:
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
