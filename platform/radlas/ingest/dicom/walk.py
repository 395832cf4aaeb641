"""A plain little-endian DICOM file walked element by element, as bytes (PS3.5, chapter 7). Pure."""

from __future__ import annotations

import struct
from collections.abc import Collection
from functools import cache

from pydicom.datadict import tag_for_keyword
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

CHARACTER_SET = "SpecificCharacterSet"
SMALL = 16_384  # values as long or longer are not copied [bytes]
_SYNTAX = "TransferSyntaxUID"
_META = ("MediaStorageSOPClassUID", _SYNTAX)
_LAST_META = 0x0002FFFF
_LONG_VRS = frozenset(
    b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()  # 32-bit lengths (PS3.5, 7.1.2)
)
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_NOT_PLAIN = (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
_PREAMBLE = 132  # with the four letters behind it [bytes]
Buffer = bytes | memoryview


class EndOfHead(Exception):  # noqa: N818 - a signal of the walk, no failure
    """The bytes at hand end inside an element: read more, or give up."""


class NotPlainError(Exception):
    """Not a file for this reader."""


@cache
def tag_of(keyword: str) -> int:
    """The tag of a keyword of the DICOM dictionary."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@cache
def tags_of(keywords: tuple[str, ...]) -> frozenset[int]:
    """The tags of keywords, and of what says how their texts are written."""
    return frozenset(tag_of(keyword) for keyword in (*keywords, CHARACTER_SET))


def walk_meta(head: bytes, found: dict[int, Buffer]) -> tuple[int, str]:
    """Where the elements behind the file's meta information begin, and their transfer syntax."""
    at = _walk(head, _PREAMBLE, tags_of(_META), _LAST_META, found, explicit=True)
    syntax = bytes(found.get(tag_of(_SYNTAX), b"")).decode("ascii", "replace").strip(" \0")
    return at, syntax


def walk_file(
    head: bytes, wanted: Collection[int], *, ends: bool, found: dict[int, Buffer]
) -> dict[int, Buffer]:
    """Add what is wanted to ``found``, which holds it also where the walk ends in an error.

    Args:
        head: The file, or its first bytes.
        wanted: Tags of the outermost level.
        ends: Whether the file ends with ``head``.
        found: Tag to undecoded value.

    Raises:
        NotPlainError: It is big-endian, deflated, without preamble, or no DICOM.
        EndOfHead: The bytes end inside an element; ``struct.error`` likewise.
    """
    if head[128:132] != b"DICM":
        raise NotPlainError
    at, syntax = walk_meta(head, found)
    if not syntax or syntax in _NOT_PLAIN:
        raise NotPlainError
    explicit = syntax != ImplicitVRLittleEndian
    _walk(head, at, wanted, max(wanted), found, explicit=explicit, ends=ends)
    return found


def _walk(
    head: bytes,
    at: int,
    wanted: Collection[int],
    last: int,
    found: dict[int, Buffer],
    *,
    explicit: bool,
    ends: bool = False,
) -> int:
    """Read elements until a tag above ``last``; where that one begins.

    ``ends`` says that the file ends with ``head``.
    """
    previous = 0
    while True:
        if ends and at == len(head):  # the file ends behind an element
            return at
        group, element = struct.unpack_from("<HH", head, at)
        if group << 16 | element > last:  # what follows may be encoded in another way
            return at
        tag, length, value = _element(head, at, explicit=explicit)
        if tag < previous:  # elements stand in ascending order, or the file is not what it seems
            raise NotPlainError
        previous = tag
        endless = length == _UNDEFINED
        at = _skip_sequence(head, value, explicit=explicit) if endless else value + length
        if at > len(head):
            raise EndOfHead
        if tag in wanted:
            # Pixels are not copied: a view keeps the file's bytes alive instead.
            found[tag] = head[value:at] if at - value < SMALL else memoryview(head)[value:at]


def _element(head: bytes, at: int, *, explicit: bool) -> tuple[int, int, int]:
    """Tag, length and place of the value of the element at ``at``."""
    group, element = struct.unpack_from("<HH", head, at)
    tag = group << 16 | element
    if not explicit or group == 0xFFFE:
        return tag, struct.unpack_from("<I", head, at + 4)[0], at + 8
    vr = head[at + 4 : at + 6]
    if vr in _SHORT_VRS:
        return tag, struct.unpack_from("<H", head, at + 6)[0], at + 8
    if vr not in _LONG_VRS:
        raise NotPlainError if len(vr) == 2 else EndOfHead
    (length,) = struct.unpack_from("<I", head, at + 8)
    if vr == b"UN" and length == _UNDEFINED:  # its items are encoded in another way
        raise NotPlainError
    return tag, length, at + 12


def _skip_sequence(head: bytes, at: int, *, explicit: bool) -> int:
    """The end of a sequence of undefined length whose first item begins at ``at``."""
    while True:
        tag, length, value = _element(head, at, explicit=explicit)
        if tag == _SEQUENCE_END:
            return value
        if tag != _ITEM:
            raise NotPlainError
        at = value + length if length != _UNDEFINED else _skip_item(head, value, explicit=explicit)


def _skip_item(head: bytes, at: int, *, explicit: bool) -> int:
    while True:
        tag, length, value = _element(head, at, explicit=explicit)
        if tag == _ITEM_END:
            return value
        at = (
            _skip_sequence(head, value, explicit=explicit)
            if length == _UNDEFINED
            else value + length
        )
