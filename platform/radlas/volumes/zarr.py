"""Volumes as OME-Zarr 0.5 with an exact affine: staged, fsynced, renamed, verified.

A missing chunk reads as zeros
in Zarr, so a whole image is held against the digest in the commit record, and a part of one against
the size of its file and the checksums of the chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from radlas.digests import digest_of, mask_digest, voxel_digest
from radlas.errors import StoreError
from radlas.geometry import Geometry
from radlas.model import Roi, Volume
from radlas.place import Folder, Place
from radlas.reasons import data_error
from radlas.volumes.attributes import committed_geometry, geometry_attributes
from radlas.volumes.chunks import image_chunks, image_shard
from radlas.volumes.record import (
    COMMIT,
    Record,
    check_bytes,
    check_files,
    check_size,
    file_table,
    load_record,
    unreadable,
)
from radlas.volumes.shard import CHUNK, read_array, write_chunk, write_shard

Box = tuple[slice, slice, slice]
# Integers of a scanner hold noise that nothing compresses: lz4 takes a quarter of zstd's time for
# 4 % more bytes. Floats gain 15 to 30 % by zstd; its level 1 takes half the time of level 5.
_INTEGERS: dict[str, Any] = {"cname": "lz4", "clevel": 5}
_MASK_LEVEL = 3
_FLOATS: dict[str, Any] = {"cname": "zstd", "clevel": 1}
numcodecs.blosc.use_threads = False  # a worker is one process on one core


def volume_name(case_id: str) -> str:
    """``volumes/<hh>/<case>.zarr``: spread over 256 folders by the case's first digits."""
    return f"volumes/{case_id[:2]}/{case_id}.zarr"


def roi_key(roi: Roi) -> str:
    """Name of a ROI's array: the ROI, with its reader if one is known."""
    return f"{roi.name}@{roi.reader}" if roi.reader else roi.name


def write_case(
    place: Place, case_id: str, volume: Volume, rois: Sequence[Roi], *, known: str = ""
) -> dict[str, Any]:
    """Store one case so that it is either whole or absent.

    Args:
        place: The store's.
        case_id: The case.
        volume: Its image.
        rois: Its drawn masks.
        known: Digest of the voxels that the tables speak of, if they know the case: what was lost
            since may come back, and nothing else may take its place.

    Returns:
        The commit record: digests of ``affine``, ``image`` and ``masks``.

    Raises:
        DataError: ``case_conflict``: the case is stored, or was, with other content.
    """
    folder = volume_name(case_id)
    content = {
        "affine": digest_of(volume.geometry.affine.tolist()),
        "image": voxel_digest(volume.voxels),
        "masks": {roi_key(roi): mask_digest(roi.mask) for roi in rois},
    }
    if known and known != content["image"]:
        what = "the tables speak of this case with other voxels"
        raise data_error("case_conflict", what, f"case {case_id}")
    if not is_committed(place, case_id):
        place.clear(folder)  # damaged or half removed: nothing vouches for what is left
        with place.staging(folder) as stage, suppress(FileExistsError):  # someone was faster
            _write(stage, volume, rois, content)
            place.publish(stage, folder, COMMIT)
    stored = read_record(place, case_id)
    if stored != content:
        raise data_error(
            "case_conflict",
            "the store holds this case with other voxels or masks",
            f"case {case_id}",
        )
    return content


def read_record(place: Place, case_id: str) -> dict[str, Any]:
    """What a case is: the digests of ``affine``, ``image`` and ``masks``.

    Raises:
        StoreError: The case is not in the store, or its record is damaged.
    """
    return dict(load_record(place, volume_name(case_id), case_id).content)


def read_volume(place: Place, case_id: str) -> Volume:
    """The image of a case, held against its digest.

    Raises:
        StoreError: The case is missing, its voxels changed, or its geometry contradicts itself.
    """
    record = read_record(place, case_id)
    voxels = _whole(place, case_id, "image")
    geometry = _geometry(place, case_id, voxels.shape, record)
    if voxel_digest(voxels) != record["image"]:
        raise StoreError(
            "the voxels are not the ones that were committed",
            f"case {case_id}",
            "restore the folder from a backup, or delete it and ingest the exam again",
            "voxels_changed",
        )
    return Volume(voxels, geometry)


def read_box(place: Place, case_id: str, box: Box) -> Volume:
    """A part of a case's image: only the chunks that it touches are read.

    Args:
        place: The store's.
        case_id: The case.
        box: Voxels along ``(z, y, x)``, each from a start to a stop.

    Raises:
        StoreError: The case is missing, a chunk is damaged, or the geometry contradicts itself.
    """
    record, array = _open_part(place, case_id, "image")
    whole = _geometry(place, case_id, array.shape, record.content)
    part = _part(array, case_id, box)
    affine = whole.affine.copy()
    starts = np.array([edge.indices(size)[0] for edge, size in zip(box, whole.shape, strict=True)])
    affine[:3, 3] += affine[:3, :3] @ starts[::-1]
    return Volume(part, Geometry((part.shape[0], part.shape[1], part.shape[2]), affine))


def read_mask(place: Place, case_id: str, key: str, box: Box) -> NDArray[np.bool_]:
    """A part of one drawn mask; arguments and errors as for ``read_box``."""
    _, array = _open_part(place, case_id, f"masks/{key}")
    return _part(array, case_id, box).astype(bool)


def read_rois(place: Place, case_id: str) -> tuple[Roi, ...]:
    """All drawn ROIs of a case, by name and reader, held against their digests.

    Raises:
        StoreError: A mask is missing or has changed.
    """
    record = read_record(place, case_id)
    rois = []
    for key, digest in sorted(record["masks"].items()):
        mask = _whole(place, case_id, f"masks/{key}").astype(bool)
        if mask_digest(mask) != digest:
            raise StoreError(
                f"the mask {key} is not the one that was committed",
                f"case {case_id}",
                "restore the folder from a backup, or delete it and ingest the exam again",
                "mask_changed",
            )
        name, _, reader = key.partition("@")
        rois.append(Roi(name, mask, origin="stored", reader=reader))
    return tuple(rois)


def is_committed(place: Place, case_id: str) -> bool:
    """True if the case's folder holds a sound commit record."""
    try:
        read_record(place, case_id)
    except StoreError:
        return False
    return True


def input_digests(record: Mapping[str, Any]) -> list[Any]:
    """What features are made from: ``[image, [[roi, reader, mask], …]]``, sorted."""
    masks = [[*key.partition("@")[::2], digest] for key, digest in record["masks"].items()]
    return [record["image"], sorted(masks)]


def verify_case(place: Place, case_id: str) -> None:
    """Read everything of a case and hold it against its commit record, to the byte.

    Raises:
        StoreError: Something is missing, has changed, or was added.
    """
    folder = volume_name(case_id)
    check_files(place, folder, case_id, load_record(place, folder, case_id))
    read_volume(place, case_id)
    read_rois(place, case_id)


def _write(stage: Path, volume: Volume, rois: Sequence[Roi], content: Mapping[str, Any]) -> None:
    with _one_thread():
        _write_arrays(stage, volume, rois)
    text = Record(content, file_table(Folder(stage))).text()
    (stage / COMMIT).write_text(text, encoding="utf-8")


def _one_thread() -> AbstractContextManager[Any]:
    # A worker is one process on one core; more threads of each would only push the others aside.
    setting: AbstractContextManager[Any] = zarr.config.set(
        {"threading.max_workers": 1, "async.concurrency": 2}
    )
    return setting


def _write_arrays(stage: Path, volume: Volume, rois: Sequence[Roi]) -> None:
    group = zarr.open_group(
        stage, mode="w", zarr_format=3, attributes=geometry_attributes(volume.geometry)
    )
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
    for roi in rois:
        name = f"masks/{roi_key(roi)}"
        group.create_array(
            name,
            shape=shape,
            dtype="uint8",
            chunks=shape,
            compressors=[ZstdCodec(level=_MASK_LEVEL), Crc32cCodec()],
            config={"write_empty_chunks": True},
            dimension_names=("z", "y", "x"),
        )
        chunk = stage / name / CHUNK
        chunk.parent.mkdir(parents=True)
        write_chunk(chunk, roi.mask.view(np.uint8), numcodecs.Zstd(level=_MASK_LEVEL))


def _whole(place: Place, case_id: str, name: str) -> NDArray[Any]:
    folder = f"{volume_name(case_id)}/{name}"
    try:
        files = [place.read(f"{folder}/{file}") for file in ("zarr.json", CHUNK)]
    except OSError as error:
        raise unreadable(name, case_id, error) from error
    try:
        return read_array(*files)
    except Exception as error:  # codecs raise what they like; the file is at fault
        raise unreadable(name, case_id, error) from error


def _open_part(place: Place, case_id: str, name: str) -> tuple[Record, zarr.Array[Any]]:
    """An array of a case, once its file is shown to be whole."""
    folder = volume_name(case_id)
    record = load_record(place, folder, case_id)
    check_size(place, folder, case_id, record, f"{name}/{CHUNK}")
    check_bytes(place, folder, case_id, record, f"{name}/zarr.json")
    try:
        return record, zarr.open_array(place.zarr(folder), path=name, mode="r")
    except Exception as error:  # as above
        raise unreadable(name, case_id, error) from error


def _part(array: zarr.Array[Any], case_id: str, box: Box) -> NDArray[Any]:
    try:
        with _one_thread():
            return np.asarray(array[box])
    except Exception as error:  # as above
        raise unreadable(array.path, case_id, error) from error


def _geometry(
    place: Place, case_id: str, shape: Sequence[int], record: Mapping[str, Any]
) -> Geometry:
    try:
        metadata = place.read(f"{volume_name(case_id)}/zarr.json")
    except OSError as error:
        raise unreadable("the geometry", case_id, error) from error
    return committed_geometry(metadata, shape, record["affine"], case_id)
