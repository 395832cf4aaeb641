"""Centre A: a tree like the one NBIA downloads of TCIA's Soft-tissue-Sarcoma collection make.

Study and series descriptions are as unreliable as there; links between objects are exact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from radlas.phantom.anatomy import Exam, make_exam
from radlas.phantom.dicom import Labels, exam_date, uid, write_series
from radlas.phantom.rtstruct import write_rtstruct
from radlas.phantom.scanners import T1, Scanner
from radlas.phantom.subjects import Subject
from radlas.phantom.workbook import write_workbook

COLLECTION = "Soft-tissue-Sarcoma"
T2_NAMES = ("T2 F*S", "FAT T2", "T2SP", "T2FS", "AX T2 FAT SAT", "T2 FS AX", "FSE T2 FS")
T1_NAMES = ("AXT1", "t1", "T!", "T1 SE AX", "T1")
STUDIES = ("THIGH", "EXTREMITY", "MRI SOFT TISSUE", "L-SPINE", "LOWER LIMB", "PELVIS")
WITHOUT_THICKNESS = 4  # this subject's headers lack SliceThickness, as subject 47's do at TCIA
ALIASED_EVERY = 7  # every so many subjects, the reader used other ROI names
T1_EVERY = 3  # every so many subjects have a T1 series


@dataclass(frozen=True)
class _Series:
    """One image series with its structure set."""

    exam: Exam
    labels: Labels
    structure: str


def write_subject(subject: Subject, exam: Exam, scanner: Scanner, root: Path) -> None:
    """Write one subject's series and structure sets below ``root``."""
    write_one(subject, scanner, root, _t2(subject, exam, scanner))
    if subject.number % T1_EVERY == 2:
        write_one(subject, scanner, root, _t1(subject, scanner))


def write_one(subject: Subject, scanner: Scanner, root: Path, series: _Series) -> None:
    """Write one image series and the structure set drawn on it."""
    labels, exam = series.labels, series.exam
    study = _study_folder(subject, labels, root)
    folder = study / _folder(labels, uid(subject, labels.name, "series"))
    slices = write_series(exam.volume, subject, scanner, labels, folder)
    _write_structure(subject, exam, slices, series, study)


def write_clinical(subjects: Sequence[Subject], root: Path) -> None:
    """Write the collection's clinical workbook below ``root``."""
    write_workbook(subjects, root / "INFOclinical_STS.xlsx")


def roi_names(subject: Subject) -> tuple[str, str]:
    """What the reader called the mass, and mass and edema together."""
    aliased = subject.number % ALIASED_EVERY == 3
    return ("GTV_Research", "GTV_Res+edema") if aliased else ("GTV_Mass", "GTV_Edema")


def _t2(subject: Subject, exam: Exam, scanner: Scanner) -> _Series:
    rng = subject.stream(8)
    labels = Labels(
        study=str(rng.choice(STUDIES)),
        series=str(rng.choice(T2_NAMES)),
        series_number=int(rng.integers(4, 12)),
        date=exam_date(subject),
        sequence="FS",
        tr_ms=scanner.tr_ms,
        te_ms=scanner.te_ms,
        thickness_mm=_thickness(subject, scanner),
        name="t2fs",
    )
    return _Series(exam, labels, "RTstructT2FS")


def _t1(subject: Subject, scanner: Scanner) -> _Series:
    rng = subject.stream(8)
    labels = Labels(
        study=str(rng.choice(STUDIES)),  # the same draw as the T2 series: one study
        series=str(subject.stream(9).choice(T1_NAMES)),
        series_number=3,
        date=exam_date(subject),
        sequence="",
        tr_ms=560.0,
        te_ms=12.0,
        thickness_mm=_thickness(subject, scanner),
        name="t1",
    )
    exam = make_exam(subject, scanner, contrast=T1, every=(1, 2, 2))
    return _Series(exam, labels, "RTstructT1")


def _thickness(subject: Subject, scanner: Scanner) -> float | None:
    return None if subject.number == WITHOUT_THICKNESS else scanner.nominal_slice_mm


def _write_structure(
    subject: Subject, exam: Exam, slices: Sequence[Dataset], series: _Series, study: Path
) -> None:
    mass, edema = roi_names(subject)
    levels = {mass: exam.tumour}
    if exam.edema is not None:
        levels[edema] = exam.edema
    image = series.labels
    labels = Labels(
        study=image.study,
        series=series.structure,
        series_number=image.series_number + 500,
        date=image.date,
        sequence="",
        tr_ms=image.tr_ms,
        te_ms=image.te_ms,
        thickness_mm=None,
        name=f"{image.name}-rtstruct",
    )
    folder = study / _folder(labels, uid(subject, labels.name, "series"))
    write_rtstruct(
        levels,
        exam.volume.geometry,
        slices,
        subject=subject,
        labels=labels,
        path=folder / "1-1.dcm",
    )


def _study_folder(subject: Subject, labels: Labels, root: Path) -> Path:
    day = f"{labels.date[4:6]}-{labels.date[6:]}-{labels.date[:4]}"
    name = f"{day}-{_plain(labels.study)}-{uid(subject, 'study')[-5:]}"
    return root / COLLECTION / subject.name / name


def _folder(labels: Labels, series: UID) -> str:
    return f"{labels.series_number}.000000-{_plain(labels.series)}-{series[-5:]}"


def _plain(text: str) -> str:
    """A description as folder name: NBIA drops what file systems forbid."""
    return re.sub(r"[^A-Za-z0-9 ._-]", "", text)
