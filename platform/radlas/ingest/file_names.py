"""The grammar of image and mask file names: ``<subject>_<what>.<ending>``, or ``<subject>/<what>``.

``<what>`` is an image word (``image``, ``t2fs``, ``t2fs_image``), or the name of a mask;
``t2fs_mask`` is a mask of that image alone. Subjects may hold underscores: they are known from
their images. Folders that sort by kind (``images``, ``T2FS``) name no subject: the one above does,
and a mask in ``T2FS`` is one of that image. Names of BIDS say the same in their way. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.bids import belongs, read_bids, strange_keys
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
        return self.kind if self.kind and self.word in _GENERIC_WORDS else self.word

    @property
    def kinds(self) -> set[str]:
        """What a folder of its masks may be called, as ``kind`` spells it."""
        return {self.kind, _spelt(self.word)} - {""}

    @property
    def generic(self) -> bool:
        """True if neither states a sequence."""
        return self.told in _GENERIC_WORDS


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
    name = unicodedata.normalize("NFC", name_of(ref))  # one spelling for one name
    match = re.fullmatch(rf"(.+?){_ENDINGS}", name, re.IGNORECASE | re.DOTALL)
    return match[1] if match else None


def name_image(ref: FileRef, source: Path | None = None) -> NamedImage | None:
    """What the name says, None if it names no image.

    Args:
        ref: The file.
        source: Folder that is no patient's, and above which none is.
    """
    stem, kind = stem_of(ref) or "", _kind(ref)
    bids = read_bids(stem)
    if bids and (match := _image_word(bids.what)):
        return NamedImage(ref, bids.subject, match[1].lower(), kind, bids.entities)
    match = re.fullmatch(rf"(?:(.+?)_)??({_IMAGE}){_SAID_AGAIN}", stem, re.IGNORECASE | re.DOTALL)
    subject = (match[1] or _subject_folder(ref, source)) if match else ""
    return NamedImage(ref, subject, match[2].lower(), kind) if match and subject else None


def name_mask(
    ref: FileRef, subjects: Collection[str], source: Path | None = None
) -> NamedMask | None:
    """What the name says, given the subjects that have images; None for other subjects' files."""
    stem = re.sub(r"\.seg$", "", stem_of(ref) or "", flags=re.IGNORECASE)  # as 3D Slicer writes
    bids = read_bids(stem)
    if bids and bids.subject in subjects:
        return _mask(ref, bids.subject, bids.what, bids.entities)
    for subject, what in reversed(splits(stem)):
        if subject in subjects:
            return _mask(ref, subject, what)
    folders = (_subject_folder(ref, source), (_folders(ref, None) or ("",))[-1])
    own = next((one for one in folders if one in subjects), None)
    return _mask(ref, own, stem) if own else None


def splits(stem: str) -> list[tuple[str, str]]:
    """What stands before and behind each underscore of a name, the shortest beginning first."""
    return [(stem[:at], stem[at + 1 :]) for at, letter in enumerate(stem) if letter == "_"]


def name_orphan(ref: FileRef) -> NamedMask:
    """A mask without an image: what stands before the last underscore is taken for its subject."""
    subject, _, name = (stem_of(ref) or "").rpartition("_")
    return NamedMask(ref, subject or _subject_folder(ref), name)


def _image_word(what: str) -> re.Match[str] | None:
    return re.fullmatch(rf"({_IMAGE}){_SAID_AGAIN}", what, re.IGNORECASE)


def _mask(
    ref: FileRef, subject: str, what: str, entities: frozenset[str] = frozenset()
) -> NamedMask:
    match = re.fullmatch(rf"({_IMAGE}){_SAID_AGAIN}_(.+)", what, re.IGNORECASE | re.DOTALL)
    name, image = (match[2], match[1].lower()) if match else (what, "")
    return NamedMask(ref, subject, name, image, _kind(ref), entities)


def folder_of_subject(ref: FileRef, subject: str) -> tuple[str, ...]:
    """The path of the folder that names the file's subject; empty if the file's own name does.

    Folders and archives that only sort by kind, as ``images`` or ``t2fs``, are left out: a mask may
    lie in another tree than its image.
    """
    if (stem_of(ref) or "").startswith(f"{subject}_"):
        return ()
    return tuple(part for part in _folders(ref, None) if not _sorts_by_kind(part))


def _spelt(word: str) -> str:
    """One spelling for ``T2_FS``, ``t2w-fs`` and ``FS_T2W``."""
    plain = re.sub(r"[_-]|(?<=t[12])w", "", word.lower())
    return re.sub("^fs(t2)$", r"\1fs", plain)


@lru_cache(maxsize=1024)
def _sorts_by_kind(folder: str) -> bool:
    return folder.lower() in _GENERIC_FOLDERS or bool(re.fullmatch(_KIND, folder, re.IGNORECASE))


def misnamed(image: NamedImage, source: Path) -> str:
    """Why what names an image's subject is hardly a patient; empty if it may be one."""
    if strange_keys(stem_of(image.ref) or ""):
        return "a name sub-<patient> with a key that BIDS does not know: patient or exam"
    if not folder_of_subject(image.ref, image.subject):
        return ""
    folders = _folders(image.ref, source) or (source.name,)
    patients = [folder for folder in folders if not _sorts_by_kind(folder)]
    if not patients:
        return "a folder of one kind of images, and no folder above it that names the patient"
    may_be_number = len(patients) == 1 and patients[0].isdecimal()  # that a hospital gave
    if re.fullmatch(_EXAM, patients[-1], re.IGNORECASE) and not may_be_number:
        return "a folder of a date or visit, where one of a patient should be"
    return ""


def nested(images: Iterable[NamedImage], source: Path) -> set[str]:
    """Subjects with a folder in another's, and those: the inner may be exams, the outer a cohort.

    An image that lies in the source itself, beside folders of patients, says nothing of them.
    """
    places = {(folder_of_subject(one.ref, one.subject), one.subject) for one in images}
    outer = {place for place, _ in places} & {one for place, _ in places for one in _above(place)}
    patients = outer - {tuple(part for part in source.parts if not _sorts_by_kind(part))}
    return {
        subject
        for place, subject in places
        if place in outer or not patients.isdisjoint(_above(place))
    }


def _above(place: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {place[:at] for at in range(1, len(place))}


def _kind(ref: FileRef) -> str:
    """The kind of images that the folders right above a file sort out, wherever a source begins."""
    above = takewhile(_sorts_by_kind, reversed(_folders(ref, None)))
    found = (re.fullmatch(_KIND, folder, re.IGNORECASE) for folder in above)
    words = (match[1].lower() for match in found if match)
    return next((_spelt(word) for word in words if word not in _GENERIC_WORDS), "")


def _subject_folder(ref: FileRef, source: Path | None = None) -> str:
    """The folder that names the subject."""
    folders = _folders(ref, source)
    if not folders and source and ref.path != source and not _sorts_by_kind(source.name):
        return source.name
    patients = [folder for folder in folders if not _sorts_by_kind(folder)]
    outermost = folders[-1] if folders and _kind(ref) else ""  # see ``misnamed``
    return patients[-1] if patients else outermost


def _folders(ref: FileRef, source: Path | None) -> tuple[str, ...]:
    """Folders and archives between the source and the file, the outermost first."""
    path = ref.path.relative_to(source) if source and ref.path != source else ref.path
    outer = path.parent.parts if source is None or ref.path != source else ()
    if not ref.member:
        return outer
    here = (path.stem,) if ref.path != source else ()
    within = tuple(part for part in inside(ref.member).parent.parts if part not in {"/", ".."})
    return (*outer, *here, *within)
