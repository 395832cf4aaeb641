"""Snapshots as they lie in the store: one JSON file each, written once and for good."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from radlas.errors import ConfigError, StoreError
from radlas.forms import misfit
from radlas.places.documents import damaged, documents, held
from radlas.store.forms import SNAPSHOT
from radlas.store.layout import Store

_FOLDER = "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """What a name stands for, for good.

    Attributes:
        id: Digest of the content: cohort, feature sets, every row. Layout and time do not count.
        versions: Delta version per table; -1 for a table that was empty.
        cases: Case ids, sorted.
        feature_sets: Names, sorted.
        tables: Rows and content digest per table.
        counts: Cases and subjects per centre.
        cohort_sql: The query that chose the cases; empty for all.
        parts: Paths of the versions' parts per table, so that opening reads no log, however long
            it grew; empty in snapshots of older versions.
        validation: Gates and findings, as of ``store/gates.py``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    name: str
    number: int
    id: str
    created_at: str
    versions: Mapping[str, int]
    cases: tuple[str, ...]
    feature_sets: tuple[str, ...]
    tables: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Mapping[str, int]]
    cohort_sql: str = ""
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"


_FILE = TypeAdapter(Snapshot)  # somebody else may have written it


def load_snapshot(store: Store, label: str) -> Snapshot:
    """The snapshot ``name@number``; a bare ``name`` is its newest.

    Raises:
        ConfigError: There is none of that name or number.
    """
    name, _, number = label.partition("@")
    check_name(name)
    known = {one: path for _, one, path in _named(store, name)}
    wanted = number or str(max(known, default=0))
    if not wanted.isdecimal() or int(wanted) not in known:
        told = ", ".join(snapshot_labels(store))
        hint = f"there are: {told}" if told else "there is none yet: radlas snapshot create"
        raise ConfigError(f"no snapshot {label!r}", str(store.place), hint)
    return _load(store, known[int(wanted)])


def snapshot_labels(store: Store) -> list[str]:
    """``name@number`` of all snapshots, by name and number; their files are not read."""
    return [f"{called}@{number}" for called, number, _ in _named(store)]


def read_snapshots(store: Store) -> Iterator[Snapshot]:
    """All snapshots by name and number, one after the other: each names all of its cases."""
    named = _named(store)
    here = store.place.fetched(_FOLDER)  # of hundreds in a bucket those that are new
    for *_, path in named:
        yield _parsed(store, path, (here / PurePosixPath(path).name).read_bytes())


def newest_snapshot(store: Store, name: str) -> Snapshot | None:
    """The last of a name, or None; what became of its earlier files does not matter."""
    known = _named(store, name)
    return _load(store, known[-1][2]) if known else None


def _named(store: Store, name: str = "") -> list[tuple[str, int, str]]:
    """Name, number and file of the snapshots of a name, or of all."""
    parted = (
        (PurePosixPath(path).stem.partition("@"), path) for path in documents(store.place, _FOLDER)
    )
    found = [(one, int(n), path) for (one, _, n), path in parted if n.isdecimal()]
    return sorted(known for known in found if name in ("", known[0]))


def check_name(name: str) -> None:
    """Refuse what is no name of a snapshot.

    Raises:
        ConfigError: It holds more than letters, digits and dashes, or too many.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", name):
        raise ConfigError(f"not a snapshot name: {name!r}", hint="letters, digits and dashes")


def save_snapshot(store: Store, snapshot: Snapshot) -> None:
    """Write a snapshot, once and for good.

    Raises:
        StoreError: There is one of that name and number.
    """
    text = json.dumps(vars(snapshot), indent=1, sort_keys=True) + "\n"
    try:
        store.place.create(f"{_FOLDER}/{snapshot.label}.json", text.encode())
    except FileExistsError:
        where = f"{store.place}, snapshot {snapshot.label}"
        raise StoreError("the snapshot exists already", where, "run again") from None


def _load(store: Store, path: str) -> Snapshot:
    return _parsed(store, path, store.place.read(path))


def _parsed(store: Store, path: str, text: bytes) -> Snapshot:
    where = f"{store.place}/{path}"
    try:
        found = _FILE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise damaged(where, ": ".join([*map(str, first["loc"]), first["msg"]])) from error
    told = {name: getattr(found, name) for name in SNAPSHOT}
    try:
        told = {name: held(value, where) for name, value in told.items()}
        wrong = misfit(told, SNAPSHOT)
    except ValueError as error:
        raise damaged(where, str(error)) from error
    if wrong:
        raise damaged(where, wrong)
    if found.label != PurePosixPath(path).stem:
        raise damaged(where, f"it says that it is {found.label}", "give it that name again")
    return replace(found, **told)
