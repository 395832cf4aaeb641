"""The rows of an answer, in types and under names that every form of it has."""

from __future__ import annotations

from collections.abc import Set
from itertools import count
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

_AS_TEXT = {"interval", "time with time zone", "bit", "bignum", "union", "uhugeint"}
_NESTED = {"list", "array", "struct", "map"}
_MOMENTS = {
    "date",
    "timestamp",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp with time zone",
}
_WIDE = "hugeint"  # of every sum of whole numbers, and of count_if


def as_table(relation: duckdb.DuckDBPyRelation, *, within: Set[str] = frozenset()) -> Any:
    """An Arrow table of all rows.

    Whole numbers of 128 bits are of 64 where all of a column fit: else a count would be an object
    to pandas. What some form has no type for, as the time between two moments, is text, as DuckDB
    writes it. Of two columns of one name the second has a number behind it.

    Args:
        relation: The answer.
        within: As of ``as_text``.
    """
    names = apart(relation.columns)
    wide = [place for place, kind in enumerate(relation.types) if kind.id == _WIDE]
    table = as_text(relation, within=within).to_arrow_table().rename_columns(names)
    for place in wide:
        table = table.set_column(place, names[place], _narrow(table.column(place)))
    return table


def as_rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """All rows, as of ``as_table``.

    Python's years are 1 to 9999: where one lies beyond, all moments are as DuckDB writes them.
    """
    try:
        rows: list[dict[str, Any]] = as_table(relation).to_pylist()
    except (OverflowError, ValueError):
        rows = as_table(relation, within=_MOMENTS).to_pylist()
    return rows


def as_frame(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """A frame of all rows, moments as in ``as_rows``."""
    try:
        frame = relation.df()
        known = not any(_beyond(frame.iloc[:, place]) for place in range(frame.shape[1]))
    except (duckdb.ConversionException, ValueError):  # beyond what pandas can count, too
        known = False
    return frame if known else as_text(relation, within=_MOMENTS).df()


def as_text(
    relation: duckdb.DuckDBPyRelation, *more: str, within: Set[str] = frozenset()
) -> duckdb.DuckDBPyRelation:
    """The same rows; what some form has no type for, also within lists, is text.

    Args:
        relation: The answer.
        more: Types of columns that are to be text, too.
        within: The same, also within lists.
    """
    odd = {*_AS_TEXT, *within}
    casts = [kind.id in more or _odd(kind, odd) for kind in relation.types]
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


def _odd(kind: Any, odd: Set[str]) -> bool:
    if kind.id not in _NESTED:
        return kind.id in odd
    return any(_odd(one, odd) for _, one in kind.children if hasattr(one, "id"))


def _beyond(column: pd.Series) -> bool:
    """Whether a moment lies beyond the years that Python has; infinity is one, to pandas."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        return False
    years = column.dt.year
    return bool(((years < 1) | (years > 9999)).any())


def _narrow(column: Any) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # a number is too large: all keep their digits
        return column
