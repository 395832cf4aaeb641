"""What zarr itself does: it makes arrays, and reads a part of one.

Apart from the rest, because it is slow to import and whole images are read without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.registry import register_codec

from radlas.model import Volume
from radlas.volumes.attributes import group_attributes
from radlas.volumes.shard import CHUNK, refuse_other_size, write_chunk, write_shard

CHUNK_ZYX = (64, 128, 128)  # about 1.3 MB compressed: few enough for Python, small enough for ROIs
# Integers of a scanner hold noise that nothing compresses: lz4 takes a quarter of zstd's time for
# 4 % more bytes. Floats gain 15 to 30 % by zstd; its level 1 takes half the time of level 5.
_INTEGERS: dict[str, Any] = {"cname": "lz4", "clevel": 5}
_MASK_LEVEL = 3
_FLOATS: dict[str, Any] = {"cname": "zstd", "clevel": 1}


class HeldBlosc(BloscCodec):
    """Decodes what is as long as it says."""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        _hold("blosc", chunk_bytes, chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


class HeldZstd(ZstdCodec):
    """Decodes what is as long as it says."""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        _hold("zstd", chunk_bytes, chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


# Zarr keeps to its own codecs where nothing is set.
_HELD = {"blosc": HeldBlosc, "zstd": HeldZstd}
_SET = {
    f"codecs.{name}": f"{codec.__module__}.{codec.__qualname__}" for name, codec in _HELD.items()
}
for _name, _codec in _HELD.items():
    register_codec(_name, _codec)


def image_chunks(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Inner chunks: a whole slab of slices, tiles of 128 x 128 in plane [voxels]."""
    z, y, x = (min(size, limit) for size, limit in zip(shape, CHUNK_ZYX, strict=True))
    return z, y, x


def image_shard(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """One shard over the whole volume, rounded up to whole chunks [voxels]."""
    chunks = image_chunks(shape)
    z, y, x = (-(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True))
    return z, y, x


def write_arrays(
    stage: Path, volume: Volume, masks: Mapping[str, NDArray[np.bool_]], content: str
) -> None:
    """An image and its masks as a group of arrays.

    Args:
        stage: A folder that is not there yet, or is empty.
        volume: The image.
        masks: By the name of their array.
        content: Digest of what the case is.
    """
    with _one_thread():
        attributes = group_attributes(volume.geometry, content)
        group = zarr.open_group(stage, mode="w", zarr_format=3, attributes=attributes)
        _write_image(stage, group, volume)
        for name, mask in masks.items():
            _write_mask(stage, group, f"masks/{name}", mask)


def read_part(
    store: Any, name: str, box: tuple[slice, slice, slice]
) -> tuple[tuple[int, ...], NDArray[Any]]:
    """Shape of an array, and the voxels of a box: only the chunks that it touches are read.

    Args:
        store: A group's, as zarr takes it.
        name: The array.
        box: Along ``(z, y, x)``, each from a start to a stop.
    """
    with _one_thread(), zarr.config.set(_SET):
        array = zarr.open_array(store, path=name, mode="r")
        return array.shape, np.asarray(array[box])


def _write_image(stage: Path, group: zarr.Group, volume: Volume) -> None:
    shape = volume.geometry.shape
    voxels = volume.voxels.astype(volume.voxels.dtype.newbyteorder("<"), copy=False)
    compressor = _FLOATS if voxels.dtype.kind == "f" else _INTEGERS
    group.create_array(
        "image",
        shape=shape,
        dtype=voxels.dtype,
        chunks=image_chunks(shape),
        shards=image_shard(shape),
        compressors=[BloscCodec(**compressor, shuffle="bitshuffle"), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=("z", "y", "x"),
    )
    shard = stage / "image" / CHUNK
    shard.parent.mkdir(parents=True)
    codec = numcodecs.Blosc(**compressor, shuffle=numcodecs.Blosc.BITSHUFFLE)
    write_shard(shard, voxels, image_chunks(shape), codec)


def _write_mask(stage: Path, group: zarr.Group, name: str, mask: NDArray[np.bool_]) -> None:
    group.create_array(
        name,
        shape=mask.shape,
        dtype="uint8",
        chunks=mask.shape,
        compressors=[ZstdCodec(level=_MASK_LEVEL), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=("z", "y", "x"),
    )
    chunk = stage / name / CHUNK
    chunk.parent.mkdir(parents=True)
    write_chunk(chunk, mask.view(np.uint8), numcodecs.Zstd(level=_MASK_LEVEL))


def _hold(codec: str, encoded: Any, spec: Any) -> None:
    size = int(np.prod(spec.shape)) * spec.dtype.to_native_dtype().itemsize
    refuse_other_size(codec, encoded.to_bytes(), size)


def _one_thread() -> AbstractContextManager[Any]:
    # A worker is one process on one core; more threads of each would only push the others aside.
    setting: AbstractContextManager[Any] = zarr.config.set(
        {"threading.max_workers": 1, "async.concurrency": 2}
    )
    return setting
