"""What views are made of: a table's pinned Parquet files in DuckDB, and nothing beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb

from radlas.errors import ConfigError, StoreError
from radlas.store import delta
from radlas.store.layout import Store
from radlas.tables import TABLES, Table

_SET = re.compile("feature_set=([^/]+)/")
_FROM = "from part"  # no extractor's column can be called so
_SQL_TYPES = {
    "string": "varchar",
    "bool": "boolean",
    "int64": "bigint",
    "float64": "double",
    "timestamp": "timestamptz",
    "list<float32>": "float[]",
}

_KINDS = {kind: str(duckdb.sqltype(kind)) for kind in _SQL_TYPES.values()}  # as they are told
# DuckDB takes what is below nothing, and a word for it, for as much as there is.
_NO_BOUND = re.compile(r"\s*(-|none)", re.IGNORECASE)


def bind_tables(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    *,
    versions: Mapping[str, int] | None,
    parts: Mapping[str, Sequence[str]] | None,
    only: Collection[str],
    spill: Path,
) -> list[str]:
    """Rows of some tables, in a session whose settings suit a lake; the files that they lie in.

    And in ``pinned.described`` the feature sets that there are rows of, whether these are bound or
    not: parts' paths tell them.
    """
    connection.execute("set TimeZone = 'UTC'")
    # Parts are never rewritten, and every view that is made reads their footers again without it.
    connection.execute("set parquet_metadata_cache = true")
    _without_bar(connection)
    connection.execute("create schema pinned")  # what views are made of: none of it is to be asked
    # What a query cannot hold goes there; else to the folder that somebody happens to stand in.
    connection.execute(f"set temp_directory = {quoted(str(spill))}")
    bound: list[str] = []
    sets: set[str] = set()
    # The ledger is looked at first: what it tells of, while others write, is then in the tables.
    for table in sorted(TABLES.values(), key=lambda table: table.name != "outcomes"):
        by_set = "feature_set" in table.partitions
        if table.name not in only and not by_set:
            continue
        if parts and table.name in parts:
            paths = parts[table.name]
        else:
            pinned = None if versions is None else versions.get(table.name, -1)
            paths = [part.path for part in delta.parts(store, table.name, pinned)]
        sets |= {told[1] for path in paths if by_set and (told := _SET.match(path))}
        if table.name in only:
            uris = delta.local(store, table.name, paths)
            _bind(connection, table, uris)
            if uris:
                _refuse_other_types(connection, table, str(store.place))
            bound += uris
    _list(connection, "described", "feature_set", sorted(sets))
    return bound


def _without_bar(connection: duckdb.DuckDBPyConnection) -> None:
    """No progress bar: DuckDB takes ``python -c`` for a person, and would print one to stdout."""
    try:
        connection.execute("set enable_progress_bar_print = false")
    except duckdb.InvalidInputException as error:
        # A notebook without ipywidgets has no bar, and DuckDB no way to be told so there.
        if "ipywidgets" not in str(error):
            raise


def _bind(connection: duckdb.DuckDBPyConnection, table: Table, uris: Sequence[str]) -> None:
    """``pinned.<table>``: the pinned Parquet files under the declared columns, in their order.

    A column that was declared after a file was written reads as NULL there.
    """
    name = f"pinned.{table.name}"
    columns = ", ".join(f'"{c.name}" {_SQL_TYPES[c.type]}' for c in table.columns)
    if not uris:
        connection.execute(f"create table {name} ({columns})")
        return
    listed = ", ".join(quoted(_as_it_is(uri)) for uri in uris)
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


def _refuse_other_types(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> None:
    """A part that holds a column as another type would make it that for all.

    Raises:
        StoreError: One does.
    """
    declared = {column.name: _SQL_TYPES[column.type] for column in table.columns}
    for name, kind, *_ in connection.execute(f"describe pinned.{table.name}").fetchall():
        wanted = _KINDS[declared.get(name, "double")]
        if kind != wanted:
            raise StoreError(
                f"parts of {table.name} hold {name} as {kind}, not as {wanted}",
                where,
                "restore the lake from a backup: no radlas wrote this",
                "damage",
            )


def restrict(
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
        connection.execute("create view pinned.recipes as from pinned.described")
    else:
        _list(connection, "recipes", "feature_set", feature_sets)


def _list(
    connection: duckdb.DuckDBPyConnection, name: str, column: str, values: Sequence[str]
) -> None:
    given = quoted(json.dumps(list(values)))
    listed = f"unnest(from_json({given}, '[\"varchar\"]'))"
    connection.execute(f"create table pinned.{name} as select {listed} {column}")


def limit_memory(connection: duckdb.DuckDBPyConnection, memory: str) -> None:
    """Let queries take no more; what they cannot hold goes to disk.

    Raises:
        ConfigError: ``memory`` is no amount of memory.
    """
    wrong = ConfigError(f"no amount of memory: {memory!r}", hint="as 2GB or 512MB")
    if _NO_BOUND.match(memory):
        raise wrong
    try:
        connection.execute(f"set memory_limit = {quoted(memory)}")
    except duckdb.Error:
        raise wrong from None


def confine(connection: duckdb.DuckDBPyConnection, bound: Sequence[str]) -> None:
    """From here on: no file but those bound, no network, no extension, no change of settings.

    A folder that is allowed may be written to as well: a SELECT can turn on DuckDB's log, or have
    its profile put down as a JSON file, in the place of one of Delta's. Parts' names are no JSON.
    """
    allowed = sorted({*bound, *map(_as_it_is, bound)})
    connection.execute(f"set allowed_paths = [{', '.join(map(quoted, allowed))}]")
    for asked_for in ("autoinstall_known_extensions", "autoload_known_extensions"):
        connection.execute(f"set {asked_for} = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def quoted(text: str, sign: str = "'") -> str:
    """A text of SQL; or, in double signs, a name."""
    return sign + text.replace(sign, 2 * sign) + sign


def _as_it_is(path: str) -> str:
    """A path that DuckDB takes for no pattern: it would read ``s1`` for ``s[12]``, too."""
    return re.sub(r"([*?[])", r"[\1]", path)
