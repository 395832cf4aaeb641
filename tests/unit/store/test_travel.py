"""Export and merge: rows travel whole, identities hold, nothing is overwritten, no image leaves."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from radlas.digests import file_digest
from radlas.errors import StoreError
from radlas.model import Outcome
from radlas.progress import Rows
from radlas.store import delta, health, travel
from radlas.store.frozen import load_snapshot
from radlas.store.layout import init_store, open_store
from radlas.store.ledger import Recorder, case_standings
from radlas.store.pretraining import note_pretraining, pretraining_of
from radlas.store.recipes import list_recipes, load_recipe, name_digests, save_recipe
from radlas.store.snapshots import create_snapshot, verify_snapshot
from radlas.store.travel import export, merge, merged_cases
from radlas.tables import TABLES

from .conftest import case_row, feature_row, here


@pytest.fixture
def hospital(filled):
    """Three cases with features, one with a clinical record of two revisions, and a recipe."""
    save_recipe(filled, "p-1", {"extractor": "radiomics"})
    record = {"subject_id": "sa", "centre": "c1", "grade": "2", "revision": 1}
    delta.append(filled, "clinical", [record, record | {"grade": "3", "revision": 2}], run_id="r")
    return filled


@pytest.fixture
def centre(new_store):
    """A coordinating centre with a case of its own."""
    store = new_store("centre")
    delta.append(store, "cases", [case_row("own", "c9")], run_id="r")
    return store


def digests(store, name):
    return sorted(delta.read(store, name, ["row_digest"]).column("row_digest").to_pylist())


@pytest.mark.parametrize("chosen", [None, "x"])
def test_how_far_it_is_comes_out_even_at_the_end(hospital, centre, tmp_path, chosen):
    """Of a merge twice as many rows as of an export: all are looked at before one is written."""
    create_snapshot(hospital, "x", cohort_sql="select case_id from cases where case_id <> 'a'")
    snapshot = load_snapshot(hospital, chosen) if chosen else None
    leaves, arrives = Rows(lambda _: None), Rows(lambda _: None)
    rows = export(hospital, tmp_path / "out", snapshot, leaves)
    merge(centre, tmp_path / "out", arrives)
    assert leaves.number == leaves.total == sum(rows.values())
    assert arrives.number == arrives.total == 2 * leaves.total


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_rows_arrive_as_they_left_and_a_second_merge_adds_nothing(hospital, centre, tmp_path, name):
    rows = export(hospital, tmp_path / name)
    assert (rows["cases"], rows["radiomics"], rows["clinical"]) == (3, 3, 2)
    done = merge(centre, tmp_path / name)
    assert done["radiomics"] == {"new": 3, "known": 0}
    for table in ("radiomics", "clinical", "rois", "outcomes"):
        assert digests(centre, table) == digests(hospital, table)
    before = {table: delta.version(centre, table) for table in ("cases", "radiomics", "clinical")}
    assert merge(centre, tmp_path / name)["radiomics"] == {"new": 0, "known": 3}
    assert {table: delta.version(centre, table) for table in before} == before
    assert list_recipes(centre) == ["p-1"]


def test_an_export_that_lost_or_changed_any_file_is_refused_and_nothing_is_merged(
    hospital, centre, tmp_path
):
    """A log without its last entry, a table or a recipe that was not copied look like fewer."""
    snapshot, _ = create_snapshot(hospital, "x")
    export(hospital, tmp_path / "whole", snapshot)
    names = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.*")]
    files = [name for name in names if (tmp_path / "whole" / name).is_file()]
    before = {table: delta.version(centre, table) for table in TABLES}
    for number, name in enumerate(files):
        damaged = tmp_path / f"damaged-{number}"
        shutil.copytree(tmp_path / "whole", damaged)
        (damaged / name).unlink()
        with pytest.raises(StoreError) as caught:
            merge(centre, damaged)
        assert str(damaged) in caught.value.where, name
    for name in (name for name in files if name.suffix == ".parquet"):
        sound = (tmp_path / "whole" / name).read_bytes()
        for at in range(0, len(sound), len(sound) // 20):
            flipped = bytes([*sound[:at], sound[at] ^ 1, *sound[at + 1 :]])
            (tmp_path / "whole" / name).write_bytes(flipped)
            with pytest.raises(StoreError, match="holds other bytes") as caught:
                merge(centre, tmp_path / "whole")
            assert "nothing was merged; export it again" in caught.value.hint
        (tmp_path / "whole" / name).write_bytes(sound)
    assert before == {table: delta.version(centre, table) for table in TABLES}
    assert list_recipes(centre) == []
    assert merge(centre, tmp_path / "whole")["cases"]["new"] == 3


def test_a_packed_export_of_another_format_is_named_and_not_where_it_was_unpacked(
    hospital, centre, tmp_path
):
    export(hospital, tmp_path / "out")
    head = json.loads((tmp_path / "out" / "radlas.json").read_text())
    (tmp_path / "out" / "radlas.json").write_text(json.dumps(head | {"format": 99}))
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "out")
    with pytest.raises(StoreError, match="format 99, this radlas reads") as caught:
        merge(centre, Path(packed))
    assert caught.value.where == packed
    assert "export it again, with a radlas of format" in caught.value.hint


def test_an_exported_snapshot_has_its_identity_where_it_arrives(hospital, tmp_path):
    delta.append(hospital, "radiomics", [feature_row("b", "edema")], run_id="another commit")
    snapshot, _ = create_snapshot(
        hospital, "x", cohort_sql="select case_id from cases where case_id <> 'c'"
    )
    delta.append(hospital, "radiomics", [feature_row("a", "edema")], run_id="later")
    export(hospital, tmp_path / "out", snapshot)
    there = open_store(tmp_path / "out")
    arrived = load_snapshot(there, "x@1")
    assert arrived.id == snapshot.id
    verify_snapshot(there, arrived)
    assert delta.read(there, "radiomics").num_rows == 3
    assert health.verify(there) == [], "volumes that were never meant to be there are no damage"
    again, _ = create_snapshot(there, "again")
    assert again.id == snapshot.id


def ended(key, case, state, feature_set=""):
    stage, reason = "extract" if feature_set else "ingest", "" if state == "ok" else "empty_mask"
    return Outcome(key, stage, "c1", case, state, reason=reason, feature_set=feature_set)


@here
@pytest.mark.parametrize("cohort", ["", "select case_id from cases where case_id <> 'c'"])
@pytest.mark.parametrize("frozen", [False, True])
def test_cases_that_were_never_stored_travel_in_the_ledger(
    hospital, centre, tmp_path, cohort, frozen
):
    """Else a study over several sites would count those alone that went well."""
    outcomes = [ended("1", "a", "ok"), ended("2", "c", "ok"), ended("3", "never", "quarantined")]
    Recorder(hospital).record([*outcomes, ended("4", "a", "failed", "q-1")])
    snapshot = create_snapshot(hospital, "x", cohort_sql=cohort)[0] if frozen else None
    export(hospital, tmp_path / "out", snapshot)
    merge(centre, tmp_path / "out")
    told = {(one.stage, one.case_id) for one in case_standings(centre)}
    everyone = {("ingest", "a"), ("ingest", "c"), ("ingest", "never")}
    if not frozen:
        assert told == everyone | {("extract", "a")}
    else:
        assert told == ({("ingest", "a"), ("extract", "a")} if cohort else everyone)


def test_a_killed_merge_leaves_no_case_whose_image_seems_lost(hospital, centre, tmp_path):
    export(hospital, tmp_path / "out")
    append = delta.Appender.append

    def killed(appender, name, rows):
        if name == "radiomics":
            raise KeyboardInterrupt
        return append(appender, name, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delta.Appender, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            merge(centre, tmp_path / "out")
    assert delta.read(centre, "cases").num_rows == 4
    assert merged_cases(centre) == {"a", "b", "c"}
    assert merge(centre, tmp_path / "out")["radiomics"] == {"new": 3, "known": 0}


@here
def test_a_volume_is_missed_also_after_its_rows_came_back_by_way_of_another_site(
    hospital, centre, tmp_path
):
    """Of what is merged nobody misses the image: a site's own cases are not to become such."""
    export(hospital, tmp_path / "out")
    merge(centre, tmp_path / "out")
    export(centre, tmp_path / "back")
    merge(hospital, tmp_path / "back")
    assert merged_cases(hospital) == {"own"}, "the other site's"
    lost = [one for one in health.verify(hospital) if "no volume of this case is here" in one]
    assert len(lost) == 3
    merge(hospital, tmp_path / "back")
    assert merged_cases(hospital) == {"own"}, "nor by a second merge"
    merge(centre, tmp_path / "out")
    assert merged_cases(centre) == {"a", "b", "c"}, "and what came from there stays so"


def test_rows_of_before_a_part_of_their_key_was_declared_are_known_again(tmp_path):
    """The store of an older radlas lacks the column; it reads as NULL, also where keys meet."""
    store = init_store(tmp_path / "older")
    delta.append(store, "radiomics", [feature_row("a", firstorder_Mean=1.0)], run_id="r")
    known = init_store(tmp_path / "centre")
    merge(known, tmp_path / "older")
    assert merge(known, tmp_path / "older")["radiomics"] == {"new": 0, "known": 1}


@here
def test_an_archive_that_holds_the_store_in_a_folder_is_merged(hospital, centre, tmp_path):
    export(hospital, tmp_path / "wrapped" / "a")
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "wrapped")
    assert merge(centre, tmp_path / "a.zip")["radiomics"] == {"new": 3, "known": 0}
    (tmp_path / "other").mkdir()
    with pytest.raises(StoreError, match=r"no radlas\.json in it") as caught:
        merge(centre, tmp_path / "other")
    assert caught.value.where == str(tmp_path / "other")


@here
def test_of_several_exports_in_a_folder_none_is_merged_in_silence(hospital, centre, tmp_path):
    for name in ("monday", "tuesday"):
        export(hospital, tmp_path / "all" / name)
    with pytest.raises(StoreError, match="2 exported stores lie in it: monday, tuesday"):
        merge(centre, tmp_path / "all")


@here
def test_no_folder_is_made_that_is_called_like_a_bucket(hospital, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for travels in (export, merge):
        with pytest.raises(StoreError, match="on this machine"):
            travels(hospital, Path("s3://bucket/a.zip"))
    assert not (tmp_path / "s3:").exists()


@here
def test_of_rows_that_left_in_many_batches_no_file_travels_twice(hospital, tmp_path, monkeypatch):
    """A lake of a hundred thousand cases was twice as large in its export as at home."""
    read = travel.stored_rows

    def one_by_one(*asked):
        for rows in read(*asked):
            yield from (rows.slice(place, 1) for place in range(rows.num_rows))

    monkeypatch.setattr(travel, "stored_rows", one_by_one)
    rows = export(hospital, tmp_path / "out")
    assert rows["radiomics"] > 1
    made = open_store(tmp_path / "out")
    named = {
        f"lake/{name}/{part}" for name, parts in delta.newest(made)[1].items() for part in parts
    }
    lying = {name for name in made.place.names("lake") if "/_delta_log/" not in name}
    assert lying == named
    assert not health.verify(made)


@here
def test_no_image_and_no_key_leaves(hospital, tmp_path):
    create_snapshot(hospital, "x")
    export(hospital, tmp_path / "out", load_snapshot(hospital, "x"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"radlas.json", "lake", "feature_sets", "snapshots"}
    with pytest.raises(StoreError, match="site key is missing"):
        open_store(tmp_path / "out").key()
    assert not list(tmp_path.glob(".out*")), "no stage is left"


@here
def test_no_path_of_this_machine_is_stored_or_leaves(hospital, tmp_path):
    """A home is called like its owner, a folder like its patient; logs of tables noted both."""
    export(hospital, tmp_path / "out")
    for store in (hospital, open_store(tmp_path / "out")):
        entries = [name for name in store.place.names("lake") if "_delta_log" in name]
        assert len(entries) > 3
        for name in entries:
            text = store.place.read(name).decode("latin-1")
            assert tmp_path.name not in text, name
            assert str(hospital.place) not in text, name


@here
def test_a_contradiction_is_named_and_nothing_is_written(hospital, centre, tmp_path):
    delta.append(centre, "radiomics", [feature_row("b", firstorder_Mean=99.0)], run_id="r")
    before = {table: delta.version(centre, table) for table in ("cases", "radiomics", "clinical")}
    export(hospital, tmp_path / "out")
    with pytest.raises(StoreError, match=r"something else in 1 row: radiomics p-1, b") as caught:
        merge(centre, tmp_path / "out")
    assert caught.value.reason == "conflict"
    assert {table: delta.version(centre, table) for table in before} == before
    assert merged_cases(centre) == frozenset()


def test_merged_cases_are_known_to_be_elsewhere(hospital, centre, tmp_path):
    export(hospital, tmp_path / "out")
    merge(centre, tmp_path / "out")
    assert merged_cases(centre) == {"a", "b", "c"}
    damage = health.verify(centre)
    assert len(damage) == 1, "only the case of its own lacks its volume"
    note = json.loads(centre.place.read(f"merges/{hospital.store_id}.json"))
    assert note["rows"]["cases"] == {"new": 3, "known": 0}


@here
def test_sites_that_call_one_weights_file_by_two_names_merge(hospital, new_store, tmp_path):
    net = {"extractor": "deep", "versions": {"weights": "f" * 64}}
    for store, source in ((hospital, "a.pth"), (other := new_store("other"), "b.pth")):
        given = net | {"provenance": {"source": source, "source_sha256": source}}
        save_recipe(store, "p-net", given)
    delta.append(hospital, "deep", [deep_row("a", "p-net")], run_id="r")
    export(hospital, tmp_path / "out")
    assert merge(other, tmp_path / "out")["deep"] == {"new": 1, "known": 0}
    assert load_recipe(other, "p-net")["provenance"]["source"] == "b.pth"
    with pytest.raises(StoreError, match="another recipe has this name"):
        save_recipe(other, "p-net", net | {"provenance": {"source": "b.pth", "subjects": ["s"]}})


def deep_row(case, feature_set):
    row = {"case_id": case, "centre": "c1", "subject_id": f"s{case}", "feature_set": feature_set}
    return row | {"roi": "whole", "layer": "layer4", "vector": [1.0], "input_digest": "x"}


WEIGHTS = "f" * 64
SEEN = {"subjects": ["s2"], "centres": ["c1"], "images": ["1"], "untrained": False, "steps": 9}


def with_network(hospital):
    """The hospital's recipe is of a network whose weights' file says nothing of them."""
    save_recipe(hospital, "p-1", {"extractor": "deep", "versions": {"weights": WEIGHTS}})
    note_pretraining(hospital, WEIGHTS, SEEN)
    note_pretraining(hospital, "0" * 64, {"subjects": ["nobody here"]})


@here
@pytest.mark.parametrize("whole", [True, False])
def test_whom_a_network_saw_is_told_wherever_its_features_go(filled, centre, tmp_path, whole):
    with_network(filled)
    create_snapshot(filled, "x")
    export(filled, tmp_path / "out.zip", None if whole else load_snapshot(filled, "x"))
    merge(centre, tmp_path / "out.zip")
    assert pretraining_of(centre, {WEIGHTS}) == SEEN
    assert pretraining_of(centre, {"0" * 64}) == {}, "no feature here is of that network"


@here
def test_two_sites_notes_of_one_network_are_joined_by_a_merge(filled, centre, tmp_path):
    """The same weights by two runs have seen the patients of both, and each doubt counts."""
    with_network(filled)
    theirs = {"subjects": ["s1"], "centres": ["c9"], "images": [], "untrained": True, "steps": 1}
    note_pretraining(centre, WEIGHTS, theirs)
    export(filled, tmp_path / "out")
    for _ in range(2):
        merge(centre, tmp_path / "out")
        known = pretraining_of(centre, {WEIGHTS})
        assert known.pop("steps") in {1, 9}
        assert known == {
            "subjects": ["s1", "s2"],
            "centres": ["c1", "c9"],
            "images": ["1"],
            "untrained": True,
        }


def test_runs_at_once_take_from_each_other_nothing_of_what_a_network_saw(hospital):
    notes = [{"subjects": [f"s{number}"], "untrained": number == 3} for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda note: note_pretraining(hospital, WEIGHTS, note), notes))
    assert pretraining_of(hospital, {WEIGHTS}) == {
        "subjects": [f"s{number}" for number in range(8)],
        "untrained": True,
    }
    before = sorted(hospital.place.names("pretraining"))
    note_pretraining(hospital, WEIGHTS, {"subjects": ["s2", "s5"]})
    assert sorted(hospital.place.names("pretraining")) == before, "that was known"


@here
@pytest.mark.parametrize("text", [b"{", b"[]", b'{"subjects": "s1"}'])
def test_a_damaged_note_of_a_network_is_named_and_nothing_is_merged(filled, centre, tmp_path, text):
    with_network(filled)
    export(filled, tmp_path / "out")
    next((tmp_path / "out" / "pretraining").glob(f"{WEIGHTS}*")).write_bytes(text)
    before = delta.version(centre, "radiomics")
    with pytest.raises(StoreError, match="damaged: "):
        merge(centre, tmp_path / "out")
    assert (delta.version(centre, "radiomics"), list_recipes(centre)) == (before, [])


def test_what_is_there_is_not_replaced_and_what_is_no_export_is_said(
    hospital, centre, tmp_path, monkeypatch
):
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="there is something already"):
        export(hospital, tmp_path / "taken")
    fill = travel._fill

    def beside_another(*given):
        (tmp_path / "late.zip").write_bytes(b"of somebody else")
        return fill(*given)

    monkeypatch.setattr(travel, "_fill", beside_another)
    with pytest.raises(StoreError, match="there is something already"):
        export(hospital, tmp_path / "late.zip")
    assert (tmp_path / "late.zip").read_bytes() == b"of somebody else"
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(StoreError, match="not an archive that can be unpacked: File is not a zip"):
        merge(centre, tmp_path / "x.zip")
    with pytest.raises(
        StoreError, match=r"no such file\n  in: .*y\.zip\n  try: name a folder or zip"
    ):
        merge(centre, tmp_path / "y.zip")


@here
def test_an_archive_that_was_damaged_or_does_not_fit_merges_nothing(
    hospital, centre, tmp_path, monkeypatch
):
    export(hospital, tmp_path / "out.zip")
    whole, before = (tmp_path / "out.zip").read_bytes(), digests(centre, "cases")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        largest = max(archive.infolist(), key=lambda one: one.compress_size)
    start = largest.header_offset + 30 + len(largest.filename)
    for place in range(0, largest.compress_size, max(1, largest.compress_size // 20)):
        torn = bytearray(whole)
        torn[start + place : start + place + 4] = b"\xff\xff\xff\xff"
        (tmp_path / "torn.zip").write_bytes(torn)
        with pytest.raises(StoreError, match="not an archive that can be unpacked"):
            merge(centre, tmp_path / "torn.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    told = r"unpacked it takes 0\.[1-9] MB, 0\.0 MB are free in"  # and not 0.0 of both
    with pytest.raises(StoreError, match=told):
        merge(centre, tmp_path / "out.zip")
    monkeypatch.undo()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(zipfile.ZipFile, "extractall", Mock(side_effect=full))
    with pytest.raises(StoreError, match="cannot be unpacked here: No space left") as caught:
        merge(centre, tmp_path / "out.zip")
    assert "TMPDIR names another disk" in caught.value.hint, "and not: send it again"
    assert digests(centre, "cases") == before


@here
@pytest.mark.parametrize("table", ["radiomics", "deep"])
def test_of_a_store_with_a_wrong_row_nothing_at_all_is_merged(hospital, centre, tmp_path, table):
    """The tables that come before the wrong row would be there, and the rest of it would not."""
    row = feature_row("a") | ({"layer": "l", "vector": [0.5]} if table == "deep" else {})
    row = {name: value for name, value in row.items() if name in TABLES[table].names}
    wrong = pa.Table.from_pylist([row | {"row_digest": 1, "roi": "ring"}])
    delta.append(hospital, table, delta.as_declared(TABLES[table], wrong), run_id="r")
    before = sorted(centre.place.names())
    with pytest.raises(StoreError, match=f"rows of {table} are not what") as caught:
        merge(centre, hospital.place.root)
    assert caught.value.where == str(hospital.place.root)
    assert sorted(centre.place.names()) == before


@here
@pytest.mark.parametrize("up", ["../../../", "%2e%2e/%2E%2e/../"])
def test_an_export_that_names_files_outside_of_itself_is_refused(hospital, centre, tmp_path, up):
    export(hospital, tmp_path / "out")
    part = next((tmp_path / "out/lake/cases").glob("*.parquet"))
    shutil.move(part, tmp_path / part.name)
    for entry in (tmp_path / "out/lake/cases/_delta_log").glob("*.json"):
        entry.write_text(entry.read_text().replace(part.name, up + part.name))
    with pytest.raises(StoreError, match="a name in it leads out of it"):
        merge(centre, tmp_path / "out")
    assert delta.read(centre, "cases").num_rows == 1


ESC = "\x1b[31m"
FOREIGN = [
    ("cases", {"case_id": "../../evil"}, "case_id of cases holds what is no name"),
    ("cases", {"centre": f"c{ESC}"}, "centre of cases holds what is no name"),
    ("cases", {"scanner_model": f"Magnet {ESC}"}, "scanner_model of cases holds signs"),
    ("rois", {"roi": "<script>"}, "roi of rois holds what is no name"),
    ("clinical", {"histology": "\u202erab"}, "histology of clinical holds signs"),
    ("clinical", {"revision": None}, "a row of clinical has no revision"),
    ("radiomics", {'x" as y, 1 as "z': 1.0}, "radiomics has a column of a name that no"),
    ("radiomics", {"x y": 1.0}, "radiomics has a column of a name that no"),
    ("radiomics", {"feature_set": "$(reboot)"}, "feature_set of radiomics holds what is no name"),
    ("outcomes", {"reason": "x; reboot"}, "reason of outcomes holds what is no name"),
    ("outcomes", {"message": f"what\n  try: {ESC}"}, "message of outcomes holds signs"),
]


@here
@pytest.mark.parametrize(("table", "said", "told"), FOREIGN)
def test_rows_that_no_radlas_writes_are_refused_and_nothing_is_merged(
    hospital, centre, table, said, told
):
    """They are sound to the last digest; and would be run, shown and made folders of here."""
    given = {"cases": case_row("d"), "radiomics": feature_row("d")}.get(table, {})
    named = {name: "d" for name in TABLES[table].key if name != "revision"} | {"attempt": 1}
    row = {name: value for name, value in named.items() if name in TABLES[table].names}
    row |= {"centre": "c1"} | ({"revision": 1} if table == "clinical" else {}) | given | said
    rows = pa.Table.from_pylist([row])
    delta.append(hospital, table, rows, run_id="r")
    before = sorted(centre.place.names())
    with pytest.raises(StoreError, match=re.escape(told)) as caught:
        merge(centre, hospital.place.root)
    assert "ask who made it" in caught.value.hint
    assert ESC not in str(caught.value)
    assert sorted(centre.place.names()) == before


DEEP = "[" * 200_000 + "]" * 200_000


@here
@pytest.mark.parametrize(
    "document",
    [
        ("feature_sets/p-1.json", "[1]", "damaged: it is no mapping"),
        ("feature_sets/p-1.json", '{"versions": 3}', "damaged: `versions` is no mapping"),
        ("feature_sets/p-1.json", DEEP, "nested too deep"),
        ("pretraining/abc.json", DEEP, "nested too deep"),
        ("radlas.json", DEEP, "nested too deep"),
        (f"lake/cases/_delta_log/{0:020}.json", DEEP, "an entry of a log cannot be read"),
        ("lake/cases/_delta_log/_last_checkpoint", DEEP, "an entry of a log cannot be read"),
    ],
)
def test_documents_that_make_no_sense_are_told_as_that_and_kept_out(
    hospital, centre, tmp_path, document
):
    """A recipe of them stayed, and no extract of its name went on; a log ended the process."""
    name, text, told = document
    export(hospital, tmp_path / "out")
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_text(text)
    before = sorted(centre.place.names())
    with pytest.raises(StoreError, match=told) as caught:
        merge(centre, tmp_path / "out")
    assert caught.value.hint.startswith("nothing was merged; export it again")
    assert sorted(centre.place.names()) == before
    assert delta.read(centre, "cases").num_rows == 1


@here
@pytest.mark.parametrize("text", [("add", "stats"), ("metaData", "schemaString")])
@pytest.mark.parametrize("kind", ["json", "checkpoint.parquet"])
def test_a_text_of_a_log_that_is_nested_without_end_is_told_and_kept_out(
    hospital, centre, tmp_path, kind, text
):
    """What opens a log reads the JSON in texts of it, too, and the process died of it."""
    action, key = text
    export(hospital, tmp_path / "out")
    DeltaTable(str(tmp_path / "out/lake/cases")).create_checkpoint()
    for file in (tmp_path / "out/lake/cases/_delta_log").glob(f"*.{kind}"):
        if kind == "json":
            actions = [json.loads(line) for line in file.read_text().splitlines()]
        else:
            table = pq.read_table(file)
            actions = table.to_pylist()
        for one in actions:
            if one.get(action):
                one[action][key] = DEEP
        if kind == "json":
            file.write_text("".join(f"{json.dumps(one)}\n" for one in actions))
        else:
            pq.write_table(pa.Table.from_pylist(actions, schema=table.schema), file)
    with pytest.raises(StoreError, match="an entry of a log cannot be read: nested too deep"):
        merge(centre, tmp_path / "out")
    assert delta.read(centre, "cases").num_rows == 1


@here
def test_an_export_whose_log_has_a_checkpoint_is_merged(hospital, centre, tmp_path):
    export(hospital, tmp_path / "out")
    DeltaTable(str(tmp_path / "out/lake/cases")).create_checkpoint()
    assert merge(centre, tmp_path / "out")["cases"]["new"] == 3


@here
def test_rows_of_other_types_are_told_as_that(hospital, centre, tmp_path):
    export(hospital, tmp_path / "out")
    part = next((tmp_path / "out/lake/cases").glob("*.parquet"))
    rows = pq.read_table(part).append_column("extra", pa.array(["text"] * 3))
    pq.write_table(rows, part)
    made = part.rename(part.with_name(f"part-{file_digest(part)[:32]}.parquet"))
    for entry in (tmp_path / "out/lake/cases/_delta_log").glob("*.json"):
        entry.write_text(entry.read_text().replace(part.name, made.name))
    with pytest.raises(StoreError, match="hold extra as VARCHAR, not as DOUBLE"):
        merge(centre, tmp_path / "out")


@here
@pytest.mark.parametrize(
    ("name", "ours", "told"),
    [
        ("feature_sets/p-1.json", b"{", "damaged: "),
        ("feature_sets/p-1.json", b'{"extractor": "deep"}', "another recipe has this name"),
        ("pretraining/abc.json", b"{", "damaged: "),
    ],
)
def test_where_a_recipe_is_another_than_ours_or_ours_cannot_be_read_nothing_is_merged(
    hospital, centre, name, ours, told
):
    """Else whose images are elsewhere, and recipes that come before it, would stay here."""
    for given in ("a-1", "p-1"):
        recipe = {"extractor": "radiomics", "versions": {"weights": WEIGHTS}}
        (hospital.place.root / f"feature_sets/{given}.json").write_text(json.dumps(recipe))
    note_pretraining(hospital, WEIGHTS, SEEN)
    centre.place.create(name, ours)
    before = sorted(centre.place.names())
    with pytest.raises(StoreError, match=told):
        merge(centre, hospital.place.root)
    assert sorted(centre.place.names()) == before


@here
def test_a_recipe_whose_name_no_feature_set_has_is_refused(hospital, centre):
    save_recipe(hospital, "p-$(reboot)", {"extractor": "radiomics"})
    with pytest.raises(StoreError, match="a recipe has a name that no feature set has"):
        merge(centre, hospital.place.root)


@here
def test_a_recipe_that_was_edited_on_its_way_is_not_merged(hospital, centre):
    """Under that name this store would tell other settings than the rows were made with."""
    recipe = {"extractor": "radiomics", "settings": {"bin_width": 25.0}}
    save_recipe(
        hospital, f"p-{name_digests(recipe)[0]}", recipe | {"settings": {"bin_width": 26.0}}
    )
    with pytest.raises(StoreError, match="it holds another recipe than its name says"):
        merge(centre, hospital.place.root)
    assert list_recipes(centre) == []


@here
def test_a_row_that_is_not_what_its_digest_says_does_not_leave(hospital, tmp_path):
    row = delta.read(hospital, "radiomics").slice(0, 1).to_pylist()[0]
    wrong = delta.as_declared(
        TABLES["radiomics"],
        pa.Table.from_pylist([row | {"case_id": "z", "row_digest": 1}]),
    )
    delta.append(hospital, "cases", [case_row("z")], run_id="r")
    delta.append(hospital, "radiomics", wrong, run_id="r")
    with pytest.raises(StoreError, match="rows of radiomics are not what their digests say"):
        export(hospital, tmp_path / "out")
    assert not (tmp_path / "out").exists()
