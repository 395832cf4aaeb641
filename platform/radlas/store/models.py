"""The model registry: numbered versions published whole, and an alias with its history."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from radlas.errors import ConfigError, StoreError
from radlas.forms import Form
from radlas.places.documents import Document, document, parsed
from radlas.store.forms import REGISTRY
from radlas.store.layout import Store

CARD = "version.json"
VALIDATION, EXPLANATION, DECISION = "validation.json", "explanation.json", "decision.json"
PAGE = "report.html"
LOOKS = "models/looks.json"
CHAMPION = "champion"
PROMOTING = "model promote"  # what for who makes a champion writes: rounds and people alike
_FOLDER = "models"


def model_name(name: str, number: int) -> str:
    """Where in a store a version lies."""
    return f"{_FOLDER}/{name}/{number}"


def model_folder(store: Store, name: str, number: int) -> Path:
    """A version's folder on this machine, with all that is kept beside it by now; to read only."""
    return store.place.fetched(model_name(name, number))


def versions(store: Store, name: str) -> list[int]:
    """Numbers of all published versions."""
    return model_versions(store).get(name, [])


def model_versions(store: Store) -> dict[str, list[int]]:
    """Every study that has published versions, sorted, and their numbers, in order."""
    found: dict[str, list[int]] = {}
    for name, number in sorted(_published(store)):
        found.setdefault(name, []).append(number)
    return found


def find_version(store: Store, name: str, key: str) -> int | None:
    """The version that was made from ``key``, if there is one."""
    for number in versions(store, name):
        if read_card(store, name, number)["key"] == key:
            return number
    return None


def read_card(store: Store, name: str, number: int) -> Document:
    """What a version was made from and what it holds."""
    return read_beside(store, name, number, CARD)


def find_beside(store: Store, name: str, number: int, file: str) -> Document | None:
    """A JSON file that a later verb kept beside a version, if it did."""
    return find_json(store, f"{model_name(name, number)}/{file}")


def read_beside(store: Store, name: str, number: int, file: str) -> Document:
    """The same, where it must be there; StoreError if it is not."""
    return read_json(store, f"{model_name(name, number)}/{file}")


def keep_beside(
    store: Store, name: str, number: int, file: str, value: bytes | Mapping[str, Any]
) -> None:
    """Put a file beside a published version, or another in its place; a mapping as JSON."""
    data = value if isinstance(value, bytes) else json_bytes(value)
    store.place.replace(f"{model_name(name, number)}/{file}", data)


def drop_beside(store: Store, name: str, number: int, file: str, *, unless: bytes) -> None:
    """Remove a file beside a published version, if there is one; not if it holds these bytes."""
    path = f"{model_name(name, number)}/{file}"
    with suppress(FileNotFoundError):
        if store.place.read(path) != unless:
            store.place.remove(path)


def keep_first(
    store: Store, name: str, number: int, file: str, value: Mapping[str, Any]
) -> Document:
    """Put a JSON file beside a published version, if there is none; the one that is there then."""
    with suppress(FileExistsError):
        store.place.create(f"{model_name(name, number)}/{file}", json_bytes(value))
    return read_beside(store, name, number, file)


def publish(store: Store, name: str, card: Mapping[str, Any], fill: Callable[[Path], None]) -> int:
    """Make the next version: staged, filled, renamed, so that it is whole or absent.

    Args:
        store: The store; the caller holds its write lock.
        name: The study's name.
        card: Holds ``key``: what the version is made from.
        fill: Writes the version's files into the folder it is given.

    Raises:
        StoreError: Another run, which had taken this one for dead, publishes just now.
    """
    number = _unused(store, name)
    folder = model_name(name, number)
    with store.place.staging(folder) as stage:
        fill(stage)
        (stage / CARD).write_bytes(json_bytes(card))
        try:
            store.place.publish(stage, folder, CARD)
        except FileExistsError as error:
            what, hint = f"another run publishes version {number} of {name}", "run again"
            raise StoreError(what, str(store.place), hint, "locked") from error
    return number


def _unused(store: Store, name: str) -> int:
    """The next number: in a bucket one may hold files without a card, and their writer may live.

    None that was ever champion, though its folder is gone: whoever took it would stand unjudged.
    """
    paths = [PurePosixPath(path) for path in store.place.names(f"{_FOLDER}/{name}")]
    numbers = [path.parts[2] for path in paths if len(path.parts) > 3]
    taken = [int(number) for number in numbers if number.isdecimal()]
    taken += [entry["version"] for entry in champions(store, name)]
    return 1 + max(taken, default=0)


def resolve(store: Store, label: str) -> tuple[str, int]:
    """``name`` (its champion, else its newest), ``name@champion`` or ``name@3``.

    Raises:
        ConfigError: There is no such model.
    """
    name, _, which = label.partition("@")
    known, champion = versions(store, name), read_alias(store, name)
    number = _number(which, champion, known)
    if number not in known or number is None:
        raise ConfigError(f"no model {label!r}", str(store.place), _others(store, name, champion))
    return name, number


def _others(store: Store, name: str, champion: int | None) -> str:
    published = model_versions(store)
    if not published:
        return "there is none yet: radlas train"
    if name not in published:
        return f"there are: {', '.join(published)}"
    told = f"its champion is {champion}" if champion else "none was promoted yet"
    return f"its versions: {', '.join(map(str, published[name]))}; {told}"


def _number(which: str, champion: int | None, known: list[int]) -> int | None:
    if which == CHAMPION:
        return champion
    if not which:
        return champion or max(known, default=None)
    return int(which) if which.isascii() and which.isdigit() else None


def read_alias(store: Store, name: str) -> int | None:
    """The champion's version; None before the first promotion."""
    past = champions(store, name)
    return int(past[-1]["version"]) if past else None


def champions(store: Store, name: str) -> list[dict[str, Any]]:
    """Who was champion since when and why, ``version at why``; the last one is it."""
    found = find_json(store, _alias_name(name))
    return list(found["history"]) if found else []


def move_alias(store: Store, name: str, number: int, why: str, *, after: int | None = None) -> None:
    """Make a version the champion; the file keeps every earlier one with its reason.

    The caller holds the write lock of ``PROMOTING``: a champion stands on nothing that other runs
    write, so nobody else is to wait, nor waited for.

    Args:
        store: The store.
        name: The study's name.
        number: Of the version.
        why: The reason, in words.
        after: Nothing is done if there were other than so many promotions before.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")

    def moved(found: dict[str, Any] | None) -> dict[str, Any]:
        past = list((found or {"history": []})["history"])
        if found and after not in (None, len(past)):
            return found
        return {"version": number, "history": [*past, {"version": number, "at": now, "why": why}]}

    change_json(store, _alias_name(name), moved)


def find_json(store: Store, name: str) -> Document | None:
    """A JSON file of the registry, if it is there.

    Raises:
        StoreError: It is damaged.
    """
    try:
        found: Document = document(store.place, name, _form(name))
    except FileNotFoundError:
        return None
    return found


def read_json(store: Store, name: str) -> Document:
    """A JSON file of the registry.

    Raises:
        StoreError: It is missing or damaged.
    """
    value = find_json(store, name)
    if value is None:
        where = f"{store.place}/{name}"
        raise StoreError("a file of the model is missing", where, "train again")
    return value


def change_json(
    store: Store, name: str, made: Callable[[dict[str, Any] | None], Mapping[str, Any]]
) -> None:
    """Replace a JSON file of the registry, in one step, by what is made of it; None if it is new.

    Raises:
        StoreError: It is damaged.
    """

    def changed(data: bytes | None) -> bytes:
        known = None if data is None else parsed(store.place, name, data, _form(name))
        return json_bytes(made(known))

    store.place.change(name, changed)


def _form(name: str) -> Form:
    """Of a file, by the first word of its name: ``explanation-whole-layer3.json`` is one, too."""
    return REGISTRY[PurePosixPath(name).stem.partition("-")[0]]


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """The text of a JSON file of the registry; keeps the order of models and features."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _published(store: Store) -> list[tuple[str, int]]:
    """Name and number of every version that has its card."""
    paths = [PurePosixPath(name) for name in store.place.names(_FOLDER)]
    return [
        (path.parts[1], int(path.parts[2]))
        for path in paths
        if len(path.parts) == 4 and path.name == CARD and path.parts[2].isdecimal()
    ]


def _alias_name(name: str) -> str:
    return f"{_FOLDER}/{name}/{CHAMPION}.json"
