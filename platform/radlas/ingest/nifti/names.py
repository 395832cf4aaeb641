"""The grammar of image and mask file names: ``<subject>_<what>.<ending>``, or ``<subject>/<what>``.

``<what>`` is an image word (``image``, ``t2fs``, ``t2fs_image``), or the name of a mask;
``t2fs_mask`` is a mask of that image alone. Subjects may hold underscores: they are known from
their images. Folders that sort by kind (``images``, ``T2FS``) name no subject: the one above does,
and a mask in ``T2FS`` is one of that image. Names of BIDS say the same in their way. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.files import name_of
from radlas.ingest.namesakes import one_spelling
from radlas.ingest.nifti.bids import belongs, read_bids
from radlas.ingest.nifti.folders import (
    GENERIC,
    IMAGE_WORD,
    folders_of,
    kind_of,
    spelt,
    subject_folder,
)

_ENDINGS = r"\.(?:nii|nii\.gz|nrrd|mha)"


@dataclass(frozen=True)
class NamedImage:
    """An image file.

    Attributes:
        word: What its name says of it; lower case.
        kind: The kind of images that its folder sorts out; empty if it does not.
        entities: Of a name of BIDS, those that tell images apart.
    """

    ref: FileRef
    subject: str
    word: str
    kind: str = ""
    entities: frozenset[str] = frozenset()

    @property
    def told(self) -> str:
        """What tells its sequence: its name, or its folder if the name says nothing."""
        return self.kind if self.kind and self.word in GENERIC else self.word

    @property
    def kinds(self) -> set[str]:
        """What a folder of its masks may be called, as ``kind`` spells it."""
        return {self.kind, spelt(self.word)} - {""}

    @property
    def generic(self) -> bool:
        """True if neither states a sequence."""
        return self.told in GENERIC


@dataclass(frozen=True)
class NamedMask:
    """A mask file.

    Attributes:
        image: Word of the one image that it belongs to; empty for all.
        kind: The kind of images that its folder sorts out; empty if it does not.
        entities: Of a name of BIDS, those that tell images apart.
    """

    ref: FileRef
    subject: str
    name: str
    image: str = ""
    kind: str = ""
    entities: frozenset[str] = frozenset()

    def is_of(self, image: NamedImage) -> bool:
        """True if it may be a mask of that image of its subject."""
        return (
            self.image in {"", image.word, *image.kinds}
            and (not self.kind or self.kind in image.kinds)
            and belongs(self.entities, image.entities, image.word)
        )


def stem_of(ref: FileRef) -> str | None:
    """The file's name without its ending, None if it is no NIfTI, NRRD or MHA file."""
    match = re.fullmatch(rf"(.+?){_ENDINGS}", one_spelling(name_of(ref)), re.IGNORECASE | re.DOTALL)
    return match[1] if match else None


def plain_stem(ref: FileRef) -> str:
    """The same without the ``.seg`` that 3D Slicer writes."""
    return re.sub(r"\.seg$", "", stem_of(ref) or "", flags=re.IGNORECASE)


def is_slicers(ref: FileRef) -> bool:
    """True for a ``.seg.nrrd`` of 3D Slicer, whose segments carry names of their own."""
    return name_of(ref).lower().endswith(".seg.nrrd")


def name_image(ref: FileRef, source: Path | None = None) -> NamedImage | None:
    """What the name says, None if it names no image.

    Args:
        ref: The file.
        source: Folder that is no patient's, and above which none is.
    """
    stem, kind = stem_of(ref) or "", kind_of(ref)
    bids = read_bids(stem)
    if bids and (match := _image_word(bids.what)):
        return NamedImage(ref, bids.subject, match[1].lower(), kind, bids.entities)
    match = re.fullmatch(rf"(?:(.+?)_)??{IMAGE_WORD}", stem, re.IGNORECASE | re.DOTALL)
    subject = (match[1] or subject_folder(ref, source)) if match else ""
    return NamedImage(ref, subject, match[2].lower(), kind) if match and subject else None


def name_mask(
    ref: FileRef, subjects: Collection[str], source: Path | None = None
) -> NamedMask | None:
    """What the name says, given the subjects that have images; None for other subjects' files."""
    stem = plain_stem(ref)
    bids = read_bids(stem)
    if bids and bids.subject in subjects:
        return _mask(ref, bids.subject, bids.what, bids.entities)
    for subject, what in reversed(splits(stem)):
        if subject in subjects:
            return _mask(ref, subject, what)
    folders = (subject_folder(ref, source), (folders_of(ref) or ("",))[-1])
    own = next((one for one in folders if one in subjects), None)
    return _mask(ref, own, stem) if own else None


def splits(stem: str) -> list[tuple[str, str]]:
    """What stands before and behind each underscore of a name, the shortest beginning first."""
    return [(stem[:at], stem[at + 1 :]) for at, letter in enumerate(stem) if letter == "_"]


def name_orphan(ref: FileRef) -> NamedMask:
    """A mask without an image: what stands before the last underscore is taken for its subject."""
    subject, _, name = (stem_of(ref) or "").rpartition("_")
    return NamedMask(ref, subject or subject_folder(ref), name)


def _image_word(what: str) -> re.Match[str] | None:
    return re.fullmatch(IMAGE_WORD, what, re.IGNORECASE)


def _mask(
    ref: FileRef, subject: str, what: str, entities: frozenset[str] = frozenset()
) -> NamedMask:
    match = re.fullmatch(rf"{IMAGE_WORD}_(.+)", what, re.IGNORECASE | re.DOTALL)
    name, image = (match[2], match[1].lower()) if match else (what, "")
    return NamedMask(ref, subject, name, image, kind_of(ref), entities)
