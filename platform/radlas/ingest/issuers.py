"""Who gave a patient's identifier: two hospitals of a network may number alike. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

_KINDS_OF_NUMBER = {"dns", "euid", "iso", "uuid", "guid", "hcd", "l", "m", "n", "x400", "x500"}


def issuer_names(text: str) -> frozenset[str]:
    """Names and numbers of an issuer, which HL7 writes as ``NAME&1.2.3&ISO``.

    Examples:
        >>> sorted(issuer_names(" Hosp  A&1.2.3&ISO"))
        ['1.2.3', 'hosp a']
    """
    parts = frozenset(" ".join(part.split()) for part in re.split(r"[&^]", text.casefold()))
    return parts - _KINDS_OF_NUMBER - {""}


def two_issuers(one: Collection[str], other: Collection[str]) -> bool:
    """True if nothing names both, and a name or a number names each: those are not compared.

    Args:
        one: Names and numbers of an issuer.
        other: Likewise.
    """
    kinds = [set(map(is_number, names)) for names in (one, other)]
    return set(one).isdisjoint(other) and not kinds[0].isdisjoint(kinds[1])


def is_number(word: str) -> bool:
    """True for what HL7 calls a universal identifier: digits and dots."""
    return not word.strip("0123456789.")
