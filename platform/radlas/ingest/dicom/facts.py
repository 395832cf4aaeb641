"""What of a DICOM header is let through, by keyword; see ``deidentify`` for what becomes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydicom.dataset import Dataset

from radlas.ingest.deidentify import (
    PHANTOM,
    safe_age,
    safe_number,
    safe_sex,
    safe_text,
    words_of,
)
from radlas.ingest.dicom.parsing import PARSE_ERRORS

# With the largest value a scan can have: beyond it a number may be a date or a record number.
_NUMBERS = {
    "field_strength_t": ("MagneticFieldStrength", 30),
    "repetition_time_ms": ("RepetitionTime", 99_999),
    "echo_time_ms": ("EchoTime", 9_999),
    "inversion_time_ms": ("InversionTime", 99_999),
    "flip_angle_deg": ("FlipAngle", 360),
}
_TEXTS = {"manufacturer": "Manufacturer", "scanner_model": "ManufacturerModelName"}
# Whose words no text may repeat. Stations and institutions are often called like their scanner.
_PEOPLE = tuple(
    "PatientName PatientID OtherPatientIDs OtherPatientNames PatientBirthName"
    " PatientMotherBirthName AccessionNumber ReferringPhysicianName PerformingPhysicianName"
    " NameOfPhysiciansReadingStudy PhysiciansOfRecord RequestingPhysician OperatorsName".split()
)
_MAKERS = frozenset(  # who is called so is not told by it
    "canon esaote ge general electric healthcare healthineers hitachi imaging medical philips"
    " radlas phantom siemens systems toshiba united".split()
)
_SHORTEST_NAME = 3  # shorter words are initials, and MR or 3T as well


def dicom_facts(dataset: Dataset) -> dict[str, Any]:
    """Columns of the table ``cases`` that a DICOM header can fill; None where it is silent.

    Args:
        dataset: Header of any one slice of the series.
    """
    people = _words_of_people(dataset)
    facts: dict[str, Any] = {
        column: safe_text(getattr(dataset, tag, None), people) for column, tag in _TEXTS.items()
    }
    facts |= {
        column: _up_to(largest, safe_number(getattr(dataset, tag, None)))
        for column, (tag, largest) in _NUMBERS.items()
    }
    facts["sex"] = safe_sex(getattr(dataset, "PatientSex", None))
    facts["age_years"] = safe_age(getattr(dataset, "PatientAge", None))
    facts["synthetic"] = str(getattr(dataset, "Manufacturer", "")).strip() == PHANTOM
    return facts


def _words_of_people(dataset: Dataset) -> frozenset[str]:
    """Words of the header's names and identifiers of persons."""
    said = " ".join(_said(dataset, keyword) for keyword in _PEOPLE)
    return frozenset(word for word in words_of(said) if len(word) >= _SHORTEST_NAME) - _MAKERS


def _said(dataset: Dataset, keyword: str) -> str:
    """An element as text; what cannot be parsed is in the way of nothing else of the exam."""
    with suppress(*PARSE_ERRORS):
        return str(getattr(dataset, keyword, ""))
    return ""


def _up_to(largest: float, number: float | None) -> float | None:
    return number if number is not None and 0 <= number <= largest else None
