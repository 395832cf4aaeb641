"""Volumes as OME-Zarr 0.5 with an exact affine: staged, fsynced, renamed, verified.

OME-Zarr 0.5 allows scale and translation only, so the affine attribute (LPS, float64) is the
authority on geometry; a store in which the two disagree is refused. A missing chunk reads as zeros
in Zarr, so every read of a whole image is held against the digest in the commit record.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from radlas.digests import digest_of, mask_digest, voxel_digest
from radlas.errors import StoreError
from radlas.geometry import Geometry
from radlas.model import Roi, Volume
from radlas.reasons import data_error
from radlas.volumes.chunks import image_chunks, image_shard

COMMIT = "commit.json"
_AXES = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]


def volume_path(root: Path, case_id: str) -> Path:
    """``volumes/<hh>/<case>.zarr``: spread over 256 folders by the case's first digits."""
    return root / "volumes" / case_id[:2] / f"{case_id}.zarr"


def roi_key(roi: Roi) -> str:
    """Name of a ROI's array: the ROI, with its reader if one is known."""
    return f"{roi.name}@{roi.reader}" if roi.reader else roi.name


def write_case(root: Path, case_id: str, volume: Volume, rois: Sequence[Roi]) -> dict[str, Any]:
    """Store one case so that it is either whole or absent.

    Returns:
        The commit record: digests of ``affine``, ``image`` and ``masks``.

    Raises:
        DataError: ``case_conflict``: the case is stored already with other content.
    """
    target = volume_path(root, case_id)
    record = {
        "affine": digest_of(volume.geometry.affine.tolist()),
        "image": voxel_digest(volume.voxels),
        "masks": {roi_key(roi): mask_digest(roi.mask) for roi in rois},
    }
    if target.exists() and not is_committed(root, case_id):
        shutil.rmtree(target)  # damaged or half removed: nothing vouches for what is left
    if not target.exists():
        stage = target.parent / f".{case_id}.{uuid.uuid4().hex}.partial"
        try:
            _write(stage, volume, rois, record)
            _publish(stage, target)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    stored = read_record(root, case_id)
    if stored != record:
        raise data_error(
            "case_conflict",
            "the store holds this case with other voxels or masks",
            f"case {case_id}",
        )
    return record


def read_record(root: Path, case_id: str) -> dict[str, Any]:
    """The commit record of a case.

    Raises:
        StoreError: The case is not in the store, or its record is damaged.
    """
    path = volume_path(root, case_id) / COMMIT
    try:
        sealed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record: dict[str, Any] = sealed["record"]
        if sealed["seal"] != digest_of(record):
            raise ValueError("its seal does not fit")
    except FileNotFoundError:
        raise StoreError("no such case", f"case {case_id}", "list cases: radlas query") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the commit record is damaged: {error}",
            f"case {case_id}",
            "restore the folder from a backup, or delete it and ingest the exam again",
            "damaged",
        ) from error
    return record


def read_volume(root: Path, case_id: str) -> Volume:
    """The image of a case, held against its digest.

    Raises:
        StoreError: The case is missing, its voxels changed, or its geometry contradicts itself.
    """
    record = read_record(root, case_id)
    group = _open(root, case_id)
    voxels = _array(group, "image", case_id)
    geometry = _geometry(group, case_id, record["affine"])
    if voxel_digest(voxels) != record["image"]:
        raise StoreError(
            "the voxels are not the ones that were committed",
            f"case {case_id}",
            "restore the folder from a backup, or delete it and ingest the exam again",
            "voxels_changed",
        )
    return Volume(voxels, geometry)


def read_rois(root: Path, case_id: str) -> tuple[Roi, ...]:
    """All drawn ROIs of a case, by name and reader, held against their digests.

    Raises:
        StoreError: A mask is missing or has changed.
    """
    record = read_record(root, case_id)
    group = _open(root, case_id)
    rois = []
    for key, digest in sorted(record["masks"].items()):
        mask = _array(group, f"masks/{key}", case_id).astype(bool)
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


def is_committed(root: Path, case_id: str) -> bool:
    """True if the case's folder holds a sound commit record."""
    try:
        read_record(root, case_id)
    except StoreError:
        return False
    return True


def input_digests(record: Mapping[str, Any]) -> list[Any]:
    """What features are made from: ``[image, [[roi, reader, mask], …]]``, sorted."""
    masks = [[*key.partition("@")[::2], digest] for key, digest in record["masks"].items()]
    return [record["image"], sorted(masks)]


def sweep(root: Path) -> None:
    """Remove what killed writers left; the caller holds the store's write lock."""
    for partial in (root / "volumes").glob("*/.*.partial"):
        shutil.rmtree(partial, ignore_errors=True)


def verify_case(root: Path, case_id: str) -> None:
    """Read everything of a case and hold it against its commit record.

    Raises:
        StoreError: Something is missing or has changed.
    """
    read_volume(root, case_id)
    read_rois(root, case_id)


def _write(stage: Path, volume: Volume, rois: Sequence[Roi], record: Mapping[str, Any]) -> None:
    group = zarr.open_group(stage, mode="w", zarr_format=3, attributes=_attributes(volume.geometry))
    shape = volume.geometry.shape
    image = group.create_array(
        "image",
        shape=shape,
        dtype=volume.voxels.dtype,
        chunks=image_chunks(shape),
        shards=image_shard(shape),
        compressors=[BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=("z", "y", "x"),
    )
    image[:] = volume.voxels
    for roi in rois:
        mask = group.create_array(
            f"masks/{roi_key(roi)}",
            shape=shape,
            dtype="uint8",
            chunks=shape,
            compressors=[ZstdCodec(level=5), Crc32cCodec()],
            config={"write_empty_chunks": True},
            dimension_names=("z", "y", "x"),
        )
        mask[:] = roi.mask.astype(np.uint8)
    sealed = {"record": record, "seal": digest_of(record)}
    (stage / COMMIT).write_text(json.dumps(sealed, indent=1, sort_keys=True), encoding="utf-8")


def _attributes(geometry: Geometry) -> dict[str, Any]:
    scale = {"type": "scale", "scale": list(geometry.spacing_zyx)}
    dataset = {"path": "image", "coordinateTransformations": [scale]}
    return {
        "ome": {"version": "0.5", "multiscales": [{"axes": _AXES, "datasets": [dataset]}]},
        "radlas": {"affine_lps": geometry.affine.tolist()},
    }


def _publish(stage: Path, target: Path) -> None:
    for path in sorted(stage.rglob("*")):
        _fsync(path)
    _fsync(stage)
    try:
        stage.rename(target)
    except OSError:
        if not target.exists():  # a rename onto a folder that is not empty: someone was faster
            raise
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(root: Path, case_id: str) -> zarr.Group:
    try:
        return zarr.open_group(volume_path(root, case_id), mode="r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged("the group", case_id, error) from error


def _array(group: zarr.Group, name: str, case_id: str) -> NDArray[Any]:
    try:
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise KeyError(name)
        return np.asarray(array[:])
    except Exception as error:  # codecs raise what they like; the file is at fault
        raise _damaged(name, case_id, error) from error


def _geometry(group: zarr.Group, case_id: str, digest: str) -> Geometry:
    """The affine, once it is shown to be the committed one and to agree with OME-Zarr's scale."""
    attributes: dict[str, Any] = group.attrs.asdict()
    try:
        rows = attributes["radlas"]["affine_lps"]
        dataset = attributes["ome"]["multiscales"][0]["datasets"][0]
        scale = dataset["coordinateTransformations"][0]["scale"]
        z, y, x = group["image"].shape  # type: ignore[union-attr]  # _array has shown that it is one
        geometry = Geometry((z, y, x), np.asarray(rows, dtype=np.float64))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _damaged("the geometry", case_id, error) from error
    agree = len(scale) == 3 and np.allclose(scale, geometry.spacing_zyx, rtol=1e-9)
    if digest_of(rows) != digest or not agree:
        raise StoreError(
            f"scale {scale} or affine {rows} is not what was committed",
            f"case {case_id}",
            "another tool rewrote the attributes: restore them from a backup",
            "geometry_changed",
        )
    return geometry


def _damaged(what: str, case_id: str, error: Exception) -> StoreError:
    return StoreError(
        f"{what} cannot be read: {type(error).__name__}: {error}",
        f"case {case_id}",
        "restore the folder from a backup, or delete it and ingest the exam again",
        "damaged",
    )
