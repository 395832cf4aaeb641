"""Where each centre's exams were read from: beside the store, never in it, for its owner alone.

A source's path may hold names, so it is no part of the store. Without it nobody could read a case
again, or tell at the hospital which exam a pseudonym is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radlas.digests import canonical_json, from_json
from radlas.errors import StoreError
from radlas.places.stages import appear
from radlas.store.layout import Store


def book_path(store: Store) -> Path:
    """The file beside the store that lists its sources, mode 600."""
    return store.place.beside(".sources.json")


def note_source(store: Store, ingest: Mapping[str, Any]) -> None:
    """Remember how a source was read; others may do the same meanwhile.

    It takes the place of an earlier note of the same exams, as after a change of the map of names.
    By another importer or of another sequence they are others: their cases are known by both notes.

    Args:
        store: The store.
        ingest: Resolved configuration of the ingest, as JSON values, without the store.

    Raises:
        OSError: The folder beside the store cannot be written.
    """
    path = book_path(store)
    # The lock is on a file of its own: the book itself is another file after each note.
    with path.with_suffix(".lock").open("a", encoding="utf-8") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        known = [one for one in read_sources(store) if _exams(one) != _exams(ingest)]
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump([*known, dict(ingest)], stream, indent=1, sort_keys=True)
            stream.write("\n")
        appear(partial, path)


def read_sources(store: Store) -> list[dict[str, Any]]:
    """All sources, oldest first; empty if none was noted.

    Raises:
        StoreError: The file is damaged.
    """
    path = book_path(store)
    try:
        found = from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _damaged(path, "it is no list of configurations")
    return found


def _damaged(path: Path, why: str) -> StoreError:
    what = f"the list of sources is damaged: {why}"
    return StoreError(what, str(path), "move it away; the next ingest of each source notes it anew")


def _exams(ingest: Mapping[str, Any]) -> str:
    """Which exams an ingest reads."""
    names = ("centre", "source", "importer", "sequence")
    return canonical_json([ingest.get(name) for name in names])
