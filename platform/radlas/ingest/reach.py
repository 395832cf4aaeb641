"""A file that cannot be reached is not a file that is damaged: one is planned again, one is not."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from radlas.errors import WorkerError


def is_unreachable(error: BaseException) -> bool:
    """True if the system could not hand over the file: gone, forbidden, or its disk or mount lost.

    Libraries raise ``OSError`` for bad content as well, but without a number; and a damaged offset
    makes them seek to nowhere, which the system answers with EINVAL.
    """
    return isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}


def nameless(error: OSError) -> OSError:
    """The same error without the file's path, which may hold a patient's name."""
    number = error.errno or errno.EIO
    return OSError(number, f"a file of the source cannot be reached: {os.strerror(number)}")


@contextmanager
def reaching() -> Iterator[None]:
    """Read source files; an error of reaching them is told without their names.

    Raises:
        OSError: A file cannot be reached. Nothing is wrong with the data: try again later.
    """
    try:
        yield
    except OSError as error:
        if not is_unreachable(error):
            raise
        raise nameless(error) from None


@contextmanager
def on_disk(name: str, write: Callable[[Path], object]) -> Iterator[Path]:
    """A temporary file for a library that reads no streams, gone afterwards.

    Args:
        name: Of the file; nobody sees it.
        write: Fills it.

    Raises:
        WorkerError: It cannot be written. Nothing is wrong with the source, nor out of reach there.
    """
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), name)
            write(path)
        except OSError as error:
            told = os.strerror(error.errno) if error.errno else type(error).__name__
            what = f"a file cannot be unpacked to the folder for temporary files: {told}"
            hint = "check its rights and free space; TMPDIR names another folder"
            raise WorkerError(what, hint=hint, reason="os_error") from None  # no path is stored
        yield path
