"""The clinical workbook of centre A: the collection's headers, its notes, its spelling."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl

from radlas.phantom.subjects import Subject

HEADERS = (
    "Patient ID",
    "Age",
    "Sex",
    "Histological type",
    "MSKCC type",
    "Site of primary STS",
    "Grade",
    "Time – diagnosis to MRI scan (days)",
    "Time – MRI scan to PET scan (days)",
    "Treatment",
    "Outcome (recurrence, mets)",
    "Time – diagnosis to outcome (days)",
    "Status (NED, AWD, D)",
    "Time – diagnosis to last follow-up (days)",
)
NOTES = (
    "NOTES",
    "This workbook is synthetic (RADLAS PHANTOM): no row describes a patient.",
    "Time – diagnosis to MRI scan (days): if negative, the scan was made before the biospy.",
    "Status: No Evidence of Disease (NED), Alive With Disease (AWD), Dead (D).",
    None,
    "N/A: Not Available",
)
TYPES: Mapping[str, str] = {
    "pleomorphic sarcoma": "MFH",
    "myxofibrosarcoma": "MFH",
    "leiomyosarcoma": "Leiomyosarcoma",
    "synovial sarcoma": "Synovial sarcoma",
    "liposarcoma": "Liposarcoma",
}
MISSPELT: Mapping[str, str] = {
    "pleomorphic": "pleiomorphic",
    "parascapular": "parascapusular",
    "Intermediate": "intermedaite",
}
_EPOCH = (2001, 1, 1, 0, 0, 0)


def write_workbook(subjects: Sequence[Subject], path: Path) -> None:
    """Write the workbook: sheets ``Clinical Information`` and ``Outcome vector``."""
    book = openpyxl.Workbook()
    rows = [_row(subject) for subject in subjects]
    book.active.title = "Clinical Information"
    for row in (HEADERS, *rows, (None,), (None,), *((note,) for note in NOTES)):
        book.active.append(row)
    vector = book.create_sheet("Outcome vector")
    vector.append(("Patient ID", "LungMets"))
    for row in rows:
        vector.append((row[0], int("lungs" in str(row[10]))))
    buffer = io.BytesIO()
    book.save(buffer)
    path.write_bytes(_without_clock(buffer.getvalue()))


def grade_text(subject: Subject) -> str:
    """High; Low or Intermediate for low grade."""
    if subject.grade == "high":
        return "High"
    return "Low" if subject.number % 4 == 0 else "Intermediate"


def _row(subject: Subject) -> tuple[str | int, ...]:
    rng = subject.stream(10)
    spread = rng.random() < (0.45 if subject.grade == "high" else 0.2)
    return (
        subject.name,
        subject.age,
        {"F": "Female", "M": "Male"}[subject.sex],
        _spell(subject, subject.histology),
        TYPES[subject.histology],
        _spell(subject, subject.site),
        _spell(subject, grade_text(subject)),
        int(rng.integers(-40, 30)),
        int(rng.integers(-8, 40)),
        "Radiotherapy + Surgery" + (" + Chemotherapy" if rng.random() < 0.4 else ""),
        "Mets – lungs" if spread else "--",
        int(rng.integers(60, 900)) if spread else "--",
        str(rng.choice(["AWD", "D"])) if spread else "NED",
        int(rng.integers(900, 2000)),
    )


def _spell(subject: Subject, text: str) -> str:
    """Every third subject's record was typed in a hurry; there is a trailing space as well."""
    if subject.number % 3:
        return text
    for right, wrong in MISSPELT.items():
        text = text.replace(right, wrong)
    return f"{text} "


def _without_clock(content: bytes) -> bytes:
    """The same workbook with fixed times, in the archive and in its properties."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2001-01-01T00:00:00Z", part)
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, part)
    return result.getvalue()
