"""The stored bytes of the frames that are wanted, checked against the header of their file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from radlas.ingest.dicom.streams import (
    depth_of,
    has_sign,
    size_of,
    stream_loss,
    unpacked_size,
)
from radlas.reasons import data_error

#: Encodings that compress nothing.
NATIVE = {
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
}
#: What decoders ask for beside the pixels.
PIXEL_MODULE = (
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
#: Elements that may hold pixels.
VALUES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_WHOLE = {8, 16, 32}  # bits
_END_OF_STREAM = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000


def can_be_cut(dataset: Dataset) -> bool:
    """False where frames begin inside a byte, or inside a pair of bytes that are swapped."""
    syntax, bits = dataset.file_meta.TransferSyntaxUID, int(dataset.BitsAllocated)
    unit = 16 if syntax == ExplicitVRBigEndian else 8
    return syntax not in NATIVE or int(dataset.Rows) * int(dataset.Columns) * bits % unit == 0


def of_frames(dataset: Dataset, count: int, chosen: Sequence[int], where: str) -> Dataset:
    """What decoders need of some frames in full width, if all that are counted are there.

    Args:
        dataset: The file, whose encoding is one that is decoded here.
        count: How many frames it has.
        chosen: Which are wanted, from 0.
        where: Told with what is wrong.

    Raises:
        DataError: ``truncated_pixels``, ``bad_pixels`` or ``lossy_pixels``.
        Whatever pydicom raises on damaged files: see ``parsing``.
    """
    names = [one for one in VALUES if dataset.get(one)]
    integers = "PixelData" in names and int(dataset.BitsAllocated) in _WHOLE
    if integers:
        _check_depth(dataset, where)
    if len(names) > 1:
        raise data_error("bad_pixels", f"pixels of {len(names)} kinds of numbers", where)
    name = "".join(names) or "PixelData"
    held = dataset.get(name) or b""
    if dataset.file_meta.TransferSyntaxUID in NATIVE:
        _check_length(dataset, name, count, where)
        size = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
        frames = [memoryview(held)[index * size : (index + 1) * size] for index in chosen]
        held = held if [*chosen] == [*range(count)] else b"".join(frames)
    elif name != "PixelData":
        raise data_error("bad_pixels", "pixels of a kind that no encoding compresses", where)
    else:
        held = encapsulate(_streams(dataset, count, chosen, where), has_bot=False)
    bare = Dataset()
    for keyword in (*PIXEL_MODULE, "PhotometricInterpretation"):
        if keyword in dataset:
            setattr(bare, keyword, dataset[keyword].value)
    if integers:  # see ``fitted``
        bare.BitsStored, bare.HighBit = bare.BitsAllocated, bare.BitsAllocated - 1
    bare.NumberOfFrames, bare.file_meta = len(chosen), dataset.file_meta
    bare.add_new(name, dataset[name].VR, held)
    return bare


def _check_length(dataset: Dataset, name: str, frames: int, where: str) -> None:
    held = dataset.get(name) or b""
    if held and dataset[name].is_undefined_length:
        raise data_error("bad_pixels", "compressed pixels under an uncompressed syntax", where)
    row = int(dataset.Columns) * int(dataset.BitsAllocated)  # bits: a mask may have one for a voxel
    expected = -(-frames * int(dataset.Rows) * row // 8)
    if len(held) < expected:
        what = f"the pixel data holds {len(held)} of {expected} bytes"
        raise data_error("truncated_pixels", what, where)
    if len(held) - expected >= max(2, row // 8):  # padding is shorter
        what = f"the pixel data holds {len(held)} bytes; its size and depth need {expected}"
        raise data_error("bad_pixels", what, where)


def _check_depth(dataset: Dataset, where: str) -> None:
    size, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if not (0 < stored <= size and int(dataset.HighBit) == stored - 1):
        what = f"{stored} bits stored of {size}, the highest of them bit {dataset.HighBit}"
        raise data_error("bad_pixels", what, where)
    if dataset.get("PixelRepresentation") not in {0, 1}:
        raise data_error("bad_pixels", "the header does not say whether pixels have a sign", where)


def fitted(dataset: Dataset, values: NDArray[Any], where: str) -> NDArray[Any]:
    """Decoded values as the header's bits and sign mean them; floating-point ones as they are.

    Bits that are no part of a value must hold nothing, its sign, or a declared overlay: decoders
    take them away without a word, and what is left of a value that needed them is another one.

    Args:
        dataset: The file.
        values: Of full width, as ``of_frames`` asks for.
        where: Told with what is wrong.

    Raises:
        DataError: ``bad_pixels``.
    """
    stored = int(dataset.get("BitsStored") or 0)
    unused = 8 * values.dtype.itemsize - stored
    if values.dtype.kind not in "iu" or unused <= 0:
        return values
    overlay = any(element.tag.group & 0xFF00 == 0x6000 for element in dataset)
    if not overlay and (above := unused_bits(values, stored)):
        raise data_error("bad_pixels", f"{above} values need more than {stored} bits", where)
    clean: NDArray[Any] = (values << unused) >> unused
    return clean


def unused_bits(values: NDArray[Any], stored: int) -> int:
    """How many values hold something above their stored bits that is not their sign."""
    signs = values >> (stored - 1) if values.dtype.kind == "i" else values >> stored
    odd = signs != 0
    if values.dtype.kind == "i":  # extended by its sign, or filled with zeros
        filled = values.view(values.dtype.str.replace("i", "u")) >> stored == 0
        odd &= (signs != -1) & ~filled
    return int(np.count_nonzero(odd))


def _check_streams(dataset: Dataset, streams: Collection[bytes], where: str) -> None:
    """Check streams against the header. JPEG knows no sign: which bit it is, both must say."""
    if loss := next(filter(None, map(stream_loss, streams)), ""):
        raise data_error("lossy_pixels", f"{loss}, under a lossless encoding", where)
    size = int(dataset.Rows), int(dataset.Columns)
    for rows, columns in {size_of(one) for one in streams} - {(0, 0), size}:
        what = f"{rows} x {columns} pixels in the stream, and {size[0]} x {size[1]} by the header"
        raise data_error("bad_pixels", what, where)
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        held, pixels = max(map(unpacked_size, streams), default=0), size[0] * size[1]
        if held - pixels > 1:  # decoders cut off what is too much, and what is left is shifted
            what = f"{held} pixels in the stream, and {pixels} by the header"
            raise data_error("bad_pixels", what, where)
    stored, sign = int(dataset.BitsStored), dataset.PixelRepresentation == 1
    depths = {depth for depth in map(depth_of, streams) if depth and depth < stored}
    if sign and depths:
        what = f"values of {min(depths)} bits in the stream, and of {stored} by the header"
        raise data_error("bad_pixels", f"{what}, of which one is the sign", where)
    if not sign and any(map(has_sign, streams)):
        what = "values with a sign in the stream, and without by the header"
        raise data_error("bad_pixels", what, where)


def _streams(dataset: Dataset, count: int, chosen: Sequence[int], where: str) -> list[bytes]:
    """Some of the compressed frames. Of what a cut one lacks decoders make grey, without a word."""
    held, table = dataset.get("PixelData") or b"", dataset.get("ExtendedOffsetTable")
    offsets = (table, dataset.ExtendedOffsetTableLengths) if table else None
    streams = generate_frames(held, number_of_frames=count, extended_offsets=offsets)
    ends = dataset.file_meta.TransferSyntaxUID != RLELossless
    wanted, kept = frozenset(chosen), dict[int, bytes]()
    there = whole = 0
    for there, stream in enumerate(streams if held else (), 1):
        whole += not ends or stream.rstrip(b"\0").endswith(_END_OF_STREAM)
        if there - 1 in wanted:
            kept[there - 1] = stream
    if whole < count:
        what = f"{count - whole} of {count} compressed frames end too early"
        raise data_error("truncated_pixels", what, where)
    if there > count:
        what = f"{there} compressed frames, where the header speaks of {count}"
        raise data_error("bad_pixels", what, where)
    _check_streams(dataset, kept.values(), where)
    return [kept[index] for index in chosen]
