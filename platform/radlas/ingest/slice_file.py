"""One single-frame image file: what it says of its plane, and its pixels.

Uncompressed little-endian grey images, which most are, are read by ``elements`` alone, all others
by pydicom. The two agree: a test holds one to the other.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radlas.ingest.elements import Elements, read_elements
from radlas.ingest.parsing import PARSE_ERRORS
from radlas.ingest.pixels import read_dataset, read_pixels, unused_bits
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
    "LossyImageCompression",
    "ModalityLUTSequence",
    "SOPInstanceUID",
    "PixelData",
)
_LITTLE_ENDIAN = {ExplicitVRLittleEndian, ImplicitVRLittleEndian}


@dataclass(frozen=True, slots=True)
class SliceHead:
    """What a slice, or a frame, says of its plane and of its values.

    Attributes:
        position: ImagePositionPatient, LPS [mm]; empty if it is missing.
        orientation: ImageOrientationPatient.
        spacing: PixelSpacing: between rows, between columns [mm].
        size: Rows and columns.
        frame: FrameOfReferenceUID.
        slope: RescaleSlope; None if it is missing, NaN if it is no number.
        shift: RescaleIntercept, likewise.
        instance: SOPInstanceUID; empty for a frame.
    """

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    frame: str
    slope: float | None
    shift: float | None
    instance: str = ""


@dataclass(frozen=True)
class SliceFile:
    """One file as read.

    Attributes:
        content: All its bytes.
        frames: Number of frames.
        head: None if there are several frames.
        pixels: Decodes the stored values, shape ``(y, x)``, given where the slice stands.
    """

    content: bytes
    frames: int
    head: SliceHead | None
    pixels: Callable[[str], NDArray[Any]]


def read_slice(content: bytes, where: str) -> SliceFile:
    """Read one file.

    Raises:
        DataError: ``truncated_pixels``: the file ends before its pixels begin; ``bad_geometry``.
        Whatever pydicom raises on damaged files: see ``parsing``.
    """
    elements = read_elements(io.BytesIO(content), _KEYWORDS, block=len(content))
    values = plain_pixels(elements)
    if values is not None:
        return SliceFile(content, 1, head_of_elements(elements), lambda _: values)
    dataset = read_dataset(io.BytesIO(content), where)
    if "Rows" not in dataset:  # it was there at the scan: pydicom stops where a file is cut
        raise data_error("truncated_pixels", "the file ends inside an element", where)
    frames = int(dataset.get("NumberOfFrames") or 1)
    head = head_of_dataset(dataset) if frames == 1 else None
    return SliceFile(content, frames, head, partial(read_pixels, dataset))


def plain_pixels(elements: Elements) -> NDArray[Any] | None:
    """The stored values of an uncompressed little-endian grey slice; None for any other."""
    size, stored = elements.short("BitsAllocated"), elements.short("BitsStored")
    shape = elements.short("Rows"), elements.short("Columns")
    held = elements.raw("PixelData")
    plain = (
        elements.text("TransferSyntaxUID") in _LITTLE_ENDIAN
        and elements.short("SamplesPerPixel") == 1
        and elements.text("PhotometricInterpretation") in {"MONOCHROME1", "MONOCHROME2"}
        and elements.text("LossyImageCompression") in {"", "00"}
        and elements.text("NumberOfFrames") in {"", "1"}
        and size in {8, 16, 32}
        and 0 < stored <= size
        and len(elements.raw("PixelRepresentation")) > 0
        and elements.short("HighBit") == stored - 1
        and not elements.raw("ModalityLUTSequence")
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
    slope, shift = elements.floats("RescaleSlope"), elements.floats("RescaleIntercept")
    return SliceHead(
        position,
        orientation,
        spacing,
        (elements.short("Rows"), elements.short("Columns")),
        elements.text("FrameOfReferenceUID"),
        _only(slope),
        _only(shift),
        elements.text("SOPInstanceUID"),
    )


def head_of_dataset(dataset: Dataset) -> SliceHead:
    """The head of a file, or of one frame, read by pydicom.

    Raises:
        DataError: ``bad_geometry``: position, orientation or spacing is not made of numbers.
    """
    position, orientation, spacing = (_vector(dataset, tag) for tag in _VECTORS)
    return SliceHead(
        position,
        orientation,
        spacing,
        (int(dataset.Rows), int(dataset.Columns)),
        str(dataset.get("FrameOfReferenceUID") or ""),
        _number(dataset, "RescaleSlope"),
        _number(dataset, "RescaleIntercept"),
        str(dataset.get("SOPInstanceUID") or ""),
    )


def _vector(header: Dataset, tag: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in header.get(tag) or ())
    except PARSE_ERRORS:
        raise data_error("bad_geometry", f"{tag} is not made of numbers") from None


def _only(values: tuple[float, ...]) -> float | None:
    return values[0] if len(values) == 1 else float("nan") if values else None


def _number(dataset: Dataset, tag: str) -> float | None:
    try:
        value = dataset.get(tag)
        return None if value is None or value == "" else float(value)
    except PARSE_ERRORS:
        return float("nan")
