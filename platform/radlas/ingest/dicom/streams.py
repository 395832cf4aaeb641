"""What a compressed frame says of itself, whatever its file says of it. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_JPEG, _J2K = b"\xff\xd8", b"\xff\x4f"
_COD = 0x52
_SCAN = 0xDA  # SOS
_OF_SCAN = 3  # bytes behind the components of a scan
_JPEG_LS = 0xF7  # SOF55
_LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the three are tables
_SIZ = 0x51
_SIZES = (5, 18)  # bytes that tell rows and columns: of SOF, of SIZ
_NO_RUN, _MOST_SEGMENTS = 128, 15
_DEPTH, _SIGN = 36, 0x80  # where SIZ has the first component's, and its bit for the sign


def stream_loss(stream: bytes) -> str:
    """What a compressed frame says of its losses, in words; empty if it has none, or is damaged.

    Of JPEG the process, of JPEG-LS and lossless JPEG the bits that they may drop, of JPEG 2000 the
    transform (ITU-T T.81, B.2; T.87, C.2.3; T.800, A.6.1).
    """
    if stream.startswith(_J2K):
        return _loss_of_j2k(stream)
    return _loss_of_jpeg(stream) if stream.startswith(_JPEG) else ""


def _loss_of_jpeg(stream: bytes) -> str:
    frame = 0
    for marker, body in _segments(stream):
        if marker in _FRAMES - _LOSSLESS_FRAMES:
            return "a JPEG stream of a lossy process"
        if marker in _LOSSLESS_FRAMES or marker == _JPEG_LS:
            frame = marker
        if marker == _SCAN and len(body) > _OF_SCAN:
            near, bits = body[-3] * (frame == _JPEG_LS), body[-1] & 0x0F
            off = f"a JPEG-LS stream with values off by up to {near}" * (near > 0)
            return off or f"a JPEG stream without the lowest {bits} bits" * (bits > 0)
    return ""


def _loss_of_j2k(stream: bytes) -> str:
    for marker, body in _segments(stream):
        if marker == _COD:
            return "a JPEG 2000 stream of the irreversible transform" * (body[9:10] == b"\0")
    return ""


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers of a stream's head and what they hold, up to the first scan."""
    at = len(_JPEG)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # filled up
            at += 1
            continue
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        yield marker, stream[at + 4 : at + 2 + length]
        if marker == _SCAN:
            return
        at += 2 + length


def depth_of(stream: bytes) -> int:
    """Bits of a value in a JPEG or JPEG-LS stream, which knows no sign; 0 for any other."""
    body = _frame_of(stream)
    return body[0] if stream.startswith(_JPEG) and body else 0


def has_sign(stream: bytes) -> bool:
    """True for a JPEG 2000 stream of values with a sign."""
    body = _frame_of(stream)
    return stream.startswith(_J2K) and len(body) > _DEPTH and bool(body[_DEPTH] & _SIGN)


def size_of(stream: bytes) -> tuple[int, int]:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream; 0 where it does not say."""
    body = _frame_of(stream)
    if len(body) < _SIZES[stream.startswith(_J2K)]:
        return 0, 0
    if stream.startswith(_JPEG):
        return int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    right, bottom, left, top = struct.unpack_from(">4I", body, 2)
    return bottom - top, right - left


def unpacked_size(stream: bytes) -> int:
    """Bytes that the first segment of a run-length encoded frame unpacks to (PS3.5, G.3).

    None of a damaged one, which has no segments or too many.
    """
    count, at, following = struct.unpack_from("<3I", stream)
    if not 0 < count <= _MOST_SEGMENTS:
        return 0
    end, size = following if count > 1 else len(stream), 0
    while at < end:
        head = stream[at]
        if head < _NO_RUN:  # so many bytes as they are, and one more
            size += min(head + 1, end - at - 1)
            at += head + 2
        else:
            size += 0 if head == _NO_RUN else _NO_RUN * 2 + 1 - head
            at += 1 if head == _NO_RUN else 2
    return size


def _frame_of(stream: bytes) -> bytes:
    """What a stream says of its frame: the body of SOF or SIZ; nothing for a damaged one."""
    wanted = {_SIZ} if stream.startswith(_J2K) else {*_FRAMES, _JPEG_LS}
    known = stream.startswith((_JPEG, _J2K))
    return next((body for marker, body in _segments(stream) if known and marker in wanted), b"")
