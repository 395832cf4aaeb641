"""Voxels of NRRD and MHA files held against the bytes that they came from.

ITK reads a damaged compressed MHA as zeros or as what was in memory, verifies no checksum of a
NRRD, and passes over bytes behind the voxels that the header speaks of, all without a word.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from radlas.ingest.text_headers import TextHeader
from radlas.reasons import data_error

_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_GZIP = {"gzip", "gz"}


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
        held = _held(path.read_bytes()[header.end :], header, voxels.nbytes)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        what = "the compressed voxels end too early or fail their checksum"
        raise data_error("truncated_pixels", what) from None
    if held is None:
        return
    if len(held) < voxels.nbytes:
        raise data_error("truncated_pixels", f"{len(held)} of {voxels.nbytes} bytes are there")
    if len(held) - voxels.nbytes >= voxels[0, 0].nbytes:  # padding is shorter than a row
        what = f"the file holds {len(held)} bytes of voxels, and its header speaks of"
        raise data_error("bad_pixels", f"{what} {voxels.nbytes}")
    stored = held[: voxels.nbytes]
    if stored != voxels.tobytes() and stored != voxels.byteswap().tobytes():
        hint = "write the image again in one file, by SimpleITK or 3D Slicer"
        what = "read by its header, the file has other voxels than lie behind that"
        raise data_error("bad_pixels", what, hint=hint)


def _held(data: bytes, header: TextHeader, expected: int) -> bytes | None:
    """The bytes of the voxels, unpacked; None if they are written as text."""
    if header.nrrd:
        return _held_by_nrrd(data, header, expected)
    if header.fields.get("binarydata", "true")[:1].lower() not in {"t", "1"}:
        return None
    packed = header.fields.get("compresseddata", "false")[:1].lower() in {"t", "1"}
    return _unpacked(data) if packed else data


def _held_by_nrrd(data: bytes, header: TextHeader, expected: int) -> bytes | None:
    encoding = header.fields.get("encoding", "raw").lower()
    if encoding not in {"raw", *_GZIP}:
        return None
    data = data.split(b"\n", lines)[-1] if (lines := _skip(header, "line")) > 0 else data
    if encoding in _GZIP:
        data = gzip.decompress(data)
    skipped = _skip(header, "byte")
    return data[skipped:] if skipped >= 0 else data[-expected:]  # -1: they end with the file


def _skip(header: TextHeader, unit: str) -> int:
    stated = header.fields.get(f"{unit} skip", header.fields.get(f"{unit}skip", "0"))
    return int(stated) if stated.removeprefix("-").isdigit() else 0


def _unpacked(data: bytes) -> bytes:
    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
    held = stream.decompress(data)
    if not stream.eof:  # ends too early, and so without a checksum
        raise EOFError
    return held
