"""Voxels of NRRD and MHA files checked against the bytes that they came from.

ITK reads a damaged compressed MHA as zeros or as what was in memory, verifies no checksum of a
NRRD, and passes over bytes behind the voxels that the header speaks of, all without a word.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from radlas.ingest.nifti.text_headers import TextHeader
from radlas.reasons import data_error

_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_GZIP = {"gzip", "gz"}
_BLOCK = 1 << 20  # unpacked at a time [B]


def check_data(path: Path, header: TextHeader, voxels: NDArray[Any]) -> None:
    """Refuse voxels that are not those of the file; voxels written as text pass.

    Args:
        path: The file.
        header: Its header.
        voxels: As ITK read them, shape ``(z, y, x)``.

    Raises:
        DataError: ``truncated_pixels``: the compressed stream is cut or fails its checksum, or
            holds too few voxels; ``bad_pixels``: there are more of them than the header speaks of,
            or others than ITK read.
    """
    try:
        held = _held(path.read_bytes()[header.end :], header, voxels)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        what = "the compressed voxels end too early or fail their checksum"
        raise data_error("truncated_pixels", what) from None
    if held is None:
        return
    if len(held) < voxels.nbytes:
        raise data_error("truncated_pixels", f"{len(held)} of {voxels.nbytes} bytes are there")
    if len(held) - voxels.nbytes >= voxels[0, 0].nbytes:  # padding is shorter than a row
        what = f"the file holds more than the {voxels.nbytes} bytes of voxels that its header"
        raise data_error("bad_pixels", f"{what} speaks of")
    stored = held[: voxels.nbytes]
    if stored != voxels.tobytes() and stored != voxels.byteswap().tobytes():
        hint = "write the image again in one file, by SimpleITK or 3D Slicer"
        what = "read by its header, the file has other voxels than lie behind that"
        raise data_error("bad_pixels", what, hint=hint)


def _held(data: bytes, header: TextHeader, voxels: NDArray[Any]) -> bytes | None:
    """The bytes of the voxels, unpacked, and a row more; None if they are written as text."""
    most = voxels.nbytes + voxels[0, 0].nbytes
    if header.nrrd:
        return _held_by_nrrd(data, header, voxels.nbytes, most)
    if header.fields.get("binarydata", "true")[:1].lower() not in {"t", "1"}:
        return None
    packed = header.fields.get("compresseddata", "false")[:1].lower() in {"t", "1"}
    return _begun(_unpacked(data), most) if packed else data


def _held_by_nrrd(data: bytes, header: TextHeader, expected: int, most: int) -> bytes | None:
    encoding = header.fields.get("encoding", "raw").lower()
    if encoding not in {"raw", *_GZIP}:
        return None
    data = data.split(b"\n", lines)[-1] if (lines := _skip(header, "line")) > 0 else data
    skipped = _skip(header, "byte")
    if encoding in _GZIP:
        with gzip.open(io.BytesIO(data)) as stream:
            return _begun(iter(lambda: stream.read(_BLOCK), b""), most, max(0, skipped))
    return data[skipped:] if skipped >= 0 else data[-expected:]  # -1: they end with the file


def _skip(header: TextHeader, unit: str) -> int:
    stated = header.fields.get(f"{unit} skip", header.fields.get(f"{unit}skip", "0"))
    return int(stated) if stated.removeprefix("-").isdigit() else 0


def _unpacked(data: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
    for start in range(0, len(data), _BLOCK):
        packed = data[start : start + _BLOCK]
        while packed and not stream.eof:
            yield stream.decompress(packed, _BLOCK)
            packed = stream.unconsumed_tail
    while not stream.eof:
        if not (rest := stream.decompress(b"", _BLOCK)):  # it ends too early: without a checksum
            raise EOFError
        yield rest


def _begun(blocks: Iterable[bytes], most: int, skipped: int = 0) -> bytes:
    """What a stream begins with, behind bytes to skip; all of it is read, for its checksum.

    Six megabytes that unpack to six gigabytes take no more memory than the voxels do.
    """
    kept = bytearray()
    for block in blocks:
        behind = block[skipped:] if skipped else block
        skipped = max(0, skipped - len(block))
        kept += behind[: most - len(kept)]
    return bytes(kept)
