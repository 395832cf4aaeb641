"""SQL over the live store or a pinned snapshot, in DuckDB: read-only, confined to the lake."""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import duckdb

from radlas.errors import ConfigError, StoreError, WorkerError
from radlas.store import delta
from radlas.store.layout import Store
from radlas.tables import RADIOMICS_FACTS, TABLES, Table

_EXAMS = ("cases", "rois", "prepared", "clinical")
_FEATURES = ("radiomics", "radiomics_wide", "deep")
VIEWS = (*_EXAMS, *_FEATURES, "outcomes", "latest", "missing")
_MEMORY = "allow more by --memory, or ask for fewer columns or groups at once"
_VALUES = (
    "a list with a value for every ?, by name for every $name, or the values in the SQL itself"
)
_PIVOT = "name them: PIVOT ... ON image_type IN ('original', 'wavelet-LLH') USING ..."
_UNFILLED = ["Unexpected prepared parameter", "statement parameters", "Parameter argument/count"]
_PART = ".parquet"
_FROM = "from part"  # no extractor's column can be called so
_OF_THE_QUERY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
    duckdb.PermissionException,
)
_WIDE = "radiomics_wide"  # it has thousands of columns
_LATE = (_WIDE, "missing")  # costly to make, and so made when they are asked for
_SQL_TYPES = {
    "string": "varchar",
    "bool": "boolean",
    "int64": "bigint",
    "float64": "double",
    "timestamp": "timestamptz",
    "list<float32>": "float[]",
}


@contextmanager
def connect(
    store: Store,
    *,
    versions: Mapping[str, int] | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    cohort: Sequence[str] | None = None,
    feature_sets: Sequence[str] | None = None,
    memory: str = "",
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views of ``store/sql`` over the given versions, to be closed.

    Args:
        store: The store.
        versions: Delta version per table, -1 for a table that was empty; None for the newest.
        parts: Paths of the parts of those versions per table, where they are known: no log is read.
        cohort: Case ids that are visible; None for all.
        feature_sets: Feature sets that are visible; None for all.
        memory: Most memory that queries may take, as ``2GB``; empty for DuckDB's own bound.

    Raises:
        ConfigError: ``memory`` is no amount of memory.
        StoreError: A part of the lake is lost or damaged, as seen now or while it is read.
    """
    with duckdb.connect(":memory:") as connection, _lake_read(store), ended_with(connection):
        _bind_all(connection, store, versions=versions, parts=parts)
        _restrict(connection, cohort, feature_sets)
        for view in VIEWS:
            if view not in _LATE:
                connection.execute(view_sql(view))
        if memory:
            _limit(connection, memory)
        _confine(connection, store)
        yield connection


@contextmanager
def ended_with(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A query that Ctrl-C or SIGTERM came upon ends, too: DuckDB's threads would go on with it.

    Raises:
        KeyboardInterrupt: Also where DuckDB has an error of its own for it.
    """
    try:
        yield
    except KeyboardInterrupt:
        connection.interrupt()
        raise
    except RuntimeError as error:
        connection.interrupt()
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise


@contextmanager
def _lake_read(store: Store) -> Iterator[None]:
    """What a reader finds wrong with a file of the lake is the store's damage."""
    try:
        yield
    except FileNotFoundError as error:  # of a bucket; a file with a name is the reader's own
        if error.filename is not None:
            raise
        raise _damaged(store, error.strerror or str(error)) from None
    except duckdb.OutOfMemoryException as error:
        what = f"out of memory: {str(error).splitlines()[0]}"
        hint = "fewer runs at once, or more memory for this one; running again is safe"
        raise WorkerError(what, str(store.place), hint, "memory") from None
    except duckdb.Error as error:
        if not _blames_a_part(error):
            raise
        lines = str(error).splitlines()
        named = [one for one in lines if _PART in one and not one.startswith("LINE")]
        raise _damaged(store, [*named, *lines][0]) from None


def _damaged(store: Store, told: str) -> StoreError:
    return StoreError(
        f"a file of the lake cannot be read: {told}",
        str(store.place),
        "radlas verify names all that is lost or changed; restore it from a backup",
        "damage",
    )


def _blames_a_part(error: duckdb.Error) -> bool:
    """By its text; bytes that make no sense inside a part have neither a name nor a kind."""
    if type(error) is duckdb.Error:
        return "extension" not in str(error)  # that one would be for what a query may not do
    return _PART in str(error) and not isinstance(error, _OF_THE_QUERY)


def _bind_all(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    *,
    versions: Mapping[str, int] | None,
    parts: Mapping[str, Sequence[str]] | None,
) -> None:
    """Every table's rows, in a session whose settings suit a lake."""
    connection.execute("set TimeZone = 'UTC'")
    # Parts are never rewritten, and every view that is made reads their footers again without it.
    connection.execute("set parquet_metadata_cache = true")
    _without_bar(connection)
    connection.execute("create schema pinned")  # what views are made of: none of it is to be asked
    # What a query cannot hold goes there and is gone with the connection; else to the folder that
    # somebody happens to stand in.
    spill = Path(tempfile.gettempdir()) / f"radlas-sql-{uuid.uuid4().hex}"
    connection.execute("set temp_directory = ?", [str(spill)])
    # The ledger is looked at first: what it tells of, while others write, is then in the tables.
    for table in sorted(TABLES.values(), key=lambda table: table.name != "outcomes"):
        pinned = None if versions is None else versions.get(table.name, -1)
        if parts and table.name in parts:
            uris = delta.local(store, table.name, parts[table.name])
        else:
            uris = delta.files(store, table.name, pinned)
        _bind(connection, table, uris)


def _without_bar(connection: duckdb.DuckDBPyConnection) -> None:
    """No progress bar: DuckDB takes ``python -c`` for a person, and would print one to stdout."""
    try:
        connection.execute("set enable_progress_bar_print = false")
    except duckdb.InvalidInputException as error:
        # A notebook without ipywidgets has no bar, and DuckDB no way to be told so there.
        if "ipywidgets" not in str(error):
            raise


def _limit(connection: duckdb.DuckDBPyConnection, memory: str) -> None:
    try:
        connection.execute("set memory_limit = ?", [memory])
    except duckdb.Error:
        raise ConfigError(f"no amount of memory: {memory!r}", hint="as 2GB or 512MB") from None


def view_sql(name: str) -> str:
    """The text of one view, with its grain, reads and units."""
    return (resources("radlas.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


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
        f'of_{place}."{feature}" as ' + _quoted(f"{kind}__{feature}", sign='"')
        for place, (kind,) in enumerate(kinds)
        for feature in features
    ]
    joins = [
        f"left join (from radiomics where image_type = {_quoted(kind)}) of_{place}"
        " using (feature_set, case_id, roi, perturbation)"
        for place, (kind,) in enumerate(kinds)
    ]
    text = text.replace("{columns}", ",\n    ".join(columns) or "null as none")
    return text.replace("{joins}", "\n".join(joins))


def run_sql(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] = (),
) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT.

    Raises:
        ConfigError: The SQL is wrong, or wants more than to read the store.
    """
    make_late(connection, sql)
    try:
        found = connection.extract_statements(sql)
        if any(not one.query for one in found):  # DuckDB would make a type of the values
            raise ConfigError("PIVOT without its values", sql, _PIVOT)
        if [one.type for one in found] != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                "not one query", sql, "give one SELECT, WITH, DESCRIBE or SUMMARIZE statement"
            )
        given = dict(params) if isinstance(params, Mapping) else list(params)
        relation = connection.sql(sql, params=given)
        relation.execute()  # now, so that an error of a row is an error of the query
    except duckdb.PermissionException as error:
        raise ConfigError(str(error), "query", "a query reads the store and nothing else") from None
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(str(error).splitlines()[0], "query", _MEMORY) from None
    except duckdb.Error as error:
        if _blames_a_part(error):
            raise
        if places := [one for one in _UNFILLED if one in str(error)]:
            none = "a place for a value, ? or $name, and no value was given"
            what = none if places == _UNFILLED[:1] else str(error)
            raise ConfigError(what, "query", _VALUES) from None
        quoted = "text stands in 'single quotes', names in double ones; " if '"' in sql else ""
        raise ConfigError(str(error), "query", f"{quoted}views: {', '.join(VIEWS)}") from None
    return relation


def _bind(connection: duckdb.DuckDBPyConnection, table: Table, uris: Sequence[str]) -> None:
    """``pinned.<table>``: the pinned Parquet files under the declared columns, in their order.

    A column that was declared after a file was written reads as NULL there.
    """
    name = f"pinned.{table.name}"
    columns = ", ".join(f'"{c.name}" {_SQL_TYPES[c.type]}' for c in table.columns)
    if not uris:
        connection.execute(f"create table {name} ({columns})")
        return
    listed = ", ".join(_quoted(_as_it_is(uri)) for uri in uris)
    options = f"union_by_name = true, hive_partitioning = false, filename = '{_FROM}'"
    # The partitions' values are the last folders of a part's own path: folders that the store
    # itself lies in may look like partitions too.
    ending = "/".join([*(f"{column}=([^/]+)" for column in table.partitions), "[^/]+$"])
    values = [
        f"regexp_extract(\"{_FROM}\", '/{ending}', {place}) as {column}"
        for place, column in enumerate(table.partitions, 1)
    ]
    parts = ", ".join([f'* exclude ("{_FROM}")', *values])
    connection.execute(f"create table {name}_declared ({columns})")
    connection.execute(
        f"create view {name} as from {name}_declared union all by name"
        f" select {parts} from read_parquet([{listed}], {options})"
    )


def _quoted(text: str, sign: str = "'") -> str:
    """A text of SQL; or, in double signs, a name."""
    return sign + text.replace(sign, 2 * sign) + sign


def _as_it_is(path: str) -> str:
    """A path that DuckDB takes for no pattern: it would read ``s1`` for ``s[12]``, too."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _restrict(
    connection: duckdb.DuckDBPyConnection,
    cohort: Sequence[str] | None,
    feature_sets: Sequence[str] | None,
) -> None:
    """``cohort`` and ``recipes``, what is visible: a snapshot's lists, or everything there is."""
    if cohort is None:  # a view: to make a table of 100,000 takes as long as all else of opening
        connection.execute("create view pinned.cohort as select case_id from pinned.cases")
    else:
        _list(connection, "cohort", "case_id", cohort)
    if feature_sets is None:
        connection.execute(
            "create table pinned.recipes as select feature_set from pinned.radiomics"
            " union select feature_set from pinned.deep"
        )
    else:
        _list(connection, "recipes", "feature_set", feature_sets)


def _list(
    connection: duckdb.DuckDBPyConnection, name: str, column: str, values: Sequence[str]
) -> None:
    listed = "unnest(from_json(?, '[\"varchar\"]'))"  # a Python list is read value by value
    sql = f"create table pinned.{name} as select {listed} {column}"
    connection.execute(sql, [json.dumps(list(values))])


def _confine(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """From here on: no file but the lake's, no network, no extension, no change of settings."""
    lake = f"{store.place.near / 'lake'}/"
    connection.execute("set allowed_directories = ?", [[lake, _as_it_is(lake)]])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
