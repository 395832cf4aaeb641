"""A source that changes while it is read: nothing that was so for a moment is settled."""

from __future__ import annotations

import os
import shutil

import pytest

from radlas.engine.base import SerialEngine
from radlas.flows.ingest import IngestConfig, ingest
from radlas.store import delta
from radlas.store.layout import open_store

from .conftest import SOURCES, radlas


class Meddling(SerialEngine):
    """Does something to the source between the plan and the work."""

    def __init__(self, meddle):
        self.meddle = meddle

    def map(self, work, tasks, *, gpu=False):
        if tasks:
            self.meddle()
        yield from super().map(work, tasks, gpu=gpu)


def half(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def gone(path):
    path.unlink()


@pytest.mark.parametrize("centre", ["centre-b", "centre-c"])
@pytest.mark.parametrize("damage", [half, empty, gone])
def test_a_file_that_is_written_anew_while_it_is_read_is_read_by_the_next_run(
    centre, damage, cohort, tmp_path
):
    source, store = tmp_path / "source", tmp_path / "store"
    shutil.copytree(cohort / centre, source)
    radlas("init", store)
    images = [path for path in source.rglob("*") if path.suffix in {".dcm", ".gz"}]
    first = max(images, key=lambda path: path.stat().st_size)
    words = {"store": str(store), "source": source, "centre": centre}
    config = IngestConfig(**words, importer=SOURCES[centre])
    held = first.read_bytes()
    report = ingest(config, engine=Meddling(lambda: damage(first)))
    assert (report.data["quarantined"], report.data["failed"]) == (0, 1)
    (told,) = report.data["cases"]
    assert "\n  in: case " in told["message"]
    assert "run again" in told["message"]
    assert str(tmp_path) not in told["message"]
    first.write_bytes(held)
    report = ingest(config)
    assert report.data["ok"] == report.data["inputs"]
    assert len(delta.read(open_store(store), "cases", ["case_id"])) == report.data["inputs"]


def test_what_was_damaged_before_is_refused_and_stays_so(cohort, tmp_path):
    source, store = tmp_path / "source", tmp_path / "store"
    shutil.copytree(cohort / "centre-c", source)
    radlas("init", store)
    half(max(source.rglob("*.gz"), key=lambda path: path.stat().st_size))
    words = {"store": str(store), "source": source, "centre": "c", "importer": "nifti"}
    config = IngestConfig(**words)
    assert ingest(config).data["reasons"] == {"truncated_pixels": 1}
    again = ingest(config).data
    assert again["settled_before"] == again["inputs"]
