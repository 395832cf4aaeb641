"""Masks of stable features: written once, under the digest of what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from radlas.digests import digest_of
from radlas.errors import ConfigError
from radlas.places.documents import damaged, document
from radlas.store.forms import MASK
from radlas.store.layout import Store

_FOLDER = "stable_features"
_DIGITS = 16


def save_stable_features(store: Store, mask: Mapping[str, Any]) -> str:
    """Store a mask, or find it stored; returns its digest."""
    digest = digest_of(dict(mask))[:_DIGITS]
    with suppress(FileExistsError):
        text = json.dumps(dict(mask), sort_keys=True) + "\n"
        store.place.create(f"{_FOLDER}/{digest}.json", text.encode())
    return digest


def load_stable_features(store: Store, digest: str) -> dict[str, Any]:
    """The mask of a digest.

    Raises:
        ConfigError: There is none.
        StoreError: It is not what its digest says.
    """
    name = f"{_FOLDER}/{digest}.json"
    none = ConfigError(f"no mask {digest!r}", str(store.place), "radlas stability makes one")
    if not re.fullmatch(rf"[0-9a-f]{{{_DIGITS}}}", digest):  # a path would lead elsewhere
        raise none
    try:
        mask: dict[str, Any] = document(store.place, name, MASK)
    except FileNotFoundError:
        raise none from None
    if digest_of(mask)[:_DIGITS] != digest:
        raise damaged(f"{store.place}/{name}", "the mask is not what its digest says")
    return mask
