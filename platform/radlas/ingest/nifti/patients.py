"""Whose an image or mask file is: doubts about what its name and its folders say. Pure.

An exam that is taken for a patient would be trained on, and tested on as another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from radlas.ingest.base import FileRef
from radlas.ingest.nifti.bids import read_bids, strange_keys
from radlas.ingest.nifti.folders import (
    base_of_exam,
    folders_of,
    is_exam,
    patient_folders,
    plain,
    sorts_by_kind,
)
from radlas.ingest.nifti.names import NamedImage, NamedMask, stem_of


def odd_subjects(images: Collection[NamedImage], source: Path) -> dict[str, str]:
    """Subjects that are hardly one patient each, and why."""
    nested = "folders of patients in one another: which of them is a patient's is not known"
    exams = "names that differ by a date, visit or sequence alone, and may be of one patient"
    found = dict.fromkeys(_nested(images, source), nested)
    found |= dict.fromkeys(_exams_of_one({image.subject for image in images}), exams)
    found |= dict.fromkeys(_numbered_exams(images, source), exams)
    return found | {one.subject: why for one in images if (why := _misnamed(one, source))}


def folder_of_subject(ref: FileRef, subject: str) -> tuple[str, ...]:
    """The path of the folder that names the file's subject; empty if the file's own name does.

    Folders and archives that only sort by kind, as ``images`` or ``t2fs``, are left out: a mask may
    lie in another tree than its image.
    """
    return () if _names_itself(ref, subject) else patient_folders(ref)


def home_of(file: NamedImage | NamedMask) -> tuple[str, ...]:
    """The folder that a file lies in, as far as that may tell whose it is.

    All folders in that of its subject are one; a name of BIDS says the same wherever it lies.
    """
    folders = () if read_bids(stem_of(file.ref) or "") else patient_folders(file.ref)
    return folders[: folders.index(file.subject)] if file.subject in folders else folders


def masks_of(
    image: NamedImage,
    siblings: Collection[NamedImage],
    masks: Iterable[NamedMask],
    homes: Collection[tuple[str, ...]],
) -> list[NamedMask]:
    """Masks of a subject that belong to one of its images, by their names and by where they lie.

    One in an exam's folder is of an image there. One in a folder of images is of none elsewhere,
    which could be another patient's: ``P1/v1_t1`` and ``P2/v1_mask`` name one subject, ``v1``.

    Args:
        image: One of the subject.
        siblings: All images of the subject.
        masks: All masks of the subject.
        homes: Folders of the images of all subjects.
    """
    one_exam = len({_exams(one) for one in siblings}) == 1
    own_exam, own_home = _exams(image), home_of(image)
    return [
        mask
        for mask in masks
        if mask.is_of(image)
        and (_exams(mask) == own_exam or (one_exam and _exams(mask) < own_exam))
        and (home_of(mask) == own_home or home_of(mask) not in homes)
    ]


def _exams(file: NamedImage | NamedMask) -> frozenset[str]:
    """What a name of BIDS says of its exam, else what folders say."""
    named = frozenset(one.lower() for one in file.entities if one.startswith("ses-"))
    return named or frozenset(one.lower() for one in folders_of(file.ref) if is_exam(one))


def _names_itself(ref: FileRef, subject: str) -> bool:
    return (stem_of(ref) or "").startswith(f"{subject}_")


def _misnamed(image: NamedImage, source: Path) -> str:
    """Why what names an image's subject is hardly a patient; empty if it may be one."""
    if strange_keys(stem_of(image.ref) or ""):
        return "a name sub-<patient> with a key that BIDS does not know: patient or exam"
    if _names_itself(image.ref, image.subject):
        return _exam_as_patient("name", (*patient_folders(image.ref, source), image.subject))
    folders = folders_of(image.ref, source) or (source.name,)
    patients = [folder for folder in folders if not sorts_by_kind(folder)]
    if not patients:
        return "a folder of one kind of images, and no folder above it that names the patient"
    return _exam_as_patient("folder", patients)


def _exam_as_patient(what: str, names: Sequence[str]) -> str:
    may_be_number = len(names) == 1 and names[0].isdecimal()  # that a hospital gave
    if is_exam(names[-1]) and not may_be_number:
        return f"a {what} of a date or visit, where one of a patient should be"
    return ""


def _exams_of_one(subjects: Collection[str]) -> set[str]:
    """Subjects as ``P1_pre`` and ``T1_P1``, where another is called ``P1_post`` or ``P1``."""
    groups: dict[str, set[str]] = defaultdict(set)
    for one in subjects:
        groups[plain(one)].add(one)
    return {one for group in groups.values() if len(group) > 1 for one in group}


def _numbered_exams(images: Collection[NamedImage], source: Path) -> set[str]:
    """Subjects as ``P1_v1``, where there is a ``P1_v2`` and a ``P2_v1`` as well, or a ``P1``.

    With one beginning to all of them that is a cohort, and they are its patients.
    """
    names = {_whole_name(image, source): image.subject for image in images}
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if base := base_of_exam(name):
            groups[base].add(name)
    several = len(groups) > 1
    return {
        names[name]
        for base, group in groups.items()
        if base in names or (several and len(group) > 1)
        for name in (group | {base} if base in names else group)
    }


def _whole_name(image: NamedImage, source: Path) -> str:
    """The subject with the folders above, if it is named by one of them."""
    if _names_itself(image.ref, image.subject):
        return image.subject
    return "/".join(patient_folders(image.ref, source)) or image.subject


def _nested(images: Collection[NamedImage], source: Path) -> set[str]:
    """Subjects with a folder in another's, and those: the inner may be exams, the outer a cohort.

    An image that lies in the source itself, beside folders of patients, says nothing of them.
    """
    places = {(folder_of_subject(one.ref, one.subject), one.subject) for one in images}
    outer = {place for place, _ in places} & {one for place, _ in places for one in _above(place)}
    patients = outer - {patient_folders(FileRef(source / "image"))}
    return {
        subject
        for place, subject in places
        if place in outer or not patients.isdisjoint(_above(place))
    }


def _above(place: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {place[:at] for at in range(1, len(place))}
