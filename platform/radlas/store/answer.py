"""The rows of an answer, in types and under names that every form of it has."""

from __future__ import annotations

from itertools import count
from typing import Any

import duckdb
import pyarrow as pa

_AS_TEXT = {"interval", "time with time zone", "bit", "bignum", "union", "uhugeint"}
_NESTED = {"list", "array", "struct", "map"}
_WIDE = "hugeint"  # of every sum of whole numbers, and of count_if


def as_table(relation: duckdb.DuckDBPyRelation) -> Any:
    """An Arrow table of all rows.

    Whole numbers of 128 bits are of 64 where all of a column fit: else a count would be an object
    to pandas. What some form has no type for, as the time between two moments, is text, as DuckDB
    writes it. Of two columns of one name the second has a number behind it.

    Args:
        relation: The answer.
    """
    names = apart(relation.columns)
    wide = [place for place, kind in enumerate(relation.types) if kind.id == _WIDE]
    table = as_text(relation).to_arrow_table().rename_columns(names)
    for place in wide:
        table = table.set_column(place, names[place], _narrow(table.column(place)))
    return table


def as_text(relation: duckdb.DuckDBPyRelation, *more: str) -> duckdb.DuckDBPyRelation:
    """The same rows; what some form has no type for, also within lists, is text.

    Args:
        relation: The answer.
        more: Types of columns that are to be text, too.
    """
    casts = [kind.id in more or _odd(kind) for kind in relation.types]
    if not any(casts):  # to project asks the query again
        return relation
    columns = (f"#{place}{'::varchar' if cast else ''}" for place, cast in enumerate(casts, 1))
    return relation.project(", ".join(columns))


def apart(names: list[str]) -> list[str]:
    """Names of columns, none twice: an object keeps one value of each name."""
    found = dict[str, None]()
    for name in names:
        free = (f"{name}_{times}" if times else name for times in count())
        found[next(one for one in free if one not in found)] = None
    return list(found)


def _odd(kind: Any) -> bool:
    if kind.id not in _NESTED:
        return kind.id in _AS_TEXT
    return any(_odd(one) for _, one in kind.children if hasattr(one, "id"))


def _narrow(column: Any) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # a number is too large: all keep their digits
        return column
