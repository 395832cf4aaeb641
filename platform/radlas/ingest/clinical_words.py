"""Free text of clinical tables in one spelling: sex, age, grade, histology, site. Pure."""

from __future__ import annotations

import re
from contextlib import suppress

OLDEST = 90.0  # who is older is so rare that the age may name the patient
_NOTHING = {
    *("", "n/a", "#n/a", "n.a.", "na", "nan", "none", "null", "-", "--", "?"),
    *("unknown", "not known", "not available"),
}
_ERRORS = {"#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!"}  # of a spreadsheet
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}  # of DICOM's age strings
_LONG_AGE = len("045M")
_YEARS = re.compile(r"([\d.]+)(?: ?(?:y|yrs?|years?|jahre?|ans|años|anni|jaar))?")
_OLD = re.compile(r"> ?89|(?:>=|≥) ?90|90 ?\+")  # how tables without names tell it
_SEX = {
    **dict.fromkeys(("m", "male", "man", "männlich", "maennlich", "homme", "masculin"), "M"),
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich", "femme", "féminin", "feminin"), "F"),
}
# Left as the authors wrote it, right as it is spelt.
_SPELLING = {
    "pleiomorphic": "pleomorphic",
    "mixoid": "myxoid",
    "diferentiated": "differentiated",
    "intermedaite": "intermediate",
    "parascapusular": "parascapular",
    "poplietal": "popliteal",
    "adductur": "adductor",
    "quadricep": "quadriceps",
    "tumor": "tumour",
    "edema": "oedema",
}
_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right", "lt": "left", "rt": "right"}
# Girdles count with their limb, as in the staging of extremity sarcoma; the pelvis is trunk.
_GROUPS = {
    "lower limb": "thigh buttock gluteal calf knee groin quadriceps adductor popliteal hamstring"
    " leg foot ankle hip shin heel toe lower",
    "upper limb": "arm biceps triceps hand forearm shoulder axilla elbow wrist deltoid finger"
    " upper",
    "trunk": "pelvis parascapular scapular chest thorax abdomen abdominal back flank wall trunk"
    " retroperitoneum paraspinal neck",
}
_HALVES = {"upper", "lower"}
_REGION_WORDS = {
    "fossa",
    "limb",
    "extremity",
    *(word for words in _GROUPS.values() for word in words.split()),
}
_SYSTEMS = r"(?:fnclcc|nci|who|histological|tumour|grade)"
_LEVEL = r"(?:high|intermediate|low|g ?[1-4]|g? ?(?:iv|i{1,3})|[1-4](?:\.0)?)"
_GRADE = re.compile(rf"(?:{_SYSTEMS}[ :-]+)*{_LEVEL}(?:[ -]+(?:grade|fnclcc|\(fnclcc\)))*")
_HISTOLOGY_WORDS = frozenset(
    (
        "adipocytic alveolar angiosarcoma atypical biphasic cell chondrosarcoma clear"
        " dedifferentiated dermatofibrosarcoma desmoid desmoplastic differentiated differentiation"
        " embryonal epithelioid ewing extraskeletal fibromatosis fibrosarcoma fibrous giant grade"
        " high histiocytoma intermediate leiomyosarcoma lipomatous liposarcoma low malignant"
        " mesenchymal mfh monophasic mpnst myofibroblastic myxofibrosarcoma myxoid nerve nos not"
        " of osteogenic osteosarcoma otherwise peripheral pleomorphic pnet poorly protuberans"
        " rhabdomyosarcoma round sarcoma sclerosing sheath small soft solitary specified spindle"
        " suggestive synovial tissue tumour type undifferentiated ups vascular well with"
    ).split()
)
_GROUP_OF = {word: group for group, words in _GROUPS.items() for word in words.split()}


def normal_sex(text: str) -> str | None:
    """``F`` or ``M``, or None."""
    return _SEX.get(text.strip().lower())


def normal_age(text: str) -> float | None:
    """Years from 0 to 120, ages above 89 as 90 [a]; else None.

    With a decimal comma, with their unit, as a DICOM age string of three digits, or as ``>89``,
    too: ``45M`` is a man of 45 to many.

    Examples:
        >>> normal_age("61,5"), normal_age("63 years"), normal_age("018M"), normal_age("45M")
        (61.5, 63.0, 1.5, None)
    """
    told = text.strip().lower().replace(",", ".")
    years = age_string(text) if len(told) == _LONG_AGE else None
    if _OLD.fullmatch(told):
        years = OLDEST
    if years is None and (match := _YEARS.fullmatch(told)):
        with suppress(ValueError):  # as of 6.1.5
            years = float(match[1])
    return min(years, OLDEST) if years is not None and years <= 120 else None


def age_string(text: str) -> float | None:
    """Years of a DICOM age string, as ``017Y`` or ``008M`` [a]; else None."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text.strip())
    return int(match[1]) / _PER_YEAR[match[2]] if match else None


def normal_grade(text: str) -> str | None:
    """The grade as the centre wrote it, lower case; what it means is the study's to say.

    A cell that is not one level, with its system at most, gives None: a remark may name somebody.

    Examples:
        >>> normal_grade("FNCLCC grade II"), normal_grade("high (Dr Smith)")
        ('fnclcc grade ii', None)
    """
    plain = tidy(text)
    return plain.removesuffix(".0") if _GRADE.fullmatch(plain) else None


def normal_histology(text: str) -> str | None:
    """The histological type, lower case, in one spelling; ``other`` beyond the vocabulary."""
    plain = tidy(text)
    if not plain or is_error(text):
        return None
    return plain if set(_words(plain)) <= _HISTOLOGY_WORDS else "other"


def normal_group(text: str) -> str | None:
    """``lower limb``, ``upper limb`` or ``trunk``, or None."""
    plain = tidy(text)
    return plain if plain in _GROUPS else None


def site_of(text: str, side: str = "") -> tuple[str | None, str | None, str | None]:
    """Laterality, region and group (lower limb, upper limb, trunk) of a site in free text.

    Args:
        text: As ``left thigh``; words beyond the vocabulary are left out, and a region of no
            other words is ``other``.
        side: A column of its own; wins over the text.

    Examples:
        >>> site_of("right parascapusular")
        ('right', 'parascapular', 'trunk')
    """
    words = [] if is_error(text) else _words(tidy(text))
    sides = {_SIDES[word] for word in words if word in _SIDES}
    told = next(iter(sides)) if len(sides) == 1 else None  # of both sides it is neither
    known = [word for word in words if word in _REGION_WORDS]
    unknown = "other" if set(words) - _SIDES.keys() else None
    # `upper` and `lower` name a limb only where no other word does: a lower back is trunk.
    groups = sorted((word in _HALVES, index) for index, word in enumerate(known))
    group = next((_GROUP_OF[known[at]] for _, at in groups if known[at] in _GROUP_OF), None)
    return _SIDES.get(side.strip().lower(), told), " ".join(known) or unknown, group


def is_error(text: str) -> bool:
    """Whether a spreadsheet says that its formula failed, as ``#REF!``; ``#N/A`` is none."""
    return text.strip().lower() in _ERRORS


def tidy(text: str) -> str:
    """Lower case, one kind of dash, single spaces, known misspellings mended; empty for N/A."""
    plain = re.sub(r"\s+", " ", re.sub(r"[\u2010-\u2015]", "-", text)).strip().lower()
    if plain in _NOTHING:
        return ""
    return re.sub(r"[a-z]+", lambda match: _SPELLING.get(match[0], match[0]), plain)


def _words(plain: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain)
