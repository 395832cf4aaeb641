"""What a terminal is told, without signs that it obeys or that nobody sees.

Names come from hospitals' files, and from stores that others wrote. An escape in one recolours,
overwrites or hides what stands there; a mark of direction turns the rest of the line around.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

from radlas.words import harmless


class Harmless:
    """Something of Rich's, with all of its text made harmless."""

    def __init__(self, renderable: Any) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for one in console.render(self._renderable, options):
            yield one if one.control else Segment(harmless(one.text), one.style)
