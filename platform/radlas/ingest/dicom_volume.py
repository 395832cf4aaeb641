"""A DICOM series as one volume: the geometry gate, then the pixels. Refuses what is not exact."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pydicom
from highdicom.spatial import get_volume_positions
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.errors import DataError
from radlas.geometry import Geometry, make_geometry
from radlas.ingest.base import FileRef
from radlas.ingest.enhanced import read_enhanced
from radlas.ingest.files import open_each
from radlas.ingest.grids import finite_volume
from radlas.ingest.parsing import parsing
from radlas.model import Volume
from radlas.reasons import data_error

# A slice may lie off the fitted grid by this much; more moves contours against voxels.
_WORST_RESIDUAL_VOXELS = 0.1
_ORIENTATION_TOLERANCE = 1e-4
_NEEDED = [
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
]


def read_series(refs: Sequence[FileRef]) -> tuple[Volume, Dataset]:
    """The volume of a series, and the header of its first slice.

    Slices are ordered by position along the normal of rows and columns, so that ``x, y, z`` are
    right-handed. Stored values are rescaled slice by slice and never inverted.

    Raises:
        DataError: ``unreadable_file``, ``truncated_pixels``, ``too_few_slices``, ``slice_gap``,
            ``duplicate_slices``, ``irregular_slices``, ``bad_geometry`` or ``not_finite``.
        OSError: A file cannot be reached.
    """
    datasets = [_parse(index, pair) for index, pair in enumerate(open_each(refs))]
    if any(int(one.get("NumberOfFrames") or 1) > 1 for one in datasets):
        return read_enhanced(datasets)
    geometry, order = plan_slices(datasets)
    ordered = [datasets[index] for index in order]
    voxels = np.stack(_rescale([_pixels(one, index) for index, one in enumerate(ordered)], ordered))
    return finite_volume(voxels, geometry), ordered[0]


def plan_slices(headers: Sequence[Dataset]) -> tuple[Geometry, list[int]]:
    """The grid of a series and the order of its slices, from headers alone.

    Spacing along z comes from ImagePositionPatient; thickness and spacing tags are not believed.

    Raises:
        DataError: The slices are not the planes of one grid; the reason says how.
    """
    if len(headers) < 2:
        raise data_error("too_few_slices", f"{len(headers)} slice")
    positions = _vectors(headers, "ImagePositionPatient", 3)
    orientations = _vectors(headers, "ImageOrientationPatient", 6)
    in_plane = _vectors(headers, "PixelSpacing", 2)
    _check_alike(headers, orientations, in_plane)
    rows, columns = orientations[0, :3], orientations[0, 3:]
    normal = np.cross(rows, columns)
    order = [int(index) for index in np.argsort(positions @ normal, kind="stable")]
    grid = partial(
        make_geometry,
        (len(headers), int(headers[0].Rows), int(headers[0].Columns)),
        origin=tuple(positions[order[0]]),
        direction=np.column_stack([rows, columns, normal]),
    )
    edges = float(in_plane[0, 1]), float(in_plane[0, 0])
    grid(spacing=(*edges, 1.0))  # axes and pixels first: with them wrong, no distance means much
    geometry = grid(spacing=(*edges, _slice_spacing(positions, orientations[0])))
    _check_residual(geometry, positions[order])
    return geometry, order


def _parse(index: int, pair: tuple[FileRef, Any]) -> Dataset:
    stream = pair[1]
    if isinstance(stream, OSError):
        raise stream  # not the data's fault: planned again by the next run
    if isinstance(stream, DataError):
        raise stream.at(f"file {index + 1} of the series")
    with parsing("a file", f"file {index + 1} of the series"):
        # Read whole: pydicom leaves large values in the file, which is closed when they are used.
        dataset = pydicom.dcmread(io.BytesIO(stream.read()), force=True)
        for tag in _NEEDED:  # parsed on access: here, where a damaged one is the file's fault
            dataset.get(tag)
        _ = int(dataset.Rows), int(dataset.Columns)
    return dataset


def _vectors(headers: Sequence[Dataset], tag: str, length: int) -> NDArray[np.float64]:
    rows = [header.get(tag) for header in headers]
    missing = sum(1 for row in rows if row is None or len(row) != length)
    if missing:
        raise data_error("bad_geometry", f"{missing} of {len(rows)} slices have no {tag}")
    values = np.array([[float(number) for number in row or ()] for row in rows])
    if not np.isfinite(values).all():
        raise data_error("bad_geometry", f"{tag} is not finite")
    return values


def _check_alike(
    headers: Sequence[Dataset], orientations: NDArray[np.float64], in_plane: NDArray[np.float64]
) -> None:
    sizes = {(int(header.Rows), int(header.Columns)) for header in headers}
    if len(sizes) > 1:
        raise data_error("irregular_slices", f"{len(sizes)} slice sizes: {sorted(sizes)}")
    turn = float(np.abs(orientations - orientations[0]).max())
    stretch = float(np.abs(in_plane - in_plane[0]).max())
    if turn > _ORIENTATION_TOLERANCE or stretch > 1e-4 * float(in_plane[0].max()):
        what = f"slices differ by {turn:.2g} in orientation and {stretch:.2g} mm in pixel spacing"
        raise data_error("irregular_slices", what)


def _slice_spacing(positions: NDArray[np.float64], orientation: NDArray[np.float64]) -> float:
    """Distance of neighbouring planes [mm], by highdicom's check for a regular volume."""
    spacing, _ = _regular(positions, orientation)
    if spacing is not None:
        return float(abs(spacing))
    distances = np.sort(positions @ np.cross(orientation[:3], orientation[3:]))
    steps = f"steps of {np.diff(distances).min():.3f} to {np.diff(distances).max():.3f} mm"
    # Each question is asked with the others' faults excluded, so one series has one reason.
    if _regular(positions, orientation, allow_duplicate_positions=True)[0] is not None:
        planes = len(np.unique(positions, axis=0))
        raise data_error("duplicate_slices", f"{len(positions)} slices at {planes} positions")
    if _regular(positions, orientation, rtol=0.05)[0] is not None:
        raise data_error("irregular_slices", f"jittered positions: {steps}")
    if _regular(positions, orientation, allow_missing_positions=True, rtol=0.05)[0] is not None:
        raise data_error("slice_gap", f"{len(positions)} slices in {steps}")
    raise data_error("irregular_slices", f"sheared, mixed or uneven: {steps}")


def _regular(
    positions: NDArray[np.float64], orientation: NDArray[np.float64], **allowed: Any
) -> tuple[float | None, list[int] | None]:
    found: tuple[float | None, list[int] | None] = get_volume_positions(
        positions.tolist(), orientation.tolist(), **allowed
    )
    return found


def _check_residual(geometry: Geometry, positions: NDArray[np.float64]) -> None:
    """Refuse slow drift that passes a check of neighbours: every slice must lie on the grid."""
    steps = np.arange(len(positions))[:, None] * geometry.affine[:3, 2]
    residual = float(np.linalg.norm(positions - geometry.origin - steps, axis=1).max())
    if residual > _WORST_RESIDUAL_VOXELS * min(geometry.spacing):
        what = f"slices lie up to {residual:.3f} mm off a straight stack"
        raise data_error("irregular_slices", what)


def _pixels(dataset: Dataset, index: int) -> NDArray[Any]:
    where = f"slice {index + 1} of the volume"
    with parsing("the pixel data", where):
        held, expected = _pixel_bytes(dataset)
        if held < expected:
            what = f"the pixel data holds {held} of {expected} bytes"
            raise data_error("truncated_pixels", what, where)
        pixels: NDArray[Any] = dataset.pixel_array
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise data_error("unreadable_file", f"pixels of shape {pixels.shape}, not grey", where)
    return pixels


def _pixel_bytes(dataset: Dataset) -> tuple[int, int]:
    """Bytes of pixel data that are there, and that should be; compressed data says only if any."""
    tags = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    held = max(len(dataset.get(tag) or b"") for tag in tags)
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    if syntax is not None and syntax.is_compressed:
        return held, 1
    samples = int(dataset.get("SamplesPerPixel") or 1)
    return held, int(dataset.Rows) * int(dataset.Columns) * samples * dataset.BitsAllocated // 8


def _rescale(slices: Iterable[NDArray[Any]], headers: Sequence[Dataset]) -> list[NDArray[Any]]:
    """Apply each slice's own slope and intercept; whole numbers stay whole."""
    slices = list(slices)
    slopes = [float(header.get("RescaleSlope") or 1) for header in headers]
    shifts = [float(header.get("RescaleIntercept") or 0) for header in headers]
    whole = slices[0].dtype.kind in "iu" and all(shift.is_integer() for shift in shifts)
    if whole and set(slopes) == {1.0} and set(shifts) == {0.0}:
        return slices
    if whole and set(slopes) == {1.0}:
        pairs = zip(slices, shifts, strict=True)
        return [one.astype(np.int32) + np.int32(shift) for one, shift in pairs]
    triples = zip(slices, slopes, shifts, strict=True)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
        return [(one * np.float64(slope) + shift).astype("f4") for one, slope, shift in triples]
