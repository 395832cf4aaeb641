"""The log of a table: opened at a version, added to by one commit that is on disk when it is told.

``deltalake`` writes a commit whole or not at all, but leaves it to the system when it goes to disk;
and what it finds damaged it tells in its own words. Both are seen to here.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from radlas.errors import StoreError, remedy
from radlas.places.answers import again_if_cut, is_cut, unusable
from radlas.places.place import SCHEME
from radlas.store.layout import Store, check_still_there
from radlas.store.parts import Part, part_name
from radlas.store.schema import arrow_schema
from radlas.tables import TABLES, Table

_CONFIGURATION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.dataSkippingStatsColumns": "case_id",
}
_OWNER = os.getpid()
_SERVER = "Generic S3 error"  # what errors of an object storage hold, but for refused rights
_COLOUR, _NUMBER = re.compile(r"\x1b\[[0-9;]*m"), re.compile(r"\(os error (\d+)\)")


def open_log(store: Store, name: str, at: int | None = None) -> DeltaTable | None:
    """A table's log at a version, by default the newest; None if nothing was ever written.

    Raises:
        StoreError: It is damaged, or holds no such version; or the store itself is gone.
    """
    if os.getpid() != _OWNER:
        raise StoreError("the lake was opened after a fork", name, "start processes by spawn")
    uri, options = _address(store, name)
    try:
        with in_plain_words(log_place(store, TABLES[name])):
            return again_if_cut(lambda: DeltaTable(uri, version=at, storage_options=options))
    except TableNotFoundError:
        _check_never_written(store, name)
        return None
    except DeltaError as error:
        why = str(error).splitlines()[0]
        why = why if at is None else f"at version {at}: {why}"
        raise unreadable_log(name, log_place(store, TABLES[name]), why) from error


def _check_never_written(store: Store, name: str) -> None:
    """Refuse a table that has no log and was written to: it would read as an empty one.

    Raises:
        StoreError: Its parts are there, or the store itself is gone.
    """
    check_still_there(store)
    if any(one.endswith(".parquet") for one in store.place.names(part_name(TABLES[name]))):
        raise unreadable_log(name, log_place(store, TABLES[name]), "it is gone, its parts are not")


def unreadable_log(name: str, where: str, why: str) -> StoreError:
    """The error of a log that lacks what it should hold."""
    what, hint = f"the log of table {name} cannot be read", "restore that folder from a backup"
    return StoreError(f"{what}: {why}", where, hint, "damaged_log")


def check_log(store: Store, name: str) -> None:
    """Refuse a log with an empty entry: what it told would be missing without a word.

    Raises:
        StoreError: There is one.
    """
    entries = [one for one in store.place.names(_folder(name)) if one.endswith(".json")]
    if empty := [one for one in entries if store.place.size(one) == 0]:
        raise StoreError(
            f"the log of table {name} has an empty entry: {PurePosixPath(empty[0]).name}",
            f"{store.place}/{_folder(name)}",
            "restore that folder from a backup",
            "damaged_log",
        )


def open_or_create(store: Store, table: Table) -> DeltaTable:
    """A table's log at its newest version; an empty table if there is none."""
    log = open_log(store, table.name)
    if log is None:
        with suppress(FileExistsError):  # somebody else just made it
            store.place.create(f"{_folder(table.name)}/{0:020}.json", _first_entry(store, table))
        settle(store, table, 0)
        log = open_log(store, table.name)
        if log is None:
            what = f"the log of table {table.name} was written and is gone"
            raise StoreError(what, str(store.place), "see who else writes there")
    return log


def _first_entry(store: Store, table: Table) -> bytes:
    """The log's entry that makes a table: deltalake's own, made elsewhere, without an address.

    It notes where the table lies, and a path may hold a person's name, which then travels with
    every export.
    """
    with store.place.staging(part_name(table)) as folder, in_plain_words(str(folder)):
        DeltaTable.create(
            str(folder),
            schema=Schema.from_arrow(arrow_schema(table)),
            partition_by=list(table.partitions),
            configuration=_CONFIGURATION,
        )
        (path,) = folder.glob("_delta_log/*.json")
        actions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for action in actions:
        action.get("commitInfo", {}).get("operationParameters", {}).pop("location", None)
    return "".join(f"{json.dumps(action)}\n" for action in actions).encode()


def _address(store: Store, name: str) -> tuple[str, dict[str, str]]:
    return store.place.uri(part_name(TABLES[name])), dict(store.place.delta_options)


def log_place(store: Store, table: Table) -> str:
    """Where a table's log lies, for people."""
    return f"{store.place}/{_folder(table.name)}"


def _folder(name: str) -> str:
    return part_name(TABLES[name], "_delta_log")


def write_log(
    store: Store,
    log: DeltaTable,
    table: Table,
    schema: Any,
    actions: Sequence[AddAction | RemoveAction],
    *,
    metadata: Mapping[str, str],
) -> None:
    """One atomic version after exactly the one that ``log`` has seen.

    Raises:
        CommitFailedError: Somebody else made that version.
    """
    made = log.version() + 1
    properties = CommitProperties(custom_metadata=dict(metadata), max_commit_retries=0)
    with committing(store, table):
        log.create_write_transaction(
            list(actions),
            mode="append",
            schema=Schema.from_arrow(schema),
            partition_by=list(table.partitions),
            commit_properties=properties,
        )
    settle(store, table, made)


@contextmanager
def committing(store: Store, table: Table) -> Iterator[None]:
    """Add to a log.

    Raises:
        CommitFailedError: Somebody else made the version; or the server's answer broke off, and
            nobody knows whether it was made: either way the table is to be looked at again.
    """
    with in_plain_words(log_place(store, table)):
        try:
            yield
        except (OSError, DeltaError) as error:
            if not is_cut(error):
                raise
            raise CommitFailedError("the answer broke off") from error


@contextmanager
def in_plain_words(where: str) -> Iterator[None]:
    """Say what was refused, and where: deltalake draws a tree in colour, without a place."""
    try:
        yield
    except (CommitFailedError, TableNotFoundError):
        raise
    except (OSError, DeltaError) as error:
        lines = (line.strip(" ↳") for line in _COLOUR.sub("", str(error)).splitlines())
        text = ": ".join(filter(None, lines))
        if _SERVER in text or (where.startswith(SCHEME) and isinstance(error, OSError)):
            said = text.partition(_SERVER)[2].strip(" :") or text
            raise unusable(said, where) from error
        number = _NUMBER.search(text)
        if isinstance(error, DeltaError) and not (number and remedy(OSError(int(number[1]), ""))):
            raise
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code) if number else text, where) from error


def settle(store: Store, table: Table, made: int) -> None:
    """Have the version that was just made on disk: a power cut must not take what the ledger tells.

    Args:
        store: The store.
        table: Which.
        made: Its version.
    """
    entries = (f"{made:020}.json", f"{made:020}.checkpoint.parquet", "_last_checkpoint")
    store.place.settle([f"{_folder(table.name)}/{entry}" for entry in entries])


def added(part: Part) -> AddAction:
    """The log's entry of a part. Only case ids have a range: wide statistics slow every commit."""
    statistics: dict[str, Any] = {"numRecords": part.rows}
    if part.cases:
        low, high = part.cases
        statistics["minValues"], statistics["maxValues"] = {"case_id": low}, {"case_id": high}
        statistics["nullCount"] = {"case_id": 0}
    return AddAction(
        path=part.path,
        size=part.size,
        partition_values=dict(part.partition),
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(statistics),
    )


def removed(part: Part) -> RemoveAction:
    """The log's entry that takes a part out of the newest version; older ones keep it."""
    return RemoveAction(
        path=part.path,
        data_change=True,
        deletion_timestamp=int(time.time() * 1000),
        size=part.size,
        partition_values=dict(part.partition),
    )


def parts_of(log: DeltaTable, table: Table) -> list[Part]:
    """Parts of the version that a log was opened at."""
    added = pa.RecordBatchReader.from_stream(log.get_add_actions(flatten=True))
    actions = added.read_all().to_pylist()
    try:
        return [
            Part(
                path=unquote(one["path"]),
                size=one["size_bytes"],
                rows=one["num_records"],
                partition={name: one[f"partition.{name}"] for name in table.partitions},
                cases=(one["min.case_id"], one["max.case_id"]) if one.get("min.case_id") else (),
            )
            for one in actions
        ]
    except KeyError as lacking:
        why = f"an entry lacks {lacking}"
        raise unreadable_log(table.name, log.table_uri, why) from None
