"""The store: made once, found or named as missing, one writer, one key."""

import json
import os
import shutil
import stat
from functools import partial
from pathlib import Path

import pytest

import radlas
from radlas.errors import ConfigError, StoreError
from radlas.store import delta, layout
from radlas.store.frozen import load_snapshot, read_snapshots
from radlas.store.layout import init_store, open_store
from radlas.store.models import read_alias, versions
from radlas.store.pretraining import pretraining_of
from radlas.store.recipes import list_recipes, load_recipe, save_recipe, twins
from radlas.store.snapshots import create_snapshot
from radlas.store.stable_features import load_stable_features
from radlas.store.travel import merged_cases

from .conftest import case_row, fill, here

DIGEST = "0123456789abcdef"


def test_the_key_lies_beside_the_store_and_only_its_owner_reads_it(store, address, tmp_path):
    beside = tmp_path if address.startswith("/") else tmp_path / "home"
    assert store.key_path.parent == beside
    assert stat.S_IMODE(store.key_path.stat().st_mode) == 0o600
    key = store.key().hex()
    stored = b"".join(map(store.place.read, store.place.names()))
    assert key.encode() not in stored


def test_a_key_in_the_store_is_refused_before_and_after(tmp_path, monkeypatch):
    """Who copies the store would copy the key."""
    monkeypatch.setenv("RADLAS_KEY", str(tmp_path / "store" / "site.key"))
    with pytest.raises(StoreError, match="may not lie in the store"):
        init_store(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    monkeypatch.delenv("RADLAS_KEY")
    made = init_store(tmp_path / "store")
    made.key_path.rename(tmp_path / "store" / "site.key")
    monkeypatch.setenv("RADLAS_KEY", str(tmp_path / "store" / "site.key"))
    with pytest.raises(StoreError, match="may not lie in the store"):
        made.key()


def test_a_store_that_is_gone_is_not_read_as_empty_and_not_begun_anew(tmp_path):
    """A disk that is unmounted leaves an empty folder, and what comes back would hide its rows."""
    place = tmp_path / "mount" / "store"
    opened = radlas.open(str(fill(init_store(place)).place))
    assert len(opened.query("from cases")) == 3
    (tmp_path / "mount").rename(tmp_path / "away")
    (tmp_path / "mount").mkdir()
    for act in (
        lambda: opened.query("from cases"),
        lambda: delta.append(opened.store, "cases", [case_row("d")], run_id="r"),
        lambda: create_snapshot(opened.store, "first"),
    ):
        with pytest.raises(StoreError, match="the store that was opened here is gone") as caught:
            act()
        assert "not mounted" in caught.value.hint
        assert not list((tmp_path / "mount").iterdir())


def test_a_second_init_refuses_and_changes_nothing(address):
    first = init_store(address)
    with pytest.raises(StoreError, match="there is a store already"):
        init_store(address)
    assert open_store(address).store_id == first.store_id


def test_of_two_that_make_a_store_at_once_one_is_told(address, monkeypatch):
    """Both saw an empty place."""
    init_store(address)
    monkeypatch.setattr("radlas.places.place.Folder.size", lambda *_: None)
    monkeypatch.setattr("radlas.places.bucket.Bucket.size", lambda *_: None)
    monkeypatch.setattr("radlas.places.place.Folder.is_free", lambda _: True)
    monkeypatch.setattr("radlas.places.bucket.Bucket.is_free", lambda _: True)
    with pytest.raises(StoreError, match="there is a store already"):
        init_store(address)


def test_who_comes_second_takes_nobodys_key_away(tmp_path, monkeypatch):
    """Of two that found no key, the slower one would lock the faster one out of its own store."""
    token_hex, faster = layout.secrets.token_hex, []

    def other_comes_first(size):
        if not faster:
            faster.append(None)
            faster[0] = init_store(tmp_path / "store")
        return token_hex(size)

    monkeypatch.setattr(layout.secrets, "token_hex", other_comes_first)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.suffix != ".key" and exists(path))
    with pytest.raises(StoreError, match="another site key lies"):
        init_store(tmp_path / "store")
    assert faster[0].key()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "the site key cannot be read: No such file or directory"),
        ("not hexadecimal", "not a site key"),
        ("ab12", "not a site key: shorter than 128 bits"),
    ],
)
def test_a_key_that_is_none_is_named_and_no_store_is_made(text, told, tmp_path):
    key = tmp_path / "given.key"
    if text:
        key.write_text(text)
    with pytest.raises(StoreError, match=told) as caught:
        init_store(tmp_path / "store", key)
    assert caught.value.where == str(key)
    assert not (tmp_path / "store").exists()


def test_a_folder_with_other_things_is_not_taken_over(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(StoreError, match="not empty"):
        init_store(tmp_path)


def test_no_store_names_the_folder_and_the_remedy(tmp_path):
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path)
    assert str(caught.value) == (
        f"no store here\n  in: {tmp_path}\n  try: make one: radlas init {tmp_path}"
    )


@pytest.mark.parametrize("text", [b"", b"[]", b"7", b'{"format": 4}', b"\xff\xfe"])
def test_a_damaged_head_is_named_and_is_no_defect(store, text):
    store.place.replace("radlas.json", text)
    with pytest.raises(StoreError, match="damaged: ") as caught:
        open_store(str(store.place))
    assert caught.value.where == f"{store.place}/radlas.json"


@here
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("feature_sets/p.json", lambda store: load_recipe(store, "p")),
        (f"stable_features/{DIGEST}.json", lambda store: load_stable_features(store, DIGEST)),
        ("merges/p.json", merged_cases),
        ("models/p/champion.json", lambda store: read_alias(store, "p")),
        ("snapshots/p@1.json", lambda store: load_snapshot(store, "p")),
        ("pretraining/p.json", lambda store: pretraining_of(store, {"p"})),
    ],
)
def test_whatever_file_is_damaged_it_is_named_and_no_defect(store, name, read):
    store.place.replace(name, b'{"cut": ')
    with pytest.raises(StoreError) as caught:
        read(store)
    assert caught.value.where == f"{store.place}/{name}"


@pytest.mark.parametrize("name", ["a%20b", "a\nb", "_delta_log"])
def test_a_path_that_cannot_hold_a_lake_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(StoreError, match="cannot hold a lake"):
        init_store(tmp_path / name / "store")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_init_left_does_not_keep_the_next_one_out(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as a kill leaves its stage
        patch.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt):
            init_store(tmp_path / "store")
    assert any((tmp_path / "store").iterdir())
    assert init_store(tmp_path / "store").key()


@pytest.mark.parametrize("name", ["../../x", "", "A" * 32, 7])
def test_a_store_id_that_could_name_another_file_is_no_store_id(store, name):
    """An export's head is written elsewhere, and `merge` calls a file like its store id."""
    head = {"format": layout.FORMAT, "store_id": name, "key_check": "x"}
    store.place.replace("radlas.json", json.dumps(head).encode())
    with pytest.raises(StoreError, match=r"store.id"):
        open_store(str(store.place))


def test_another_sites_key_is_refused_before_it_makes_second_names(store):
    store.key_path.write_text("00" * 32)
    with pytest.raises(StoreError, match="not the key the store was made with"):
        store.key()
    store.key_path.unlink()
    with pytest.raises(StoreError, match="second name"):
        store.key()


def test_a_lost_store_is_made_again_with_the_same_key(tmp_path):
    key = init_store(tmp_path / "s").key()
    again = init_store(tmp_path / "t", key_file=tmp_path / "s.key")
    assert again.key() == key


def test_what_a_file_manager_leaves_in_the_store_is_none_of_its_files(filled):
    save_recipe(filled, "p-1", {"extractor": "radiomics"})
    create_snapshot(filled, "x")
    for folder in ("feature_sets", "snapshots", "merges", "pretraining", "models/m/1 copy"):
        for name in (".DS_Store", "._x@1.json", "version.json~", "Thumbs.db"):
            filled.place.replace(f"{folder}/{name}", b"\x00\x05\x16\x07\xff")
    filled.place.replace("models/m/1 copy/version.json", b"{}")
    assert list_recipes(filled) == ["p-1"]
    assert twins(filled, "p-2", {"extractor": "radiomics"}) == ["p-1"]
    assert [snapshot.label for snapshot in read_snapshots(filled)] == ["x@1"]
    assert merged_cases(filled) == frozenset()
    assert pretraining_of(filled, {"w"}) == {}
    assert versions(filled, "m") == []


def test_a_recipe_is_no_twin_of_its_own_and_none_of_another(filled):
    for name, extractor in {"p-1": "radiomics", "p-2": "radiomics", "d-1": "deep"}.items():
        save_recipe(filled, name, {"extractor": extractor})
    assert twins(filled, "p-2", {"extractor": "radiomics"}) == ["p-1"]


def test_a_name_that_delta_would_read_as_two_folders_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="a backslash in a store's address"):
        init_store(f"{tmp_path}/a\\b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["https://host/store", "file:///data/x", "S3://b/x", "s3:/b/x"])
def test_an_address_of_another_scheme_is_no_folder_of_that_name(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for reach in (init_store, open_store):
        with pytest.raises(ConfigError, match=r"nothing is known of \w+:/") as caught:
            reach(address)
        assert "s3://bucket/prefix" in caught.value.hint
    assert not list(tmp_path.iterdir())
    assert open_store(init_store(f"./{address.replace('://', ':/')}").place.root).store_id


@pytest.mark.parametrize(
    ("address", "lack"),
    [
        ("s3://", "no bucket's name"),
        ("s3:///store", "no bucket's name"),
        ("s3://my bucket/store", "no bucket's name"),
        ("s3://bucket/a//b", "a part of its prefix is empty"),
        ("s3://bucket/../b", "a part of its prefix is empty"),
        ("s3://bucket/./b", "a part of its prefix is empty"),
        ("s3://bucket/#a", "holds # or"),
        ("s3://bucket/a?b", "holds # or"),
        ("s3://bucket/a\nb", "a line's end"),
    ],
)
def test_an_address_that_is_none_in_a_bucket_is_wrong_use(address, lack, tmp_path, monkeypatch):
    """A library died of some, the log of a table lay elsewhere, and `s3://` was a folder `s3:`."""
    monkeypatch.chdir(tmp_path)
    for reach in (init_store, open_store):
        with pytest.raises(ConfigError, match=lack) as caught:
            reach(address)
        assert "s3://bucket/prefix" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../x", "lake/../../x", "lake/..", "/x", "lake/\0"])
def test_no_file_is_read_made_or_removed_outside_of_a_store(tmp_path, name):
    place, other = init_store(tmp_path / "s").place, tmp_path / "x"
    other.write_text("of somebody else", encoding="utf-8")
    ways = [place.read, place.size, place.sha256, place.remove, place.names, place.fetched]
    ways += [place.uri, place.zarr, place.sweep]
    for way in [
        *(partial(way, name) for way in ways),
        *(partial(way, name, b"") for way in (place.create, place.replace)),
        lambda: place.local([name]),
        lambda: place.keep(other, name),
        lambda: place.publish(tmp_path, name, "x"),
        lambda: place.clear(name, tmp_path),
    ]:
        with pytest.raises(StoreError, match="a name in it leads out of it"):
            way()
    assert other.read_text(encoding="utf-8") == "of somebody else"
