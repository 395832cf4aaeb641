"""The rows of an answer, in types and under names that every form of it has."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from radlas.store.binding import quoted

if TYPE_CHECKING:
    import pandas as pd

_AS_TEXT = {"interval", "time with time zone", "bit", "bignum", "union", "uhugeint", "variant"}
NESTED = {"list", "array", "struct", "map"}
_MOMENTS = {
    "date",
    "timestamp",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp with time zone",
}
IN_WORDS = ("blob", "time", "time_ns")  # Python's day ends before 24:00:00
_NAME = '"'  # stands around names
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


def as_pandas(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """A frame of the table of ``as_table``.

    Beside NULL, pandas has whole numbers as floats: where those would lose digits they are of its
    own ``Int64``. Where a date lies beyond Python's years, or a time is its day's end, all moments
    are as DuckDB writes them.
    """
    table = as_table(relation)
    try:
        frame = table.to_pandas()
    except (OverflowError, ValueError):
        table = as_table(relation, within=_MOMENTS | {"time"})
        frame = table.to_pandas()
    for place, column in enumerate(table.columns):
        if column.null_count and pa.types.is_integer(column.type) and not _exact(column):
            frame.isetitem(place, column.to_pandas(types_mapper=_nullable))
    return frame


def as_rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """All rows in what JSON has: lists and structures, and texts of bytes and of times of day.

    Python's years are 1 to 9999: where one lies beyond, all moments are as DuckDB writes them. So
    are all decimals of a column in which one has more digits than a number of JSON keeps.
    """
    names, kinds = apart(relation.columns), relation.types
    plain = as_text(as_json(relation), *IN_WORDS)
    try:
        rows: list[dict[str, Any]] = as_table(plain).to_pylist()
    except (OverflowError, ValueError):
        rows = as_table(plain, within=_MOMENTS).to_pylist()
    for name, kind in zip(names, kinds, strict=True):
        if kind.id in NESTED:
            _become(rows, name, json.loads)
        elif kind.id == "decimal" and any(_loses_digits(row[name]) for row in rows):
            _become(rows, name, "{:f}".format)
    return rows


def as_frame(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """A frame of all rows, moments as in ``as_rows``."""
    # DuckDB would load it, and a signal that came then was lost.
    import pandas  # noqa: F401, PLC0415

    try:
        frame = relation.df()
        known = not any(_beyond(frame.iloc[:, place]) for place in range(frame.shape[1]))
    except (duckdb.ConversionException, ValueError):  # beyond what pandas can count, too
        known = False
    return frame if known else as_text(relation, within=_MOMENTS).df()


def as_json(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows; lists and structures are JSON, as DuckDB writes it: NaN and Infinity too.

    pandas and Python would lose of what is in them: digits of numbers, infinite moments, the
    names of an enum.
    """
    nested = [kind.id in NESTED for kind in relation.types]
    if not any(nested):
        return relation
    return _projected(relation, ["to_json({})::varchar" if one else "{}" for one in nested])


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
    return _projected(relation, ["{}::varchar" if cast else "{}" for cast in casts])


def apart(names: list[str]) -> list[str]:
    """Names of columns, none twice: an object keeps one value of each name."""
    found = dict[str, None]()
    for name in names:
        free = (f"{name}_{times}" if times else name for times in count())
        found[next(one for one in free if one not in found)] = None
    return list(found)


def _projected(relation: duckdb.DuckDBPyRelation, forms: Sequence[str]) -> duckdb.DuckDBPyRelation:
    """Every column in its form, under the name it had."""
    columns = [
        f"{form.format(f'#{place}')} as {quoted(name, _NAME)}"
        for place, (form, name) in enumerate(zip(forms, relation.columns, strict=True), 1)
    ]
    return relation.project(", ".join(columns))


def _become(rows: list[dict[str, Any]], name: str, form: Callable[[Any], Any]) -> None:
    for row in rows:
        row[name] = None if row[name] is None else form(row[name])


def _loses_digits(value: Decimal | None) -> bool:
    return value is not None and Decimal(repr(float(value))) != value


def _odd(kind: Any, odd: Set[str]) -> bool:
    if kind.id not in NESTED:
        return kind.id in odd
    return any(_odd(one, odd) for _, one in kind.children if hasattr(one, "id"))


def _beyond(column: pd.Series) -> bool:
    """Whether a moment lies beyond the years that Python has; infinity is one, to pandas."""
    if column.dtype.kind != "M":
        return False
    years = column.dt.year
    return bool(((years < 1) | (years > 9999)).any())


def _exact(column: Any) -> bool:
    """Whether floats keep all digits of whole numbers."""
    try:
        column.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _nullable(kind: Any) -> Any:
    import pandas as pd  # noqa: PLC0415 - other forms need not wait

    return pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype()


def _narrow(column: Any) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # a number is too large: all keep their digits
        return column
