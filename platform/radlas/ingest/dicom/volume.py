"""A DICOM series as one volume: the geometry gate, then the pixels. Refuses what is not exact."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.contours import Planes
from radlas.ingest.dicom.enhanced import (
    OFFSET,
    SOURCE,
    check_one_contrast,
    frame_headers,
    frame_name,
    with_facts,
)
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.dicom.pixels import rescale
from radlas.ingest.dicom.slice_file import SliceFile, SliceHead, read_slice
from radlas.ingest.dicom.stack import SliceHeaders, plan_stack
from radlas.ingest.files import open_each
from radlas.ingest.grids import checked_volume
from radlas.ingest.memory import check_memory
from radlas.model import Volume
from radlas.reasons import data_error

_VOXEL = 4  # once it is rescaled [B]


@dataclass(frozen=True, eq=False)
class SeriesData:
    """A series as read.

    Attributes:
        volume: The image.
        header: Of its first slice.
        planes: Slices of every image: one, or those of its frames; and of every frame by itself.
    """

    volume: Volume
    header: Dataset
    planes: Planes


def read_series(refs: Sequence[FileRef]) -> SeriesData:
    """The volume of a series, of one slice a file or of many.

    Slices are ordered by position along the normal of rows and columns, so that ``x, y, z`` are
    right-handed. Stored values are rescaled slice by slice and never inverted.

    Raises:
        DataError: The series is not exactly one volume; the reason says why.
        WorkerError: ``memory``: it is too large for this machine.
        OSError: A file cannot be reached.
    """
    files = [_read(index, pair) for index, pair in enumerate(open_each(refs))]
    frames = [
        (file, index)
        for ref, file in zip(refs, files, strict=True)
        for index in _chosen(ref, len(file.heads))
    ]
    with parsing("the functional groups of a multi-frame file"):
        check_one_contrast([(file.enhanced, at) for file, at in frames if file.enhanced])
    geometry, order = plan_slices([file.heads[index] for file, index in frames])
    check_memory(math.prod(geometry.shape) * _VOXEL, "a series")
    ordered = [frames[place] for place in order]
    return SeriesData(
        _volume(_pixels(ordered), [file.heads[index] for file, index in ordered], geometry),
        _header(*ordered[0]),
        _planes(ordered),
    )


def plan_slices(heads: Sequence[SliceHead]) -> tuple[Geometry, list[int]]:
    """The grid of a series and the order of its slices, from headers alone.

    Raises:
        DataError: The slices are not the planes of one grid; the reason says how.
    """
    return plan_stack(
        SliceHeaders(
            _vectors("ImagePositionPatient", [head.position for head in heads], 3),
            _vectors("ImageOrientationPatient", [head.orientation for head in heads], 6),
            _vectors("PixelSpacing", [head.spacing for head in heads], 2),
            [head.size for head in heads],
            [head.frame_of_reference for head in heads],
        )
    )


def _chosen(ref: FileRef, count: int) -> Sequence[int]:
    if max(ref.frames, default=0) > count:
        what = f"a file of {count} frames, where frame {max(ref.frames)} is asked for"
        raise data_error("truncated_pixels", what)
    return [number - 1 for number in ref.frames] or range(count)


def _pixels(ordered: Sequence[tuple[SliceFile, int]]) -> list[NDArray[Any]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, (file, _) in enumerate(ordered):
        places[id(file)].append(place)
    found: dict[int, NDArray[Any]] = {}
    for own in places.values():
        file, chosen = ordered[own[0]][0], [ordered[place][1] for place in own]
        where = f"slice {own[0] + 1} of the volume" if len(file.heads) == 1 else ""
        found |= zip(own, file.pixels(chosen, where), strict=True)
    return [found[place] for place in range(len(ordered))]


def _planes(ordered: Sequence[tuple[SliceFile, int]]) -> Planes:
    planes: dict[str, set[int]] = defaultdict(set)
    for place, (file, index) in enumerate(ordered):
        for uid, number in _names(file, index):
            planes[uid].add(place)
            planes[frame_name(uid, number)].add(place)
    return planes


def _names(file: SliceFile, index: int) -> Iterator[tuple[str, int]]:
    """Images, and numbers in them, by which masks may name a frame."""
    if instance := file.heads[index].instance:
        yield instance, index + 1
    if file.enhanced and (source := file.enhanced.get(SOURCE)):
        yield str(source), int(file.enhanced.get(OFFSET) or 0) + index + 1


def _volume(
    pixels: Sequence[NDArray[Any]], heads: Sequence[SliceHead], geometry: Geometry
) -> Volume:
    slices = rescale(pixels, [head.slope for head in heads], [head.intercept for head in heads])
    return checked_volume(np.stack(slices), geometry)


def _read(index: int, pair: tuple[FileRef, Any]) -> SliceFile:
    stream = pair[1]
    if isinstance(stream, OSError):
        raise stream  # not the data's fault: planned again by the next run
    where = f"file {index + 1} of the series"
    if isinstance(stream, DataError):
        raise stream.at(where)
    with parsing("a file", where):
        return read_slice(stream, where)


def _header(file: SliceFile, index: int) -> Dataset:
    with parsing("a header"):
        if file.enhanced:
            return with_facts(file.enhanced, frame_headers(file.enhanced)[index])
        return pydicom.dcmread(io.BytesIO(file.content), stop_before_pixels=True, force=True)


def _vectors(tag: str, rows: Sequence[tuple[float, ...]], length: int) -> NDArray[np.float64]:
    missing = sum(1 for row in rows if not row)
    if missing:
        raise data_error("missing_geometry", f"{missing} of {len(rows)} slices have no {tag}")
    if any(len(row) != length for row in rows):
        raise data_error("bad_geometry", f"{tag} does not hold {length} numbers")
    return np.array(rows)
