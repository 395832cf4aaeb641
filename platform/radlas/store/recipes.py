"""Feature sets: recipes written once under their name, which carries their digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from radlas.digests import canonical_json, digest_of
from radlas.errors import ConfigError, StoreError
from radlas.features.base import identity
from radlas.places.documents import document, documents
from radlas.store.forms import RECIPE
from radlas.store.layout import Store

_FOLDER = "feature_sets"
_NAMED = re.compile("-([0-9a-f]{8})$")  # what of a name is the recipe's digest
# Settings that say whose drawing is described and which features of it, not how one comes about.
_CHOOSING = frozenset("reader perturbations rois rings feature_classes features".split())


def save_recipe(store: Store, feature_set: str, recipe: Mapping[str, Any]) -> None:
    """Store a recipe, or find it stored, be it of a weights file by another name.

    Raises:
        StoreError: Another recipe has that name (a digest collision or an edited file).
    """
    text = json.dumps(recipe, indent=1, sort_keys=True) + "\n"
    with suppress(FileExistsError):
        store.place.create(_name(feature_set), text.encode())
    _refuse_another(store, feature_set, recipe)


def refuse_others(store: Store, recipes: Mapping[str, Mapping[str, Any]]) -> None:
    """Hold recipes to those that are stored under their names.

    Raises:
        StoreError: Under a name there is another recipe, or one that is damaged.
    """
    for feature_set in sorted(recipes.keys() & set(list_recipes(store))):
        _refuse_another(store, feature_set, recipes[feature_set])


def load_recipe(store: Store, feature_set: str) -> dict[str, Any]:
    """The recipe of a feature set.

    Raises:
        ConfigError: There is none.
        StoreError: It is damaged.
    """
    try:
        recipe: dict[str, Any] = document(store.place, _name(feature_set), RECIPE)
    except FileNotFoundError:
        known = ", ".join(list_recipes(store)) or "none yet; run radlas extract"
        where = str(store.place)
        raise ConfigError(f"no feature set {feature_set!r}", where, f"there are: {known}") from None
    return recipe


def check_recipe(store: Store, feature_set: str) -> None:
    """Hold a recipe to the digest that its name carries.

    Raises:
        StoreError: It is damaged, or other settings stand in it than the rows were made with.
    """
    told = _NAMED.search(feature_set)
    recipe = load_recipe(store, feature_set)
    if told and told[1] not in name_digests(recipe):
        where = f"{store.place}/{_name(feature_set)}"
        what = "it holds another recipe than its name says"
        raise StoreError(what, where, "restore it from a backup; was the file edited?", "damage")


def name_digests(recipe: Mapping[str, Any]) -> tuple[str, str]:
    """What the name of its feature set ends in, and ended in when an older radlas gave it."""
    return digest_of(identity(recipe))[:8], digest_of(recipe)[:8]  # by the weights' file too


def list_recipes(store: Store) -> list[str]:
    """Names of all feature sets."""
    return sorted(PurePosixPath(name).stem for name in documents(store.place, _FOLDER))


def twins(store: Store, feature_set: str, recipe: Mapping[str, Any]) -> list[str]:
    """Feature sets of the same recipe under other names, as an older radlas gave them."""
    wanted, others = _same_as(recipe), (name for name in list_recipes(store) if name != feature_set)
    return [name for name in others if _same_as(load_recipe(store, name)) == wanted]


def alike(store: Store, one: str, other: str) -> bool:
    """Whether a feature is made alike in two feature sets, whoever drew and whatever else is there.

    Raises:
        ConfigError: One of them is not there.
    """
    return one == other or _measuring(store, one) == _measuring(store, other)


def _measuring(store: Store, feature_set: str) -> str:
    recipe = load_recipe(store, feature_set)
    settings = {key: value for key, value in recipe["settings"].items() if key not in _CHOOSING}
    return canonical_json({"extractor": recipe.get("extractor"), "settings": settings})


def _refuse_another(store: Store, feature_set: str, recipe: Mapping[str, Any]) -> None:
    if _same_as(load_recipe(store, feature_set)) != _same_as(recipe):
        where = f"{store.place}/{_name(feature_set)}"
        raise StoreError("another recipe has this name", where, "was the file edited?")


def _same_as(recipe: Mapping[str, Any]) -> str:
    return canonical_json(identity(recipe))


def _name(feature_set: str) -> str:
    return f"{_FOLDER}/{feature_set}.json"
