"""What `verify` finds, wherever the damage is and whether or not anybody had frozen it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.store import delta, known
from radlas.store.compact import compact
from radlas.store.health import status, verify
from radlas.store.known import KnownPatient, known_cases, known_patients
from radlas.store.recipes import list_recipes, name_digests, save_recipe
from radlas.store.snapshots import create_snapshot
from radlas.volumes.record import KnownCase
from radlas.volumes.zarr import write_case

from .conftest import case_row, feature_row, here, overwrite, part_names


@pytest.fixture
def lake(store):
    """Rows of an export: there are no volumes to verify."""
    delta.append(store, "radiomics", [feature_row("a", firstorder_Mean=1.0)], run_id="r")
    return store


@pytest.mark.parametrize("frozen", [False, True])
def test_a_changed_byte_is_told_once_whether_a_snapshot_stands_on_it_or_not(lake, frozen):
    assert verify(lake) == []
    if frozen:
        delta.append(lake, "cases", [case_row("a")], run_id="r")
        for name in ("x", "y"):
            create_snapshot(lake, name)
    (name,) = part_names(lake, "radiomics")
    a_changed_byte_is_told_once(lake, name)


def a_changed_byte_is_told_once(store, name):
    data = bytearray(store.place.read(name))
    data[60] ^= 1
    overwrite(store, name, bytes(data))
    damage = [one for one in verify(store) if "no volume of this case" not in one]
    assert [one.splitlines()[0] for one in damage] == ["a part holds other bytes than were written"]
    assert name in damage[0]


@here
def test_a_lost_or_changed_part_of_the_ledger_that_a_snapshot_alone_stands_on_is_named(filled):
    """Merged since with others, it is in no newest version; queries of the snapshot read it."""
    outcome = {"stage": "extract", "task_key": "t", "case_id": "a", "centre": "c1", "attempt": 1}
    outcome |= {"state": "ok", "reason": "", "feature_set": "p-1", "message": "", "run_id": "r"}
    delta.append(filled, "outcomes", [outcome], run_id="r")
    create_snapshot(filled, "x")
    (name,) = part_names(filled, "outcomes")
    delta.append(filled, "outcomes", [outcome | {"attempt": 2}], run_id="r")
    compact(filled, "outcomes", many=1)
    assert name not in part_names(filled, "outcomes")
    a_changed_byte_is_told_once(filled, name)
    filled.place.remove(name)
    assert any("a part cannot be read" in one and name in one for one in verify(filled))


def test_an_emptied_entry_of_the_log_is_told_though_readers_see_no_rows_there(lake):
    lake.place.replace(f"lake/radiomics/_delta_log/{1:020}.json", b"")
    assert any("the log of table radiomics has an empty entry" in one for one in verify(lake))


@pytest.mark.parametrize("table", ["radiomics", "cases"])
def test_a_lost_part_is_told_and_all_else_is_verified_nevertheless(lake, table):
    delta.append(lake, "cases", [case_row("a")], run_id="r")
    delta.append(
        lake, "clinical", [{"subject_id": "sa", "centre": "c1", "revision": 1}], run_id="r"
    )
    for name in (*part_names(lake, table), *part_names(lake, "clinical")):
        overwrite(lake, name, b"")
        lake.place.remove(name)
    damage = "\n".join(verify(lake))
    assert f"lake/{table}/" in damage
    assert "lake/clinical/" in damage
    assert "a part cannot be read" in damage


@here
def test_a_damaged_snapshot_or_recipe_is_told_and_hides_no_other_damage(filled):
    save_recipe(filled, "p-1", {"extractor": "radiomics"})
    for name in ("x", "y"):
        create_snapshot(filled, name)
        filled.place.replace(f"snapshots/{name}@1.json", b"{")
    filled.place.replace("feature_sets/p-1.json", b"{")
    damage = "\n".join(verify(filled))
    assert all(one in damage for one in ("x@1.json", "y@1.json", "p-1.json"))
    assert status(filled)["snapshots"] == ["x@1", "y@1"]


@here
def test_a_recipe_that_was_edited_is_told_and_one_that_an_older_radlas_named_is_not(store):
    """Its name carries its digest; what rows were made with would be told wrong for good."""
    recipe = {"extractor": "deep", "settings": {"seed": 0}, "provenance": {"source": "a.pth"}}
    for digest in name_digests(recipe):
        save_recipe(store, f"net-{digest}", recipe)
    assert len(list_recipes(store)) == 2
    assert verify(store) == []
    edited = f"feature_sets/net-{name_digests(recipe)[0]}.json"
    store.place.replace(edited, json.dumps(recipe | {"settings": {"seed": 1}}).encode())
    (told,) = verify(store)
    assert "it holds another recipe than its name says" in told
    assert edited in told


def test_a_damaged_log_is_told(lake):
    delta.append(lake, "cases", [case_row("a")], run_id="r")
    lake.place.replace(f"lake/radiomics/_delta_log/{1:020}.json", b"{")
    assert any("the log of table radiomics cannot be read" in one for one in verify(lake))


def test_a_part_is_read_once_however_many_snapshots_stand_on_it(filled, monkeypatch):
    for name in ("monday", "tuesday"):
        create_snapshot(filled, name)
    kind, read = type(filled.place), list[str]()
    sha256 = kind.sha256
    monkeypatch.setattr(
        kind, "sha256", lambda place, name: (read.append(name), sha256(place, name))[1]
    )
    assert all("no volume of this case" in one for one in verify(filled))  # rows alone were made
    parts = [name for name in read if name.startswith("lake/")]
    assert len(parts) == len(set(parts)) > 0


SPACING = dict(zip(("spacing_x_mm", "spacing_y_mm", "spacing_z_mm"), (0.5, 0.6, 3.0), strict=True))


@here
def test_what_tables_tell_of_a_case_is_its_voxels_drawn_masks_and_spacing(store):
    """A spacing of which an edge is not told is none; a generated ROI has no mask that is kept."""
    cases = [case_row("a") | SPACING, case_row("b") | SPACING | {"spacing_y_mm": None}]
    delta.append(store, "cases", cases, run_id="r")
    mask = {"case_id": "a", "centre": "c1", "subject_id": "sa", "roi": "tumour"}
    masks = [
        mask | {"reader": "r1", "feature_set": "", "mask_digest": "1"},
        mask | {"reader": "", "feature_set": "", "mask_digest": "2"},
        mask | {"reader": "", "feature_set": "p-1", "mask_digest": "3"},
    ]
    delta.append(store, "rois", masks, run_id="r")
    assert known_cases(store) == {
        "a": KnownCase("v", {"tumour@r1": "1", "tumour": "2"}, (0.5, 0.6, 3.0)),
        "b": KnownCase("v", {}),
    }


@here
def test_of_all_that_is_stored_only_what_is_asked_for_becomes_rows(filled, monkeypatch):
    """A night brings a few exams to a store of a hundred thousand."""
    made = []
    monkeypatch.setattr(known, "KnownCase", lambda *told: made.append(told) or KnownCase(*told))
    assert known_cases(filled, {"b", "new"}) == {"b": KnownCase("v", {})}
    assert len(made) == 1
    assert known_patients(filled, {"sc", "new"}) == {"sc": KnownPatient()}


@here
@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("cases", {}),
        ("cases", {"voxel_digest": "v"}),
        ("cases", {"spacing_x_mm": 0.7}),
        ("rois", {"mask_digest": "m"}),
        ("rois", None),
    ],
)
def test_a_case_of_which_the_tables_speak_otherwise_is_told(store, table, wrong):
    """Each of it alone: other voxels, another grid, another mask, or a mask that nobody told of."""
    origin, axes = (0.0, 0.0, 0.0), np.eye(3)
    grid = make_geometry((4, 4, 4), spacing=(0.5, 0.6, 3.0), origin=origin, direction=axes)
    voxels = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    tumour = Roi("tumour", voxels > 50, "seg")
    content = write_case(store.place, "a", Volume(voxels, grid), [tumour])
    mask = {"case_id": "a", "centre": "c1", "subject_id": "sa", "reader": "", "feature_set": ""}
    told = {
        "cases": case_row("a") | SPACING | {"voxel_digest": content["image"]},
        "rois": mask | {"roi": "tumour", "mask_digest": content["masks"]["tumour"]},
    }
    if wrong is None:
        del told[table]
    else:
        told[table] |= wrong
    for name, row in told.items():
        delta.append(store, name, [row], run_id="r")
    found = verify(store)
    assert len(found) == (wrong != {})
    assert all("the tables speak of other voxels, masks or spacing" in one for one in found)
