"""The views that people ask: their SQL lies in ``store/sql``, one file each."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.resources import files as resources

import duckdb

from radlas.store.binding import quoted
from radlas.tables import RADIOMICS_FACTS, TABLES

_EXAMS = ("cases", "rois", "prepared", "clinical")
_FEATURES = ("radiomics", "radiomics_wide", "deep")
VIEWS = (*_EXAMS, *_FEATURES, "outcomes", "latest", "missing")
_WIDE = "radiomics_wide"  # it has thousands of columns
_LATE = (_WIDE, "missing")  # costly to make, and so made when they are asked for
# Of what there is, not of rows: DESCRIBE alone is a SHOW TABLES.
_OF_ALL = re.compile(
    r"\b(show|information_schema|duckdb_\w+|pg_\w+|sqlite_\w+|describe\s*([;)]|$))"
)


def view_sql(name: str) -> str:
    """The text of one view, with its grain, reads and units."""
    return (resources("radlas.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def views_named(sql: str) -> set[str]:
    """Views that a query may look at: those it names, as it may ask for no other; or for all.

    Examples:
        >>> sorted(views_named("select Grade from CLINICAL"))
        ['clinical']
    """
    asked = sql.lower()
    return set(VIEWS) if _OF_ALL.search(asked) else {view for view in VIEWS if view in asked}


def tables_of(views: Collection[str]) -> set[str]:
    """Tables that views are made of, by the words of their texts; the cases in any case.

    Examples:
        >>> sorted(tables_of({"latest"}))
        ['cases', 'outcomes']
    """
    found: set[str] = set()
    left = set(views)
    while left:
        found |= left
        texts = " ".join(map(view_sql, left))
        left = {view for view in VIEWS if re.search(rf"\b{view}\b", texts)} - found
    return {"cases", *found} & set(TABLES)


def make_views(connection: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    """Make all views of these tables but those that are made when a query asks for them.

    See ``make_late``.
    """
    for view in VIEWS:
        if view not in _LATE and tables_of({view}) <= set(tables):
            connection.execute(view_sql(view))


def make_late(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Make the views that a query names, or asks for all of, and that are not made yet."""
    named = views_named(sql) & set(_LATE)
    if not named:
        return
    made = connection.sql("select view_name from duckdb_views()").fetchall()
    for view in sorted(named - {name for (name,) in made}):
        text = view_sql(view)
        connection.execute(_widened(connection, text) if view == _WIDE else text)


def _widened(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The text of ``radiomics_wide``, whose columns are those of the rows that are there."""
    kinds = connection.sql("select distinct image_type from radiomics order by 1").fetchall()
    every = connection.sql("select * from radiomics limit 0").columns
    features = [name for name in every if name not in RADIOMICS_FACTS]
    columns = [
        f"of_{place}.{_name(feature)} as {_name(f'{kind}__{feature}')}"
        for place, (kind,) in enumerate(kinds)
        for feature in features
    ]
    joins = [
        f"left join (from radiomics where image_type = {quoted(kind)}) of_{place}"
        " using (feature_set, case_id, roi, perturbation)"
        for place, (kind,) in enumerate(kinds)
    ]
    text = text.replace("{columns}", ",\n    ".join(columns) or "null as none")
    return text.replace("{joins}", "\n".join(joins))


def _name(text: str) -> str:
    return quoted(text, sign='"')
