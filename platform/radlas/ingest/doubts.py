"""What a scan may not conclude: from files out of reach, damaged neighbours, copies at odds. Pure.

A series that lost its last slice looks like a shorter series, and a mask that was not seen looks
like no mask. So nothing is settled beside a file that could not be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from radlas.ingest.base import Exam, FileRef, LeftOut, Refusal, Scan
from radlas.ingest.files import home_of
from radlas.ingest.fingerprints import joint_fingerprint
from radlas.reasons import data_error
from radlas.words import counted

T = TypeVar("T")
_ABSENCES = {"no_mask", "no_image"}


def settle_twins(scan: Scan) -> Scan:
    """One exam for each case: copies with equal files are one, different ones one refusal."""
    claims: dict[tuple[str, str], list[Exam]] = defaultdict(list)
    for exam in scan.exams:
        claims[exam.subject, exam.series].append(exam)
    clear, at_odds = _divide(
        claims.values(), lambda twins: len({one.fingerprint for one in twins}) > 1
    )
    refusals = (*scan.refusals, *(_clash(twins) for twins in at_odds))
    return replace(scan, exams=tuple(twins[0] for twins in clear), refusals=refusals)


def refuse_doubtful(scan: Scan, suspects: Collection[FileRef]) -> Scan:
    """Refuse exams with an image file among those of series that may lack a slice."""
    kept, cut = _divide(scan.exams, lambda exam: any(ref in suspects for ref in exam.images))
    refusals = tuple(_refused_doubtful(exam) for exam in cut)
    return replace(scan, exams=kept, refusals=(*scan.refusals, *refusals))


def hold_back(scan: Scan, lost: Iterable[FileRef], *, folders: bool) -> Scan:
    """Leave out, until the next scan, what files out of reach leave uncertain; and say so.

    Args:
        scan: Exams and refusals as if the files did not exist.
        lost: Files, archives and folders that could not be reached.
        folders: True if any file of a folder may be part of an image beside it.
    """
    lost = set(lost)
    if not lost:
        return scan
    homes = {home_of(ref) for ref in lost} if folders else set()
    kept, held = _divide(scan.exams, lambda exam: _lies_in(exam, homes) or _holds(exam, lost))
    known, absent = _divide(scan.refusals, lambda refusal: refusal.error.reason in _ABSENCES)
    note = f"{counted(len(lost), 'file or folder', 'files or folders')} could not be reached:"
    note += " check the mount and the permissions, then run again"
    if beside := len(held) + len(absent):
        note += f"; until then {beside} series beside what is lost are left out"
    left_out = (
        *(_waiting(exam.subject, exam.series, "a file beside it") for exam in held),
        *(_waiting(one.subject, one.series, "perhaps its image or mask") for one in absent),
    )
    return replace(
        scan,
        exams=kept,
        refusals=known,
        left_out=(*scan.left_out, *left_out),
        notes=(*scan.notes, note),
        unreached=scan.unreached + len(lost),
    )


def _divide(
    items: Iterable[T], is_other: Callable[[T], bool]
) -> tuple[tuple[T, ...], tuple[T, ...]]:
    items = tuple(items)
    return tuple(i for i in items if not is_other(i)), tuple(i for i in items if is_other(i))


def _lies_in(exam: Exam, homes: set[tuple[Path, str]]) -> bool:
    return any(home_of(ref) in homes for ref in exam.images)


def _holds(exam: Exam, lost: set[FileRef]) -> bool:
    return not lost.isdisjoint([*exam.images, *exam.masks])


def _clash(twins: list[Exam]) -> Refusal:
    what = f"{len(twins)} different copies claim to be the same image of the subject"
    error = data_error("case_conflict", what, hint="keep one copy of each image in the source")
    joint = joint_fingerprint(exam.fingerprint for exam in twins)
    return Refusal(twins[0].subject, twins[0].series, error, joint)


def _refused_doubtful(exam: Exam) -> Refusal:
    what = "a file of the source cannot be read, and may be one of the slices of this series"
    hint = "copy the folder again from its source, or move the foreign file out of it"
    error = data_error("unreadable_file", what, hint=hint)
    return Refusal(exam.subject, exam.series, error, exam.fingerprint)


def _waiting(subject: str, series: str, what: str) -> LeftOut:
    return LeftOut(subject, series, f"{what} cannot be reached now; run again")
