"""What networks have seen, under the digest of their weights: made here, or noted elsewhere.

The weights file says it too; but a file may be saved again by other software, without its note.
Notes are only added, each under its own digest beside the weights', and read together: two runs at
once cannot take from each other whom a network has seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from radlas.features.notes import NOTE
from radlas.places.documents import document, documents
from radlas.store.layout import Store

_FOLDER = "pretraining"
_LISTS = ("centres", "subjects", "images", "recast")  # of which notes together know more
_DOUBTS = ("untrained", "synthetic")  # which one note suffices to raise


def note_pretraining(store: Store, weights_digest: str, note: Mapping[str, Any]) -> None:
    """Keep the note of weights, if it says more than those that are kept already.

    Raises:
        StoreError: What is kept is damaged.
    """
    known = _notes(store, {weights_digest}).get(weights_digest)
    if known is not None and united([known, note]) == known:
        return
    text = _text(note)
    name = f"{_FOLDER}/{weights_digest}-{hashlib.sha256(text).hexdigest()[:16]}.json"
    with suppress(FileExistsError):  # just this is noted, now by somebody else
        store.place.create(name, text)


def pretraining_of(store: Store, digests: Collection[str]) -> dict[str, Any]:
    """What all notes of a network know together; empty if there is none.

    Args:
        store: The store.
        digests: What the network is known by; see ``digests_of``.
    """
    return united(_notes(store, digests).values()) if digests else {}


def digests_of(recipe: Mapping[str, Any]) -> frozenset[str]:
    """What a recipe's network is known by: its weights, and these in lower precision."""
    weights = recipe.get("versions", {}).get("weights", "")
    recast = recipe.get("provenance", {}).get("recast", ())
    return frozenset({weights, *recast}) - {"", "random"}


def carry_notes(source: Store, target: Store, digests: Collection[str] | None = None) -> None:
    """Note in one store what another knows of some networks, or of all.

    Raises:
        StoreError: A note is damaged; nothing was written then.
    """
    for digest, note in _notes(source, digests).items():
        note_pretraining(target, digest, note)


def check_notes(store: Store) -> None:
    """Read every note.

    Raises:
        StoreError: One is damaged.
    """
    _notes(store, None)


def united(notes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Notes of one network as one: all whom any of them names, every doubt; else the first says.

    Two runs may end with the same weights, and then these have seen the patients of both.

    Examples:
        >>> united([{"subjects": ["b"], "steps": 1}, {"subjects": ["a"], "steps": 2}])
        {'subjects': ['a', 'b'], 'steps': 1}
    """
    whole = dict[str, Any]()
    for note in notes:
        for key, value in note.items():
            if key in _LISTS:
                whole[key] = sorted({*whole.get(key, ()), *value})
            elif key in _DOUBTS:
                whole[key] = bool(whole.get(key)) or bool(value)
            else:
                whole.setdefault(key, value)
    return whole


def _notes(store: Store, digests: Collection[str] | None) -> dict[str, dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name in documents(store.place, _FOLDER):
        weights = PurePosixPath(name).stem.partition("-")[0]
        found.setdefault(weights, []).append(document(store.place, name, NOTE))
    return {
        digest: note
        for digest, note in ((digest, united(notes)) for digest, notes in found.items())
        if digests is None or not {digest, *note.get("recast", ())}.isdisjoint(digests)
    }


def _text(note: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(note), sort_keys=True) + "\n").encode()
