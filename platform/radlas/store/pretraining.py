"""What networks made here have seen, under the digest of their weights.

The weights file says it too; but a file may be saved again by other software, without its note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from radlas.store.layout import Store

_FOLDER = "pretraining"


def note_pretraining(store: Store, weights_digest: str, note: Mapping[str, Any]) -> None:
    """Keep the note of weights, or find it kept: the same weights have seen the same."""
    with suppress(FileExistsError):
        text = json.dumps(dict(note), sort_keys=True) + "\n"
        store.place.create(f"{_FOLDER}/{weights_digest}.json", text.encode())


def pretraining_of(store: Store, weights_digest: str) -> dict[str, Any]:
    """The note of weights that were made here; empty if they were not."""
    try:
        note: dict[str, Any] = json.loads(store.place.read(f"{_FOLDER}/{weights_digest}.json"))
    except FileNotFoundError:
        return {}
    return note
