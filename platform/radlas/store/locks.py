"""Who may write: runs of different purposes beside each other, some only when nobody else does.

Tables guard themselves (``store/delta.py``); these locks keep two people from starting one run,
and snapshots from freezing half of one. In a folder the system releases them if a process dies
(``store/flocks.py``); in a bucket they run out (``store/leases.py``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from radlas.places.folder import Folder
from radlas.store.flocks import flocked
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
        with flocked(store.place, name, told, alone=alone):
            yield _held_for_good
    else:
        from radlas.store.leases import leased  # noqa: PLC0415 - most stores are folders

        with leased(cast("Bucket", store.place), name, told, alone=alone) as check:
            yield check


def _held_for_good() -> None:
    """In a folder the system keeps a lock for as long as its process lives, asleep or not."""
