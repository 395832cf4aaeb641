"""Which patient's images a file without identifiers lies with. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.nifti.folders import folders_of
from radlas.ingest.nifti.names import plain_stem, splits


@dataclass(frozen=True)
class Place:
    """What a file's place in a source says of it.

    Attributes:
        owners: Patients of the images in its folder, or in the nearest one above with any.
        said: The patient whose identifier or folder its name begins with, or a folder of it is
            called as; empty if there is none.
        said_by: In which words of its name; empty if a folder says so.
        subject: Whose it is; empty if nothing tells.
        series: The patient's, in that folder.
    """

    owners: frozenset[str]
    said: str
    said_by: str
    subject: str
    series: Sequence[ImageSeries]


class Company:
    """Images of a source by their folders.

    Args:
        series: Of the whole source.
        source: Folder or zip, absolute.
    """

    def __init__(self, series: Sequence[ImageSeries], source: Path) -> None:
        self._source = source
        self._below = _by_folder(series, source)
        self._names = _names(series, self._below)

    def of(self, ref: FileRef) -> Place:
        """Where a file lies."""
        folders = folders_of(ref, self._source)
        above = (folders[:depth] for depth in range(len(folders), -1, -1))
        near = next((self._below[one] for one in above if one in self._below), ())
        owners = frozenset(one.first.subject for one in near)
        words = [begin for begin, _ in reversed(splits(plain_stem(ref)))]
        said_by = next((word for word in words if _spelt(word) in self._names), "")
        called = [said_by] if said_by else reversed(folders)
        said = next((self._names[_spelt(one)] for one in called if _spelt(one) in self._names), "")
        subject = next(iter(owners)) if len(owners) == 1 else said if said in owners else ""
        own = [one for one in near if one.first.subject == subject]
        return Place(owners, said, said_by, subject, own)


def _by_folder(
    series: Iterable[ImageSeries], source: Path
) -> dict[tuple[str, ...], tuple[ImageSeries, ...]]:
    """Series by every folder that they lie in or below."""
    found: dict[tuple[str, ...], dict[str, ImageSeries]] = defaultdict(dict)
    for one in series:
        for folders in {folders_of(file.ref, source) for file in one.files}:
            for depth in range(len(folders) + 1):
                found[folders[:depth]][f"{one.first.subject}/{one.key}"] = one
    return {folders: tuple(own.values()) for folders, own in found.items()}


def _names(
    series: Iterable[ImageSeries], below: Mapping[tuple[str, ...], Sequence[ImageSeries]]
) -> dict[str, str]:
    """What patients are called: by their identifiers, and by folders of theirs alone."""
    called: dict[str, set[str]] = defaultdict(set)
    for folders, own in below.items():
        for folder in folders[-1:]:
            called[_spelt(folder)].update(one.first.subject for one in own)
    by_folder = {name: next(iter(whom)) for name, whom in called.items() if len(whom) == 1}
    return by_folder | {_spelt(one.first.subject): one.first.subject for one in series}


def _spelt(name: str) -> str:
    """As ``same_patient`` compares: letter case and leading zeros change on the way."""
    return name.casefold().lstrip("0") or name
