"""An export as it arrives: opened wherever it was packed, and whole, or refused.

A log that lost its end, a table or a recipe that was not copied look like fewer of them. So the
head of an export tells what was written, and every part is named by its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from radlas.config import Config
from radlas.digests import from_json
from radlas.errors import ConfigError, StoreError
from radlas.places.archive import unpack
from radlas.places.documents import document, documents
from radlas.store import delta
from radlas.store.content import row_digests
from radlas.store.foreign import FOREIGN, HINT, refuse_foreign, refuse_name
from radlas.store.layout import FORMAT, HEAD, Store, open_store
from radlas.store.parts import verify_part
from radlas.store.pretraining import check_notes
from radlas.store.query import connect
from radlas.store.recipes import check_recipe, list_recipes
from radlas.tables import ROW_DIGEST, TABLES, Table

_BATCH = 100_000  # rows held at once
_SHOWN = 5
_WITHIN = {"add": "stats", "metaData": "schemaString"}  # texts in actions of a log that are JSON
_FOLDERS = ("feature_sets", "pretraining", "snapshots")  # of documents that travel


class Tally(Protocol):
    """Whoever wants to know how far it is."""

    def expect(self, rows: int) -> None:
        """So many rows are to come."""

    def done(self, rows: int) -> None:
        """So many more are done."""


class Unwatched:
    """A tally that nobody looks at."""

    def expect(self, rows: int) -> None:
        """See ``Tally``."""

    def done(self, rows: int) -> None:
        """See ``Tally``."""


class _Contents(Config):
    """What is in an export; of those made before this was told, nothing is known."""

    rows: Mapping[str, int] = Field(default_factory=dict, description="Rows per table.")
    documents: tuple[str, ...] = Field(default=(), description="Recipes, notes and snapshots.")


@contextmanager
def opened(source: Path) -> Iterator[Store]:
    """The exported store in a folder or zip.

    Raises:
        StoreError: There is none, or it is of another format.
    """
    refuse_bucket(source)
    if source.is_dir():
        yield _exported(source, source)
        return
    with TemporaryDirectory() as folder:
        unpack(source, Path(folder))
        yield _exported(Path(folder), source)


def _exported(folder: Path, source: Path) -> Store:
    """The store in a folder, or in its only folder: some archives are packed so."""
    heads = sorted([*folder.glob(HEAD)] or folder.glob(f"*/{HEAD}"))
    if not heads:
        what = f"not an exported store: there is no {HEAD} in it"
        raise StoreError(what, str(source), "a folder or zip of radlas export")
    if len(heads) > 1:
        named = ", ".join(head.parent.name for head in heads[:_SHOWN])
        what = f"{len(heads)} exported stores lie in it: {named}"
        raise StoreError(what, str(source), "merge them one by one: nothing was merged")
    try:
        return open_store(heads[0].parent)
    except StoreError as error:
        hint = f"nothing was merged; export it again, with a radlas of format {FORMAT}"
        where = f"{source}: {HEAD}" if error.reason == "damage" else str(source)
        raise StoreError(error.what, where, hint, error.reason) from error


def tell_contents(made: Store, counts: Mapping[str, int]) -> None:
    """Say in the head what is in it: a log that lost its end, or a table, looks like fewer rows."""
    head = document(made.place, HEAD, {})
    named = [name for folder in _FOLDERS for name in documents(made.place, folder)]
    head |= {"exported": _Contents(rows=counts, documents=tuple(sorted(named))).model_dump()}
    made.place.replace(HEAD, (json.dumps(head, indent=1) + "\n").encode())


def stored_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, condition: str
) -> Iterator[pa.Table]:
    """The rows of a table under a condition, as they were stored, each held to its digest.

    Raises:
        StoreError: A row is not what its digest says.
    """
    name = table.name
    stream = connection.sql(f"select * from pinned.{name} where {condition}")
    for batch in stream.to_arrow_reader(_BATCH):
        rows = delta.as_declared(table, pa.Table.from_batches([batch]))
        if not rows.column(ROW_DIGEST.name).equals(
            pa.chunked_array([row_digests(table, rows)], pa.int64())
        ):
            raise StoreError(
                f"rows of {name} are not what their digests say",
                hint="radlas verify",
                reason="damage",
            )
        yield rows


def count_rows(connection: duckdb.DuckDBPyConnection, conditions: Mapping[str, str]) -> int:
    """How many rows of tables, by name, are under their conditions."""
    asked = (
        f"select count(*) from pinned.{one} where {those}" for one, those in conditions.items()
    )
    return sum(count for sql in asked for (count,) in connection.sql(sql).fetchall())


def refuse_damage(other: Store, source: Path, tally: Tally) -> None:
    """Look at every byte and row before the first is written.

    Args:
        other: The exported store.
        source: Where it came from, as people know it.
        tally: Is told of every row twice to come, since whoever looks wants to write them next.

    Raises:
        StoreError: Something is not as it was exported, or is not there.
    """
    try:
        _check_logs(other)
        for name, parts in delta.newest(other)[1].items():
            for part in parts:
                verify_part(other.place, TABLES[name], part)
        with connect(other) as connection:
            tally.expect(2 * count_rows(connection, dict.fromkeys(TABLES, "true")))
            rows = {name: _count(connection, table, tally) for name, table in TABLES.items()}
        for recipe in list_recipes(other):
            refuse_name(recipe)
            check_recipe(other, recipe)
        check_notes(other)
        _refuse_fewer(other, rows)
    except (pa.ArrowException, duckdb.Error) as nonsense:
        what = f"its rows are of other types than ours ({type(nonsense).__name__})"
        raise StoreError(what, str(source), HINT, FOREIGN) from nonsense
    except (ConfigError, StoreError) as error:
        hint = "nothing was merged; export it again, and ask that site for: radlas verify"
        if error.reason == FOREIGN:
            hint = error.hint
        unpacked = f"{other.place}/"
        where = f"{source}: {error.where.removeprefix(unpacked)}"
        where = where if unpacked in error.where else str(source)
        what = error.what.replace(unpacked, "")
        raise StoreError(what, where, hint, error.reason) from error


def _check_logs(other: Store) -> None:
    """What opens a log ends this process, where an entry of it is nested deep enough."""
    for name in other.place.names("lake"):
        if "/_delta_log/" in name:
            try:
                for action in _actions(name, other.place.read(name)):
                    _check_action(action)
            except ValueError as error:
                what = f"an entry of a log cannot be read: {error}"
                raise StoreError(what, f"{other.place}/{name}", reason="damaged_log") from None


def _actions(name: str, data: bytes) -> Iterator[Any]:
    """What a file of a log says; of a checkpoint only its texts that are JSON by themselves."""
    if name.endswith(".parquet"):
        texts = [f"{action}.{key}" for action, key in _WITHIN.items()]
        yield from pq.ParquetFile(pa.BufferReader(data)).read(columns=texts).to_pylist()
    elif name.endswith((".json", ".crc", "/_last_checkpoint")):
        yield from map(from_json, data.splitlines())


def _check_action(action: Any) -> None:
    for name, key in _WITHIN.items():
        told = action.get(name) if isinstance(action, Mapping) else None
        text = told.get(key) if isinstance(told, Mapping) else None
        if isinstance(text, str):
            from_json(text)


def _count(connection: duckdb.DuckDBPyConnection, table: Table, tally: Tally) -> int:
    count = 0
    for rows in stored_rows(connection, table, "true"):
        refuse_foreign(table, rows)
        delta.refuse_infinite(rows)
        count += rows.num_rows
        tally.done(rows.num_rows)
    return count


def _refuse_fewer(other: Store, rows: Mapping[str, int]) -> None:
    told = _Contents.parse(document(other.place, HEAD, {"exported": {}}).get("exported", {}), HEAD)
    for name, number in told.rows.items():
        if rows.get(name, 0) < number:
            what = f"{number} rows of {name} were exported, and {rows.get(name, 0)} are in it"
            raise StoreError(what, reason="damage")
    for name in told.documents:
        if other.place.size(name) is None:
            raise StoreError(f"{name} was exported, and is not in it", reason="damage")


def refuse_bucket(path: Path) -> None:
    """``s3://…`` would silently become a folder of that name."""
    if path.parts[:1] == ("s3:",):
        what = "an export is a folder or a zip file on this machine"
        raise StoreError(what, str(path), "copy it to the bucket afterwards, or from there before")
