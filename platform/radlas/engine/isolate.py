"""Native code in a child process: a crash or a hang costs one task, not the worker.

The child is spawned, never forked: forking after deltalake, zarr or torch have started threads
deadlocks. It lives on between tasks, so that imports and models are loaded once.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

from radlas.engine.base import Done, measure
from radlas.engine.spawn import (
    deaf_to_interrupts,
    end_with_parent,
    folder_left_alone,
    main_left_alone,
)
from radlas.errors import WorkerError

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
_ONE_STARTS = threading.Lock()  # what a start changes for its moment is the whole process's
_START_TIMEOUT = 120  # a slow disk is quicker [s]
_END_TIMEOUT = 10  # a process that its driver does not let go may stay for ever [s]
_IDLE_TIMEOUT = 600  # after which a process without a task ends [s]
# Before an answer: whether more can come. A device that failed fails in its process for ever.
_NEXT, _LAST = b"\x00", b"\x01"
_HERE = b"\x02"  # what a process says once it has started
_FEWER = 'use fewer, as local:1; in a script, only under `if __name__ == "__main__":`'
_TRIM, _MMAP, _ARENAS = -1, -3, -8  # of malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
_KEPT, _APART = 256 << 20, 32 << 20  # the second is the most that every glibc takes


def seal(work: Callable[[Any], Any], task: Any) -> bytes:
    """Work and task as bytes, which a worker passes on without importing what they are made of."""
    return pickle.dumps((work, task))


def unseal(answer: bytes) -> Done[Any, Any]:
    """What a child said of a task."""
    done: Done[Any, Any] = pickle.loads(answer)  # noqa: S301 - from our own child
    return done


class Child:
    """One helper process that runs tasks one at a time, whichever threads ask.

    Args:
        timeout: Longest time for one task [s].
        environment: Variables that it has beside ours.
    """

    def __init__(self, timeout: float, environment: Mapping[str, str] | None = None) -> None:
        self._timeout = timeout
        self._environment = dict(environment or {})
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def call(self, sealed: bytes) -> bytes | WorkerError:
        """Run one task in the child.

        Args:
            sealed: Work and task; see ``seal``.

        Returns:
            The task's ``Done``, as ``unseal`` opens it; or how the child died or fell silent.
        """
        with self._one_at_a_time:
            try:
                return self._answer(self._ready(), sealed)
            except WorkerError as error:
                return error

    def close(self) -> None:
        """End the child, whatever it does, and let none start any more."""
        self._closed = True
        process, idle = self._process, self._one_at_a_time.acquire(blocking=False)
        if process is not None and not idle:
            process.kill()
        if idle or self._one_at_a_time.acquire(
            timeout=_END_TIMEOUT
        ):  # who asked hears that it died
            self.stop()
            self._one_at_a_time.release()

    def stop(self) -> int | None:
        """End the child, kindly or not; its exit code."""
        process, self._process, pipe, self._pipe = self._process, None, self._pipe, None
        if process is None or pipe is None:
            return None
        pipe.close()
        process.join(0.2)
        process.kill()
        process.join(_END_TIMEOUT)
        return process.exitcode

    def _answer(self, pipe: Connection, sealed: bytes) -> bytes:
        try:
            pipe.send_bytes(sealed)
            if pipe.poll(self._timeout):
                answer = pipe.recv_bytes()
                if answer[:1] == _LAST:
                    self.stop()
                return answer[1:]
            reason, what = "timeout", f"no answer after {self._timeout:g} s"
        except (EOFError, OSError):
            reason, what = "crashed", "the process died"
        code = self.stop()
        what += f" (exit code {code})" if reason == "crashed" else ""
        hint = "look at the case: radlas status; then radlas retry --reason " + reason
        raise WorkerError(what, hint=hint, reason=reason)

    def _ready(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self.stop()  # it died while it had nothing to do
        return self._pipe or self._start()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # Not a daemon: it ends by itself when the pipe closes, also if we are killed.
        process = context.Process(target=_serve, args=(theirs, self._environment), daemon=False)
        with _ONE_STARTS, deaf_to_interrupts(), main_left_alone(), folder_left_alone():
            process.start()
        _on_its_own(process)
        theirs.close()
        self._process, self._pipe = process, ours
        with suppress(EOFError, OSError):
            if not self._closed and ours.poll(_START_TIMEOUT) and ours.recv_bytes() == _HERE:
                return ours
        what = f"a worker's process did not start (exit code {self.stop()})"
        raise WorkerError(what, hint=_FEWER, reason="no_workers")


def _on_its_own(process: multiprocessing.process.BaseProcess) -> None:
    """Python waits at its end for all that it knows; this one may be held by a driver for ever.

    And where nobody closed its pipe, as nobody came to, it would wait for more work. It ends with
    us anyway.
    """
    multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]


def keep_freed_memory() -> None:
    """Let the arrays that one step frees serve the next, where the C library is glibc.

    Dask starts workers with ``MALLOC_TRIM_THRESHOLD_=65536``, which reaches their children: every
    array then goes back to the system at once, and the next has all its pages faulted in anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM, _KEPT)
        mallopt(_MMAP, _APART)
        mallopt(_ARENAS, 1)  # those of other threads give back what they free whatever is set


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    _move_in(environment)
    _answer_all(pipe)
    # After all else that is done at an end: Python's own takes half a second where torch is loaded.
    Finalize(None, os._exit, args=(0,), exitpriority=-1)


def _answer_all(pipe: Connection) -> None:
    with suppress(EOFError, OSError, KeyboardInterrupt):  # who asks is gone, or ends us
        pipe.send_bytes(_HERE)
        while pipe.poll(
            _IDLE_TIMEOUT
        ):  # whoever started us may have been killed, and we may hold a device
            done: Done[Any, Any] = measure(_opened, pipe.recv_bytes())
            lost = isinstance(done.error, WorkerError) and done.error.reason == "device"
            told = _packed(replace(done, task=None))  # the asker has it
            pipe.send_bytes((_LAST if lost else _NEXT) + told)
            gc.enable()


def _move_in(environment: Mapping[str, str]) -> None:
    """Make this process one that works for another."""
    # Before numpy, torch and ITK are imported.
    os.environ.update({**dict.fromkeys(_THREADS, "1"), **environment})
    keep_freed_memory()
    gc.disable()  # until the first answer: to search all that a task loads takes a fifth of it
    os.dup2(2, 1)  # what libraries print is no part of the report on our parent's stdout
    end_with_parent()


def _opened(sealed: bytes) -> Any:
    """What the work says of its task."""
    try:
        work, task = pickle.loads(sealed)  # noqa: S301 - from our own parent
    except Exception as error:
        raise WorkerError(
            f"the worker cannot open its task: {type(error).__name__}",
            hint="give the workers the same radlas and the same plug-ins as the machine that asks",
            reason="other_software",
        ) from error
    return work(task)


def _packed(done: Done[Any, Any]) -> bytes:
    """A task's ``Done`` as bytes that open again; what cannot travel is that task's defect."""
    try:
        pickle.loads(pickle.dumps(done.error))  # noqa: S301 - our own bytes
        return pickle.dumps(done)
    except Exception as error:  # noqa: BLE001 - plug-ins give and raise what they like
        what = f"what the task gave cannot leave its process: {type(error).__name__}"
        told = WorkerError(what, hint="this is a defect: please report it", reason="bug")
        return pickle.dumps(replace(done, result=None, error=told))
