"""Compaction changes files, never rows; vacuum removes what nobody can reach, and nothing else."""

from __future__ import annotations

import os
import time

import pytest

from radlas.errors import StoreError
from radlas.model import Outcome
from radlas.store import compact as compaction
from radlas.store import delta
from radlas.store.compact import MANY, compact, vacuum
from radlas.store.layout import init_store
from radlas.store.ledger import Recorder, standings
from radlas.store.snapshots import create_snapshot, verify_snapshot

from .conftest import case_row, feature_row


def rows(store, at=None):
    found = delta.read(store, "radiomics", at=at).to_pylist()
    return sorted(found, key=lambda row: (row["centre"], row["case_id"], row["image_type"]))


@pytest.fixture
def crowded(store):
    """Two centres with five small parts each, written in another order than that of cases."""
    delta.append(store, "cases", [case_row(f"{n}") for n in range(5)], run_id="r")
    for number in (3, 1, 4, 0, 2):
        for centre in ("a", "b"):
            row = feature_row(f"{centre}{number}", firstorder_Mean=number + 0.5)
            delta.append(store, "radiomics", [row | {"centre": centre}], run_id="r")
    return store


def test_rows_stay_and_parts_become_few(crowded):
    before = rows(crowded)
    done = compact(crowded, "radiomics", many=2)
    assert (done.parts_before, done.parts_after) == (10, 2)
    assert done.bytes_after < done.bytes_before
    assert rows(crowded) == before
    assert compact(crowded, "radiomics", many=2).parts_before == 2, "nothing is left to do"


def test_a_snapshots_identity_outlives_compaction_and_vacuum(crowded):
    snapshot, _ = create_snapshot(crowded, "x")
    compact(crowded, "radiomics", many=2)
    assert create_snapshot(crowded, "x") == (snapshot, False)
    vacuum(crowded, "radiomics", [snapshot.versions["radiomics"]], hours=0)
    verify_snapshot(crowded, snapshot)


def test_a_snapshot_merges_the_parts_of_every_table_and_of_the_ledger(crowded):
    """Each batch of a run leaves one, and whoever asks how the store stands opens them all."""
    writer = Recorder(crowded)
    for n in range(MANY + 1):
        writer.record([Outcome(f"k{n}", "extract", "a", f"a{n % 5}", "ok", feature_set="p-1")])
    before = standings(crowded)
    snapshot, _ = create_snapshot(crowded, "x")
    assert len(delta.parts(crowded, "outcomes")) == 1
    assert standings(crowded) == before
    assert snapshot.versions["outcomes"] == delta.version(crowded, "outcomes")


def test_vacuum_removes_replaced_parts_and_orphans_but_not_young_ones(crowded):
    first = delta.version(crowded, "radiomics")
    compact(crowded, "radiomics", many=2)
    orphan = "lake/radiomics/feature_set=p-1/centre=a/part-orphan.parquet"
    crowded.place.replace(orphan, b"of a writer that was killed")
    assert vacuum(crowded, "radiomics", [], hours=72) == []
    gone = vacuum(crowded, "radiomics", [], hours=0)
    assert sum(name.endswith("part-orphan.parquet") for name in gone) == 1
    assert len(gone) == 11, "the orphan, and the ten parts that were merged"
    assert len(rows(crowded)) == 10
    assert delta.version(crowded, "radiomics") > first, "the log is kept"


def test_what_a_vacuum_removed_is_no_matter_of_the_next_one(crowded):
    """The log names it for weeks: it was taken for files behind a link, and nothing removed."""
    compact(crowded, "radiomics", many=2)
    assert len(vacuum(crowded, "radiomics", [], hours=0)) == 10
    assert vacuum(crowded, "radiomics", [], hours=0) == []
    delta.append(crowded, "radiomics", [feature_row("late") | {"centre": "St. Anna"}], run_id="r")
    delta.append(crowded, "radiomics", [feature_row("later") | {"centre": "St. Anna"}], run_id="r")
    compact(crowded, "radiomics", many=1)
    assert len(vacuum(crowded, "radiomics", [], hours=0)) == 2
    assert len(rows(crowded)) == 12


def test_an_orphan_goes_when_it_is_old(tmp_path):
    store = init_store(tmp_path / "s")
    delta.append(store, "cases", [case_row("a")], run_id="r")
    orphan = tmp_path / "s" / "lake" / "cases" / "part-orphan.parquet"
    orphan.write_bytes(b"of a writer that was killed")
    old = time.time() - 80 * 3600
    os.utime(orphan, (old, old))
    assert vacuum(store, "cases", [], hours=72) == [orphan.name]


def test_a_link_in_a_store_costs_nobody_the_files_behind_it(tmp_path):
    """It may come with a store that was copied; Delta's own vacuum removes what lies behind it."""
    store = init_store(tmp_path / "s")
    delta.append(store, "cases", [case_row("a")], run_id="r")
    thesis = tmp_path / "home" / "sub" / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("two years of work", encoding="utf-8")
    link = tmp_path / "s" / "lake" / "cases" / "old"
    link.symlink_to(tmp_path / "home")
    assert vacuum(store, "cases", [], hours=72) == [], "it is young"
    os.utime(thesis, (0, 0))
    with pytest.raises(StoreError, match=r"a link leads out of the store .*old/sub/thesis\.txt"):
        vacuum(store, "cases", [], hours=72)
    assert thesis.exists()
    link.unlink()
    assert vacuum(store, "cases", [], hours=72) == []


def test_an_append_between_reading_and_committing_is_not_lost(crowded, monkeypatch):
    write_log, raced = compaction.write_log, []

    def late(*arguments, **named):
        if not raced:
            raced.append(True)
            delta.append(crowded, "radiomics", [feature_row("new")], run_id="o")
        write_log(*arguments, **named)

    monkeypatch.setattr(compaction, "write_log", late)
    compact(crowded, "radiomics", many=2)
    found = [row["case_id"] for row in rows(crowded)]
    assert len(found) == len(set(found)) == 11
    assert "new" in found


def test_two_compactions_at_once_leave_every_row_once(crowded, monkeypatch):
    """The other one replaces these parts, and one that came after them, before this one commits."""
    write_log, raced = compaction.write_log, []

    def late(*arguments, **named):
        if not raced:
            raced.append(True)
            new = feature_row("new") | {"centre": "a"}
            delta.append(crowded, "radiomics", [new], run_id="o")
            compact(crowded, "radiomics", many=2)
        write_log(*arguments, **named)

    monkeypatch.setattr(compaction, "write_log", late)
    before = rows(crowded)
    done = compact(crowded, "radiomics", many=2)
    after = rows(crowded)
    assert [row for row in after if row["case_id"] != "new"] == before
    assert len(after) == len(before) + 1
    assert done.parts_after == 2


def test_large_parts_are_left_and_bundles_are_bounded(crowded, monkeypatch):
    """Reading a partition at once would need as much memory as it is large."""
    sizes = [part.size for part in delta.parts(crowded, "radiomics")]
    monkeypatch.setattr(compaction, "LARGE", max(sizes) + 1)
    done = compact(crowded, "radiomics", many=2)
    assert done.parts_after == 6, "of five parts two, two and one become one each"
    assert len(rows(crowded)) == 10


def test_small_partitions_share_a_commit_and_large_ones_have_one_each(crowded, monkeypatch):
    """Each reads the log anew: of partitions times parts, that took as long as the rest."""
    commit, commits = delta.commit, []

    def counted(*arguments):
        commits.append(arguments)
        commit(*arguments)

    monkeypatch.setattr(delta, "commit", counted)
    compact(crowded, "radiomics", many=2)
    assert len(commits) == 1
    for centre in ("a", "b"):
        for name in ("x", "y"):
            row = feature_row(f"{centre}{name}") | {"centre": centre}
            delta.append(crowded, "radiomics", [row], run_id="r")
    largest = max(part.size for part in delta.parts(crowded, "radiomics"))
    monkeypatch.setattr(compaction, "LARGE", largest + 1)
    commits.clear()
    assert compact(crowded, "radiomics", many=2).parts_after == len(commits) + 2 == 4


def test_columns_of_different_parts_are_all_kept(crowded):
    delta.append(crowded, "radiomics", [feature_row("a9", toy_shell=2.0)], run_id="r")
    delta.append(crowded, "radiomics", [feature_row("a8")], run_id="r")
    before = rows(crowded)
    compact(crowded, "radiomics", many=1)
    assert rows(crowded) == before
    assert compact(crowded, "deep").parts_before == 0, "a table nothing was ever written to"
