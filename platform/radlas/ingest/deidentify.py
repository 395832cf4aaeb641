"""The only header facts that leave a source: an allow-list, typed, capped, in safe characters.

Everything else in a header (names, identifiers, dates, comments, private tags) is never copied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset

from radlas.ingest.clinical_words import OLDEST

PHANTOM = "RADLAS PHANTOM"
_LONGEST_TEXT = 48
_NUMBERS = {
    "field_strength_t": "MagneticFieldStrength",
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
    "inversion_time_ms": "InversionTime",
    "flip_angle_deg": "FlipAngle",
}
_TEXTS = {"manufacturer": "Manufacturer", "scanner_model": "ManufacturerModelName"}
_AGE_UNITS = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


def dicom_facts(dataset: Dataset) -> dict[str, Any]:
    """Columns of the table ``cases`` that a DICOM header can fill; None where it is silent.

    Args:
        dataset: Header of any one slice of the series.
    """
    facts: dict[str, Any] = {
        column: safe_text(getattr(dataset, tag, None)) for column, tag in _TEXTS.items()
    }
    facts |= {column: safe_number(getattr(dataset, tag, None)) for column, tag in _NUMBERS.items()}
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


def safe_text(value: Any) -> str | None:
    """Text of at most 48 letters, digits, spaces and ``. _ / + ( ) -``; None if nothing is left."""
    text = re.sub(r"[^A-Za-z0-9 ._/+()-]+", " ", str(value or ""))
    return re.sub(r"\s+", " ", text).strip()[:_LONGEST_TEXT].strip() or None


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
