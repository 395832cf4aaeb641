"""Is a NIfTI file all there? ITK reads what a truncated one lacks as zeros, without a word."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from radlas.ingest.memory import check_memory
from radlas.reasons import data_error

_BLOCK = 1 << 20


class _Layout(NamedTuple):
    """Where the fields lie in a header: format of ``dim``, offsets [bytes]."""

    size: int
    dim: tuple[str, int]
    kind: int  # datatype, and bitpix behind it
    vox_offset: tuple[str, int]


_LAYOUTS = {
    348: _Layout(348, ("8h", 40), 70, ("f", 108)),  # NIfTI-1
    540: _Layout(540, ("8q", 16), 12, ("q", 168)),  # NIfTI-2
}
# Bits of a voxel by its datatype, which readers go by; bitpix, which says it again, may be wrong.
_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32}
_BITS |= {1024: 64, 1280: 64, 1536: 128, 1792: 128, 2048: 256, 2304: 32}


def check_complete(path: Path) -> None:
    """Count a NIfTI file's bytes against what its header promises; other formats pass.

    Raises:
        DataError: ``truncated_pixels``: the voxels end too early, or the compressed stream is cut
            or fails its checksum; ``bad_pixels``: there are more voxels than the header speaks of;
            ``unreadable_file``: the header is no NIfTI header.
        WorkerError: ``memory``: they are too many for this machine.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return
    try:
        if name.endswith(".gz"):
            with gzip.open(path, "rb") as stream:
                promised, row, found = _measure(cast(BinaryIO, stream))
        else:
            with path.open("rb") as stream:
                promised, row, found = _measure(stream)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        what = f"the compressed file is damaged, or not compressed at all ({type(error).__name__})"
        raise data_error("truncated_pixels", what) from None
    if found < promised:
        raise data_error("truncated_pixels", f"{found} of {promised} bytes are there")
    if found - promised >= row > 0:  # padding is shorter
        what = f"the file holds more than the {promised} bytes that its header speaks of"
        raise data_error("bad_pixels", what)


def _measure(stream: BinaryIO) -> tuple[int, int, int]:
    """Bytes promised, bytes of a row, and bytes there: all are read, for their checksum.

    But for what is a row too much: kilobytes of file may go on for terabytes.
    """
    head = stream.read(540)
    promised, row = _promised(head)
    check_memory(promised, "an image")
    found = len(head)
    while (found - promised < row or row <= 0) and (block := stream.read(_BLOCK)):
        found += len(block)
    return promised, row, found


def _promised(head: bytes) -> tuple[int, int]:
    for order in "<>":
        layout = _LAYOUTS.get(struct.unpack_from(f"{order}i", head)[0] if len(head) >= 4 else 0)
        if layout is not None and len(head) >= layout.size:
            kind, at = layout.dim
            rank, *sizes = struct.unpack_from(order + kind, head, at)
            datatype, bitpix = struct.unpack_from(f"{order}2h", head, layout.kind)
            bits = _BITS.get(datatype, bitpix)
            (start,) = struct.unpack_from(order + layout.vox_offset[0], head, layout.vox_offset[1])
            if 1 <= rank <= 7 and all(size > 0 for size in sizes[:rank]) and math.isfinite(start):
                if start < layout.size + 4:  # the header, and four bytes that announce extensions
                    what = f"the voxels begin at byte {start:g}, inside the header"
                    raise data_error("unreadable_file", what)
                voxels: int = math.prod(sizes[:rank])
                return int(start) + voxels * int(bits) // 8, sizes[0] * int(bits) // 8
    raise data_error("unreadable_file", "no NIfTI header")
