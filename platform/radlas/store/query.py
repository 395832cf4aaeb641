"""SQL over the live store or a pinned snapshot, in DuckDB: read-only, confined to its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from radlas.errors import ConfigError, StoreError, WorkerError, remedy_told
from radlas.store.binding import bind_tables, confine, limit_memory, restrict
from radlas.store.layout import Store
from radlas.store.views import VIEWS, make_late, make_views, tables_of, views_named
from radlas.tables import TABLES

_MEMORY = "allow more by --memory, a larger disk by TMPDIR, or ask for fewer columns or groups"
_READS = "a query reads the store and nothing else"
_VALUES = (
    "a list with a value for every ?, by name for every $name, or the values in the SQL itself"
)
_PIVOT = "name them: PIVOT ... ON image_type IN ('original', 'wavelet-LLH') USING ..."
_UNFILLED = ["Unexpected prepared parameter", "statement parameters", "Parameter argument/count"]
_PART = ".parquet"
_ELSEWHERE = re.compile(r"Error: (.+) is not in the catalog, but it exists in (the \w+ extension)")
_EXPORT = "no extension is loaded here: query --format parquet, and go on in a DuckDB of your own"
_HALF = re.compile("[\ud800-\udfff]")  # of a sign: what Python makes of bytes that are no UTF-8
_WRITES = re.compile(r"\benable_(logging|profil\w*)\b", re.IGNORECASE)  # from within a SELECT
# These run a text as SQL, which may be put together so that no word above is seen in it; and what
# it does outside of the store ends the process, inside DuckDB.
_RUNS = re.compile(r'\b(query|json_execute_serialized_sql)\b"?\s*(?:\(|/\*|--)', re.IGNORECASE)
_OF_THE_QUERY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
    duckdb.PermissionException,
)


@contextmanager
def connect(
    store: Store,
    *,
    versions: Mapping[str, int] | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    cohort: Sequence[str] | None = None,
    feature_sets: Sequence[str] | None = None,
    memory: str = "",
    asked: str | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views of ``store/sql`` over the given versions, to be closed.

    Args:
        store: The store.
        versions: Delta version per table, -1 for a table that was empty; None for the newest.
        parts: Paths of the parts of those versions per table, where they are known: no log is read.
        cohort: Case ids that are visible; None for all.
        feature_sets: Feature sets that are visible; None for all.
        memory: Most memory that queries may take, as ``2GB``; empty for DuckDB's own bound.
        asked: The one query that will be run: files of tables that it does not look at are not
            opened, nor fetched from a bucket. None for any.

    Raises:
        ConfigError: ``memory`` is no amount of memory.
        StoreError: A part of the lake is lost or damaged, as seen now or while it is read.
    """
    with (
        # For us alone: what DuckDB puts down there anybody on the machine might read.
        TemporaryDirectory(prefix="radlas-sql-", ignore_cleanup_errors=True) as private,
        duckdb.connect(":memory:") as connection,
        _lake_read(store),
        ended_with(connection),
    ):
        spill = Path(private) / "spill"
        tables = set(TABLES) if asked is None else tables_of(views_named(asked))
        bound = bind_tables(
            connection, store, versions=versions, parts=parts, only=tables, spill=spill
        )
        restrict(connection, cohort, feature_sets)
        make_views(connection, tables)
        if memory:
            limit_memory(connection, memory)
        confine(connection, bound)
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
    except UnicodeDecodeError as error:  # a name or a value of ours is always a text
        raise _damaged(store, str(error)) from None
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
    if hint := remedy_told(told):  # it may be whole
        what = f"a file of the lake cannot be read: {told}"
        return StoreError(what, str(store.place), f"{hint}; then run again", "os_error")
    return StoreError(
        f"a file of the lake cannot be read: {told}",
        str(store.place),
        "radlas verify names all that is lost or changed; restore it from a backup",
        "damage",
    )


def _blames_a_part(error: duckdb.Error) -> bool:
    """By its text; bytes that make no sense inside a part have neither a name nor a kind."""
    if type(error) is duckdb.Error:
        return True
    return _PART in str(error) and not isinstance(error, _OF_THE_QUERY)


def run_sql(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] = (),
) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT.

    Raises:
        ConfigError: The SQL is wrong, or wants more than to read the store.
    """
    if _HALF.search(sql):
        raise ConfigError("the query is no text in UTF-8", hint="in a terminal or file of UTF-8")
    if told := _WRITES.search(sql):
        raise ConfigError(f"{told[0]} writes files", "query", _READS)
    if told := _RUNS.search(sql):
        raise ConfigError(f"{told[1]}() runs a text as SQL", "query", "write that SQL itself")
    make_late(connection, sql)
    try:
        found = connection.extract_statements(sql)
        if any(not one.query for one in found):  # DuckDB would make a type of the values
            raise ConfigError("PIVOT without its values", sql, _PIVOT)
        if [one.type for one in found] != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                "not one query", sql, "give one SELECT, WITH, DESCRIBE or SUMMARIZE statement"
            )
        if params:  # as in ``as_frame``
            import pandas  # noqa: F401, PLC0415
        given = dict(params) if isinstance(params, Mapping) else list(params)
        relation = connection.sql(sql, params=given)
        relation.execute()  # now, so that an error of a row is an error of the query
    except duckdb.PermissionException as error:
        raise ConfigError(str(error), "query", _READS) from None
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(str(error).splitlines()[0], "query", _MEMORY) from None
    except duckdb.Error as error:
        if _blames_a_part(error):
            raise
        if told := _ELSEWHERE.search(str(error)):
            raise ConfigError(f"{told[1]} is of {told[2]} of DuckDB", "query", _EXPORT) from None
        if places := [one for one in _UNFILLED if one in str(error)]:
            none = "a place for a value, ? or $name, and no value was given"
            what = none if places == _UNFILLED[:1] else str(error)
            raise ConfigError(what, "query", _VALUES) from None
        quoted = "text stands in 'single quotes', names in double ones; " if '"' in sql else ""
        raise ConfigError(str(error), "query", f"{quoted}views: {', '.join(VIEWS)}") from None
    return relation
