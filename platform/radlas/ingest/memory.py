"""What this machine can hold: a few megabytes may unpack to more voxels than it has memory for.

A process that takes more than there is, is killed by the system, and others beside it.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from radlas.errors import WorkerError

_COPIES = 2  # of an image, while it is read
_SMALL = 64 << 20  # for which every machine has room [B]
_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of control groups, and of old ones


def check_memory(size: int, what: str) -> None:
    """Refuse what takes more memory than there is, before any of it is taken.

    Args:
        size: Of all voxels, unpacked [B].
        what: What they are, for the message.

    Raises:
        WorkerError: ``memory``. Nothing need be wrong with the file: a larger machine may read it.
    """
    if size > _SMALL and _COPIES * size > (most := memory()):
        told = f"{what} of {size / 1e9:.1f} GB when it is unpacked"
        told += f", for which {most / 1e9:.1f} GB of memory are too little"
        hint = "read it on a larger machine; if no image is so large, write the file again"
        raise WorkerError(told, hint=hint, reason="memory")


def memory() -> int:
    """What this process may have: the machine's memory, or what its job or container has [B]."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_of_groups()]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min([*limits, own] if own != resource.RLIM_INFINITY else limits)


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
