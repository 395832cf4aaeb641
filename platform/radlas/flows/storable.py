"""What the lake cannot take is the defect of the one task that gave it, and of no other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any

from radlas.errors import WorkerError
from radlas.model import Row
from radlas.tables import TABLES

_NUMBERS = {"float64", "int64", "list<float32>"}
_OF_THE_TASK = ("feature_set", "case_id")  # the same in all its rows, but for drawn ROIs
_NAME = re.compile(r"[A-Za-z]\w*(?:[.-]\w+)*", re.ASCII)  # SQL and Parquet take it as it is


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
    texts = _texts(table)
    for row in rows:
        for name, value in row.items():
            if value is None or name in texts:
                continue
            if not (all(map(_is_number, value)) if type(value) is list else _is_number(value)):
                yield f"{name} holds what is no number, or NaN or infinity"


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
        if not _NAME.fullmatch(name):
            faults.append(f"{name!r} is no name of a column")
        elif lowered.setdefault(name.lower(), name) != name:
            faults.append(f"column {name} would stand beside {lowered[name.lower()]}")
    return tuple(faults)


@lru_cache
def _texts(table: str) -> frozenset[str]:
    """Declared columns whose values are no numbers."""
    return frozenset(c.name for c in TABLES[table].columns if c.type not in _NUMBERS)


def _is_number(value: Any) -> bool:
    if type(value) is not float and not isinstance(value, Real):
        return False
    return math.isfinite(value)
