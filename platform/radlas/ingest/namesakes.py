"""Identifiers that may be two spellings of one patient. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def one_spelling(name: str) -> str:
    r"""A name as Unicode composes it: a Mac writes ``ü`` as ``u`` and its dots.

    Examples:
        >>> one_spelling("Mu\u0308ller") == one_spelling("M\xfcller") == "M\xfcller"
        True
    """
    return unicodedata.normalize("NFC", name)


def namesakes(subjects: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Identifiers that differ in letter case, leading zeros or what parts their words, in groups.

    They have two pseudonyms. Which of them are one patient, only the hospital can tell.

    Examples:
        >>> namesakes(["P 7", "p_7", "P77", "P7", "007", "7", "P-007"])
        (('007', '7'), ('P 7', 'P-007', 'p_7'))
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for one in subjects:
        plain = re.sub(r"[\s_.-]+", "-", one.strip().casefold()).lstrip("0")
        groups[re.sub(r"(?<!\d)0+(?=\d)", "", plain)].add(one)
    return tuple(tuple(sorted(group)) for _, group in sorted(groups.items()) if len(group) > 1)
