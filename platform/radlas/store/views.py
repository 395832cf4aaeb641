"""The views that people ask: their SQL lies in ``store/sql``, one file each."""

from __future__ import annotations

from importlib.resources import files as resources

import duckdb

from radlas.store.binding import quoted
from radlas.tables import RADIOMICS_FACTS

_EXAMS = ("cases", "rois", "prepared", "clinical")
_FEATURES = ("radiomics", "radiomics_wide", "deep")
VIEWS = (*_EXAMS, *_FEATURES, "outcomes", "latest", "missing")
_WIDE = "radiomics_wide"  # it has thousands of columns
_LATE = (_WIDE, "missing")  # costly to make, and so made when they are asked for


def view_sql(name: str) -> str:
    """The text of one view, with its grain, reads and units."""
    return (resources("radlas.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make all views but those that are made when a query asks for them; see ``make_late``."""
    for view in VIEWS:
        if view not in _LATE:
            connection.execute(view_sql(view))


def make_late(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Make the views that a query names, or asks for all of, and that are not made yet."""
    asked = sql.lower()
    named = {view for view in _LATE if view in asked or asked.lstrip().startswith("show")}
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
