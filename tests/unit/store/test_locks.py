"""Locks: one run of a kind, some runs alone, none left by the dead."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.no_room import no_room

from radlas.errors import StoreError
from radlas.places.bucket import Bucket
from radlas.store.layout import init_store, open_store
from radlas.store.locks import writing


def test_the_same_run_started_twice_is_told_who_runs(store):
    with (
        writing(store, "ingest"),
        pytest.raises(StoreError, match=f"ingest by process {os.getpid()}") as caught,
        writing(store, "ingest"),
    ):
        pass
    assert caught.value.reason == "locked"


def test_runs_of_different_kinds_write_beside_each_other(store):
    with writing(store, "ingest"), writing(store, "extract"), writing(store, "train"):
        pass


def test_a_disk_without_room_for_a_name_is_told_with_its_folder(tmp_path):
    """The system names no file; and what a lock's file still held would fail again, at its end."""
    store = init_store(tmp_path / "store")
    refused = pytest.raises(OSError, match="File too large")
    with no_room(), refused as caught, writing(store, "ingest"):
        pass
    assert caught.value.filename == str(tmp_path / "store" / "locks")
    with writing(store, "ingest"):
        pass


@pytest.mark.parametrize("first_alone", [True, False])
def test_a_snapshot_waits_for_writers_and_they_for_it(store, first_alone):
    runs = [("snapshot create", True), ("extract", False)]
    (first, one), (second, other) = runs if first_alone else reversed(runs)
    with (
        writing(store, first, alone=one),
        pytest.raises(StoreError, match=f"another run is writing: {first} by process"),
        writing(store, second, alone=other),
    ):
        pass
    with writing(store, second, alone=other):
        pass


def test_only_those_who_live_are_named(store, silent):
    """A run that was killed leaves its name in the file, and no lock, in a bucket after a while."""
    code = (
        "import os, sys\n"
        "from radlas.store.layout import open_store\n"
        "from radlas.store.locks import writing\n"
        "with writing(open_store(sys.argv[1]), 'ingest'):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(store.place)], check=False)
    (name,) = (name for name in store.place.names("locks") if "ingest" in name)
    assert b"ingest by process" in store.place.read(name)
    if isinstance(store.place, Bucket):
        silent(store.place)
    with (
        writing(store, "extract"),
        pytest.raises(StoreError) as caught,
        writing(store, "snapshot create", alone=True),
    ):
        pass
    assert "extract by process" in caught.value.what
    assert "ingest" not in caught.value.what
    with (
        writing(store, "snapshot create", alone=True),
        pytest.raises(StoreError) as caught,
        writing(store, "ingest"),  # whose last run was killed
    ):
        pass
    assert "ingest" not in caught.value.what
    with writing(store, "ingest"):
        pass


def test_an_old_store_gets_its_folder_of_locks(tmp_path):
    init_store(tmp_path / "s")
    with writing(open_store(tmp_path / "s"), "ingest of a/b"):
        assert [path.name for path in (tmp_path / "s" / "locks").iterdir()] == [
            "ingest-of-a-b.lock"
        ]


@pytest.mark.parametrize("name", ["locks/ingest-B.lock", "writer.lock"])
def test_a_lock_that_is_a_link_empties_nobodys_file(tmp_path, name):
    """It may come with a store that was copied: a lock's file is emptied before and after a run."""
    store, thesis = init_store(tmp_path / "s"), tmp_path / "thesis.txt"
    thesis.write_text("two years of work", encoding="utf-8")
    (tmp_path / "s" / "locks").mkdir()
    (tmp_path / "s" / name).symlink_to(thesis)
    with pytest.raises(StoreError, match="a lock is a link"), writing(store, "ingest B"):
        raise AssertionError("it was held")
    assert thesis.read_text(encoding="utf-8") == "two years of work"
