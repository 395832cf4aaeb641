"""Answers of an object storage that break off in the middle, or never come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from radlas.errors import StoreError

T = TypeVar("T")
AWAY = "run the same command again: what was finished is stored; if it stays so, look at the server"
_PAUSES = (0.2, 1.0, 5.0)  # before an answer that broke off is asked for again [s]


def again_if_cut(question: Callable[[], T]) -> T:
    """The answer to a question that is asked again if its connection breaks in the middle.

    Libraries ask again for what was not answered, and give up a list of which half arrived.
    """
    for pause in _PAUSES:
        try:
            return question()
        except Exception as error:  # each library has its own
            if not is_cut(error):
                raise
        time.sleep(pause)
    return question()


def is_cut(error: Exception) -> bool:
    """Whether a server's answer broke off in the middle."""
    return "response body" in str(error)


def unusable(said: str, where: str, hint: str = AWAY) -> StoreError:
    """The error of a server that does not do what it is asked."""
    return StoreError(f"the bucket cannot be used: {said}", where, hint, "bucket")
