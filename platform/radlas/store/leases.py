"""Locks of a store in a bucket: files that say who writes, renewed for as long as the run lives.

Each run creates its own, which only one can, and then looks at the others: two that come at once
see each other, and at worst both give way. A run that died blocks its purpose until its time is up.
How old a lock is the server alone tells: a machine whose clock is wrong would take a living run for
dead. A run that slept while another took its place ends when it wakes.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from radlas.errors import StoreError
from radlas.forms import FLAG, TEXT
from radlas.places.bucket import Bucket
from radlas.places.documents import parsed
from radlas.store.taken import locked

LEASE = 120.0  # a run that is silent so long has died [s]
_FOLDER = "locks"
_LOCK = {"told": TEXT, "alone": FLAG}


@contextmanager
def leased(place: Bucket, name: str, told: str, *, alone: bool) -> Iterator[Callable[[], None]]:
    """Hold a lock for as long as the context lives.

    Args:
        place: The store's.
        name: One run at a time has it.
        told: What others are told of this one.
        alone: Refuse if any other run has a lock, and keep others from taking theirs.

    Yields:
        A check that it is still held: StoreError if this run slept, and another took it.

    Raises:
        StoreError: Another run is in the way.
    """
    lease = _Lease(place, f"{_FOLDER}/{name}.json", {"told": told, "alone": alone})
    lease.take()
    stop = threading.Event()
    thread = threading.Thread(target=lease.renew, args=(stop,), daemon=True)
    try:
        others = [one for one in _living(place, lease.name) if one["told"] != told]
        if any(alone or one["alone"] for one in others):
            raise _taken(place, [one["told"] for one in others])
        thread.start()
        yield lease.check
    finally:
        stop.set()
        if thread.is_alive():
            thread.join()
        with suppress(StoreError):  # the server is away: it runs out, and what was done is done
            lease.give_back()


class _Lease:
    """One lock file, as its holder knows it."""

    def __init__(self, place: Bucket, name: str, facts: dict[str, Any]) -> None:
        self._place, self.name, self._facts = place, name, facts
        self._lost = False

    def take(self) -> None:
        try:
            self._place.create(self.name, self._text())
        except FileExistsError:
            self._take_over()

    def _take_over(self) -> None:
        """Of a run that died; two that try are told apart by the tag of what they saw."""
        try:
            data, tag = self._place.read_tagged(self.name)
            if _age(self._place, self.name) < LEASE:
                raise _taken(self._place, [_parsed(self._place, self.name, data)["told"]])
            self._place.exchange(self.name, self._text(), tag)
        except (FileNotFoundError, FileExistsError):
            raise _taken(self._place, []) from None

    def renew(self, stop: threading.Event) -> None:
        while not stop.wait(LEASE / 4):
            with suppress(StoreError):  # the server is away: the next time may be in time
                tag = self._tag()
                if tag is None:
                    self._lost = True
                    return
                with suppress(FileNotFoundError, FileExistsError):  # as lost, seen the next time
                    self._place.exchange(self.name, self._text(), tag)

    def check(self) -> None:
        """See ``leased``."""
        if self._lost:
            raise StoreError(
                f"another run has taken this one's place: it was silent for {LEASE:.0f} s or more",
                str(self._place),
                "when the other has ended, run the same command again: what was finished is stored",
                "locked",
            )

    def give_back(self) -> None:
        """Remove it, unless somebody took it over while this machine slept."""
        if self._tag() is not None:
            self._place.remove(self.name)

    def _tag(self) -> str | None:
        """Names the state of the file; None if it is another's by now."""
        try:
            data, tag = self._place.read_tagged(self.name)
        except FileNotFoundError:
            return None
        told = _parsed(self._place, self.name, data)["told"]
        return tag if told == self._facts["told"] else None

    def _text(self) -> bytes:
        """Each time another, so that its tag names one state of it."""
        return json.dumps({**self._facts, "renewal": uuid.uuid4().hex}).encode()


def _living(place: Bucket, own: str) -> Iterator[dict[str, Any]]:
    """Locks that were renewed lately, as counted from when this run's own was written."""
    times = place.times(_FOLDER)
    for name, time in times.items():
        fresh = own in times and (times[own] - time).total_seconds() < LEASE
        if fresh:
            with suppress(FileNotFoundError):  # given back meanwhile
                yield _parsed(place, name, place.read(name))


def _parsed(place: Bucket, name: str, data: bytes) -> Any:
    return parsed(place, name, data, _LOCK, hint="remove it, once nobody writes to the store")


def _age(place: Bucket, name: str) -> float:
    """How long ago a lock was renewed, by the server's own clock [s]; 0 if it is gone."""
    times, now = place.times(_FOLDER), place.now()
    return (now - times.get(name, now)).total_seconds()


def _taken(place: Bucket, holders: list[str]) -> StoreError:
    """Nobody can tell from here whether a holder lives: not to send people to look for it."""
    return locked(place, holders, died=f", or {LEASE:.0f} s if it was killed")
