"""Locks of a store in a folder: the system gives them back when their process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from radlas.places.folder import Folder
from radlas.places.stages import located
from radlas.store.taken import locked


@contextmanager
def flocked(place: Folder, name: str, told: str, *, alone: bool) -> Iterator[None]:
    """Hold a lock for as long as the context lives; see ``leased``.

    Raises:
        StoreError: Another run is in the way.
    """
    folder = place.root / "locks"
    folder.mkdir(exist_ok=True)
    with (
        (place.root / "writer.lock").open("ab", buffering=0) as gate,
        (folder / f"{name}.lock").open("ab", buffering=0) as own,  # a buffer fails when it closes
    ):
        _take(own, fcntl.LOCK_EX, place)
        own.truncate(0)  # one that was killed may have left its name
        _take(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, place)
        with located(folder):
            own.write(told.encode())
        yield
        own.truncate(0)


def _take(stream: IO[bytes], how: int, place: Folder) -> None:
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()  # not to find ourselves among those who hold a lock
        raise locked(place, list(_holders(place))) from None


def _holders(place: Folder) -> Iterator[str]:
    """What the runs that live say of themselves."""
    for path in sorted((place.root / "locks").glob("*.lock")):
        if text := _held(path):
            yield text


def _held(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return stream.read()
    return ""
