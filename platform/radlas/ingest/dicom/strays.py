"""Slices of a stack that stand outside it: set apart by a damaged header, or under another series.

The rest of the stack would be a regular, shorter volume. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.series import ImageSeries, same_plane
from radlas.reasons import data_error
from radlas.words import counted

_ON_THE_LINE = 0.1  # of a step: a file this near to where the stack goes on belongs to it
Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where a file lies, and whether it may be a slice: hundreds of one series are alike in it."""

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int, int]
    is_localizer: bool
    is_capture: bool


def plane_of(file: ImageFile) -> Plane:
    """What makes a file a stray, or not."""
    place = file.position, file.orientation, file.pixel_spacing, file.shape
    return Plane(*place, "LOCALIZER" in file.image_type, _is_capture(file))


def of_strays(series: ImageSeries, others: Mapping[Plane, int]) -> DataError | None:
    """Of the other files of a series, with their number, those that are slices of this stack."""
    line = line_of(series.files)
    if line is None:
        return None
    strays = [(one, count) for one, count in others.items() if not one.is_localizer]
    if not _is_capture(series.first):  # a screenshot of the size of a slice is none
        strays = [(one, count) for one, count in strays if is_placed(one) or not one.is_capture]
    size = series.first.shape[1:]
    bare = sum(n for one, n in strays if not is_placed(one) and one.shape[1:] == size)
    if bare:
        return data_error("missing_geometry", f"{bare} more slices have no place in the patient")
    lost = sum(count for one, count in strays if is_placed(one) and line.lacks(one))
    if lost:
        what = f"{lost} more slices fit into the stack, with another size or orientation"
        return data_error("mixed_slices", what)
    return None


def lone_slices(series: Iterable[ImageSeries]) -> Mapping[Hashable, Sequence[ImageFile]]:
    """Slices that are the only one of their series, by the scan that they say they are of."""
    found: dict[Hashable, list[ImageFile]] = defaultdict(list)
    for one in series:
        if one.slices == 1:
            found[scan_of(one.first)].append(one.first)
    return found


def plain(text: str) -> str:
    """A text without differences of case and spaces."""
    return " ".join(text.casefold().split())


def scan_of(file: ImageFile) -> Hashable:
    """What all slices of one scan say alike, but for the identifier of their series."""
    described = plain(file.description), file.image_type
    return file.subject, file.study, file.frame_of_reference, file.number, *described


def of_parted(series: ImageSeries, lone: Iterable[ImageFile]) -> DataError | None:
    """An end slice whose series identifier was changed leaves a regular, shorter stack behind."""
    line = line_of(series.files)
    if line is None:
        return None
    lost = sum(is_placed(one) and same_plane(one, series.first) and line.lacks(one) for one in lone)
    if not lost:
        return None
    what = f"{counted(lost, 'more slice')} of this scan under another series identifier"
    hint = "export the series again: what changed the identifier of a slice took it from its stack"
    return data_error("mixed_slices", what, hint=hint)


def _is_capture(file: ImageFile) -> bool:
    return file.image_type[:2] == ("DERIVED", "SECONDARY")


def is_placed(file: ImageFile | Plane) -> bool:
    """True if position, orientation and pixel spacing are there, and finite."""
    lengths = (len(file.position), len(file.orientation), len(file.pixel_spacing))
    numbers = (*file.position, *file.orientation, *file.pixel_spacing)
    return lengths == (3, 6, 2) and bool(np.isfinite(numbers).all())


@dataclass(frozen=True, eq=False)
class Line:
    """The straight line of a stack's slices, in steps from its first one.

    Attributes:
        first: Position of the first slice [mm].
        step: From one slice to the next [mm].
        taken: Steps at which there is a slice.
        to_centre: From a slice's first pixel to its middle [mm].
    """

    first: Point
    step: Point
    taken: frozenset[int]
    to_centre: Point

    def lacks(self, file: ImageFile | Plane) -> bool:
        """True if the file lies where a slice of the stack is missing, or next to its ends."""
        return any(map(self._lacks, (np.array(file.position), _centre(file) - self.to_centre)))

    def _lacks(self, place: Point) -> bool:
        length = float(np.linalg.norm(self.step))
        at = round(float((place - self.first) @ self.step) / length**2)
        off = float(np.linalg.norm(place - self.first - at * self.step))
        beside = min(self.taken) - 1 <= at <= max(self.taken) + 1
        return beside and at not in self.taken and off < _ON_THE_LINE * length


def line_of(files: Sequence[ImageFile]) -> Line | None:
    """The line of these slices; None if they are too few, or two lie at one place."""
    if len(files) < 2 or not all(map(is_placed, files)):
        return None
    positions = np.array([file.position for file in files])
    steps = np.diff(positions, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if not lengths.min() > 0:
        return None
    step = steps[int(np.argsort(lengths)[len(lengths) // 2])]
    taken = np.round((positions - positions[0]) @ step / (step @ step)).astype(int)
    centre = _centre(files[0]) - positions[0]
    return Line(positions[0], step, frozenset(taken.tolist()), centre)


def _centre(file: ImageFile | Plane) -> Point:
    _, rows, columns = file.shape
    between_rows, between_columns = file.pixel_spacing
    along = np.array(file.orientation[:3]) * between_columns * (columns - 1) / 2
    down = np.array(file.orientation[3:]) * between_rows * (rows - 1) / 2
    return np.asarray(np.array(file.position) + along + down)
