"""What of a DICOM header is let through, by keyword; see ``deidentify`` for what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

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
# Whose words no text may repeat, nor names. Stations and institutions are called like scanners.
_IDENTIFIERS, _OTHERS = (
    ("PatientID", "OtherPatientIDs", "AccessionNumber"),
    "OtherPatientIDsSequence",
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
    """Words of the header's names, whoever's they are, and identifiers of the patient."""
    said = " ".join([*_names(dataset), *_identifiers(dataset)])
    return frozenset(word for word in words_of(said) if len(word) >= _SHORTEST_NAME) - _MAKERS


def _names(dataset: Dataset) -> Iterator[str]:
    for tag in dataset.keys():  # noqa: SIM118 - iterating over the values would decode them
        kind = dataset.get_item(tag).VR
        if (kind or (dictionary_has_tag(tag) and dictionary_VR(tag))) == VR.PN:
            yield _said(dataset, tag)


def _identifiers(dataset: Dataset) -> Iterator[str]:
    yield from (_said(dataset, keyword) for keyword in _IDENTIFIERS)
    with suppress(*PARSE_ERRORS):
        yield from (_said(item, "PatientID") for item in dataset.get(_OTHERS) or ())


def _said(dataset: Dataset, key: str | BaseTag) -> str:
    """An element as text; what cannot be parsed is in the way of nothing else of the exam."""
    with suppress(*PARSE_ERRORS):
        return str(dataset[key].value)
    return ""


def _up_to(largest: float, number: float | None) -> float | None:
    return number if number is not None and 0 <= number <= largest else None
