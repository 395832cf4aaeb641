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
_OF_BLOSC = struct.Struct("<4xI4xI")  # bytes when decoded, and as they are
_OF_ZSTD = struct.Struct("<IB")  # magic number, and which fields follow
_ZSTD = 0xFD2FB528
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
    compressor, shard = _form(told)
    if shard is None:
        return _decoded(content, compressor, dtype, shape)
    chunks = tuple(shard["chunk_shape"])
    voxels = np.empty(shape, dtype)
    for place, start, length in _index(content, shape, chunks):
        box = tuple(slice(n * edge, (n + 1) * edge) for n, edge in zip(place, chunks, strict=True))
        encoded = memoryview(content)[start : start + length]
        part = voxels[box]
        part[:] = _decoded(encoded, compressor, dtype, chunks)[tuple(map(slice, part.shape))]
    return voxels


def refuse_other_form(metadata: bytes) -> None:
    """Hold an array's ``zarr.json`` to the codecs that are written here, before zarr reads it.

    Raises:
        ValueError, KeyError: It names others.
    """
    _form(from_json(metadata))


def _form(told: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """What compresses an array's chunks, and how they lie in a shard; None if there is none."""
    codecs, shard = told["codecs"], None
    if codecs[0]["name"] == "sharding_indexed":
        shard = codecs[0]["configuration"]
        if shard["index_codecs"] != [*_BYTES, _CRC] or shard["index_location"] != "end":
            raise ValueError("the shard's index is of another form")
        codecs = shard["codecs"]
    plain, compressor, check = codecs
    known = plain in (*_BYTES, {"name": "bytes"}) and compressor["name"] in _DECODERS
    if not known or check != _CRC:
        raise ValueError(f"encoded by {[codec['name'] for codec in codecs]}")
    return compressor["name"], shard


def _index(content: bytes, shape: tuple[int, ...], chunks: tuple[int, ...]) -> list[Any]:
    """Each chunk's place among the others, where it starts and its length [bytes]."""
    counts = [-(-size // edge) for size, edge in zip(shape, chunks, strict=True)]
    table = _checked(content[-16 * int(np.prod(counts)) - 4 :])
    index = np.frombuffer(table, "<u8").reshape(*counts, 2)
    return [(place, *map(int, index[place])) for place in itertools.product(*map(range, counts))]


def _decoded(
    encoded: Any, compressor: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    body = _checked(encoded)
    refuse_other_size(compressor, body, int(np.prod(shape)) * dtype.itemsize)
    decoded = _DECODERS[compressor].decode(body)
    return np.frombuffer(decoded, dtype).reshape(shape)


def refuse_other_size(codec: str, encoded: Any, size: int) -> None:
    """Hold what an encoded chunk says of its lengths to what they are.

    Its decoder takes the chunk's word: it would read what lies in memory behind it, or ask for as
    much as a chunk of a few bytes says that it unpacks to.

    Args:
        codec: ``blosc`` or ``zstd``.
        encoded: The chunk, without its checksum.
        size: Of what it decodes to [bytes].

    Raises:
        ValueError: One of them is another.
    """
    told = _told_of_blosc(encoded) if codec == "blosc" else (_told_of_zstd(encoded), len(encoded))
    if told != (size, len(encoded)):
        raise ValueError("a chunk is not as long as it says")


def _told_of_blosc(encoded: Any) -> tuple[int, int]:
    if len(encoded) < _OF_BLOSC.size:
        return -1, -1
    decoded, there = _OF_BLOSC.unpack_from(encoded)
    return decoded, there


def _told_of_zstd(encoded: Any) -> int:
    """Bytes of the content by the frame's header; -1 if it does not tell.

    Source:
        RFC 8878, "Frame_Header".
    """
    if len(encoded) < _OF_ZSTD.size:
        return -1
    magic, fields = _OF_ZSTD.unpack_from(encoded)
    single, kind = fields >> 5 & 1, fields >> 6
    width = 1 << kind if kind or single else 0
    start = _OF_ZSTD.size + 1 - single + (0, 1, 2, 4)[fields & 3]
    told = bytes(encoded[start : start + width])
    if magic != _ZSTD or not width or len(told) < width:
        return -1
    return int.from_bytes(told, "little") + (256 if width == 2 else 0)


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
