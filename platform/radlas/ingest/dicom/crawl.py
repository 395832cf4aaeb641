"""Every file of a source, by its header: images, masks, and what cannot or need not be read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from radlas.errors import DataError
from radlas.ingest.base import FileRef, Refusal
from radlas.ingest.dicom.damage import Damaged
from radlas.ingest.dicom.elements import read_beginning
from radlas.ingest.dicom.header_records import ImageFile, MaskFile
from radlas.ingest.dicom.headers import Interner, describe
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.files import Listing, home_of, name_of, open_each, place_of
from radlas.ingest.fingerprints import fingerprint, joint_fingerprint
from radlas.reasons import data_error

_OWNER = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Crawl:
    """All headers of a source.

    Attributes:
        strangers: Files that are no DICOM.
        others: DICOM files that are neither image nor mask.
        damaged: Files that the refusals are about, and whose they say they are.
        unreachable: Files, archives and folders that could not be reached.
    """

    images: tuple[ImageFile, ...]
    masks: tuple[MaskFile, ...]
    refusals: tuple[Refusal, ...]
    strangers: tuple[FileRef, ...]
    others: int = 0
    damaged: tuple[Damaged, ...] = ()
    unreachable: tuple[FileRef, ...] = ()


def crawl(listing: Listing) -> Crawl:
    """Read every header. A file that claims to be DICOM and is not readable becomes a refusal.

    So does a file of nothing but zeros, or of any content but the size of an image, that is called
    like the images beside it; and one of any content and size whose name differs from theirs in its
    numbers alone: where a slice should be, a failed download leaves the server's excuse.
    """
    found: dict[str, list[Any]] = defaultdict(list)
    intern = Interner()
    told: dict[FileRef, Damaged] = {}
    for ref, stream in open_each(listing.files):
        if isinstance(stream, OSError):
            found["lost"].append(ref)
        elif isinstance(stream, DataError):
            found["bad"].append((ref, stream))
        else:
            kind, items = _sort(ref, stream, intern)
            found[kind] += items
            if kind == "bad":
                told[ref] = _owner(ref, stream)
    for kind in ("hollow", "stranger"):
        for ref, error in _like_images(found[kind], found["image"], hollow=kind == "hollow"):
            found["bad"].append((ref, error))
            found[kind].remove(ref)
    return Crawl(
        images=tuple(sorted(found["image"], key=_in_turn)),
        masks=tuple(sorted(found["mask"], key=lambda file: (file.instance, str(file.ref)))),
        refusals=tuple(_refusal(ref, listing, error) for ref, error in found["bad"]),
        strangers=(*found["stranger"], *found["hollow"]),
        others=len(found["other"]),
        damaged=tuple(told.get(ref, Damaged(ref)) for ref, _ in found["bad"]),
        unreachable=(*listing.unreachable, *found["lost"]),
    )


def _like_images(
    refs: Sequence[FileRef], images: Sequence[ImageFile], *, hollow: bool
) -> list[tuple[FileRef, DataError]]:
    """Files that lie and are called like images and are none: slices that were damaged."""
    sizes: dict[Any, set[int]] = defaultdict(set)
    names = set[Any]()
    for image in images if refs else ():
        sizes[home_of(image.ref), _ending(image.ref)].add(image.size)
        names.add((home_of(image.ref), _numbered(image.ref)))
    told = (
        (
            ref,
            _likeness(
                ref.size,
                sizes.get((home_of(ref), _ending(ref)), set()),
                is_numbered=(home_of(ref), _numbered(ref)) in names,
                hollow=hollow,
            ),
        )
        for ref in refs
    )
    return [
        (ref, data_error("unreadable_file", f"{what} among the images of a series"))
        for ref, what in told
        if what
    ]


def _likeness(size: int, sizes: Collection[int], *, is_numbered: bool, hollow: bool) -> str:
    """What a file is that is like the images beside it, in words; empty if it is not.

    Args:
        size: Of the file [bytes].
        sizes: Of images beside it, with the ending of its name.
        is_numbered: True if the name of one differs from its own in numbers alone.
        hollow: True if it holds nothing.
    """
    if hollow:
        return "an empty file" if sizes else ""
    if any(abs(size - one) <= 0.01 * one for one in sizes):
        return "a file of an image's size that is no DICOM"
    return "a file numbered like an image that is no DICOM" if is_numbered else ""


def _in_turn(file: ImageFile) -> tuple[str, str, int]:
    return file.instance, str(file.ref), file.frame


def _sort(ref: FileRef, stream: BinaryIO, intern: Interner) -> tuple[str, Sequence[Any]]:
    """What kind of file it is, and what is kept of it."""
    try:
        with parsing("a file"):
            head = stream.read(132)
            if not _looks_like_dicom(ref, head):
                return "stranger" if any(head) else "hollow", [ref]
            header = describe(ref, stream, intern)
    except DataError as error:
        return "bad", [(ref, error)]
    except OSError:
        return "lost", [ref]
    if header is None:
        return "other", [ref]
    return ("mask", [header]) if isinstance(header, MaskFile) else ("image", header)


def _owner(ref: FileRef, stream: BinaryIO) -> Damaged:
    try:
        with parsing("a file"):
            head = read_beginning(stream, _OWNER)
            return Damaged(ref, *map(head.text, _OWNER))
    except (DataError, OSError):  # it is refused already: it names nobody
        return Damaged(ref)


def _looks_like_dicom(ref: FileRef, head: bytes) -> bool:
    # Files of old archives lack the preamble and start with group 0002 or 0008.
    named = name_of(ref).lower().endswith((".dcm", ".dicom", ".ima"))
    bare = head.startswith((b"\x02\x00\x00\x00UL", b"\x08\x00"))
    return head[128:] == b"DICM" or bare or named


def _ending(ref: FileRef) -> str:
    # Files are often named by their UID: the number behind its last dot is no ending.
    ending = PurePosixPath(name_of(ref)).suffix.lower()
    return "" if ending[1:].isdigit() else ending


def _numbered(ref: FileRef) -> str:
    """Its name, whatever numbers stand in it."""
    return re.sub(r"\d+", "0", name_of(ref))


def _refusal(ref: FileRef, listing: Listing, error: DataError) -> Refusal:
    place = place_of(ref, listing.source)
    return Refusal("", place, error, joint_fingerprint([fingerprint(ref)]))
