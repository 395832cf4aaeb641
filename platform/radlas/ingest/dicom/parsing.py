"""What damaged DICOM raises inside pydicom, told as the data's fault."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom.config
from pydicom.errors import BytesLengthException, InvalidDicomError

from radlas.ingest.reach import is_unreachable, nameless
from radlas.reasons import data_error

# What a header holds is held against our own rules; pydicom would warn of it with the value.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

# Found by cutting files and flipping their bytes; a list, so that bugs of ours are not hidden.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    AttributeError,
    LookupError,
    TypeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@contextmanager
def parsing(what: str, where: str = "") -> Iterator[None]:
    """Run code of a DICOM library; what it raises on damaged files becomes ``unreadable_file``.

    The library's own text is not told: it may quote the file.

    Raises:
        DataError: ``unreadable_file``.
        OSError: The file cannot be reached; names no path.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom quotes values, and values may be names
            yield
    except PARSE_ERRORS as error:
        if isinstance(error, OSError) and is_unreachable(error):
            raise nameless(error) from None
        said = f"{what} cannot be parsed as DICOM ({type(error).__name__})"
        raise data_error("unreadable_file", said, where) from error
