"""What a scan already knows to be wrong with a series, before a voxel is read. Pure.

A file that was set apart may be a localizer, which is well, or the last slice of the stack with a
damaged header, which must not vanish in silence: the rest would be a regular, shorter volume.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from radlas.errors import DataError
from radlas.ingest.dicom.concatenations import incomplete
from radlas.ingest.dicom.enhanced import ONE_CONTRAST, ONE_TRIGGER
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.identity import conflicts_of, doubts_of
from radlas.ingest.dicom.series import SPLITTERS, ImageSeries, places_of
from radlas.ingest.dicom.strays import (
    is_placed,
    line_of,
    lone_slices,
    of_parted,
    of_strays,
    plain,
    plane_of,
    scan_of,
)
from radlas.reasons import data_error
from radlas.words import counted

_COMPONENTS = {"M", "P", "R", "I", "MAGNITUDE", "PHASE", "REAL", "IMAGINARY"}
_WATER_FAT = {  # of Dixon, FLEX, IDEAL
    **dict.fromkeys(("W", "WATER"), "water"),
    **dict.fromkeys(("F", "FAT"), "fat"),
    **dict.fromkeys(("IP", "IN_PHASE"), "in phase"),
    **dict.fromkeys(("OP", "OPP_PHASE", "OUT_PHASE"), "out of phase"),
}


def faults_of(series: Sequence[ImageSeries]) -> dict[str, DataError]:
    """The fault of every series that has one, by its key.

    Args:
        series: All of the source; parts of a mixed one share their SeriesInstanceUID.
    """
    by_uid: dict[str, list[ImageSeries]] = defaultdict(list)
    for one in series:
        by_uid[one.first.series].append(one)
    faults: dict[str, DataError] = {}
    conflicts = conflicts_of(series)
    lone = lone_slices(series)
    torn = incomplete(file for one in series for file in one.files)
    for uid, parts in by_uid.items():
        mixed = len(parts) > 1
        whole = Counter(plane_of(file) for part in parts * mixed for file in part.files)
        for part in parts:
            fault = (
                conflicts.get((uid, part.first.subject))
                or _of_kind(part)
                or next((torn[uid] for uid in _concatenations(part) if uid in torn), None)
                or _of_contrast(part)
                or _of_coverage(part)
                or _of_sharing(part)
                or _of_numbering(part)
                or of_strays(part, whole - Counter(map(plane_of, part.files * mixed)))
                or of_parted(part, lone.get(scan_of(part.first), ()))
            )
            if fault:
                faults[part.key] = fault
    return faults


def flags_of(series: Sequence[ImageSeries]) -> dict[str, tuple[str, ...]]:
    """Flags of every series that has one, by its key: no faults, but worth a look.

    ``fewer_than_stated``: its headers speak of more images in the acquisition than are there;
    ``numbering_gap``: the numbers of its images leave some out; and those of its subject, see
    ``doubts_of``.
    """
    there: dict[str, int] = defaultdict(int)
    for one in series:
        there[one.first.series] += one.slices
    doubts = doubts_of(series)
    found = {
        one.key: (*_flags(one, there[one.first.series]), *doubts[one.first.subject])
        for one in series
    }
    return {key: flags for key, flags in found.items() if flags}


def _flags(series: ImageSeries, there: int) -> tuple[str, ...]:
    fewer = series.first.stated_images > there
    orders = sorted(file.order for file in series.files if file.order is not None)
    unique = len(orders) == len(series.files) == len(set(orders))
    gaps = unique and not series.part and orders[-1] - orders[0] >= len(orders)
    return ("fewer_than_stated",) * fewer + ("numbering_gap",) * gaps


def absent_slices(absent: int, there: int) -> DataError:
    """The fault of a series that lacks slices its own mask names."""
    return data_error(
        "slices_absent", f"{counted(absent, 'slice')} named, and not among the {there} here"
    )


def _of_contrast(series: ImageSeries) -> DataError | None:
    """Two echoes on alternating slices make a regular stack of no image at all."""
    for what, ratio, numbers in (
        ("echo times", ONE_CONTRAST, {file.echo_ms for file in series.files}),
        ("repetition times", ONE_TRIGGER, {file.repetition_ms for file in series.files}),
        ("inversion times", ONE_CONTRAST, {file.inversion_ms for file in series.files}),
    ):
        known = [number for number in numbers if number and number > 0]
        if known and max(known) > ratio * min(known):
            said = f"slices of {what} from {min(known):g} to {max(known):g} ms in one stack"
            return data_error("mixed_slices", said)
    origins = {file.image_type[:1] for file in series.files} & {("ORIGINAL",), ("DERIVED",)}
    if len(origins) > 1:
        return data_error("mixed_slices", "original and derived slices in one stack")
    kinds = {frozenset(_COMPONENTS & set(file.image_type)) for file in series.files} - {frozenset()}
    parted = {
        _WATER_FAT[one] for file in series.files for one in file.image_type if one in _WATER_FAT
    }
    for what, values in (
        ("complex components", kinds),
        ("images of water and fat", parted),
        ("descriptions", {plain(file.description) for file in series.files}),
        ("echo numbers", _echo_numbers(series.files)),
        ("b-values", {file.b_value for file in series.files} - {None}),
        ("photometric interpretations", {file.inverted for file in series.files}),
    ):
        if len(values) > 1:
            return data_error("mixed_slices", f"slices of {len(values)} {what} in one stack")
    return None


def _concatenations(series: ImageSeries) -> list[str]:
    return sorted({file.part.uid for file in series.files if file.part})


def _echo_numbers(files: Sequence[ImageFile]) -> set[str]:
    """Empty where every file states its echo time: scanners number averages as echoes as well."""
    return set() if all(file.echo_ms for file in files) else {file.echo for file in files} - {""}


def _of_coverage(series: ImageSeries) -> DataError | None:
    if not series.part or series.slices >= series.places or series.first.shape[0] > 1:
        return None
    what = f"{series.slices} slices of {series.part}, where the series has {series.places} places"
    return data_error("slice_gap", what)


def _of_sharing(series: ImageSeries) -> DataError | None:
    """Several images that nothing parts: ``group_series`` has tried all of ``SPLITTERS``."""
    places = places_of(series.files)
    if not all(map(is_placed, series.files)) or max(places.values()) == 1:
        return None
    tried = ", ".join(SPLITTERS)
    what = f"{series.slices} slices at {counted(len(places), 'position')}"
    return data_error("duplicate_slices", f"{what}, not parted into whole images by {tried}")


def _of_numbering(series: ImageSeries) -> DataError | None:
    """Every second slice missing: regular by position; the numbers and the stated step tell."""
    line, orders = line_of(series.files), [file.order for file in series.files]
    stated = series.first.stated_step
    numbers = [order for order in orders if order is not None]
    if line is None or not stated or stated <= 0 or len(numbers) < max(3, len(orders)):
        return None
    times = float(np.linalg.norm(line.step)) / stated
    steps = {abs(int(step)) for step in np.diff(numbers)}
    if round(times) < 2 or abs(times - round(times)) > 0.02 or steps != {round(times)}:
        return None
    what = f"every slice but one of {round(times)} is missing, by their numbers and their spacing"
    return data_error("slice_gap", what)


def _of_kind(series: ImageSeries) -> DataError | None:
    if any(file.burned_in for file in series.files):
        return data_error("burned_in", "BurnedInAnnotation is YES")
    if "MOSAIC" in series.first.image_type:
        return data_error("mosaic", f"{series.slices} pictures of tiled slices")
    return None
