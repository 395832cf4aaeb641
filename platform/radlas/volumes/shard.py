"""One volume as one shard: what zarr writes and reads, without its scheduler between the chunks.

The format is that of Zarr v3's ``sharding_indexed`` codec: encoded chunks one after the other, then
an index of offset and length of each, little-endian uint64 in C order, with its own crc32c. Zarr
reads parts of what is written here, and in the tests all of it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import Blosc, Zstd, blosc
from numpy.typing import NDArray

from radlas.digests import from_json

CHUNK = "c/0/0/0"  # where zarr looks for the only chunk, or shard, of an array
_BYTES = [{"name": "bytes", "configuration": {"endian": "little"}}]
_DECODERS: Mapping[str, Any] = {"blosc": Blosc(), "zstd": Zstd()}  # what is encoded tells the rest
_CRC = {"name": "crc32c"}
blosc.use_threads = False  # a worker is one process on one core


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


def read_array(metadata: bytes, content: bytes) -> NDArray[Any]:
    """All of an array, every checksum checked.

    Args:
        metadata: Its ``zarr.json``.
        content: Its only file, as ``write_shard`` or ``write_chunk`` makes it.

    Returns:
        Shape ``(z, y, x)``.

    Raises:
        ValueError, KeyError, RuntimeError: The files are damaged, or of another form.
    """
    told = from_json(metadata)
    shape, dtype = tuple(told["shape"]), np.dtype(told["data_type"]).newbyteorder("<")
    codecs = told["codecs"]
    if codecs[0]["name"] != "sharding_indexed":
        return _decoded(content, codecs, dtype, shape)
    shard = codecs[0]["configuration"]
    if shard["index_codecs"] != [*_BYTES, _CRC] or shard["index_location"] != "end":
        raise ValueError("the shard's index is of another form")
    chunks = tuple(shard["chunk_shape"])
    voxels = np.empty(shape, dtype)
    for place, start, length in _index(content, shape, chunks):
        box = tuple(slice(n * edge, (n + 1) * edge) for n, edge in zip(place, chunks, strict=True))
        encoded = memoryview(content)[start : start + length]
        part = voxels[box]
        part[:] = _decoded(encoded, shard["codecs"], dtype, chunks)[tuple(map(slice, part.shape))]
    return voxels


def _index(content: bytes, shape: tuple[int, ...], chunks: tuple[int, ...]) -> list[Any]:
    """Each chunk's place among the others, where it starts and its length [bytes]."""
    counts = [-(-size // edge) for size, edge in zip(shape, chunks, strict=True)]
    table = _checked(content[-16 * int(np.prod(counts)) - 4 :])
    index = np.frombuffer(table, "<u8").reshape(*counts, 2)
    return [(place, *map(int, index[place])) for place in itertools.product(*map(range, counts))]


def _decoded(
    encoded: Any, codecs: list[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    plain, compressor, check = codecs
    if plain not in (*_BYTES, {"name": "bytes"}) or check != _CRC:
        raise ValueError(f"encoded by {[codec['name'] for codec in codecs]}")
    decoded = _DECODERS[compressor["name"]].decode(_checked(encoded))
    return np.frombuffer(decoded, dtype).reshape(shape)


def _checked(data: Any) -> Any:
    """What stands before a checksum, once it fits."""
    body = data[:-4]
    if _checksum(body) != bytes(data[-4:]):
        raise ValueError("a checksum does not fit")
    return body


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


def _checksum(data: Any) -> bytes:
    return struct.pack("<I", google_crc32c.value(bytes(data)))
