"""The grammar of image and mask file names: ``<subject>_<what>.<ending>``, or ``<subject>/<what>``.

``<what>`` is an image word (``image``, ``t2fs``, ``t2fs_image``), or the name of a mask;
``t2fs_mask`` is a mask of that image alone. Subjects may hold underscores: they are known from
their images. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from radlas.ingest.base import FileRef
from radlas.ingest.files import folder_of, inside, name_of

_ENDINGS = r"\.(?:nii|nii\.gz|nrrd|mha)"
_IMAGE = r"(?:image|img|volume|mri?|stir|flair|t1w?|t2w?[_-]?fs|fs[_-]?t2w?|t2w?)"
_SAID_AGAIN = r"(?:_(?:image|img|volume))?"  # else T1_image would be of a patient T1
_GENERIC_WORDS = {"image", "img", "volume", "mr", "mri"}
_GENERIC_FOLDERS = {"", "image", "images", "mask", "masks", "label", "labels", "seg", "rois"}


@dataclass(frozen=True)
class NamedImage:
    """An image file; ``word`` is what its name says of it, lower case."""

    ref: FileRef
    subject: str
    word: str

    @property
    def generic(self) -> bool:
        """True if the name states no sequence."""
        return self.word in _GENERIC_WORDS


@dataclass(frozen=True)
class NamedMask:
    """A mask file; ``image`` is the word of the one image it belongs to, empty for all."""

    ref: FileRef
    subject: str
    name: str
    image: str = ""


def stem_of(ref: FileRef) -> str | None:
    """The file's name without its ending, None if it is no NIfTI, NRRD or MHA file."""
    name = unicodedata.normalize("NFC", name_of(ref))  # one spelling for one name
    match = re.fullmatch(rf"(.+?){_ENDINGS}", name, re.IGNORECASE | re.DOTALL)
    return match[1] if match else None


def name_image(ref: FileRef) -> NamedImage | None:
    """What the name says, None if it names no image."""
    grammar = rf"(?:(.+?)_)??({_IMAGE}){_SAID_AGAIN}"
    match = re.fullmatch(grammar, stem_of(ref) or "", re.IGNORECASE | re.DOTALL)
    subject = (match[1] or _subject_folder(ref)) if match else ""
    return NamedImage(ref, subject, match[2].lower()) if match and subject else None


def name_mask(ref: FileRef, subjects: Collection[str]) -> NamedMask | None:
    """What the name says, given the subjects that have images; None for other subjects' files."""
    stem = re.sub(r"\.seg$", "", stem_of(ref) or "", flags=re.IGNORECASE)  # as 3D Slicer writes
    for subject, what in reversed(splits(stem)):
        if subject in subjects:
            return _mask(ref, subject, what)
    folder = _subject_folder(ref)
    return _mask(ref, folder, stem) if folder in subjects else None


def splits(stem: str) -> list[tuple[str, str]]:
    """What stands before and behind each underscore of a name, the shortest beginning first."""
    return [(stem[:at], stem[at + 1 :]) for at, letter in enumerate(stem) if letter == "_"]


def name_orphan(ref: FileRef) -> NamedMask:
    """A mask without an image: what stands before the last underscore is taken for its subject."""
    subject, _, name = (stem_of(ref) or "").rpartition("_")
    return NamedMask(ref, subject or _subject_folder(ref), name)


def _mask(ref: FileRef, subject: str, what: str) -> NamedMask:
    match = re.fullmatch(rf"({_IMAGE}){_SAID_AGAIN}_(.+)", what, re.IGNORECASE | re.DOTALL)
    return NamedMask(ref, subject, *((match[2], match[1].lower()) if match else (what, "")))


def folder_of_subject(ref: FileRef, subject: str) -> tuple[str, ...]:
    """The path of the folder that names the file's subject; empty if the file's own name does.

    Folders and archives that only sort by kind, as ``images`` or ``t2fs``, are left out: a mask may
    lie in another tree than its image.
    """
    if (stem_of(ref) or "").startswith(f"{subject}_"):
        return ()
    path = ref.path.with_suffix("") / inside(ref.member) if ref.member else ref.path
    return tuple(part for part in path.parent.parts if not _sorts_by_kind(part))


def _sorts_by_kind(folder: str) -> bool:
    return folder.lower() in _GENERIC_FOLDERS or bool(re.fullmatch(_IMAGE, folder, re.IGNORECASE))


def _subject_folder(ref: FileRef) -> str:
    folder = folder_of(ref)
    return "" if folder.lower() in _GENERIC_FOLDERS else folder
