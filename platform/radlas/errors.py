"""Expected failures: what happened, where, and what to try next."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from typing import ClassVar, Self

_LACKS = "a store needs a file system with locks and hard links; mount Lustre with -o flock"
_MORE_FILES = "let more files be open, as by ulimit -n 4096"
# What to try, by the number of what the system refused.
_REMEDIES: Mapping[int, str] = {
    errno.EACCES: "check the rights of the folders on the way, too",
    errno.EAGAIN: "end what else runs, or let more processes run, as by ulimit -u",
    errno.EDQUOT: "make room there, or ask for a larger quota",
    errno.EIO: "look at the disk or its server, and restore from a backup what it has lost",
    errno.EMFILE: _MORE_FILES,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENFILE: _MORE_FILES,
    errno.ENOLCK: _LACKS,
    errno.ENOMEM: "fewer runs at once, or more memory for this one",
    errno.ENOSPC: "make room there",
    errno.ENOSYS: _LACKS,
    errno.EOPNOTSUPP: _LACKS,
    errno.EPERM: "check the rights; a store needs hard links, which FAT and some shares lack",
    errno.EROFS: "have it mounted for writing",
    errno.ESTALE: "mount it again: its server has lost it",
    errno.ETIMEDOUT: "look at the server that it is on",
}


class RadlasError(Exception):
    """An expected failure. Anything that is not one is a bug.

    Args:
        what: What happened, with the numbers.
        where: The case, file, key or table it happened in.
        hint: What the reader can try next.
        reason: Machine-readable code; data errors take it from ``radlas.reasons``.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, what: str, where: str = "", hint: str = "", reason: str = "") -> None:
        super().__init__(what, where, hint, reason)  # positional: survives pickling to a worker
        self.what, self.where, self.hint, self.reason = what, where, hint, reason or self.kind

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  in: {self.where}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)

    def at(self, where: str) -> Self:
        """The same error, located: an outer caller knows the case, an inner one the cause."""
        place = f"{where}, {self.where}" if self.where else where
        return type(self)(self.what, place, self.hint, self.reason)


class ConfigError(RadlasError):
    """Wrong use: a misspelt key, a missing file, options that contradict."""

    kind = "config"


class DataError(RadlasError):
    """The data's fault: the case is quarantined under a reason of ``radlas.reasons``."""

    kind = "data"


class StoreError(RadlasError):
    """The store is missing, damaged, locked, or of another format version."""

    kind = "store"


class StudyError(RadlasError):
    """The snapshot cannot support what the study asks of it."""

    kind = "study"


class WorkerError(RadlasError):
    """A worker crashed, hung or ran out of memory: ours to explain, not the data's."""

    kind = "worker"


class Terminated(KeyboardInterrupt):
    """A signal that ends a run as Ctrl-C does: it stores what is finished.

    SIGTERM, as of systemd, SLURM or Kubernetes; SIGHUP, of a terminal that was closed.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = number


def remedy(error: BaseException) -> str:
    """What to try if the system refused what may be sound; empty if it did not.

    Libraries raise ``OSError`` for bad content as well, but without a number.
    """
    return _REMEDIES.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def remedy_told(text: str) -> str:
    """The same, where a library tells in a text what the system said."""
    found = (hint for number, hint in _REMEDIES.items() if os.strerror(number) in text)
    return next(found, "")


def refused(error: OSError) -> RadlasError:
    """What the system says of a file or folder that it does not give or take, for people."""
    hint = remedy(error) or "check the path, the rights and the free space"
    what, where = error.strerror or str(error), str(error.filename or "")
    return RadlasError(what, where, f"{hint}; running again is safe", "os_error")
