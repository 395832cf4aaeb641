"""Volumes as OME-Zarr 0.5 with an exact affine: staged, fsynced, renamed, verified.

A missing chunk reads as zeros in Zarr, so a whole image is checked against the digest in the commit
record, and a part of one against the size of its file and the checksums of the chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radlas.digests import digest_of, mask_digest, voxel_digest
from radlas.errors import StoreError
from radlas.geometry import Geometry
from radlas.model import Roi, Volume
from radlas.places.folder import Folder
from radlas.places.place import Place
from radlas.reasons import data_error
from radlas.volumes.attributes import committed_geometry
from radlas.volumes.record import (
    COMMIT,
    KnownCase,
    Record,
    check_bytes,
    check_files,
    check_size,
    file_table,
    load_record,
    unreadable,
)
from radlas.volumes.shard import CHUNK, read_array, refuse_other_form

Box = tuple[slice, slice, slice]


def volume_name(case_id: str) -> str:
    """``volumes/<hh>/<case>.zarr``: spread over 256 folders by the case's first digits."""
    return f"volumes/{case_id[:2]}/{case_id}.zarr"


def roi_key(roi: Roi) -> str:
    """Name of a ROI's array: the ROI, with its reader if one is known."""
    return array_name(roi.name, roi.reader)


def array_name(roi: str, reader: str) -> str:
    """As ``roi_key``, of a ROI that the tables tell of."""
    return f"{roi}@{reader}" if reader else roi


def write_case(
    place: Place,
    case_id: str,
    volume: Volume,
    rois: Sequence[Roi],
    *,
    known: KnownCase | None = None,
) -> dict[str, Any]:
    """Store one case so that it is either whole or absent.

    Args:
        place: The store's.
        case_id: The case.
        volume: Its image.
        rois: Its drawn masks.
        known: What the tables speak of, if they know the case: what was lost since may come back,
            and nothing else may take its place.

    Returns:
        The commit record: digests of ``affine``, ``image`` and ``masks``.

    Raises:
        DataError: ``case_conflict``: the case is stored, or was, with other content.
        StoreError: ``locked``: another run is at it, and has not sealed it so far.
    """
    folder = volume_name(case_id)
    content = {
        "affine": digest_of(volume.geometry.affine.tolist()),
        "image": voxel_digest(volume.voxels),
        "masks": {roi_key(roi): mask_digest(roi.mask) for roi in rois},
    }
    if known and (what := known.contradictions(content, volume.geometry)):
        said = f"the tables speak of this case with other {what}"
        raise data_error("case_conflict", said, f"case {case_id}")
    if not is_committed(place, case_id):
        with place.staging(folder) as stage:
            _write(stage, volume, rois, content)
            _publish(place, stage, case_id)
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
    """The image of a case, checked against its digest.

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
    record, shape, part = _part(place, case_id, "image", box)
    whole = _geometry(place, case_id, shape, record.content)
    affine = whole.affine.copy()
    starts = np.array([edge.indices(size)[0] for edge, size in zip(box, whole.shape, strict=True)])
    affine[:3, 3] += affine[:3, :3] @ starts[::-1]
    return Volume(part, Geometry((part.shape[0], part.shape[1], part.shape[2]), affine))


def read_mask(place: Place, case_id: str, key: str, box: Box) -> NDArray[np.bool_]:
    """A part of one drawn mask; arguments and errors as for ``read_box``."""
    return _part(place, case_id, f"masks/{key}", box)[2].astype(bool)


def read_rois(place: Place, case_id: str) -> tuple[Roi, ...]:
    """All drawn ROIs of a case, by name and reader, checked against their digests.

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


def verify_case(place: Place, case_id: str) -> tuple[Mapping[str, Any], Geometry]:
    """Read everything of a case and check it against its commit record, to the byte.

    Returns:
        What the record says of the content, and the grid.

    Raises:
        StoreError: Something is missing, has changed, or was added.
    """
    folder = volume_name(case_id)
    record = load_record(place, folder, case_id)
    check_files(place, folder, case_id, record)
    read_rois(place, case_id)
    return record.content, read_volume(place, case_id).geometry


def _write(stage: Path, volume: Volume, rois: Sequence[Roi], content: Mapping[str, Any]) -> None:
    from radlas.volumes.arrays import write_arrays  # noqa: PLC0415 - zarr is slow to import

    masks = {roi_key(roi): roi.mask for roi in rois}
    write_arrays(stage, volume, masks, digest_of(content))
    text = Record(content, file_table(Folder(stage))).text()
    (stage / COMMIT).write_text(text, encoding="utf-8")


def _publish(place: Place, stage: Path, case_id: str) -> None:
    folder = volume_name(case_id)
    try:
        place.clear(folder, stage)  # damaged or half there: nothing vouches for what is left
        place.publish(stage, folder, COMMIT)
    except FileExistsError:  # someone was faster
        if not is_committed(place, case_id):
            what = "another run is storing this case just now"
            hint = "run again when it has ended, or in 15 minutes if it was killed"
            raise StoreError(what, f"case {case_id}", hint, "locked") from None


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


def _part(
    place: Place, case_id: str, name: str, box: Box
) -> tuple[Record, tuple[int, ...], NDArray[Any]]:
    """Of an array whose file is shown to be whole: its shape, and a part of it."""
    from radlas.volumes.arrays import read_part  # noqa: PLC0415 - whole ones are read without zarr

    folder = volume_name(case_id)
    record = load_record(place, folder, case_id)
    check_size(place, folder, case_id, record, f"{name}/{CHUNK}")
    check_bytes(place, folder, case_id, record, f"{name}/zarr.json")
    try:
        refuse_other_form(place.read(f"{folder}/{name}/zarr.json"))
        return record, *read_part(place.zarr(folder), name, box)
    except Exception as error:  # as above
        raise unreadable(name, case_id, error) from error


def _geometry(
    place: Place, case_id: str, shape: Sequence[int], record: Mapping[str, Any]
) -> Geometry:
    try:
        metadata = place.read(f"{volume_name(case_id)}/zarr.json")
    except OSError as error:
        raise unreadable("the geometry", case_id, error) from error
    return committed_geometry(metadata, shape, record["affine"], case_id)
