"""Whose slice a damaged file may have been. Pure.

A series that lost its first or last slice is a regular, shorter series. So a damaged file casts
doubt on the series that it still names; if it names none, on every series beside it that nothing
proves to be whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.header_records import ImageFile, MaskFile
from radlas.ingest.dicom.linking import Link
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.files import home_of


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that cannot be read, and what it says in front of the damage; empty if nothing."""

    ref: FileRef
    patient: str = ""
    study: str = ""
    series: str = ""


def doubtful(
    damaged: Iterable[Damaged], series: Sequence[ImageSeries], links: Iterable[Link]
) -> set[FileRef]:
    """Image files of every series that may lack a slice, because a file is damaged.

    Args:
        damaged: Of the whole source.
        series: Likewise.
        links: Of masks to series; most of them list each slice of the series that they were
            drawn on.
    """
    damaged = tuple(damaged)
    if not damaged:
        return set()
    whole = _whole(series, links)
    by_home: dict[object, list[ImageFile]] = defaultdict(list)
    by_series: dict[str, list[ImageFile]] = defaultdict(list)
    for file in (file for one in series for file in one.files):
        by_home[home_of(file.ref)].append(file)
        by_series[file.series].append(file)
    suspects: set[FileRef] = set()
    told = {(one.series, home_of(one.ref), one.study, one.patient) for one in damaged}
    for uid, home, study, patient in told:
        # Of a file of many frames all slices are there, unless another names its series.
        beside = (one for one in _beside(study, patient, by_home[home]) if not one.is_whole)
        suspects.update(file.ref for file in by_series.get(uid) or beside)
    return suspects.intersection(
        file.ref for one in series if one.key not in whole for file in one.files
    )


def _beside(study: str, patient: str, files: Sequence[ImageFile]) -> Sequence[ImageFile]:
    """Of the images in a folder those of the study or patient that is named, if there are any."""
    of_study = [file for file in files if study and file.study == study]
    of_patient = [file for file in files if patient and file.subject == patient]
    return of_study or of_patient or files


def _whole(series: Sequence[ImageSeries], links: Iterable[Link]) -> set[str]:
    """Keys of series in which no slice is missing, however many files are damaged."""
    masks: dict[str | None, list[MaskFile]] = defaultdict(list)
    there: dict[str, int] = defaultdict(int)
    for link in links:
        masks[link.series].append(link.mask)
    for one in series:
        there[one.first.series] += one.slices
    return {
        one.key
        for one in series
        if one.first.stated_images == there[one.first.series]
        or any(_lists_all(mask, one) for mask in masks[one.key])
    }


def _lists_all(mask: MaskFile, series: ImageSeries) -> bool:
    """True if the mask lists every slice, and not just those that were drawn on.

    A list of drawn slices ends where the drawing does, and tells of no further ones.
    """
    listed = mask.listed.get(series.first.series, frozenset())
    ends = {series.files[0].instance, series.files[-1].instance}
    return bool(mask.drawn) and series.instances <= listed and ends.isdisjoint(mask.drawn)
