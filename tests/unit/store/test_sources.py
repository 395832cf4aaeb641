"""The list of sources beside a store: without it nobody can tell which exam a pseudonym is."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from radlas.store.sources import book_path, note_source, read_sources


def test_the_list_is_on_disk_before_it_takes_the_old_ones_place(store, monkeypatch):
    """A power cut would leave an empty one, and no source of any centre would be known."""
    synced, replace = set[int](), Path.replace
    first, second = ({"centre": centre, "source": "/data"} for centre in "ab")
    note_source(store, first)

    def replaced(path, target):
        assert path.stat().st_ino in synced
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", lambda held: synced.add(os.fstat(held).st_ino))
    monkeypatch.setattr(Path, "replace", replaced)
    note_source(store, second)
    assert book_path(store).stat().st_ino in synced
    assert read_sources(store) == [first, second]


def test_ingests_at_once_take_no_source_from_each_other(store):
    ingests = [{"centre": f"c{number}", "source": "/data"} for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ingest: note_source(store, ingest), ingests))
    assert sorted(read_sources(store), key=str) == sorted(ingests, key=str)


def test_a_note_takes_the_place_of_one_of_the_same_exams_alone(store):
    """Those of another sequence, or by another importer, are other exams of the same folder."""
    first = {"centre": "c", "source": "/data", "importer": "dicom", "sequence": "T2FS"}
    others = [first | {"sequence": "T1"}, first | {"importer": "nifti"}, first | {"centre": "d"}]
    for one in (first, *others):
        note_source(store, one | {"minimum_voxels": 1})
    note_source(store, first | {"minimum_voxels": 2})
    told = [one | {"minimum_voxels": 1} for one in others]
    assert read_sources(store) == [*told, first | {"minimum_voxels": 2}]
