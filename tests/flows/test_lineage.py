"""Lineage: every number of a report leads to voxels, and a link that does not hold is named."""

from __future__ import annotations

import json

import pytest

from .conftest import radlas


def links(store, *words):
    said = radlas("lineage", "tiny", *words, "--store", store, "--json")
    return said.code, json.loads(said.out)["links"]


@pytest.fixture
def external(study_store):
    """A case of the external centre."""
    found = json.loads((study_store / "models" / "tiny" / "1" / "validation.json").read_text())
    return found["models"]["dlr"]["predictions"][0]["case"]


def test_every_link_from_the_auc_to_the_voxels_holds(study_store, external):
    code, found = links(study_store, external[:10])
    assert code == 0
    assert [one for one in found if one["broken"]] == []
    steps = {one["step"] for one in found}
    assert steps == {"number", "model", "snapshot", "recipe", "row", "input", "volume", "source"}
    unseen = [one["step"] for one in found if one["unseen"]]
    assert unseen == ["source"], "files of the hospital are outside the store"
    risks = [one for one in found if f"of case {external[:8]}" in one["claim"]]
    assert len(risks) == 3, "one of every model"


def test_the_reported_risk_is_what_is_traced(study_store, external):
    _, found = links(study_store, external)
    results = json.loads((study_store / "models" / "tiny" / "1" / "results.json").read_text())
    told = {name: one["external"]["auc"]["estimate"] for name, one in results["models"].items()}
    claims = [one["claim"] for one in found]
    for model, area in told.items():
        assert any(claim.startswith(f"{model}: AUC {area:.4f}") for claim in claims)


def test_without_a_case_it_ends_at_the_snapshot(study_store):
    code, found = links(study_store)
    assert code == 0
    assert {one["step"] for one in found} == {"number", "model", "snapshot", "recipe"}


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_risk_that_was_edited_is_named(own_store, external):
    path = own_store / "models" / "tiny" / "1" / "validation.json"
    found = json.loads(path.read_text())
    row = found["models"]["dlr"]["predictions"][0]
    row["risk"] = row["risk"] / 2
    path.write_text(json.dumps(found))
    code, traced = links(own_store, external)
    broken = [one for one in traced if one["broken"]]
    assert code == 1
    assert any("model and rows give" in one["broken"] for one in broken)


def test_a_recipe_and_a_voxel_that_changed_are_named(own_store, external):
    recipe = next(own_store.glob("feature_sets/pyradiomics-*.json"))
    change(recipe, '"in_plane_spacing": 1.5', '"in_plane_spacing": 1.0')
    shard = own_store / "volumes" / external[:2] / f"{external}.zarr" / "image" / "c/0/0/0"
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    code, traced = links(own_store, external)
    assert code == 1
    assert {one["step"] for one in traced if one["broken"]} == {"recipe", "volume"}


def test_an_unknown_case_is_told(study_store):
    said = radlas("lineage", "tiny", "zz", "--store", study_store)
    assert said.code == 2
    assert "no cases begin with 'zz'" in said.err
