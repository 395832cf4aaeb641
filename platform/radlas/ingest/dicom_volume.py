"""A DICOM series as one volume: the geometry gate, then the pixels. Refuses what is not exact."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import FileRef
from radlas.ingest.enhanced import check_one_contrast, effective_echo, frame_headers
from radlas.ingest.files import open_each
from radlas.ingest.grids import checked_volume
from radlas.ingest.parsing import parsing
from radlas.ingest.pixels import read_dataset, read_frames, rescale
from radlas.ingest.slice_file import SliceFile, SliceHead, head_of_dataset, read_slice
from radlas.ingest.stack import SliceHeaders, plan_stack
from radlas.model import Volume
from radlas.reasons import data_error


@dataclass(frozen=True, eq=False)
class SeriesData:
    """A series as read.

    Attributes:
        volume: The image.
        header: Of its first slice.
        planes: Slice of every image, by SOPInstanceUID; empty for a multi-frame file.
    """

    volume: Volume
    header: Dataset
    planes: Mapping[str, int]


def read_series(refs: Sequence[FileRef]) -> SeriesData:
    """The volume of a series.

    Slices are ordered by position along the normal of rows and columns, so that ``x, y, z`` are
    right-handed. Stored values are rescaled slice by slice and never inverted.

    Raises:
        DataError: The series is not exactly one volume; the reason says why.
        OSError: A file cannot be reached.
    """
    files = [_read(index, pair) for index, pair in enumerate(open_each(refs))]
    heads = [file.head for file in files if file.head is not None]
    if len(heads) < len(files):
        return _read_multiframe(files)
    geometry, order = plan_slices(heads)
    pixels = [
        files[index].pixels(f"slice {place} of the volume") for place, index in enumerate(order, 1)
    ]
    ordered = [heads[index] for index in order]
    return SeriesData(
        _volume(pixels, ordered, geometry),
        _header(files[order[0]]),
        {head.instance: place for place, head in enumerate(ordered) if head.instance},
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
            [head.frame for head in heads],
        )
    )


def _read_multiframe(files: Sequence[SliceFile]) -> SeriesData:
    if len(files) > 1:
        what = f"{len(files)} files, some of them multi-frame"
        raise data_error("mixed_slices", what, hint="keep one multi-frame file per series")
    with parsing("the functional groups of a multi-frame file"):
        dataset = read_dataset(io.BytesIO(files[0].content))
        check_one_contrast(dataset)
        heads = [head_of_dataset(frame) for frame in frame_headers(dataset)]
        effective_echo(dataset)
    geometry, order = plan_slices(heads)
    frames = read_frames(dataset, len(heads))
    pixels = [frames[index] for index in order]
    volume = _volume(pixels, [heads[index] for index in order], geometry)
    return SeriesData(volume, dataset, {})


def _volume(
    pixels: Sequence[NDArray[Any]], heads: Sequence[SliceHead], geometry: Geometry
) -> Volume:
    slices = rescale(pixels, [head.slope for head in heads], [head.shift for head in heads])
    return checked_volume(np.stack(slices), geometry)


def _read(index: int, pair: tuple[FileRef, Any]) -> SliceFile:
    stream = pair[1]
    if isinstance(stream, OSError):
        raise stream  # not the data's fault: planned again by the next run
    where = f"file {index + 1} of the series"
    if isinstance(stream, DataError):
        raise stream.at(where)
    with parsing("a file", where):
        return read_slice(stream.read(), where)


def _header(file: SliceFile) -> Dataset:
    with parsing("a header"):
        return pydicom.dcmread(io.BytesIO(file.content), stop_before_pixels=True, force=True)


def _vectors(tag: str, rows: Sequence[tuple[float, ...]], length: int) -> NDArray[np.float64]:
    missing = sum(1 for row in rows if not row)
    if missing:
        raise data_error("missing_geometry", f"{missing} of {len(rows)} slices have no {tag}")
    if any(len(row) != length for row in rows):
        raise data_error("bad_geometry", f"{tag} does not hold {length} numbers")
    return np.array(rows)
