"""A DICOM series as one volume: the geometry gate, then the pixels. Refuses what is not exact."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import FileRef
from radlas.ingest.enhanced import effective_echo, frame_headers
from radlas.ingest.files import open_each
from radlas.ingest.grids import checked_volume
from radlas.ingest.parsing import PARSE_ERRORS, parsing
from radlas.ingest.pixels import read_frames, read_pixels, rescale
from radlas.ingest.stack import SliceHeaders, plan_stack
from radlas.model import Volume
from radlas.reasons import data_error

_VECTORS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}


def read_series(refs: Sequence[FileRef]) -> tuple[Volume, Dataset]:
    """The volume of a series, and the header of its first slice.

    Slices are ordered by position along the normal of rows and columns, so that ``x, y, z`` are
    right-handed. Stored values are rescaled slice by slice and never inverted.

    Raises:
        DataError: The series is not exactly one volume; the reason says why.
        OSError: A file cannot be reached.
    """
    datasets = [_parse(index, pair) for index, pair in enumerate(open_each(refs))]
    if any(int(one.get("NumberOfFrames") or 1) > 1 for one in datasets):
        return _read_multiframe(datasets)
    geometry, order = plan_slices(datasets)
    ordered = [datasets[index] for index in order]
    places = [f"slice {index + 1} of the volume" for index in range(len(ordered))]
    pixels = [read_pixels(one, place) for one, place in zip(ordered, places, strict=True)]
    return checked_volume(np.stack(rescale(pixels, ordered)), geometry), ordered[0]


def _read_multiframe(datasets: Sequence[Dataset]) -> tuple[Volume, Dataset]:
    if len(datasets) > 1:
        what = f"{len(datasets)} files, some of them multi-frame"
        raise data_error("mixed_slices", what, hint="keep one multi-frame file per series")
    dataset = datasets[0]
    with parsing("the functional groups of a multi-frame file"):
        headers = frame_headers(dataset)
        effective_echo(dataset)
    geometry, order = plan_slices(headers)
    frames = read_frames(dataset, len(headers))
    pixels = rescale([frames[index] for index in order], [headers[index] for index in order])
    return checked_volume(np.stack(pixels), geometry), dataset


def plan_slices(headers: Sequence[Dataset]) -> tuple[Geometry, list[int]]:
    """The grid of a series and the order of its slices, from headers alone.

    Raises:
        DataError: The slices are not the planes of one grid; the reason says how.
    """
    position, orientation, spacing = (
        _vectors(headers, tag, length) for tag, length in _VECTORS.items()
    )
    sizes = [(int(header.Rows), int(header.Columns)) for header in headers]
    frames = [str(header.get("FrameOfReferenceUID") or "") for header in headers]
    return plan_stack(SliceHeaders(position, orientation, spacing, sizes, frames))


def _parse(index: int, pair: tuple[FileRef, Any]) -> Dataset:
    stream = pair[1]
    if isinstance(stream, OSError):
        raise stream  # not the data's fault: planned again by the next run
    where = f"file {index + 1} of the series"
    if isinstance(stream, DataError):
        raise stream.at(where)
    with parsing("a file", where):
        # Read whole: pydicom leaves large values in the file, which is closed when they are used.
        dataset = pydicom.dcmread(io.BytesIO(stream.read()), force=True)
        if "Rows" not in dataset:  # it was there at the scan: pydicom stops where a file is cut
            raise data_error("truncated_pixels", "the file ends inside an element", where)
        _ = int(dataset.Rows), int(dataset.Columns)  # parsed on access: here it is the file's fault
        for tag in ("NumberOfFrames", "RescaleSlope", "RescaleIntercept"):
            dataset.get(tag)
    return dataset


def _vectors(headers: Sequence[Dataset], tag: str, length: int) -> NDArray[np.float64]:
    rows = [_vector(header, tag) for header in headers]
    missing = sum(1 for row in rows if not row)
    if missing:
        raise data_error("missing_geometry", f"{missing} of {len(rows)} slices have no {tag}")
    if any(len(row) != length for row in rows):
        raise data_error("bad_geometry", f"{tag} does not hold {length} numbers")
    return np.array(rows)


def _vector(header: Dataset, tag: str) -> list[float]:
    try:
        return [float(number) for number in header.get(tag) or ()]
    except PARSE_ERRORS:
        raise data_error("bad_geometry", f"{tag} is not made of numbers") from None
