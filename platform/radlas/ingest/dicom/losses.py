"""Whether pixels were ever compressed with loss: by what a header says, and by the stream itself.

The flag is for that, LossyImageCompression. Converters that unpack such an image drop it, and keep
the ratio, the method or a word; and a stream of another kind may stand under a lossless encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset

from radlas.ingest.deidentify import safe_number
from radlas.ingest.dicom.elements import Elements

FLAG, RATIO = "LossyImageCompression", "LossyImageCompressionRatio"
METHOD, CODES = "LossyImageCompressionMethod", "DerivationCodeSequence"
_WORDS = ("ImageType", "DerivationDescription")
#: What ``may_be_lossy`` looks at.
KEYWORDS = (FLAG, RATIO, METHOD, CODES, *_WORDS)
_YES = {"01", "1", "YES", "Y", "TRUE"}
_NO = {"", "00"}
_LOSSY = re.compile(r"(?<!non[ -])(?<!not )(?<!no )(?<![^\W_])lossy", re.IGNORECASE)
_CODE = ("113040", "DCM")  # Lossy Compression (PS3.16, CID 7203)
_METHODS = {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2"}
_JPEG, _J2K = b"\xff\xd8", b"\xff\x4f"
_COD = 0x52
_SCAN = 0xDA  # SOS
_OF_SCAN = 3  # bytes behind the components of a scan
_JPEG_LS = 0xF7  # SOF55
_LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the three are tables


def may_be_lossy(elements: Elements) -> bool:
    """True if a header speaks of compression, or of what may be one: see ``declared_loss``."""
    told = " ".join(map(elements.text, _WORDS))
    return (
        elements.text(FLAG) not in _NO
        or any(len(elements.raw(keyword)) for keyword in (METHOD, CODES))
        or any(ratio != 1.0 for ratio in elements.floats(RATIO))
        or bool(_LOSSY.search(told))
    )


def declared_loss(header: Dataset | Mapping[str, Any]) -> str:
    """What a header says of compression with loss, in words that quote nothing; empty if nothing.

    Examples:
        >>> declared_loss({"LossyImageCompressionRatio": 12.5})
        'lossy compression, ratio 12.5'
        >>> declared_loss({"ImageType": ["DERIVED", "PRIMARY", "LOSSLESS"]})
        ''
    """
    ratios = [safe_number(one) or 0.0 for one in _values(header, RATIO)]
    methods = [str(one).strip() for one in _values(header, METHOD)]
    if _text(header, FLAG).upper() in _YES or max(ratios, default=0.0) > 1:
        return f"lossy compression, ratio {max(ratios, default=0.0) or 'unknown'}"
    if any(methods):
        known = ", ".join(one for one in methods if one in _METHODS)
        return f"lossy compression, method {known or 'unknown'}"
    if any(_code(item) == _CODE for item in header.get(CODES) or ()):
        return "lossy compression, by the code of its derivation"
    said = [keyword for keyword in _WORDS if _LOSSY.search(_text(header, keyword))]
    return f"lossy compression, by its {said[0]}" if said else ""


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


def _code(item: Dataset) -> tuple[str, str]:
    return _text(item, "CodeValue"), _text(item, "CodingSchemeDesignator")


def _text(header: Dataset | Mapping[str, Any], keyword: str) -> str:
    return " ".join(str(one).strip() for one in _values(header, keyword))


def _values(header: Dataset | Mapping[str, Any], keyword: str) -> list[Any]:
    value = header.get(keyword)
    if value is None or isinstance(value, str | float | int):
        return [] if value is None else [value]
    return list(value)
