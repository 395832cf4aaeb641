"""Who may write: runs of different purposes beside each other, some only when nobody else does.

Tables guard themselves (``store/delta.py``); these locks keep two people from starting one run,
and snapshots from freezing half of one. The system releases them if a process dies.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from radlas.errors import StoreError
from radlas.store.layout import Store


@contextmanager
def writing(store: Store, purpose: str, *, alone: bool = False) -> Iterator[None]:
    """Hold the right to write.

    Args:
        store: The store.
        purpose: What for, as ``ingest``: one run at a time has it.
        alone: Refuse if any other run writes, and keep others from beginning.

    Raises:
        StoreError: Another process is writing; says which, since when, and what.
    """
    folder = store.root / "locks"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9]+", "-", purpose)
    with (
        (store.root / "writer.lock").open("a+", encoding="utf-8") as gate,
        (folder / f"{name}.lock").open("a+", encoding="utf-8") as own,
    ):
        _take(own, fcntl.LOCK_EX, store)
        _take(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, store)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        own.seek(0)
        own.truncate()
        own.write(f"{purpose} by process {os.getpid()} on {os.uname().nodename} since {now}")
        own.flush()
        yield
        own.truncate(0)


def _take(stream: IO[str], how: int, store: Store) -> None:
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()  # not to find ourselves among those who hold a lock
        raise StoreError(
            f"another run is writing: {'; '.join(_holders(store)) or 'just started'}",
            str(store.root),
            "wait for it to end; reading and querying go on meanwhile",
            "locked",
        ) from None


def _holders(store: Store) -> Iterator[str]:
    """What the runs that live say of themselves."""
    for path in sorted((store.root / "locks").glob("*.lock")):
        if text := _held(path):
            yield text


def _held(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return stream.read()
    return ""
