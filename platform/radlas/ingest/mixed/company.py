"""Which patient's images a file without identifiers lies with. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.dicom.strangers import Images
from radlas.ingest.namesakes import one_spelling
from radlas.ingest.nifti.folders import folders_of, sorts_by_kind
from radlas.ingest.nifti.names import plain_stem, splits


@dataclass(frozen=True)
class Place:
    """What a file's place in a source says of it.

    Attributes:
        owners: Patients of the images in its folder, or in the nearest one above with any.
        said: Patients that its name and the folders below that one may mean, a set for each that
            means any.
        said_by: The identifier that its name begins with; empty if it begins with none.
        subject: Whose it is; empty if nothing tells.
        series: The patient's, in that folder.
        unread: True if files that cannot be read lie there, perhaps images of others.
    """

    owners: frozenset[str]
    said: tuple[frozenset[str], ...]
    said_by: str
    subject: str
    series: Sequence[ImageSeries]
    unread: bool

    @property
    def contradicts(self) -> bool:
        """True if a name is another patient's than the images are."""
        return any(self.subject not in whom for whom in self.said)


class Company:
    """Images of a source by their folders.

    Args:
        images: Of the whole source.
        source: Folder or zip, absolute.
    """

    def __init__(self, images: Images, source: Path) -> None:
        self._source = source
        self._below = _by_folder(images, source)
        self._unread = _unread(images, source)
        self._folders = _named_folders(self._below)
        self._identifiers = _identifiers(images.series)

    def of(self, ref: FileRef, begin: str) -> Place:
        """Where a file lies.

        Args:
            ref: The file.
            begin: What of its name stands before that of its ROI.
        """
        folders = folders_of(ref, self._source)
        depths = range(len(folders), -1, -1)
        depth = next((one for one in depths if folders[:one] in self._below), 0)
        near, unread = self._below.get(folders[:depth], ()), folders[:depth] in self._unread
        owners = frozenset(one.first.subject for one in near)
        words = [begin for begin, _ in reversed(splits(plain_stem(ref)))]
        word = next((one for one in words if self._called(one)), "")
        # Beside what cannot be read the folder's own name counts, too: what lies in it says less.
        below = folders[max(0, depth - 1) if unread else depth :]
        said = tuple(filter(None, map(self._called, (word, *below))))
        alone = len(owners) == 1 and not unread
        if not said and all(map(sorts_by_kind, folders[:depth])):
            # Whose images are the only ones of a source need not be whom another name means.
            alone &= all(map(sorts_by_kind, filter(None, (*begin.split("_"), *folders[depth:]))))
        mine = owners if alone else owners.intersection(*said) if said else frozenset()
        subject = next(iter(mine)) if len(mine) == 1 else ""
        said_by = word if subject and _spelt(word) == _spelt(subject) else ""
        own = [one for one in near if one.first.subject == subject]
        return Place(owners, said, said_by, subject, own, unread)

    def _called(self, name: str) -> frozenset[str]:
        """Whom a name may mean: one's identifier may be the folder of another."""
        alike = self._identifiers.get(_spelt(name), frozenset())
        return (alike & {name} or alike) | self._folders.get(_spelt(name), frozenset())


def _by_folder(images: Images, source: Path) -> dict[tuple[str, ...], tuple[ImageSeries, ...]]:
    """Series by every folder that they, or copies of them, lie in or below."""
    found: dict[tuple[str, ...], dict[str, ImageSeries]] = defaultdict(dict)

    def add(one: ImageSeries, folders: tuple[str, ...]) -> None:
        for depth in range(len(folders) + 1):
            found[folders[:depth]][f"{one.first.subject}/{one.key}"] = one

    for one in images.series:
        for folders in {folders_of(file.ref, source) for file in one.files}:
            add(one, folders)
    if images.copies:
        kept = {(file.instance, file.frame): one for one in images.series for file in one.files}
        for file in images.copies:
            if one_of := kept.get((file.instance, file.frame)):
                add(one_of, folders_of(file.ref, source))
    return {folders: tuple(own.values()) for folders, own in found.items()}


def _unread(images: Images, source: Path) -> set[tuple[str, ...]]:
    """Folders with what cannot be read in or below them; beside images it is one of those."""
    homes = {folders_of(file.ref, source) for one in images.series for file in one.files}
    lost = {folders_of(ref, source) for ref in images.unread} - homes
    return {folders[:depth] for folders in lost for depth in range(len(folders) + 1)}


def _named_folders(
    below: Mapping[tuple[str, ...], Sequence[ImageSeries]],
) -> dict[str, frozenset[str]]:
    """What patients are called by the outermost folders that are theirs alone.

    Folders inside of those number series and visits, and would be the names of patients by chance.
    """
    owners = {at: frozenset(one.first.subject for one in own) for at, own in below.items()}
    alone = {
        folders: whom
        for folders, whom in owners.items()
        if folders and len(whom) == 1 and not sorts_by_kind(folders[-1])
    }
    called: dict[str, frozenset[str]] = defaultdict(frozenset)
    for folders, whom in alone.items():
        if not any(folders[:depth] in alone for depth in range(1, len(folders))):
            called[_spelt(folders[-1])] |= whom
    return {name: whom for name, whom in called.items() if len(whom) == 1}


def _identifiers(series: Iterable[ImageSeries]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in series:
        found[_spelt(one.first.subject)].add(one.first.subject)
    return {name: frozenset(whom) for name, whom in found.items()}


def _spelt(name: str) -> str:
    """As ``same_patient`` compares: letter case, leading zeros and accents change on the way."""
    name = one_spelling(name).casefold()
    return name.lstrip("0") or name
