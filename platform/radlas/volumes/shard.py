"""One volume as one shard: what zarr would write, without its scheduler between the chunks.

The format is that of Zarr v3's ``sharding_indexed`` codec: encoded chunks one after the other, then
an index of offset and length of each, little-endian uint64 in C order, with its own crc32c. Reading
is zarr's, and a test reads through it what was written here.
"""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray


def write_shard(
    path: Path, voxels: NDArray[Any], chunks: tuple[int, int, int], codec: Blosc
) -> None:
    """Write the file of an array that is one shard; chunks have their crc32c behind them.

    Args:
        path: File to write; its folder exists.
        voxels: Shape ``(z, y, x)``, little-endian.
        chunks: Shape of an inner chunk; those at the far edges are filled with zeros.
        codec: Compresses each chunk.
    """
    counts = [-(-size // edge) for size, edge in zip(voxels.shape, chunks, strict=True)]
    index = np.empty((*counts, 2), "<u8")
    at = 0
    with path.open("wb") as stream:
        for place in itertools.product(*map(range, counts)):
            encoded = codec.encode(_chunk(voxels, place, chunks))
            stream.write(encoded)
            stream.write(_checksum(encoded))
            index[place] = at, len(encoded) + 4
            at += len(encoded) + 4
        table = index.tobytes()
        stream.write(table)
        stream.write(_checksum(table))


def write_chunk(path: Path, values: NDArray[Any], codec: Any) -> None:
    """Write the file of an array that is one chunk, with its crc32c behind it.

    Args:
        path: File to write; its folder exists.
        values: All of the array.
        codec: Compresses them.
    """
    encoded = codec.encode(np.ascontiguousarray(values))
    path.write_bytes(encoded + _checksum(encoded))


def _chunk(
    voxels: NDArray[Any], place: tuple[int, ...], chunks: tuple[int, int, int]
) -> NDArray[Any]:
    box = tuple(slice(n * edge, (n + 1) * edge) for n, edge in zip(place, chunks, strict=True))
    part = voxels[box]
    if part.shape == chunks:
        return np.ascontiguousarray(part)
    full = np.zeros(chunks, voxels.dtype)
    full[tuple(slice(size) for size in part.shape)] = part
    return full


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", google_crc32c.value(data))
