"""Feature sets whose names an older radlas gave are still what their names say."""

from __future__ import annotations

import pytest

from radlas.digests import digest_of
from radlas.features.base import identity
from radlas.flows.lineage import _recipe
from radlas.store.layout import init_store
from radlas.store.recipes import save_recipe, twins

MADE = {"extractor": "deep", "settings": {"seed": 0}, "versions": {"weights": "f" * 64}}
RECIPE = MADE | {"provenance": {"source": "a.pth", "source_sha256": "a" * 64}}
OLDER, NEWER = f"net-{digest_of(RECIPE)[:8]}", f"net-{digest_of(identity(RECIPE))[:8]}"


@pytest.fixture
def store(tmp_path):
    return init_store(tmp_path / "store")


@pytest.mark.parametrize("name", [OLDER, NEWER])
def test_a_recipe_is_what_its_name_says_by_either_rule(store, name):
    save_recipe(store, name, RECIPE)
    assert _recipe(store, name).broken == ""


@pytest.mark.parametrize("name", [OLDER, NEWER])
def test_an_edited_recipe_is_not(store, name):
    save_recipe(store, name, RECIPE | {"settings": {"seed": 1}})
    assert "its name says" in _recipe(store, name).broken


def test_the_same_recipe_under_its_older_name_is_found(store):
    save_recipe(store, OLDER, RECIPE)
    save_recipe(store, "net-00000000", RECIPE | {"settings": {"seed": 1}})
    assert twins(store, NEWER, RECIPE) == [OLDER]
