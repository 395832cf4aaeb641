"""How much memory there is for us: a container or a job may have a share of the machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of control groups, and of old ones


def memory() -> int:
    """The machine's, or what our job or container has for all of its processes [B]."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_of_groups()])


def _of_groups() -> Iterator[int]:
    """Limits of the groups that the process is in, and of those around them [B]."""
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text("ascii", "replace").splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds in {"", "memory"}:
                place = _GROUPS / kinds / path.lstrip("/")
                for folder in (place, *place.parents):
                    yield from _limits(folder)


def _limits(folder: Path) -> Iterator[int]:
    for name in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            yield int((folder / name).read_text("ascii"))
