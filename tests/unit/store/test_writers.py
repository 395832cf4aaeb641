"""Several writers at once, and what a Delta log by itself does not guard against."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from deltalake.exceptions import CommitFailedError

from radlas.errors import StoreError
from radlas.places.bucket import Bucket
from radlas.store import delta
from radlas.store.parts import read_part
from radlas.store.query import connect, run_sql
from radlas.tables import TABLES

from .conftest import case_row, feature_row, part_names
from .lake_writer import IMAGE_TYPES


def keys(store, at=None):
    rows = delta.read(store, "radiomics", ["case_id", "roi"], at).to_pylist()
    return sorted((row["case_id"], row["roi"]) for row in rows)


def begin_writer(store, *words):
    script = Path(__file__).with_name("lake_writer.py")
    command = [sys.executable, str(script), str(store.place), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def assert_sound(store, *, at):
    """Of every case all rows or none, and each once, as they were meant."""
    rows = delta.read(store, "radiomics", at=at).to_pylist()
    cases = Counter(row["case_id"] for row in rows)
    assert set(cases.values()) <= {len(IMAGE_TYPES)}
    for row in rows:
        place = IMAGE_TYPES.index(row["image_type"])
        assert row["firstorder_Mean"] == int(row["case_id"][2:]) + place / 8
    return set(cases)


def test_writers_in_other_processes_lose_nothing_and_write_nothing_twice(store):
    """Two centres with two writers each, which overlap by half; every version is sound."""
    half = 2 if isinstance(store.place, Bucket) else 6  # a commit over the network takes longer
    writers = [
        begin_writer(store, centre, first, 2 * half) for centre in "ab" for first in (0, half)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    for at in range(delta.version(store, "radiomics") + 1):
        found = assert_sound(store, at=at)
    assert found == {f"{centre}-{number:06}" for centre in "ab" for number in range(3 * half)}


def test_a_commit_that_lost_a_race_looks_again(filled, monkeypatch):
    """The other writer stored one of the two rows meanwhile: only the other one is new."""
    write_log, raced = delta.write_log, []

    def late(*arguments, **named):
        if not raced:
            raced.append(True)
            delta.append(filled, "radiomics", [feature_row("d", firstorder_Mean=7.0)], run_id="o")
        write_log(*arguments, **named)

    monkeypatch.setattr(delta, "write_log", late)
    rows = [feature_row("d", firstorder_Mean=7.0), feature_row("e")]
    assert delta.append(filled, "radiomics", rows, run_id="r") == 1
    assert [case for case, _ in keys(filled)] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("theirs", [{}, {"myfilter_Mean": 2.0}, {"other_Mean": 3.0}])
def test_a_new_column_that_lost_a_race_lets_nothing_in_twice(filled, monkeypatch, theirs):
    """Rows that another writer stores while the table is widened are looked at, too."""
    widened, raced = delta._widened, []

    def late(*arguments):
        if not raced:
            raced.append(True)
            delta.append(filled, "radiomics", [feature_row("d", **theirs)], run_id="o")
        return widened(*arguments)

    monkeypatch.setattr(delta, "_widened", late)
    rows = [feature_row("d", myfilter_Mean=1.0), feature_row("e", myfilter_Mean=1.0)]
    assert delta.append(filled, "radiomics", rows, run_id="r") == 1
    assert [case for case, _ in keys(filled)] == ["a", "b", "c", "d", "e"]
    columns = ["case_id", "myfilter_Mean", *theirs]
    stored = {r["case_id"]: r for r in delta.read(filled, "radiomics", columns).to_pylist()}
    assert stored["e"]["myfilter_Mean"] == 1.0
    assert stored["d"] == {"case_id": "d", "myfilter_Mean": None} | theirs, "the first stays"


def test_a_table_that_others_keep_busy_is_told_and_nothing_is_lost(filled, monkeypatch):
    def busy(*_, **__):
        raise CommitFailedError("somebody else did")

    monkeypatch.setattr(delta, "_PATIENCE", 0.3)
    monkeypatch.setattr(delta, "write_log", busy)
    with pytest.raises(StoreError, match="other runs kept table radiomics busy") as caught:
        delta.append(filled, "radiomics", [feature_row("d")], run_id="r")
    assert "run again" in caught.value.hint
    assert [case for case, _ in keys(filled)] == ["a", "b", "c"]


def forked(store, pipe):
    try:
        delta.version(store, "radiomics")
    except StoreError as error:
        pipe.send(error.what)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_instead_of_hanging(filled):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=forked, args=(filled, theirs))
    child.start()
    assert ours.poll(20)
    assert ours.recv() == "the lake was opened after a fork"
    child.join(20)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_refused_not_stored(filled, value):
    with pytest.raises(StoreError, match="firstorder_Mean holds NaN or infinity"):
        delta.append(filled, "radiomics", [feature_row("d", firstorder_Mean=value)], run_id="r")
    assert [case for case, _ in keys(filled)] == ["a", "b", "c"]


def test_a_centre_of_digits_stays_text(store):
    delta.append(store, "cases", [case_row("a", "0010")], run_id="r")
    row = feature_row("a") | {"centre": "0010"}
    delta.append(store, "radiomics", [row], run_id="r")
    assert delta.read(store, "radiomics").column("centre").to_pylist() == ["0010"]
    with connect(store) as connection:
        assert run_sql(connection, "select centre from radiomics").fetchall() == [("0010",)]


def test_a_parts_name_is_the_digest_of_its_bytes_and_nothing_half_written_stays(filled):
    for name in ("cases", "radiomics"):
        parts = [one for one in filled.place.names(f"lake/{name}") if one.endswith(".parquet")]
        assert parts == part_names(filled, name)
        for part in parts:
            assert f"part-{filled.place.sha256(part)[:32]}.parquet" == part.rpartition("/")[2]
    assert not list(filled.place.near.rglob("*.partial"))


def test_rows_of_a_case_lie_together_in_a_part(filled):
    rows = [feature_row(case, roi) for roi in ("ring", "edema") for case in ("f", "e")]
    delta.append(filled, "radiomics", rows, run_id="r")
    newest = max(delta.parts(filled, "radiomics"), key=lambda part: part.rows)
    cases = read_part(filled.place, TABLES["radiomics"], newest.path, ["case_id"])
    assert cases.column(0).to_pylist() == ["e", "e", "f", "f"]
    assert newest.cases == ("e", "f")
    assert set(newest.partition) == set(TABLES["radiomics"].partitions)
