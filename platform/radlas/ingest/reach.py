"""A file that cannot be reached is not a file that is damaged: one is planned again, one is not."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


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
