"""What damaged DICOM raises inside pydicom, told as the data's fault."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydicom.config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.hooks import hooks, raw_element_vr
from pydicom.valuerep import VR

from radlas.ingest.reach import is_unreachable, nameless
from radlas.reasons import data_error

# What a header holds is checked against our own rules; pydicom would warn of it with the value.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def _type_of(raw: RawDataElement, data: dict[str, Any], **kwargs: Any) -> None:
    """The type of an element as pydicom tells it, and of a long sequence by the dictionary.

    An archive keeps a sequence that it does not know as UN, of any length (PS3.5, 6.2.2). From
    64 KiB on pydicom leaves UN as bytes, which is right for numbers and texts alone.
    """
    raw_element_vr(raw, data, **kwargs)
    known = data["VR"] == VR.UN and dictionary_has_tag(raw.tag)
    if known and dictionary_VR(raw.tag) == VR.SQ:
        data["VR"] = VR.SQ


hooks.register_callback("raw_element_vr", _type_of)

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
