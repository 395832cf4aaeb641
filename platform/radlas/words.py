"""Counts with their noun: ``1 case``, ``2 cases``."""

from __future__ import annotations

from collections.abc import Mapping


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
