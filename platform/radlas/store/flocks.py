"""Locks of a store in a folder: the system gives them back when their process dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from radlas.errors import StoreError
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
        _opened(place.root / "writer.lock") as gate,
        _opened(folder / f"{name}.lock") as own,
    ):
        _take(own, fcntl.LOCK_EX, place)
        own.truncate(0)  # one that was killed may have left its name
        _take(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, place)
        with located(folder):
            own.write(told.encode())
        yield
        own.truncate(0)


def _opened(path: Path) -> IO[bytes]:
    """A lock's file, which is emptied: what a link leads to is somebody else's.

    Raises:
        StoreError: It is a link.
    """

    def itself(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)

    try:
        return open(path, "ab", buffering=0, opener=itself)  # a buffer fails when it closes
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        what = "a lock is a link, and no radlas made it"
        raise StoreError(what, str(path), "remove it") from None


def _take(stream: IO[bytes], how: int, place: Folder) -> None:
    try:
        with located(Path(stream.name)):  # some file systems have no locks
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
