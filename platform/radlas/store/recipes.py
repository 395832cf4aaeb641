"""Feature sets: recipes written once under their name, which carries their digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from radlas.digests import canonical_json
from radlas.errors import ConfigError, StoreError
from radlas.store.layout import Store


def save_recipe(store: Store, feature_set: str, recipe: Mapping[str, Any]) -> None:
    """Store a recipe, or find it stored.

    Raises:
        StoreError: Another recipe has that name (a digest collision or an edited file).
    """
    path = store.root / "feature_sets" / f"{feature_set}.json"
    if not path.exists():
        temporary = path.with_suffix(".partial")
        temporary.write_text(json.dumps(recipe, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.rename(path)
    if canonical_json(load_recipe(store, feature_set)) != canonical_json(dict(recipe)):
        raise StoreError("another recipe has this name", str(path), "was the file edited?")


def load_recipe(store: Store, feature_set: str) -> dict[str, Any]:
    """The recipe of a feature set.

    Raises:
        ConfigError: There is none.
    """
    path = store.root / "feature_sets" / f"{feature_set}.json"
    if not path.exists():
        known = ", ".join(list_recipes(store)) or "none yet; run radlas extract"
        raise ConfigError(f"no feature set {feature_set!r}", str(store.root), f"there are: {known}")
    recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recipe


def list_recipes(store: Store) -> list[str]:
    """Names of all feature sets."""
    return sorted(path.stem for path in (store.root / "feature_sets").glob("*.json"))
