"""The grammar of image and mask file names: ``<subject>_<what>.<ending>``, or ``<subject>/<what>``.

``<what>`` is an image word (``image``, ``t2fs``, ``t2fs_image``), or the name of a mask;
``t2fs_mask`` is a mask of that image alone. Subjects may hold underscores: they are known from
their images. Folders that sort by kind (``images``, ``T2FS``) name no subject: the one above does,
and a mask in ``T2FS`` is one of that image. Names of BIDS say the same in their way. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.bids import BidsName, belongs, read_bids
from radlas.ingest.files import inside, name_of

_ENDINGS = r"\.(?:nii|nii\.gz|nrrd|mha)"
_IMAGE = r"(?:image|img|volume|mri?|stir|flair|t1w?|t2w?[_-]?fs|fs[_-]?t2w?|t2w?)"
_SAID_AGAIN = r"(?:_(?:image|img|volume))?"  # else T1_image would be of a patient T1
_GENERIC_WORDS = {"image", "img", "volume", "mr", "mri"}
_GENERIC_FOLDERS = set("image images anat mask masks label labels seg rois".split())
_KIND = rf"(?:MRI?[ _-])?({_IMAGE})"  # of folders
_EXAM = (  # likewise: a patient's folder may lie above, and hold several
    r"(?:19|20)\d\d([-_.]?)[01]\d\1[0-3]\d|(?:pre|post)[ _-]?(?:op|rt|surgery|therapy|treatment)?"
    r"|before|after|baseline|follow[ _-]?up[ _-]?\d*|(?:visit|session|ses|timepoint|tp)[ _-]?\w+"
)


@dataclass(frozen=True)
class NamedImage:
    """An image file.

    Attributes:
        word: What its name says of it, or its folder if the name says nothing; lower case.
        kind: The kind of images that its folder sorts out; empty if it does not.
        entities: Of a name of BIDS, those that tell images apart.
    """

    ref: FileRef
    subject: str
    word: str
    kind: str = ""
    entities: frozenset[str] = frozenset()

    @property
    def kinds(self) -> set[str]:
        """What a folder of its masks may be called, as ``kind`` spells it."""
        return {self.kind, _spelt(self.word)} - {""}

    @property
    def generic(self) -> bool:
        """True if the name states no sequence."""
        return self.word in _GENERIC_WORDS


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
            and belongs(self.entities, image.entities)
        )


def stem_of(ref: FileRef) -> str | None:
    """The file's name without its ending, None if it is no NIfTI, NRRD or MHA file."""
    name = unicodedata.normalize("NFC", name_of(ref))  # one spelling for one name
    match = re.fullmatch(rf"(.+?){_ENDINGS}", name, re.IGNORECASE | re.DOTALL)
    return match[1] if match else None


def name_image(ref: FileRef, source: Path | None = None) -> NamedImage | None:
    """What the name says, None if it names no image.

    Args:
        ref: The file.
        source: Folder that is no patient's, and above which none is.
    """
    stem, (folder, kind) = stem_of(ref) or "", _subject_folder(ref, source)
    bids = read_bids(stem)
    if bids and (match := _image_word(bids.what)):
        return NamedImage(ref, bids.subject, match[1].lower(), entities=bids.entities)
    match = re.fullmatch(rf"(?:(.+?)_)??({_IMAGE}){_SAID_AGAIN}", stem, re.IGNORECASE | re.DOTALL)
    subject = (match[1] or folder) if match else ""
    if not match or not subject:
        return None
    word = match[2].lower()
    return NamedImage(ref, subject, kind if kind and word in _GENERIC_WORDS else word, kind)


def name_mask(
    ref: FileRef, subjects: Collection[str], source: Path | None = None
) -> NamedMask | None:
    """What the name says, given the subjects that have images; None for other subjects' files.

    Without ``source``, a folder above it may pass for one that tells the kind of image.
    """
    stem = re.sub(r"\.seg$", "", stem_of(ref) or "", flags=re.IGNORECASE)  # as 3D Slicer writes
    bids = read_bids(stem)
    if bids and bids.subject in subjects:
        return _mask(ref, bids.subject, bids.what, bids=bids)
    folder, kind = _subject_folder(ref, source)
    for subject, what in reversed(splits(stem)):
        if subject in subjects:
            return _mask(ref, subject, what, kind)
    own = next(
        (one for one in (folder, (_folders(ref, None) or ("",))[-1]) if one in subjects), None
    )
    return _mask(ref, own, stem, kind) if own else None


def splits(stem: str) -> list[tuple[str, str]]:
    """What stands before and behind each underscore of a name, the shortest beginning first."""
    return [(stem[:at], stem[at + 1 :]) for at, letter in enumerate(stem) if letter == "_"]


def name_orphan(ref: FileRef) -> NamedMask:
    """A mask without an image: what stands before the last underscore is taken for its subject."""
    subject, _, name = (stem_of(ref) or "").rpartition("_")
    return NamedMask(ref, subject or _subject_folder(ref)[0], name)


def _image_word(what: str) -> re.Match[str] | None:
    return re.fullmatch(rf"({_IMAGE}){_SAID_AGAIN}", what, re.IGNORECASE)


def _mask(
    ref: FileRef, subject: str, what: str, kind: str = "", bids: BidsName | None = None
) -> NamedMask:
    match = re.fullmatch(rf"({_IMAGE}){_SAID_AGAIN}_(.+)", what, re.IGNORECASE | re.DOTALL)
    name, image = (match[2], match[1].lower()) if match else (what, "")
    return NamedMask(ref, subject, name, image, kind, bids.entities if bids else frozenset())


def folder_of_subject(ref: FileRef, subject: str) -> tuple[str, ...]:
    """The path of the folder that names the file's subject; empty if the file's own name does.

    Folders and archives that only sort by kind, as ``images`` or ``t2fs``, are left out: a mask may
    lie in another tree than its image.
    """
    if (stem_of(ref) or "").startswith(f"{subject}_"):
        return ()
    return tuple(part for part in _folders(ref, None) if not _sorts_by_kind(part))


def _spelt(word: str) -> str:
    """One spelling for ``T2_FS`` and ``t2w-fs``."""
    return re.sub(r"[_-]|(?<=t[12])w", "", word.lower())


def _sorts_by_kind(folder: str) -> bool:
    return folder.lower() in _GENERIC_FOLDERS or bool(re.fullmatch(_KIND, folder, re.IGNORECASE))


def misnamed(image: NamedImage, source: Path) -> str:
    """Why the folder that names an image's subject is hardly a patient's; empty if it may be."""
    folders = _folders(image.ref, source)
    patients = [folder for folder in folders if not _sorts_by_kind(folder)]
    if not folder_of_subject(image.ref, image.subject) or not folders:
        return ""
    if not patients:
        return "a folder of one kind of images, and no folder above it that names the patient"
    if len(patients) > 1 and re.fullmatch(_EXAM, patients[-1], re.IGNORECASE):
        return "a folder of a date or visit, where one of a patient should be"
    return ""


def _subject_folder(ref: FileRef, source: Path | None = None) -> tuple[str, str]:
    """The folder that names the subject, and the kind of image that folders below it sort out."""
    folders, kind = _folders(ref, source), ""
    for folder in reversed(folders):
        if not _sorts_by_kind(folder):
            return folder, kind
        match = re.fullmatch(_KIND, folder, re.IGNORECASE)
        if match and not kind and match[1].lower() not in _GENERIC_WORDS:
            kind = _spelt(match[1])
    if folders or source is None or ref.path == source:
        return (folders[-1] if kind else ""), kind  # see ``misnamed``
    return ("" if _sorts_by_kind(source.name) else source.name), kind


def _folders(ref: FileRef, source: Path | None) -> tuple[str, ...]:
    """Folders and archives between the source and the file, the outermost first."""
    path = ref.path.relative_to(source) if source and ref.path != source else ref.path
    outer = path.parent.parts if source is None or ref.path != source else ()
    if not ref.member:
        return outer
    here = (path.stem,) if ref.path != source else ()
    within = tuple(part for part in inside(ref.member).parent.parts if part not in {"/", ".."})
    return (*outer, *here, *within)
