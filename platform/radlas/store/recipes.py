"""Feature sets: recipes written once under their name, which carries their digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from radlas.digests import canonical_json
from radlas.errors import ConfigError, StoreError
from radlas.store.layout import Store

_FOLDER = "feature_sets"


def save_recipe(store: Store, feature_set: str, recipe: Mapping[str, Any]) -> None:
    """Store a recipe, or find it stored.

    Raises:
        StoreError: Another recipe has that name (a digest collision or an edited file).
    """
    text = json.dumps(recipe, indent=1, sort_keys=True) + "\n"
    with suppress(FileExistsError):
        store.place.create(_name(feature_set), text.encode())
    if canonical_json(load_recipe(store, feature_set)) != canonical_json(dict(recipe)):
        where = f"{store.place}/{_name(feature_set)}"
        raise StoreError("another recipe has this name", where, "was the file edited?")


def load_recipe(store: Store, feature_set: str) -> dict[str, Any]:
    """The recipe of a feature set.

    Raises:
        ConfigError: There is none.
    """
    try:
        recipe: dict[str, Any] = json.loads(store.place.read(_name(feature_set)))
    except FileNotFoundError:
        known = ", ".join(list_recipes(store)) or "none yet; run radlas extract"
        where = str(store.place)
        raise ConfigError(f"no feature set {feature_set!r}", where, f"there are: {known}") from None
    return recipe


def list_recipes(store: Store) -> list[str]:
    """Names of all feature sets."""
    return sorted(PurePosixPath(name).stem for name in store.place.names(_FOLDER))


def _name(feature_set: str) -> str:
    return f"{_FOLDER}/{feature_set}.json"
