"""What the lake cannot take is the defect of the one task that gave it, and of no other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from radlas.errors import WorkerError
from radlas.model import Row
from radlas.tables import COLUMN_NAME, TABLES, ColumnType

_LARGEST = float(np.finfo(np.float32).max)
_OF_THE_TASK = ("feature_set", "case_id")  # the same in all its rows, but for drawn ROIs


def unstorable(rows: Mapping[str, Sequence[Row]]) -> WorkerError | None:
    """The first fault of a task's rows, by table; None if the lake takes them all.

    A commit takes the rows of many tasks: one of these would keep all others out.
    """
    for fault in (fault for table, some in rows.items() for fault in _faults(table, some)):
        hint = (
            "a defect of the extractor or importer: values are numbers or None, under plain names,"
        )
        hint += " and no row is there twice"
        return WorkerError(fault, hint=hint, reason="bug")
    return None


def _faults(table: str, rows: Sequence[Row]) -> Iterator[str]:
    yield from _misnamed(table, frozenset[str]().union(*rows))
    yield from _doubled(table, rows)
    kinds = _kinds(table)
    for row in rows:
        for name, value in row.items():
            fits, what = kinds.get(name, _NUMBER)
            if value is not None and not fits(value):
                yield f"{name} holds what is {what}"


def _doubled(table: str, rows: Sequence[Row]) -> Iterator[str]:
    """Rows of one key: the lake would keep the first, and nobody would miss the others."""
    key = [name for name in TABLES[table].key if name not in _OF_THE_TASK]
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        named = tuple(str(row.get(name) or "") for name in key)
        if named in seen:
            pairs = zip(key, named, strict=True)
            told = ", ".join(f"{name} {value}" for name, value in pairs if value)
            yield f"two rows of {table} are of the same {told}"
        seen.add(named)


@lru_cache
def _misnamed(table: str, names: frozenset[str]) -> tuple[str, ...]:
    """What is wrong with names that are not declared, and so become columns."""
    lowered = {name.lower(): name for name in TABLES[table].names}  # as SQL tells them apart
    faults = []
    for name in sorted(names - set(TABLES[table].names)):
        if not COLUMN_NAME.fullmatch(name):
            faults.append(f"{name!r} is no name of a column")
        elif lowered.setdefault(name.lower(), name) != name:
            faults.append(f"column {name} would stand beside {lowered[name.lower()]}")
    return tuple(faults)


def _is_number(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, int | np.integer):
        return bool(-(2**53) <= value <= 2**53)  # beyond, not every one is a float64
    return isinstance(value, float | np.floating) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    """A fraction would be cut off without a word."""
    return _is_number(value) and not isinstance(value, bool) and int(value) == value


def _is_vector(value: Any) -> bool:
    """Of numbers that are finite in single precision, too."""
    if type(value) is not list:
        return False
    if {float}.issuperset(map(type, value)):  # all at once: there are hundreds in every row
        return bool((np.abs(np.array(value, np.float64)) <= _LARGEST).all())
    return all(_is_number(one) and abs(one) <= _LARGEST for one in value)


def _is_text(value: Any) -> bool:
    """Half a surrogate pair, as of a file's name that is not UTF-8, is no text."""
    return isinstance(value, str) and (value.isascii() or not re.search("[\ud800-\udfff]", value))


_Kind = tuple[Callable[[Any], bool], str]
_NUMBER: _Kind = (_is_number, "no number, or NaN or infinity")
_TAKEN: dict[ColumnType, _Kind] = {
    "string": (_is_text, "no text"),
    "bool": (lambda value: isinstance(value, bool | np.bool_), "neither true nor false"),
    "int64": (_is_whole, "no whole number"),
    "float64": _NUMBER,
    "timestamp": (lambda value: isinstance(value, datetime), "no time"),
    "list<float32>": (_is_vector, "no list of numbers of single precision, or NaN or infinity"),
}


@lru_cache
def _kinds(table: str) -> dict[str, _Kind]:
    """What the declared columns take; all others take numbers."""
    return {column.name: _TAKEN[column.type] for column in TABLES[table].columns}
