"""What this machine can hold: a few megabytes may unpack to more voxels than it has memory for.

A process that takes more than there is, is killed by the system, and others beside it.
"""

from __future__ import annotations

import resource

from radlas.engine.memory import memory
from radlas.errors import WorkerError

_COPIES = 2  # of an image, while it is read
_SMALL = 64 << 20  # for which every machine has room [B]


def check_memory(size: int, what: str) -> None:
    """Refuse what takes more memory than there is, before any of it is taken.

    Args:
        size: Of all voxels, unpacked [B].
        what: What they are, for the message.

    Raises:
        WorkerError: ``memory``. Nothing need be wrong with the file: a larger machine may read it.
    """
    if size > _SMALL and _COPIES * size > (most := of_this_process()):
        told = f"{what} of {size / 1e9:.1f} GB when it is unpacked"
        told += f", for which {most / 1e9:.1f} GB of memory are too little"
        hint = "read it on a larger machine; if no image is so large, write the file again"
        raise WorkerError(told, hint=hint, reason="memory")


def of_this_process() -> int:
    """What there is, or the less that this process may have [B]."""
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    return memory() if own == resource.RLIM_INFINITY else min(memory(), own)
