"""The only header facts that leave a source: an allow-list, typed, capped, in safe characters.

Everything else in a header (names, identifiers, dates, comments, private tags) is never copied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset

from radlas.ingest.clinical_words import OLDEST
from radlas.ingest.dicom.parsing import PARSE_ERRORS

PHANTOM = "RADLAS PHANTOM"
_LONGEST_TEXT = 48
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
_DIGITS_OF_A_DATE = 6  # no model needs so many in one word; dates and record numbers do
_AGE_UNITS = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


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


def image_facts(metadata: Mapping[str, str], *, beside_phantom: bool) -> dict[str, Any]:
    """Columns of the table ``cases`` for formats that say nothing of the scan.

    Args:
        metadata: The file's own text fields; only their mention of the phantom is read.
        beside_phantom: True if the source names itself a phantom by a ``phantom.json``.
    """
    named = any(PHANTOM in metadata.get(key, "") for key in ("descrip", "ITK_FileNotes"))
    facts: dict[str, Any] = dict.fromkeys([*_TEXTS, *_NUMBERS, "sex", "age_years"])
    return facts | {"synthetic": named or beside_phantom}


def study_day(date: str, clock: int) -> int | None:
    """A study date as a day on a subject's own clock, or None if it is no date.

    Differences between days of one subject are true; without the clock's start, which is drawn from
    the site key, no day tells a date.

    Args:
        date: ``YYYYMMDD``, as in DICOM.
        clock: Start of the subject's clock [d].
    """
    try:
        return datetime.strptime(date, "%Y%m%d").toordinal() + clock
    except ValueError:
        return None


def coarse(size: int) -> int:
    """A size to two digits: to the byte it would tell which exam of an archive it is [bytes].

    Examples:
        >>> coarse(12_345_678), coarse(7)
        (12000000, 7)
    """
    return int(float(f"{size:.1e}"))


def safe_text(value: Any, people: Collection[str] = ()) -> str | None:
    """Text of at most 48 letters, digits, spaces and ``. _ / + ( ) -``; None if nothing is left.

    Whoever types a name or a date into a field for machines does not get it stored.

    Args:
        value: Any value of an element.
        people: Words that name somebody, lower case; they are left out, as are words with the
            digits of a date.

    Examples:
        >>> safe_text("Magnet 3T, Müller 1967-11-03", {"müller"})
        'Magnet 3T'
    """
    kept = [word for word in str(value or "").split() if not _is_telling(word, people)]
    text = re.sub(r"[^A-Za-z0-9 ._/+()-]+", " ", " ".join(kept))
    return re.sub(r"\s+", " ", text).strip()[:_LONGEST_TEXT].strip() or None


def _is_telling(word: str, people: Collection[str]) -> bool:
    digits = sum(letter.isdigit() for letter in word)
    return digits >= _DIGITS_OF_A_DATE or not _words(word).isdisjoint(people)


def _words_of_people(dataset: Dataset) -> frozenset[str]:
    """Words of the header's names and identifiers of persons."""
    said = " ".join(_said(dataset, keyword) for keyword in _PEOPLE)
    return frozenset(word for word in _words(said) if len(word) >= _SHORTEST_NAME) - _MAKERS


def _said(dataset: Dataset, keyword: str) -> str:
    """An element as text; what cannot be parsed is in the way of nothing else of the exam."""
    with suppress(*PARSE_ERRORS):
        return str(getattr(dataset, keyword, ""))
    return ""


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def _up_to(largest: float, number: float | None) -> float | None:
    return number if number is not None and 0 <= number <= largest else None


def safe_number(value: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def safe_sex(value: Any) -> str | None:
    """``F``, ``M`` or ``O``, or None."""
    text = str(value or "").strip().upper()
    return text if text in {"F", "M", "O"} else None


def safe_age(value: Any) -> float | None:
    """Years of a DICOM age string (``017Y``, ``008M``); above 89 all are 90 [a]."""
    match = re.fullmatch(r"\s*(\d{1,3})([DWMY])\s*", str(value or ""))
    if not match:
        return None
    return min(int(match[1]) / _AGE_UNITS[match[2]], OLDEST)
