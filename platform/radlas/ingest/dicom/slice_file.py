"""One image file: what it says of its plane, or of those of its frames, and its pixels.

Uncompressed little-endian grey images, which most are, are read by ``elements`` alone, all others
by pydicom. The two agree: a test holds one to the other.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radlas.ingest.dicom.elements import Elements, read_elements
from radlas.ingest.dicom.enhanced import PER_FRAME, frame_headers, is_described
from radlas.ingest.dicom.losses import KEYWORDS, may_be_lossy
from radlas.ingest.dicom.parsing import PARSE_ERRORS
from radlas.ingest.dicom.pixel_data import unused_bits
from radlas.ingest.dicom.pixels import read_dataset, read_frames
from radlas.reasons import data_error

_VECTORS = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_KEYWORDS = (
    *_VECTORS,
    "NumberOfFrames",
    "FrameOfReferenceUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "SOPInstanceUID",
    PER_FRAME,
    "PixelData",
    *KEYWORDS,
)
_SIZE = ("Rows", "NumberOfFrames")
Header = Dataset | Mapping[str, Any]
_LITTLE_ENDIAN = {ExplicitVRLittleEndian, ImplicitVRLittleEndian}


@dataclass(frozen=True, slots=True)
class SliceHead:
    """What a slice, or a frame, says of its plane and of its values.

    Attributes:
        position: ImagePositionPatient, LPS [mm]; empty if it is missing.
        orientation: ImageOrientationPatient.
        spacing: PixelSpacing: between rows, between columns [mm].
        size: Rows and columns.
        frame_of_reference: FrameOfReferenceUID.
        slope: RescaleSlope; None if it is missing, NaN if it is no number.
        intercept: RescaleIntercept, likewise.
        instance: SOPInstanceUID of its file.
    """

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    frame_of_reference: str
    slope: float | None
    intercept: float | None
    instance: str = ""


@dataclass(frozen=True)
class SliceFile:
    """One file as read.

    Attributes:
        content: All its bytes; none of an enhanced file.
        heads: Of each of its frames.
        pixels: Decodes the stored values of frames, shape ``(frame, y, x)``, given which, from 0,
            and where the file stands.
        enhanced: The whole of an enhanced file; None for one of a single slice.
    """

    content: bytes
    heads: tuple[SliceHead, ...]
    pixels: Callable[[Sequence[int], str], NDArray[Any]]
    enhanced: Dataset | None = None


def read_slice(stream: BinaryIO, where: str) -> SliceFile:
    """Read one file.

    One of many frames, perhaps of gigabytes, is in memory once.

    Raises:
        DataError: ``truncated_pixels``: the file ends before its pixels begin; ``bad_geometry``;
            ``missing_geometry``: its frames are not described.
        Whatever pydicom raises on damaged files: see ``parsing``.
    """
    if (read_elements(stream, _SIZE).number("NumberOfFrames") or 1) > 1:
        content = b""
    else:
        stream.seek(0)
        content = stream.read()
        elements = read_elements(io.BytesIO(content), _KEYWORDS, block=len(content))
        values = plain_pixels(elements)
        if values is not None:
            return SliceFile(content, (head_of_elements(elements),), lambda *_: values[None])
    stream.seek(0)
    dataset = read_dataset(stream, where)
    if "Rows" not in dataset:  # it was there at the scan: pydicom stops where a file is cut
        raise data_error("truncated_pixels", "the file ends inside an element", where)
    enhanced = is_described(dataset)
    heads = tuple(map(head_of, frame_headers(dataset) if enhanced else [dataset]))
    pixels = partial(read_frames, dataset, len(heads))
    if enhanced:
        return SliceFile(b"", heads, pixels, dataset)
    return SliceFile(content, heads, pixels)


def plain_pixels(elements: Elements) -> NDArray[Any] | None:
    """The stored values of an uncompressed little-endian grey slice; None for any other."""
    size, stored = elements.short("BitsAllocated"), elements.short("BitsStored")
    shape = elements.short("Rows"), elements.short("Columns")
    held = elements.raw("PixelData")
    plain = (
        elements.text("TransferSyntaxUID") in _LITTLE_ENDIAN
        and elements.short("SamplesPerPixel") == 1
        and elements.text("PhotometricInterpretation") in {"MONOCHROME1", "MONOCHROME2"}
        and not may_be_lossy(elements)
        and elements.text("NumberOfFrames") in {"", "1"}
        and size in {8, 16, 32}
        and 0 < stored <= size
        and len(elements.raw("PixelRepresentation")) > 0
        and elements.short("HighBit") == stored - 1
        and not elements.raw("ModalityLUTSequence")
        and not elements.raw(PER_FRAME)
        and 0 <= len(held) - shape[0] * shape[1] * size // 8 < shape[1] * size // 8
    )
    if not plain:
        return None
    signed = elements.short("PixelRepresentation") == 1
    kind = f"<{'i' if signed else 'u'}{size // 8}"
    values: NDArray[Any] = np.frombuffer(held, kind, shape[0] * shape[1]).reshape(shape)
    if stored == size:
        return values
    if unused_bits(values, stored):  # an overlay, or BitsStored is wrong
        return None
    unused = size - stored
    clean: NDArray[Any] = (values << unused) >> unused if signed else values
    return clean


def head_of_elements(elements: Elements) -> SliceHead:
    """The head of a file read without pydicom."""
    position, orientation, spacing = map(elements.floats, _VECTORS)
    slope, intercept = elements.floats("RescaleSlope"), elements.floats("RescaleIntercept")
    return SliceHead(
        position,
        orientation,
        spacing,
        (elements.short("Rows"), elements.short("Columns")),
        elements.text("FrameOfReferenceUID"),
        _only(slope),
        _only(intercept),
        elements.text("SOPInstanceUID"),
    )


def head_of(header: Header) -> SliceHead:
    """The head of a file read by pydicom, or of one of its frames.

    Raises:
        DataError: ``bad_geometry``: position, orientation or spacing is not made of numbers.
    """
    position, orientation, spacing = (_vector(header, tag) for tag in _VECTORS)
    return SliceHead(
        position,
        orientation,
        spacing,
        (int(header.get("Rows", 0)), int(header.get("Columns", 0))),
        str(header.get("FrameOfReferenceUID") or ""),
        _number(header, "RescaleSlope"),
        _number(header, "RescaleIntercept"),
        str(header.get("SOPInstanceUID") or ""),
    )


def _vector(header: Header, tag: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in header.get(tag) or ())
    except PARSE_ERRORS:
        raise data_error("bad_geometry", f"{tag} is not made of numbers") from None


def _only(values: tuple[float, ...]) -> float | None:
    return values[0] if len(values) == 1 else float("nan") if values else None


def _number(header: Header, tag: str) -> float | None:
    try:
        value = header.get(tag)
        return None if value is None or value == "" else float(value)
    except PARSE_ERRORS:
        return float("nan")
