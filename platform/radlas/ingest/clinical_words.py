"""Free text of clinical tables in one spelling: sex, age, grade, histology, site. Pure."""

from __future__ import annotations

import math
import re

OLDEST = 90.0  # who is older is so rare that the age may name the patient
_NOTHING = {"", "n/a", "na", "nan", "none", "null", "-", "--", "?", "unknown", "not available"}
_SEX = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}
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
_REGION_WORDS = {"fossa", *(word for words in _GROUPS.values() for word in words.split())}
_GRADE_WORDS = frozenset(
    "high intermediate low grade fnclcc nci who g g1 g2 g3 g4 1 2 3 4 i ii iii iv".split()
)
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
    """Years from 0 to 120, a decimal comma allowed, ages above 89 as 90 [a]; else None."""
    try:
        years = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return min(years, OLDEST) if math.isfinite(years) and 0 <= years <= 120 else None


def normal_grade(text: str) -> str | None:
    """The grade as the centre wrote it, lower case; what it means is the study's to say.

    A cell with any word beyond the vocabulary gives None: a remark may name somebody.
    """
    plain = tidy(text)
    return plain if plain and set(_words(plain)) <= _GRADE_WORDS else None


def normal_histology(text: str) -> str | None:
    """The histological type, lower case, in one spelling; ``other`` beyond the vocabulary."""
    plain = tidy(text)
    if not plain:
        return None
    return plain if set(_words(plain)) <= _HISTOLOGY_WORDS else "other"


def normal_group(text: str) -> str | None:
    """``lower limb``, ``upper limb`` or ``trunk``, or None."""
    plain = tidy(text)
    return plain if plain in _GROUPS else None


def site_of(text: str, side: str = "") -> tuple[str | None, str | None, str | None]:
    """Laterality, region and group (lower limb, upper limb, trunk) of a site in free text.

    Args:
        text: As ``left thigh``; words beyond the vocabulary are left out.
        side: A column of its own; wins over the text.

    Examples:
        >>> site_of("right parascapusular")
        ('right', 'parascapular', 'trunk')
    """
    words = tidy(text).split()
    sides = [_SIDES[word] for word in [side.strip().lower(), *words] if word in _SIDES]
    region = " ".join(word for word in words if word in _REGION_WORDS)
    groups = [_GROUP_OF[word] for word in region.split() if word in _GROUP_OF]
    return next(iter(sides), None), region or None, next(iter(groups), None)


def tidy(text: str) -> str:
    """Lower case, one kind of dash, single spaces, known misspellings mended; empty for N/A."""
    plain = re.sub(r"\s+", " ", re.sub(r"[\u2010-\u2015]", "-", text)).strip().lower()
    if plain in _NOTHING:
        return ""
    return re.sub(r"[a-z]+", lambda match: _SPELLING.get(match[0], match[0]), plain)


def _words(plain: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain)
