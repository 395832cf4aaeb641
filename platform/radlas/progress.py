"""How far a run is: a bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from radlas.engine.base import Bundle, Done, Engine

T = TypeVar("T")
R = TypeVar("R")
_SPEAK = 10.0  # between two lines of a log [s]
_SILENCE = 15.0  # without a first result before the log says that it is waited for [s]
_TOO_SHORT = 0.01  # to tell a pace from [s]


class WatchedEngine:
    """Another engine that tells on stderr how far it is."""

    def __init__(self, engine: Engine, label: str) -> None:
        self.name, self._engine, self._label = engine.name, engine, label

    def map(
        self, work: Callable[[T], R], tasks: Sequence[T], *, gpu: bool = False
    ) -> Iterator[Done[T, R]]:
        """See ``Engine.map``."""
        done = self._engine.map(work, tasks, gpu=gpu)
        if not tasks:
            return done
        watch = _bar if sys.stderr.isatty() else _lines
        return watch(done, sum(map(_weight, tasks)), self._label)

    def bundle(self, tasks: int) -> int:
        """As the engine that does the work."""
        return self._engine.bundle(tasks)

    def close(self) -> None:
        """Close the engine that does the work."""
        self._engine.close()


class Rows:
    """How many rows of a lake are done, of work that is one task.

    Attributes:
        total: How many there are.
        number: How many are done.
    """

    def __init__(self, tell: Callable[[Rows], None]) -> None:
        self.total, self.number, self._tell = 0, 0, tell

    def expect(self, rows: int) -> None:
        """So many are to come."""
        self.total += rows

    def done(self, rows: int) -> None:
        """So many more are done."""
        self.number += rows
        self._tell(self)


@contextmanager
def watched_rows(label: str) -> Iterator[Rows]:
    """A tally of rows that tells on stderr how far it is; of what is done in a moment nothing."""
    if not sys.stderr.isatty():
        yield Rows(_row_lines(label))
        return
    with Progress(*_columns(), console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(label, total=None, trouble="")
        yield Rows(lambda rows: progress.update(bar, completed=rows.number, total=rows.total))


def _row_lines(label: str) -> Callable[[Rows], None]:
    began = spoken = time.monotonic()

    def tell(rows: Rows) -> None:
        nonlocal spoken
        now = time.monotonic()
        if now - spoken >= _SPEAK:
            spoken = now
            pace = _pace(rows.number, now - began, rows.total - rows.number)
            said = f"{label} {rows.number}/{rows.total} rows{pace}"
            print(said, file=sys.stderr, flush=True)

    return tell


def _weight(task: Any) -> int:
    return len(task) if isinstance(task, Bundle) else 1


def _troubled(done: Done[Any, Any]) -> int:
    """How many of a call's tasks went wrong."""
    if isinstance(done.task, Bundle) and done.error is None:
        return sum(one.error is not None for one in done.result or ())
    return int(done.error is not None)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[trouble]}"),
        TimeRemainingColumn(),
    )


def _bar(done: Iterator[Done[T, R]], total: int, label: str) -> Iterator[Done[T, R]]:
    trouble = 0
    with Progress(*_columns(), console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(label, total=total, trouble="")
        for one in done:
            trouble += _troubled(one)
            told = f"{trouble} in trouble" if trouble else ""
            progress.update(bar, advance=_weight(one.task), trouble=told)
            yield one


def _lines(done: Iterator[Done[T, R]], total: int, label: str) -> Iterator[Done[T, R]]:
    start, spoken, trouble, number = time.monotonic(), 0.0, 0, 0
    first: tuple[int, float] | None = None  # until then workers start, and loops compile
    for one in _awaited(done, f"{label} 0/{total}"):
        number += _weight(one.task)
        trouble += _troubled(one)
        passed = time.monotonic() - start
        first = first or (number, passed)
        if passed - spoken >= _SPEAK or number == total:
            spoken = passed
            pace = _pace(number - first[0], passed - first[1], total - number)
            said = f"{label} {number}/{total}, {trouble} in trouble{pace}"
            print(said, file=sys.stderr, flush=True)
        yield one


def _awaited(done: Iterator[Done[T, R]], label: str) -> Iterator[Done[T, R]]:
    """The same; a line in the log where the first result keeps it waiting."""
    said = f"{label}, no result after {_SILENCE:g} s; a machine's first run also compiles its loops"
    timer = threading.Timer(_SILENCE, print, (said,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        for one in done:
            timer.cancel()
            yield one
    finally:
        timer.cancel()


def _pace(number: int, seconds: float, left: int) -> str:
    """How fast it goes since the first result, and how long it will; empty if nothing tells."""
    if not number or seconds < _TOO_SHORT:
        return ""
    rate = number / seconds
    return f", {rate:.2f} per s, {left / rate:.0f} s left"
