"""Locks of a store in a bucket: files that say who writes, and until when if nobody renews them.

Each run creates its own, which only one can, and then looks at the others: two that come at once
see each other, and at worst both give way. A run that died blocks its purpose until its time is up.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from radlas.bucket import Bucket
from radlas.errors import StoreError
from radlas.store.locks import locked

LEASE = 120.0  # a run that is silent so long has died, whatever clocks differ by [s]
_FOLDER = "locks"


@contextmanager
def leased(place: Bucket, name: str, told: str, *, alone: bool) -> Iterator[None]:
    """Hold a lock for as long as the context lives.

    Args:
        place: The store's.
        name: One run at a time has it.
        told: What others are told of this one.
        alone: Refuse if any other run has a lock, and keep others from taking theirs.

    Raises:
        StoreError: Another run is in the way.
    """
    lease = _Lease(place, f"{_FOLDER}/{name}.json", {"told": told, "alone": alone})
    lease.take()
    stop = threading.Event()
    thread = threading.Thread(target=lease.renew, args=(stop,), daemon=True)
    try:
        others = [one for one in _living(place) if one["told"] != told]
        if any(alone or one["alone"] for one in others):
            raise _taken(place, [one["told"] for one in others])
        thread.start()
        yield
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

    def take(self) -> None:
        try:
            self._place.create(self.name, self._text())
        except FileExistsError:
            self._take_over()

    def _take_over(self) -> None:
        """Of a run that died; two that try are told apart by the tag of what they saw."""
        try:
            data, tag = self._place.read_tagged(self.name)
            held = json.loads(data)
            if held["until"] > time.time():
                raise _taken(self._place, [held["told"]])
            self._place.exchange(self.name, self._text(), tag)
        except (FileNotFoundError, FileExistsError):
            raise _taken(self._place, []) from None

    def renew(self, stop: threading.Event) -> None:
        while not stop.wait(LEASE / 4):
            with suppress(StoreError):  # the server is away: the next time may be in time
                tag = self._tag()
                if tag is None:
                    return
                with suppress(FileNotFoundError, FileExistsError):  # as lost, seen the next time
                    self._place.exchange(self.name, self._text(), tag)

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
        return tag if json.loads(data)["told"] == self._facts["told"] else None

    def _text(self) -> bytes:
        return json.dumps({**self._facts, "until": time.time() + LEASE}).encode()


def _living(place: Bucket) -> Iterator[dict[str, Any]]:
    for name in place.names(_FOLDER):
        with suppress(FileNotFoundError):  # given back meanwhile
            one = json.loads(place.read(name))
            if one["until"] > time.time():
                yield one


def _taken(place: Bucket, holders: list[str]) -> StoreError:
    """Nobody can tell from here whether a holder lives: not to send people to look for it."""
    return locked(place, holders, died=f", or {LEASE:.0f} s if it was killed")
