"""What a terminal is told, without signs that it obeys or that nobody sees.

Names come from hospitals' files, and from stores that others wrote. An escape in one recolours,
overwrites or hides what stands there; a mark of direction turns the rest of the line around.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

_OF_NOTE = re.compile(r"[^\n\t\x20-\x7e]")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of direction, halves, separators


def harmless(text: str) -> str:
    r"""A text to print: what would act on the terminal stands there as Python writes it.

    Examples:
        >>> harmless("grade \x1b[31mhigh")
        'grade \\x1b[31mhigh'
    """
    return _OF_NOTE.sub(_shown, text)


class Harmless:
    """Something of Rich's, with all of its text made harmless."""

    def __init__(self, renderable: Any) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for one in console.render(self._renderable, options):
            yield one if one.control else Segment(harmless(one.text), one.style)


def _shown(found: re.Match[str]) -> str:
    sign = found[0]
    if unicodedata.category(sign) not in _UNSEEN:
        return sign
    return sign.encode("unicode_escape").decode("ascii")
