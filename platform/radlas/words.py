"""Words as people read them: counts with their noun, and text without signs that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_OF_NOTE = re.compile(r"[^\n\t\x20-\x7e]")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of direction, halves, separators


def counted(number: int, one: str, many: str = "") -> str:
    """As ``1 case`` or ``1200 cases``.

    Args:
        number: How many there are.
        one: The noun in the singular.
        many: Of any other number, where an s is not enough.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def tallied(counts: Mapping[str, int], one: str) -> tuple[str, ...]:
    """As ``2 files: hidden, passed over``; of what there is none nothing is said.

    Args:
        counts: How many there are of which it is true.
        one: The noun in the singular.
    """
    return tuple(f"{counted(number, one)}: {what}" for what, number in counts.items() if number)


def harmless(text: str) -> str:
    r"""A text to show: what acts on a terminal or turns a line around stands as Python writes it.

    Examples:
        >>> harmless("grade \x1b[31mhigh")
        'grade \\x1b[31mhigh'
    """
    return _OF_NOTE.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    sign = found[0]
    if unicodedata.category(sign) not in _UNSEEN:
        return sign
    return sign.encode("unicode_escape").decode("ascii")
