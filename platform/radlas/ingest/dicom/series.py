"""Image files grouped into series that can be volumes, and what each series is. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite

import numpy as np

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.sequences import classify, names_derived

Splitter = Callable[[ImageFile], tuple[str, ...]]
# Images made by one scan under one header, where each of these times has all of the slices.
_TIMES: dict[str, Splitter] = {
    "trigger time": lambda file: file.times[:1],
    "acquisition time": lambda file: file.times[1:2],
    "content time": lambda file: file.times[2:],
}
#: Tried in this order, alone and together, and only where slices of one series share positions: a
#: healthy series may change its acquisition number, and mostly its times, from slice to slice.
SPLITTERS: dict[str, Splitter] = {
    "echo": lambda file: (file.echo, str(file.echo_ms or 0.0)),
    "image type": lambda file: file.image_type,
    "phase": lambda file: (file.phase, str(file.b_value)),
    "acquisition": lambda file: (file.acquisition,),
    "file": lambda file: (file.holder,),
    **_TIMES,
}

_REFORMATS = {"MPR", "MIP", "MINIP", "PROJECTION IMAGE", "REFORMATTED", "RESAMPLED", "ADC"}


@dataclass(frozen=True)
class ImageSeries:
    """Files of one image, or frames of them, not yet proven to be a volume.

    Attributes:
        key: SeriesInstanceUID; with a number behind it for further images of a mixed series.
        part: What sets it apart inside a mixed series; empty otherwise.
        sequence: Class by the vocabulary.
        told_by: What the class was told by.
        derived: True for aligned, resampled or reformatted copies.
        places: Positions at which the mixed series it is a part of has slices.
    """

    key: str
    files: tuple[ImageFile, ...]
    part: str
    sequence: str
    told_by: str
    derived: bool
    places: int = 0

    @property
    def first(self) -> ImageFile:
        """Any one file: what it says of the series, all say."""
        return self.files[0]

    @property
    def slices(self) -> int:
        """Slices in all files."""
        return sum(file.shape[0] for file in self.files)

    @property
    def size(self) -> int:
        """Of all files [bytes]."""
        return sum({file.ref: file.size for file in self.files}.values())

    @property
    def refs(self) -> tuple[FileRef, ...]:
        """The files in the order of slices, each with the frames that are of this image."""
        frames: dict[FileRef, list[int]] = defaultdict(list)
        for file in self.files:
            frames[file.ref].append(file.frame)
        counts = {file.ref: file.frames for file in self.files}
        return tuple(
            replace(ref, frames=tuple(sorted(own)) if len(own) < counts[ref] > 1 else ())
            for ref, own in frames.items()
        )

    @property
    def identities(self) -> tuple[str, ...]:
        """What each of the files is, wherever it lies."""
        return tuple({file.ref: file.identity for file in self.files}.values())

    @property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs of all files, and of what they were divided from."""
        return frozenset[str]().union(*(file.instances for file in self.files))

    @property
    def frame_names(self) -> frozenset[str]:
        """Names of all its frames; none of lone slices."""
        return frozenset[str]().union(*(file.frame_names for file in self.files))


def group_series(
    files: Iterable[ImageFile], spellings: Mapping[str, str] | None = None
) -> tuple[ImageSeries, ...]:
    """Group files by series; a mixed series becomes several, largest first, localizers last.

    A series is always split by size, pixel spacing and orientation; by ``SPLITTERS`` only where
    slices share their positions and the split ends that.
    """
    by_series: dict[tuple[str, str], list[ImageFile]] = defaultdict(list)
    for file in files:
        by_series[file.subject, file.series].append(file)
    return tuple(
        series
        for (_, uid), members in sorted(by_series.items())
        for series in _split(uid, members, spellings)
    )


def _split(
    uid: str, files: list[ImageFile], spellings: Mapping[str, str] | None
) -> Iterable[ImageSeries]:
    parts = [
        (f"{shape}{why}", part, len(places_of(geometry)))
        for shape, geometry in _by_geometry(files)
        for why, part in _by_acquisition(geometry)
    ]
    parts.sort(key=lambda part: (_is_localizer(part[1]), -len(part[1]), part[0]))
    for index, (why, part, places) in enumerate(parts):
        # The first has the name that it would have alone: a localizer sent later renames no case.
        key = f"{uid}#{index + 1}" if index else uid
        yield _describe(key, sorted(part, key=_along_normal), why, places, spellings)


def _is_localizer(files: list[ImageFile]) -> bool:
    return "LOCALIZER" in files[0].image_type


def _by_geometry(files: list[ImageFile]) -> list[tuple[str, list[ImageFile]]]:
    groups: list[list[ImageFile]] = []
    for file in files:
        home = next((group for group in groups if same_plane(group[0], file)), None)
        if home is None:
            groups.append([file])
        else:
            home.append(file)
    return [("" if len(groups) == 1 else "another size or plane", group) for group in groups]


def same_plane(one: ImageFile, other: ImageFile) -> bool:
    """True if two files may be slices of one stack by size, pixel spacing and orientation."""
    return (
        one.shape == other.shape
        and _close(one.pixel_spacing, other.pixel_spacing, 1e-4)
        and _close(one.orientation, other.orientation, 1e-3)
    )


def _close(one: tuple[float, ...], other: tuple[float, ...], tolerance: float) -> bool:
    if one == other:  # as in almost every series: a hundred times faster
        return True
    # NaN equals NaN: a series without sound numbers is one series, and refused as one.
    return len(one) == len(other) and bool(
        np.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True)
    )


def _by_acquisition(files: list[ImageFile]) -> list[tuple[str, list[ImageFile]]]:
    if not _share_positions(files):
        return [("", files)]
    varying = [name for name, key in SPLITTERS.items() if len(set(map(key, files))) > 1]
    for size in range(1, len(varying) + 1):
        for names in combinations(varying, size):
            groups: dict[tuple[str, ...], list[ImageFile]] = defaultdict(list)
            for file in files:
                groups[tuple(text for name in names for text in SPLITTERS[name](file))].append(file)
            if _are_complete(names, groups.values(), len(places_of(files))) and not any(
                map(_share_positions, groups.values())
            ):
                what = " and ".join(names)  # a number, not the value: headers hold any text
                ordered = sorted(groups, key=lambda values: tuple(map(_natural, values)))
                return [
                    (f"{what} {number} of {len(ordered)}", groups[values])
                    for number, values in enumerate(ordered, 1)
                ]
    return [("", files)]


def _are_complete(names: Iterable[str], groups: Iterable[Sequence[ImageFile]], places: int) -> bool:
    """True if one image is whole; by times, each: a slice that was made again is no image."""
    sizes = sorted(map(len, groups))
    return sizes[-1] == places and (sizes[0] == places or _TIMES.keys().isdisjoint(names))


def _natural(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def _share_positions(files: list[ImageFile]) -> bool:
    return max(places_of(files).values()) > 1


def places_of(files: Iterable[ImageFile]) -> Counter[tuple[float, ...]]:
    """How many slices lie at each position."""
    return Counter(tuple(round(p, 2) for p in file.position) for file in files)


def _along_normal(file: ImageFile) -> tuple[float, str]:
    numbers = (*file.orientation, *file.position)
    if (len(file.orientation), len(file.position)) != (6, 3) or not all(map(isfinite, numbers)):
        return 0.0, file.instance
    a, b, c, d, e, f, x, y, z = numbers
    return (b * f - c * e) * x + (c * d - a * f) * y + (a * e - b * d) * z, file.instance


def _is_derived(image_type: tuple[str, ...]) -> bool:
    # DERIVED\PRIMARY is filtered or corrected on the scanner, but the exam's own image still.
    if image_type[:2] == ("DERIVED", "PRIMARY"):
        return not _REFORMATS.isdisjoint(image_type)
    return image_type[:1] == ("DERIVED",)


def _describe(
    key: str,
    files: list[ImageFile],
    part: str,
    places: int,
    spellings: Mapping[str, str] | None,
) -> ImageSeries:
    first = files[0]
    sequence, told_by = classify(
        first.description,
        repetition_ms=first.repetition_ms,
        echo_ms=first.echo_ms,
        inversion_ms=first.inversion_ms,
        fat_option=first.fat_option,
        image_type=first.image_type,
        spellings=spellings,
    )
    derived = _is_derived(first.image_type) or names_derived(first.description)
    return ImageSeries(key, tuple(files), part, sequence, told_by, derived, places)
