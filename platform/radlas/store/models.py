"""The model registry: numbered versions published whole, and an alias with its history."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radlas.errors import ConfigError, StoreError
from radlas.store.layout import Store

CARD = "version.json"
CHAMPION = "champion"


def model_path(store: Store, name: str, number: int) -> Path:
    """Folder of one version."""
    return store.root / "models" / name / str(number)


def versions(store: Store, name: str) -> list[int]:
    """Numbers of all published versions."""
    folder = store.root / "models" / name
    return sorted(int(path.parent.name) for path in folder.glob(f"*/{CARD}"))


def find_version(store: Store, name: str, key: str) -> int | None:
    """The version that was made from ``key``, if there is one."""
    for number in versions(store, name):
        if read_card(store, name, number)["key"] == key:
            return number
    return None


def read_card(store: Store, name: str, number: int) -> dict[str, Any]:
    """What a version was made from and what it holds."""
    return read_json(model_path(store, name, number) / CARD)


def publish(store: Store, name: str, card: Mapping[str, Any], fill: Callable[[Path], None]) -> int:
    """Make the next version: staged, filled, renamed, so that it is whole or absent.

    Args:
        store: The store; the caller holds its write lock.
        name: The study's name.
        card: Holds ``key``: what the version is made from.
        fill: Writes the version's files into the folder it is given.
    """
    number = max(versions(store, name), default=0) + 1
    target = model_path(store, name, number)
    stage = target.parent / f".{number}.{uuid.uuid4().hex}.partial"
    stage.mkdir(parents=True)
    try:
        fill(stage)
        write_json(stage / CARD, card)
        stage.rename(target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return number


def resolve(store: Store, label: str) -> tuple[str, int]:
    """``name`` (its champion, else its newest), ``name@champion`` or ``name@3``.

    Raises:
        ConfigError: There is no such model.
    """
    name, _, which = label.partition("@")
    known = versions(store, name)
    number = _number(which, read_alias(store, name), known)
    if number not in known or number is None:
        names = sorted(p.name for p in (store.root / "models").iterdir() if versions(store, p.name))
        raise ConfigError(
            f"no model {label!r}",
            str(store.root),
            f"there are: {', '.join(names) or 'none yet; run radlas train'}",
        )
    return name, number


def _number(which: str, champion: int | None, known: list[int]) -> int | None:
    if which == CHAMPION:
        return champion
    if not which:
        return champion or max(known, default=None)
    return int(which) if which.isascii() and which.isdigit() else None


def read_alias(store: Store, name: str) -> int | None:
    """The champion's version; None before the first promotion."""
    path = _alias_path(store, name)
    return read_json(path)["version"] if path.exists() else None


def move_alias(store: Store, name: str, number: int, why: str) -> None:
    """Make a version the champion; the file keeps every earlier one with its reason."""
    path = _alias_path(store, name)
    history = read_json(path)["history"] if path.exists() else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        path, {"version": number, "history": [*history, {"version": number, "at": now, "why": why}]}
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the registry.

    Raises:
        StoreError: It is missing or damaged.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError("a file of the model is missing", str(path), "train again") from None
    except ValueError as error:
        raise StoreError(f"damaged: {error}", str(path), "restore it from a backup") from error
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole, replacing what was there in one step."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    text = json.dumps(value, indent=1, allow_nan=False)  # keeps the order of models and features
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _alias_path(store: Store, name: str) -> Path:
    return store.root / "models" / name / f"{CHAMPION}.json"
