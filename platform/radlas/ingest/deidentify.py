"""The only header facts that leave a source: an allow-list, typed, capped, in safe characters.

Everything else in a header (names, identifiers, dates, comments, private tags) is never copied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from radlas.ingest.clinical_words import OLDEST, age_string

PHANTOM = "RADLAS PHANTOM"
# What a header may tell of the scan and of the patient: columns of the table ``cases``.
_FACTS = (
    "manufacturer scanner_model field_strength_t repetition_time_ms echo_time_ms inversion_time_ms"
    " flip_angle_deg sex age_years".split()
)
_LONGEST_TEXT = 48
_DIGITS_OF_A_DATE = 6  # no model needs so many in one word; dates and record numbers do


def image_facts(metadata: Mapping[str, str], *, beside_phantom: bool) -> dict[str, Any]:
    """Columns of the table ``cases`` for formats that say nothing of the scan.

    Args:
        metadata: The file's own text fields; only their mention of the phantom is read.
        beside_phantom: True if the source names itself a phantom by a ``phantom.json``.
    """
    named = any(PHANTOM in metadata.get(key, "") for key in ("descrip", "ITK_FileNotes"))
    facts: dict[str, Any] = dict.fromkeys(_FACTS)
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
    return digits >= _DIGITS_OF_A_DATE or not words_of(word).isdisjoint(people)


def words_of(text: str) -> set[str]:
    """Its words in lower case: letters and digits, without what stands between them."""
    return set(re.findall(r"[^\W_]+", text.lower()))


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
    years = age_string(str(value or ""))
    return None if years is None else min(years, OLDEST)
