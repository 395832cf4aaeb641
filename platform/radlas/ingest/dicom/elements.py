"""Top-level elements of a DICOM file as bytes, read without building pydicom's datasets.

A scan reads the head of every file of a hospital, and pydicom spends most of that time on elements
that nobody asked for. Here plain little-endian files are walked (``walk.py``); anything else
(big-endian, deflated, without preamble, damaged) is left to pydicom, which also says what is wrong.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Any, BinaryIO

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radlas.ingest.dicom.walk import (
    CHARACTER_SET,
    Buffer,
    EndOfHead,
    NotPlainError,
    tag_of,
    tags_of,
    walk_file,
    walk_meta,
)

_ESCAPE = b"\x1b"  # leads to another script, written in the bytes of ASCII (PS3.5, 6.1.2.5)
_NO_LETTER = "\ufffd"  # stands for bytes that a script does not have
_READS = 2_000_000  # of one head; two or three for each element
_LARGEST = 512 << 20  # of a deflated file, which pydicom unpacks to memory as a whole [B]
_DOUBLE = 8  # [bytes]
_BLOCK = 16_384  # most heads of MR images end before that [bytes]
_BEGINNING = 1 << 20  # no head of an image is longer [bytes]


@dataclass(frozen=True, slots=True)
class Elements:
    """Values of the elements that were asked for and are there, by keyword; undecoded.

    Attributes:
        values: Tag to bytes.
        little: False for big-endian numbers.
    """

    values: dict[int, Buffer]
    little: bool = True

    def text(self, keyword: str) -> str:
        """The value as text without its padding; empty if it is missing.

        Values of one element stay joined by a backslash.
        """
        value = bytes(self.raw(keyword))
        if value.isascii() and _ESCAPE not in value:
            plain = value.decode("ascii")
        else:
            names = self.text(CHARACTER_SET).split("\\")
            plain = decode_bytes(value, convert_encodings(names), set(map(ord, "\r\n\t\f")))
            # Another script than was declared; still, two identifiers must not become one.
            if _NO_LETTER in plain and _NO_LETTER.encode() not in value:
                plain = value.decode("latin-1")
        return plain.strip(" \0\r\n\t")

    def raw(self, keyword: str) -> Buffer:
        """The undecoded value; empty if it is missing."""
        return self.values.get(tag_of(keyword), b"")

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values, upper case."""
        return tuple(part.strip().upper() for part in self.text(keyword).split("\\"))

    def floats(self, keyword: str) -> tuple[float, ...]:
        """All decimal strings; NaN for what is none."""
        text = self.text(keyword)
        return tuple(map(_float, text.split("\\"))) if text else ()

    def number(self, keyword: str) -> float | None:
        """The only or first decimal string; None if it is missing or is none."""
        values = self.floats(keyword)
        return values[0] if values and values[0] == values[0] else None

    def short(self, keyword: str) -> int:
        """An unsigned short; 0 if it is missing.

        Raises:
            struct.error: It is cut off, or longer.
        """
        value = self.raw(keyword)
        (number,) = struct.unpack("<H" if self.little else ">H", value) if value else (0,)
        return int(number)

    def whole(self, keyword: str) -> int | None:
        """An unsigned number of any length; None if it is missing."""
        value = bytes(self.raw(keyword))
        return int.from_bytes(value, "little" if self.little else "big") if value else None

    def double(self, keyword: str) -> float | None:
        """A number of double precision; None if it is missing, cut off or not finite."""
        value = self.raw(keyword)
        if len(value) != _DOUBLE:
            return None
        (number,) = struct.unpack("<d" if self.little else ">d", value)
        return float(number) if isfinite(number) else None


def read_elements(stream: BinaryIO, keywords: tuple[str, ...], *, block: int = _BLOCK) -> Elements:
    """The elements of the outermost level that were asked for, and what the file says it is.

    Args:
        stream: The file from its start; it is left anywhere.
        keywords: Of the elements; of a sequence, only that it is there may be asked.
        block: Bytes to read first; the whole file, if elements at its end are wanted.

    Raises:
        Whatever pydicom raises on damaged files: see ``parsing``.
    """
    wanted = tags_of(keywords)
    plain = _read_plain(stream, wanted, block)
    if plain is not None:
        return Elements(plain)
    _refuse_bomb(stream)
    stream.seek(0)
    header = pydicom.dcmread(
        _Patience(stream), stop_before_pixels=True, force=True, specific_tags=sorted(wanted)
    )
    if not header:
        raise InvalidDicomError("no elements")
    found: dict[int, Buffer] = {}
    for dataset in (getattr(header, "file_meta", None) or Dataset(), header):
        for tag in dataset.keys():  # noqa: SIM118 - iterating over the values would decode them
            raw = dataset.get_item(tag)
            value = raw.value if isinstance(raw, RawDataElement) else _written(raw.value)
            found[int(tag)] = value or b""
    return Elements(found, little=header.original_encoding[1] is not False)


class _Patience:
    """A stream that is read so many times and no more.

    Of a transfer that made room and broke off, pydicom walks the zeros eight bytes at a time.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.seek, self.tell = stream.seek, stream.tell
        self._stream, self._left = stream, _READS

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise InvalidDicomError("no end of elements")
        return self._stream.read(size)


def _refuse_bomb(stream: BinaryIO) -> None:
    """Refuse a deflated file that unpacks to more than any: pydicom takes it to memory whole."""
    stream.seek(0)
    head, syntax = stream.read(_BLOCK), ""
    with suppress(EndOfHead, NotPlainError, struct.error):
        begin, syntax = walk_meta(head, {})
        stream.seek(begin)
    if syntax != DeflatedExplicitVRLittleEndian:
        return
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed := stream.read(_BLOCK):
        while packed:
            size += len(unpacker.decompress(packed, _BEGINNING))
            packed = unpacker.unconsumed_tail
            if size > _LARGEST:
                raise InvalidDicomError("a deflated file unpacks to more than half a gigabyte")


def read_beginning(stream: BinaryIO, keywords: tuple[str, ...]) -> Elements:
    """The elements that stand in front of the damage in a file that cannot be read.

    Args:
        stream: The file; it is left anywhere.
        keywords: Of the elements; none of them a sequence.
    """
    found: dict[int, Buffer] = {}
    stream.seek(0)
    with suppress(EndOfHead, NotPlainError, struct.error):
        walk_file(stream.read(_BEGINNING), tags_of(keywords), ends=True, found=found)
    return Elements(found)


def _read_plain(stream: BinaryIO, wanted: Collection[int], size: int) -> dict[int, Buffer] | None:
    while True:
        stream.seek(0)
        head = stream.read(size)
        ends = len(head) < size or not stream.read(1)
        try:
            return walk_file(head, wanted, ends=ends, found={})
        except NotPlainError:
            return None
        except (EndOfHead, struct.error):
            if ends:  # inside an element
                return None
            size *= 8


def _written(value: Any) -> bytes:
    """A value that pydicom decodes at once, as character sets, as it stood in the file."""
    return "\\".join(map(str, value if isinstance(value, MultiValue) else [value])).encode()


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
