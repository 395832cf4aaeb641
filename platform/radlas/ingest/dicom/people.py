"""Whether headers under one identifier are of one person. Pure; nothing of it is stored or told.

Two people under one identifier would be one patient: trained on, and tested on as another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from radlas.errors import DataError
from radlas.ingest.dicom.elements import Elements
from radlas.ingest.issuers import issuer_names, two_issuers
from radlas.reasons import data_error

KEYWORDS = ("PatientSex", "PatientBirthDate", "PatientName", "IssuerOfPatientID", "OtherPatientIDs")
# Words that anonymisers and test exams have for a name.
_NOBODYS = set(
    "anon anonym anonymized anonymised anonymous deidentified de identified doe name no none nobody"
    " null patient pseudonym pseudonymized pseudonymised redacted removed subject test unknown"
    " phantom volunteer case".split()
)
_SHORTEST = 2  # one letter is an initial
_FULL_NAME = 2  # words; one alone may be a code
_OF_ISSUERS = (
    "if they are two patients, give each an identifier of its own, or ingest the exams of each"
    " issuer as a centre of its own; if they are one, export the exams again under one issuer"
)


@dataclass(frozen=True, slots=True)
class Person:
    """What a header says of its patient beside the identifier; an empty one says nothing.

    Attributes:
        sex: ``F`` or ``M``.
        birth: Digits of the date of birth.
        name: Words of a full name, without accents; of a code or of nobody none.
        issuer: Whatever names who gave the identifier: a name, a number.
        others: Further identifiers of the patient.
    """

    sex: str = ""
    birth: str = ""
    name: frozenset[str] = frozenset()
    issuer: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


def person_told(head: Elements) -> Person:
    """Whom a header speaks of."""
    return _person(*map(head.text, KEYWORDS))


@lru_cache  # the slices of a series say the same, one behind the other
def _person(sex: str, birth: str, name: str, issuer: str, others: str) -> Person:
    return Person(
        sex=sex.upper() if sex.upper() in {"F", "M"} else "",
        birth=re.sub(r"\D", "", birth),
        name=_full_name(name),
        issuer=issuer_names(issuer) - _NOBODYS,
        others=frozenset(one.strip() for one in others.split("\\")) - {""},
    )


def births(people: Collection[Person]) -> set[str]:
    """The dates of birth that headers state."""
    return {one.birth for one in people} - {""}


def have_two_names(people: Collection[Person]) -> bool:
    """True if two full names have no word in common, as those of two people."""
    return any(_two_names(*pair) for pair in combinations(people, 2))


def contradiction(people: Collection[Person], *, of_issuers: bool = True) -> DataError | None:
    """Why headers under one identifier cannot be of one person; None if they can.

    A name may change, and dates of birth are shifted study by study: only both together tell.
    Issuers are missing where a scanner does not know them: only two that are named tell.

    Args:
        people: As the headers describe them.
        of_issuers: False where who gave the identifier is not asked.
    """
    issuers = {one.issuer for one in people}
    if of_issuers and any(two_issuers(*pair) for pair in combinations(issuers, 2)):
        what = "one identifier, and headers that name two issuers of it"
        return data_error("identity_conflict", what, hint=_OF_ISSUERS)
    if len({one.sex for one in people} - {""}) > 1:
        return data_error("identity_conflict", "one identifier, and headers of two sexes")
    if any(_two_people(*pair) for pair in combinations(people, 2)):
        what = "one identifier, and headers of two names and two dates of birth"
        return data_error("identity_conflict", what)
    return None


def _two_people(one: Person, other: Person) -> bool:
    return len(births([one, other])) > 1 and _two_names(one, other)


def _two_names(one: Person, other: Person) -> bool:
    scripts = {_is_latin(one.name), _is_latin(other.name)}  # one name may stand in two of them
    return bool(one.name and other.name) and len(scripts) == 1 and one.name.isdisjoint(other.name)


def _is_latin(words: Collection[str]) -> bool:
    return all(word.isascii() for word in words)


def _full_name(text: str) -> frozenset[str]:
    """Words of a person's name (PS3.5, 6.2.1), of its first spelling: family, given and middle."""
    spelling = next((part for part in text.split("=") if part.strip("^ ")), "")
    without_titles = " ".join(spelling.split("^")[:3])  # which stand behind given names
    plain = unicodedata.normalize("NFKD", without_titles.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = set(re.findall(r"[^\W_]+", plain))
    if any(map(_has_digit, words)) or not words.isdisjoint(_NOBODYS):
        return frozenset()
    told = frozenset(word for word in words if len(word) >= _SHORTEST or not word.isascii())
    return told if len(told) >= _FULL_NAME else frozenset()


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)
