"""The lake: append by key, nothing twice, columns widen, nothing is hidden."""

import os
import pkgutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.no_room import no_room

from radlas.errors import StoreError
from radlas.flows.cases.storable import unstorable
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.tables import RADIOMICS, RADIOMICS_FEATURES, TABLES

from .conftest import case_row, feature_row, here, overwrite, part_names


def test_what_is_appended_is_read_back_with_its_partitions(filled):
    table = delta.read(filled, "radiomics", ["case_id", "centre", "feature_set", "firstorder_Mean"])
    rows = sorted(table.to_pylist(), key=lambda row: row["case_id"])
    assert [row["firstorder_Mean"] for row in rows] == [0.0, 1.0, 2.0]
    assert {(row["centre"], row["feature_set"]) for row in rows} == {("c1", "p-1")}


def test_appending_the_same_keys_again_makes_no_version_and_no_file(filled):
    before = (delta.version(filled, "radiomics"), delta.files(filled, "radiomics"))
    assert delta.append(filled, "radiomics", [feature_row("a")], run_id="r2") == 0
    assert (delta.version(filled, "radiomics"), delta.files(filled, "radiomics")) == before


def test_a_batch_with_old_and_new_keys_appends_only_the_new(filled):
    assert delta.append(filled, "radiomics", [feature_row("a"), feature_row("d")], run_id="r") == 1
    assert delta.read(filled, "radiomics").num_rows == 4


def test_a_new_extractors_columns_widen_the_table_and_old_rows_hold_null(filled):
    delta.append(filled, "radiomics", [feature_row("d", toy_shell=1.5)], run_id="r")
    table = delta.read(filled, "radiomics", ["case_id", "toy_shell"]).to_pylist()
    assert {row["case_id"]: row["toy_shell"] for row in table} == {
        "a": None,
        "b": None,
        "c": None,
        "d": 1.5,
    }


@here
@pytest.mark.parametrize("step", ["write_log", "_widened"])
def test_a_log_that_cannot_be_written_is_told_with_its_folder_and_in_plain_words(
    filled, monkeypatch, step
):
    """deltalake's own words are a tree in colour, which names neither file nor folder."""
    whole = getattr(delta, step)
    rows = [feature_row("d", toy_shell=1.5)]

    def refused(*given: Any, **named: Any) -> Any:
        with no_room():
            return whole(*given, **named)

    monkeypatch.setattr(delta, step, refused)
    with pytest.raises(OSError, match="File too large") as caught:
        delta.append(filled, "radiomics", rows, run_id="r")
    monkeypatch.setattr(delta, step, whole)
    log = Path(str(filled.place)) / "lake/radiomics/_delta_log"
    assert (caught.value.strerror, caught.value.filename) == ("File too large", str(log))
    assert delta.append(filled, "radiomics", rows, run_id="r") == 1


@here
@pytest.mark.parametrize("library", ["deltalake.DeltaTable.create", "pyarrow.parquet.write_table"])
def test_a_table_that_cannot_be_begun_is_told_with_the_stores_folder(store, monkeypatch, library):
    """Libraries tell it in texts of their own, which name a folder that is gone by then."""
    module, _, name = library.rpartition(".")
    owner = pkgutil.resolve_name(module)
    whole = getattr(owner, name)

    def refused(*given: Any, **named: Any) -> Any:
        with no_room():
            return whole(*given, **named)

    rows = [feature_row("d")]
    monkeypatch.setattr(owner, name, refused)
    with pytest.raises(OSError, match="File too large") as caught:
        delta.append(store, "radiomics", rows, run_id="r")
    told = (caught.value.strerror, caught.value.filename)
    assert told == ("File too large", f"{store.place}/lake")
    monkeypatch.setattr(owner, name, whole)
    assert delta.append(store, "radiomics", rows, run_id="r") == 1


@here
def test_a_vector_that_single_precision_does_not_hold_is_refused(filled):
    """It would be infinity in the lake, though it was a number when the row was made."""
    row = {"layer": "l", "vector": [1.0, 1e39]} | feature_row("a")
    del row["image_type"]
    with pytest.raises(StoreError, match="vector holds NaN or infinity"):
        delta.append(filled, "deep", [row], run_id="r")
    told = unstorable({"deep": [row]})
    assert told is not None
    assert "vector holds what is no list of numbers" in told.what


@here
def test_a_row_without_a_place_in_the_lake_is_refused_and_not_lost(filled):
    with pytest.raises(StoreError, match="a row of radiomics has no centre"):
        delta.append(filled, "radiomics", [feature_row("d") | {"centre": None}], run_id="r")


@here
def test_columns_that_differ_by_capitals_are_refused_in_words(filled):
    delta.append(filled, "radiomics", [feature_row("d", toy_Mean=1.0)], run_id="r")
    with pytest.raises(
        StoreError, match="column toy_mean of radiomics would stand beside toy_Mean"
    ):
        delta.append(filled, "radiomics", [feature_row("e", toy_mean=1.0)], run_id="r")


def test_an_old_version_stays_readable_after_new_commits(filled):
    old = delta.version(filled, "radiomics")
    delta.append(filled, "radiomics", [feature_row("d", toy=1.0)], run_id="r")
    assert delta.read(filled, "radiomics", at=old).num_rows == 3


def test_a_crash_before_the_commit_is_invisible_and_harmless(filled, monkeypatch):
    """The file is written, the log is not: readers see nothing, a second try succeeds."""

    def crash(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("deltalake.DeltaTable.create_write_transaction", crash)
        with pytest.raises(KeyboardInterrupt):
            delta.append(filled, "radiomics", [feature_row("d")], run_id="r")
    assert delta.read(filled, "radiomics").num_rows == 3
    assert delta.append(filled, "radiomics", [feature_row("d")], run_id="r") == 1
    assert delta.read(filled, "radiomics").num_rows == 4


def test_rows_whose_commit_was_made_and_its_answer_lost_are_told_as_new(filled, monkeypatch):
    """A server does it and says 500; asked again, it says that the version is there."""
    write = delta.write_log

    def lost(*given, **named):
        monkeypatch.setattr(delta, "write_log", write)
        write(*given, **named)
        raise CommitFailedError("the version is there already")

    monkeypatch.setattr(delta, "write_log", lost)
    rows = [feature_row("a"), feature_row("d"), feature_row("e")]
    assert delta.append(filled, "radiomics", rows, run_id="r") == 2
    assert delta.append(filled, "radiomics", rows, run_id="r") == 0
    assert delta.read(filled, "radiomics").num_rows == 5


@settings(max_examples=30)
@given(batches=st.lists(st.lists(st.text("abcz", min_size=1, max_size=2), max_size=6), max_size=6))
def test_every_case_is_stored_once_whatever_the_batches(tmp_path_factory, batches):
    """Also those that are a part's lowest or highest, or twice in one batch."""
    store = init_store(str(tmp_path_factory.mktemp("lake") / "store"))
    appender, seen = delta.Appender(store, "r"), set()
    for batch in batches:
        assert appender.append("cases", map(case_row, batch)) == len(set(batch) - seen)
        seen |= set(batch)
    assert sorted(delta.read(store, "cases", ["case_id"])["case_id"].to_pylist()) == sorted(seen)


def test_only_parts_that_may_hold_a_case_are_looked_into(filled, monkeypatch):
    """So that one more case costs the same in a lake of a million."""
    delta.append(filled, "radiomics", [feature_row(case) for case in "mnop"], run_id="r")
    read, looked_into = delta.read_part, []
    monkeypatch.setattr(delta, "read_part", lambda *a: looked_into.append(a[2]) or read(*a))
    assert delta.append(filled, "radiomics", [feature_row("d"), feature_row("n")], run_id="r") == 1
    assert len(looked_into) == 1
    assert delta.append(filled, "radiomics", [feature_row("e")], run_id="r") == 1
    assert len(looked_into) == 1


def test_the_log_keeps_every_version(filled):
    """Delta's own default forgets versions after a month, and with them what snapshots stand on."""
    log = filled.place.read(f"lake/radiomics/_delta_log/{0:020}.json").decode()
    assert '"delta.enableExpiredLogCleanup":"false"' in log.replace(" ", "")
    assert '"delta.logRetentionDuration":"interval36500days"' in log.replace(" ", "")


def test_every_entry_of_the_log_is_on_disk_before_the_next_is_begun(tmp_path, monkeypatch):
    """Else a power cut could keep the ledger's word and take the rows that it speaks of."""
    store = init_store(tmp_path / "store")
    seen, fsync, log = [], os.fsync, f"{tmp_path}/store/lake/radiomics/_delta_log"

    def noted(descriptor):
        seen.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    delta.append(store, "radiomics", [feature_row("a", myfilter_Mean=1.0)], run_id="r")
    entries = [f"{log}/{version:020}.json" for version in range(3)]  # made, widened, appended to
    assert [path for path in seen if path in entries] == entries
    ends = [*map(seen.index, entries[1:]), len(seen)]
    for entry, end in zip(entries, ends, strict=True):
        assert log in seen[seen.index(entry) : end], "the folder too, which holds its name"
    assert [path.endswith("part.parquet") for path in seen].index(True) < seen.index(entries[-1])


@pytest.mark.parametrize("kept", [lambda data: data[:50], lambda _: None])
def test_a_damaged_log_is_named_and_is_no_defect(filled, kept):
    name = f"lake/radiomics/_delta_log/{1:020}.json"
    damaged = kept(filled.place.read(name))
    filled.place.remove(name) if damaged is None else filled.place.replace(name, damaged)
    with pytest.raises(StoreError, match="log of table radiomics cannot be read") as caught:
        delta.read(filled, "radiomics", at=1)
    assert caught.value.where == f"{filled.place}/lake/radiomics/_delta_log"


def test_a_table_whose_whole_log_is_gone_is_damaged_and_not_empty(filled):
    for name in filled.place.names("lake/radiomics/_delta_log"):
        filled.place.remove(name)
    rows = [feature_row("d")]
    for act in (
        lambda: delta.read(filled, "radiomics"),
        lambda: delta.append(filled, "radiomics", rows, run_id="r"),
    ):
        with pytest.raises(StoreError, match="it is gone, its parts are not") as caught:
            act()
        assert caught.value.reason == "damaged_log"
    assert not filled.place.names("lake/radiomics/_delta_log")


def test_a_damaged_part_is_named(filled):
    (name,) = part_names(filled, "radiomics")
    overwrite(filled, name, filled.place.read(name)[:100])
    with pytest.raises(StoreError, match="a part cannot be read"):
        delta.read(filled, "radiomics")


def test_statistics_stay_small(filled):
    """Full statistics on a hundred columns make every commit slow: only the case id has them."""
    log = filled.place.read(f"lake/radiomics/_delta_log/{1:020}.json").decode()
    assert "case_id" in log
    assert "firstorder_Mean" not in log.split('"stats"')[1].split("}")[0]


def test_floats_are_stored_split_by_bytes_and_without_a_dictionary(filled):
    (path,) = delta.files(filled, "radiomics")
    columns = pq.ParquetFile(path).metadata.row_group(0)
    found = {
        columns.column(i).path_in_schema: columns.column(i).encodings
        for i in range(columns.num_columns)
    }
    assert "BYTE_STREAM_SPLIT" in found["firstorder_Mean"]
    assert not any("DICTIONARY" in encoding for encoding in found["firstorder_Mean"])


@given(st.lists(st.tuples(*map(st.sampled_from, ("abcd", ["tumour", "ring_0_10"], ["c1", "c2"])))))
@example([("a", "tumour", "c1"), ("b", "tumour", "c1"), ("a", "tumour", "c2")])
@settings(max_examples=15)
def test_however_rows_arrive_each_key_is_there_once_and_as_it_came_first(tmp_path_factory, told):
    """Also where another centre, which is no part of the key, claims the case: a folder apart."""
    store = init_store(tmp_path_factory.mktemp("s") / "store")
    first: dict[tuple[str, str], str] = {}
    for case, roi, centre in told:
        first.setdefault((case, roi), centre)
    for start in range(0, len(told), 2):
        rows = [feature_row(case, roi, centre=c) for case, roi, c in told[start : start + 2]]
        delta.append(store, "radiomics", rows, run_id="r")
    stored = delta.read(store, "radiomics", ["case_id", "roi", "centre"]).to_pylist()
    assert sorted((row["case_id"], row["roi"], row["centre"]) for row in stored) == sorted(
        (*key, centre) for key, centre in first.items()
    )


def test_every_declared_column_has_a_unit_exactly_if_it_is_a_number():
    for table in TABLES.values():
        for column in table.columns:
            number = column.type in {"int64", "float64", "list<float32>"}
            assert bool(column.unit) == number, f"{table.name}.{column.name}"
            assert column.meaning.endswith("."), f"{table.name}.{column.name}"


def test_the_declared_features_are_those_of_pyradiomics():
    featureextractor = pytest.importorskip("radiomics.featureextractor")
    found = featureextractor.RadiomicsFeatureExtractor()
    names = [
        f"{family}_{name}"
        for family in found.enabledFeatures
        for name, deprecated in featureextractor.getFeatureClasses()[family]
        .getFeatureNames()
        .items()
        if not deprecated
    ]
    assert sorted(names) == sorted(RADIOMICS_FEATURES)
    assert len(RADIOMICS_FEATURES) == 107
    assert set(RADIOMICS_FEATURES) < set(RADIOMICS.names)
