"""What this process and those that it starts may hear, and what they run: signals, its program."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

_SAFE = "PYTHONSAFEPATH"


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started within hear neither Ctrl-C nor that the terminal was closed.

    Who started them does, and ends them. Each would else print its own traceback over the one line
    that says how to go on.
    """
    _start_tracker()  # it would let the signal in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP are heard after what is done within, and not in the middle of it.

    A person who waits presses again, and systems may send both: half of an end would hang.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one hears any
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not None  # of another language: it could not be put back
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def end_with_parent() -> None:
    """This process ends when the one that started it does, however that comes.

    In the middle of a task, too: nobody waits for it, and the next run wants core and device.
    """
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def importable(work: Callable[[Any], Any]) -> bool:
    """Whether other processes can import this function.

    One that the program itself defines only if it is a file with a guard, as ``_guarded`` tells.
    """
    return getattr(work, "__module__", "") != "__main__" or _guarded()


@contextmanager
def main_left_alone() -> Iterator[None]:
    """Processes that are spawned within do not run this one's program again, if it has no guard.

    They run it as a module, for what is defined there, and a script without
    ``if __name__ == "__main__":`` would do its work once more in each; from standard input there is
    nothing to run. A package's ``__main__`` Python leaves alone, so this one is given that name.
    """
    main = sys.modules["__main__"]
    before = main.__spec__
    if not _guarded():
        main.__spec__ = ModuleSpec("__main__", None)
    try:
        yield
    finally:
        main.__spec__ = before


@contextmanager
def folder_left_alone() -> Iterator[None]:
    """Processes that are started within run nothing of the folder that somebody stands in.

    Python starts them by ``-c`` and looks there first: among a hospital's files a ``signal.py``
    would run. Once they have begun, they look where we do.
    """
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE]
        else:
            os.environ[_SAFE] = before


def _guarded() -> bool:
    """Whether this process's program is a file that names what only it is to do."""
    file = Path(getattr(sys.modules["__main__"], "__file__", ""))
    return file.is_file() and b"__main__" in file.read_bytes()


def _start_tracker() -> None:
    """What clears away the locks of processes that were killed, as ours are, and need not tell."""
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")  # it begins with our options
    try:
        with folder_left_alone():
            resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()
