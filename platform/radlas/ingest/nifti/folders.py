"""What the folders above an image or mask file say: whose it is, which exam, which kind. Pure.

Folders that sort by kind (``images``, ``T2FS``) name no subject; that above or below them does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import dropwhile, takewhile
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.files import inside
from radlas.ingest.namesakes import one_spelling

GENERIC = {"image", "img", "volume", "mr", "mri"}
#: Words that state a sequence.
STATED = r"stir|flair|t1w?|t2w?[_-]?fs|fs[_-]?t2w?|t2w?"
_UNSTATED = "image|img|volume|mri?"
_GENERIC_FOLDERS = set("image images anat mask masks label labels seg rois".split())
_KIND = rf"(?:MRI?[ _-])?({_UNSTATED}|{STATED})"  # of folders
# Likewise: a patient's folder may lie above, and hold several.
_DATE = r"(?:19|20)\d\d(?P<dash>[-_.]?)[01]\d(?P=dash)[0-3]\d"
_VISIT = (
    r"(?:pre|post)[ _-]?(?:op|rt|surgery|therapy|treatment)?|before|after|baseline"
    r"|follow[ _-]?up[ _-]?\d*|(?:fu|week|month)[ _-]?\d+"
    r"|(?:visit|session|ses|timepoint|tp)[ _-]?\w+"
)
# Words that number patients in one source and visits in another: see ``base_of_exam``.
_NUMBERED = r"(?:v|exam|mri?|scan|day)[ _-]?\d{1,2}"
#: A word of an image, alone or with one that says nothing: ``t1``, ``image``, ``MR_T1_image``.
IMAGE_WORD = rf"(?:(?:{_UNSTATED})[ _-](?={STATED}))?({_UNSTATED}|{STATED})(?:_(?:{_UNSTATED}))?"


def folders_of(ref: FileRef, source: Path | None = None) -> tuple[str, ...]:
    """Folders and archives between the source, or the root, and the file, the outermost first."""
    path = ref.path.relative_to(source) if source and ref.path != source else ref.path
    parts = [*path.parent.parts] if source is None or ref.path != source else []
    if ref.member:
        parts += [path.stem] if ref.path != source else []
        parts += [part for part in inside(ref.member).parent.parts if part not in {"/", ".."}]
    return tuple(map(one_spelling, parts))


@lru_cache(maxsize=1024)
def sorts_by_kind(folder: str) -> bool:
    """True for ``images``, ``T2FS`` and the like."""
    return folder.lower() in _GENERIC_FOLDERS or bool(re.fullmatch(_KIND, folder, re.IGNORECASE))


@lru_cache(maxsize=1024)
def is_exam(name: str) -> bool:
    """True for a date, or the name of a visit."""
    return bool(re.fullmatch(f"{_DATE}|{_VISIT}", name, re.IGNORECASE))


def plain(name: str) -> str:
    """``P1`` of ``P1_post``, ``P1-2020-01-31``, ``pre_P1`` and ``T1_P1``; else the name itself.

    A date that comes first stays: numbers of patients may begin with one.
    """
    pattern = rf"(?:(?:{_KIND}|{_VISIT})[ _.-])?(?P<plain>.+?)(?:[ _.-](?:{_DATE}|{_VISIT}))?"
    match = re.fullmatch(pattern, name, re.IGNORECASE | re.DOTALL)
    return match["plain"] if match else name


def base_of_exam(name: str) -> str:
    """``P1`` of ``P1_v2``, ``P1-MR2`` and ``P1/exam 2``: perhaps a patient, perhaps a cohort.

    Empty for other names.
    """
    match = re.fullmatch(rf"(.+)[ _./-]{_NUMBERED}", name, re.IGNORECASE | re.DOTALL)
    return match[1] if match else ""


def spelt(word: str) -> str:
    """One spelling for ``T2_FS``, ``t2w-fs`` and ``FS_T2W``."""
    plain = re.sub(r"[_-]|(?<=t[12])w", "", word.lower())
    return re.sub("^fs(t2)$", r"\1fs", plain)


def kind_of(ref: FileRef) -> str:
    """The kind of images that folders sort out, wherever a source begins; empty if none does.

    They lie right above the file, or above the one folder over it: ``P1/T2FS/x`` or ``T2FS/P1/x``.
    Folders of exams between them say nothing of that: ``T2FS/before/P1/x``.
    """
    upwards = folders_of(ref)[::-1]
    over = list(dropwhile(is_exam, dropwhile(sorts_by_kind, upwards)))
    above = list(dropwhile(is_exam, over[1:]))
    return _kind(upwards) or _kind(over) or _kind(above)


def subject_folder(ref: FileRef, source: Path | None = None) -> str:
    """The folder that names the subject."""
    folders = folders_of(ref, source)
    if not folders and source and ref.path != source and not sorts_by_kind(source.name):
        return one_spelling(source.name)
    patients = [folder for folder in folders if not sorts_by_kind(folder)]
    outermost = folders[-1] if _kind(folders_of(ref)[::-1]) and folders else ""  # see ``misnamed``
    return patients[-1] if patients else outermost


def patient_folders(ref: FileRef, source: Path | None = None) -> tuple[str, ...]:
    """The path of folders and archives above a file, but for those that only sort by kind."""
    return tuple(part for part in folders_of(ref, source) if not sorts_by_kind(part))


def _kind(upwards: tuple[str, ...] | list[str]) -> str:
    """What the innermost folders sort out."""
    folders = takewhile(sorts_by_kind, upwards)
    found = (re.fullmatch(_KIND, folder, re.IGNORECASE) for folder in folders)
    words = (match[1].lower() for match in found if match)
    return next((spelt(word) for word in words if word not in GENERIC), "")
