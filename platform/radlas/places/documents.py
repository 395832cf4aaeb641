"""The JSON files of a store, as they may be read: whole, and of the form they were written in.

A store may have been copied from elsewhere, and a file of it edited. What one says is held to its
form where it is read, and nowhere else; what it does not say is told to whoever asks for it, since
an older radlas may not have written it, and others may not need it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from radlas.digests import from_json
from radlas.errors import StoreError
from radlas.forms import Form, misfit
from radlas.places.place import Place

RESTORE = "restore it from a backup"
OLDER = f"{RESTORE}; if an older radlas wrote it, use that, or make it anew"
_DEEPEST = 50  # levels of a file; nobody writes ten
_HALF = re.compile("[\ud800-\udfff]")  # of a pair of surrogates: no text that can be written


class Document(dict[str, Any]):
    """A mapping of a file; a key that is asked for and is not there is the file's damage.

    Attributes:
        where: The file.
    """

    def __init__(
        self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), where: str = ""
    ) -> None:
        super().__init__(values)
        self.where = where

    def __missing__(self, key: str) -> Any:
        raise damaged(self.where, f"it lacks `{key}`", OLDER)


def documents(place: Place, folder: str) -> list[str]:
    """The JSON files that the store keeps in a folder.

    File managers leave files there of which the store knows nothing: ``.DS_Store``, ``._x.json``.
    """
    names = (PurePosixPath(name) for name in place.names(folder))
    return [str(name) for name in names if name.suffix == ".json" and name.name[0] != "."]


def document(place: Place, name: str, form: Form) -> Any:
    """What a JSON file of the store says; FileNotFoundError if there is none.

    Raises:
        StoreError: It is damaged.
    """
    return parsed(place, name, place.read(name), form)


def parsed(place: Place, name: str, data: bytes, form: Form, *, hint: str = RESTORE) -> Any:
    """The same, of its bytes."""
    where = f"{place}/{name}"
    try:
        value = held(from_json(data), where)
    except ValueError as error:
        raise damaged(where, str(error), hint) from error
    if wrong := misfit(value, form):
        raise damaged(where, wrong, hint)
    return value


def damaged(where: str, why: str, hint: str = RESTORE) -> StoreError:
    """The error of a file that is not what radlas wrote."""
    return StoreError(f"damaged: {why}", where, hint, "damage")


def held(value: Any, where: str, depth: int = 0) -> Any:
    """A value whose mappings know their file; ValueError if it cannot be written again."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        known = {held(key, where): held(one, where, depth + 1) for key, one in value.items()}
        return Document(known, where)
    if isinstance(value, list):
        return [held(one, where, depth + 1) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number in it is not finite")
    if isinstance(value, str) and not value.isascii() and _HALF.search(value):
        raise ValueError("a text in it holds half a sign")
    return value
