"""Who may write: runs of different purposes beside each other, some only when nobody else does.

Tables guard themselves (``store/delta.py``); these locks keep two people from starting one run,
and snapshots from freezing half of one. In a folder the system releases them if a process dies; in
a bucket they run out (``store/leases.py``).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from radlas.errors import StoreError
from radlas.places.folder import Folder
from radlas.places.place import Place
from radlas.places.stages import located
from radlas.store.layout import Store

if TYPE_CHECKING:
    from radlas.places.bucket import Bucket


@contextmanager
def writing(store: Store, purpose: str, *, alone: bool = False) -> Iterator[Callable[[], None]]:
    """Hold the right to write.

    Args:
        store: The store.
        purpose: What for, as ``ingest B``: one run at a time has it.
        alone: Refuse if any other run writes, and keep others from beginning.

    Yields:
        A check that the right is still held: in a bucket another run may have taken it meanwhile.

    Raises:
        StoreError: Another process is writing; says which, since when, and what.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", purpose)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    told = f"{purpose} by process {os.getpid()} on {os.uname().nodename} since {now}"
    if isinstance(store.place, Folder):
        with _locked(store.place, name, told, alone=alone):
            yield _held_for_good
    else:
        from radlas.store.leases import leased  # noqa: PLC0415 - most stores are folders

        with leased(cast("Bucket", store.place), name, told, alone=alone) as check:
            yield check


def _held_for_good() -> None:
    """In a folder the system keeps a lock for as long as its process lives, asleep or not."""


def locked(place: Place, holders: list[str], *, died: str = "") -> StoreError:
    """The error of one who comes second.

    Args:
        place: The store's.
        holders: What the runs that are in the way say of themselves.
        died: What else may be, where one that died still holds its lock.
    """
    return StoreError(
        f"another run is writing: {'; '.join(holders) or 'just started'}",
        str(place),
        f"wait for it to end{died}; reading and querying go on meanwhile",
        "locked",
    )


@contextmanager
def _locked(place: Folder, name: str, told: str, *, alone: bool) -> Iterator[None]:
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
