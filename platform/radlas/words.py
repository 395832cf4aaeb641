"""How a number and what it counts are said together."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """As ``1 case`` or ``1200 cases``.

    Args:
        number: How many there are.
        one: What they are, of one.
        many: Of any other number, where an s is not enough.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
