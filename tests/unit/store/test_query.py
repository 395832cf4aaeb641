"""SQL: read-only, confined to the lake, and the views keep their grain."""

import shutil
import uuid
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from radlas.errors import ConfigError, StoreError
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.store.matrix import feature_matrix
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import create_snapshot, open_snapshot
from radlas.store.views import VIEWS, view_sql
from radlas.tables import TABLES, Column

from .conftest import case_row, feature_row, fill, here

DERIVED = {"cases": ["days_from_first"]}  # what views add


def test_an_empty_store_has_every_view_with_its_declared_columns(store):
    with connect(store) as connection:
        for name, table in TABLES.items():
            relation = run_sql(connection, f"select * from {name}")
            assert relation.columns == [*table.names, *DERIVED.get(name, [])]
            assert relation.fetchall() == []


def test_rows_come_back_with_partitions_as_text(filled):
    with connect(filled) as connection:
        rows = run_sql(
            connection, "select centre, count(*), avg(firstorder_Mean) from radiomics group by 1"
        ).fetchall()
    assert rows == [("c1", 3, 1.0)]


@pytest.fixture(scope="module", params=["folder", "bucket"])
def guarded(request, tmp_path_factory):
    """A folder with a secret and a store in or beside it, and one connection for all queries."""
    host = tmp_path_factory.mktemp("host")
    (host / "secret.csv").write_text("name\nJane Doe\n")
    address = str(host / "store")
    if request.param == "bucket":
        request.getfixturevalue("object_storage")
        address = f"s3://radlas/{uuid.uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADLAS_HOME", str(host / "home"))
        store = fill(init_store(address))
        with connect(store) as connection:
            yield host, store.place, connection


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to '{host}/x.csv'",
        "select * from read_csv('{host}/secret.csv')",
        "select * from read_text('{store}.key')",
        "select * from read_blob('{store}/radlas.json')",
        "attach '{host}/other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "drop view cases",
        "create table t as select 1",
        "select 1; drop view cases",
        "export database '{host}/dump'",
        "pragma database_list; select 1",
        "copy radiomics to '{host}/x.parquet' (format parquet)",
        "copy cases from '{host}/secret.csv'",
        "select * from '{host}/secret.csv'",
        "select * from read_csv_auto(['{host}/secret.csv'])",
        "select * from sniff_csv('{host}/secret.csv')",
        "select * from read_json('{host}/secret.csv')",
        "select * from read_parquet('{host}/*.parquet')",
        "select * from parquet_schema('{host}/secret.csv')",
        "select * from glob('{host}/*')",
        "select * from glob('{store}/../*')",
        "select * from read_text('{near}/lake/../../secret.csv')",
        "select * from read_text('{near}/lake/../radlas.json')",
        "select * from read_text('/etc/passwd')",
        "select * from read_text('file:///etc/passwd')",
        "select * from read_csv('/dev/stdin')",
        "select * from read_text('http://127.0.0.1:9/x')",
        "select * from read_parquet('https://example.org/x.parquet')",
        "select * from read_parquet('s3://elsewhere/x.parquet')",
        "select getenv('HOME')",
        "select content from read_text((select '{host}/secret.csv'))",
        "create secret (type s3, key_id 'a', secret 'b')",
        "create persistent secret (type http, extra_http_headers map {{}})",
        "call pragma_version()",
        "import database '{host}'",
        "attach 'https://example.org/x.duckdb' as x (read_only)",
        "select * from sqlite_scan('{host}/x.db', 't')",
        "select * from postgres_scan('host=127.0.0.1', 'public', 't')",
        "insert into pinned.cases select * from pinned.cases",
        "delete from pinned.cohort",
        "update pinned.cohort set case_id = 'a'",
        "with x as (select 1) delete from pinned.cohort",
        "truncate pinned.cohort",
        "alter table pinned.cohort add column x int",
        "create or replace view cases as select 1",
        "create macro f() as 1",
        "create temp table t as select 1",
        "prepare p as select 1",
        "explain analyze copy (select 1) to '{host}/x.csv'",
        "vacuum",
        "checkpoint",
        "use memory",
        "set memory_limit = '1TB'",
        "reset enable_external_access",
        "set temp_directory = '{host}/spill'",
        "set home_directory = '{host}'",
        "load '{host}/evil.duckdb_extension'",
        "force install spatial from 'http://127.0.0.1:9'",
        "select 1 into outfile '{host}/x'",
        "from enable_logging(storage = 'file', storage_path = '{near}/lake/log')",
        "select * from system.main.Enable_Profiling(save_location = '{near}/lake/x.txt')",
        "select * from read_text('{near}/lake/cases/_delta_log/*.json')",
        "from query('from enable' || '_logging(storage=''file'', storage_path=''{host}/x'')')",
        "from system.main.\"Query\" /* /* */ */ ('from enable' || '_logging()')",
        "from query--\n('from enable' || '_logging()')",
        "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    ],
)
def test_a_query_can_only_read_the_store(guarded, sql):
    """And one that wanted more has changed nothing for the next."""
    host, place, connection = guarded
    with pytest.raises(ConfigError) as caught:
        run_sql(connection, sql.format(host=host, store=place, near=place.near)).fetchall()
    assert "Jane" not in str(caught.value)
    kept = {"secret.csv", "store", "store.key", "home"}
    assert {path.name for path in host.iterdir()} <= kept
    assert run_sql(connection, "select count(*) from cases").fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("from read_xlsx('a.xlsx')", '"read_xlsx" is of the excel extension of DuckDB'),
        ("select st_point(1, 2)", '"st_point" is of the spatial extension of DuckDB'),
    ],
)
def test_a_function_of_an_extension_is_told_as_such_and_not_tried_to_be_installed(
    guarded, sql, told
):
    with pytest.raises(ConfigError, match=told) as caught:
        run_sql(guarded[2], sql)
    assert "INSTALL" not in str(caught.value)
    assert "no extension is loaded here" in caught.value.hint


def test_no_select_writes_to_the_lake(filled):
    """DuckDB has functions that do; where one is not seen in the text, it finds no place."""
    lake = filled.place.near / "lake"
    target = f"{lake}/cases/_delta_log/{1:020}.json"
    sql = f"from enable_profiling(save_location = '{target}', format = 'json')"
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    with connect(filled) as connection:
        with pytest.raises(ConfigError, match="writes files"):
            run_sql(connection, sql)
        connection.execute(sql)
        with suppress(ConfigError):
            run_sql(connection, "select count(*) from cases")
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


def test_a_snapshot_is_left_by_no_file(filled):
    """What it does not pin cannot be asked for by its file, either, nor the log."""
    snapshot, _ = create_snapshot(filled, "first")
    delta.append(filled, "cases", [case_row("c9")], run_id="r")
    (part,) = set(delta.files(filled, "cases")) - set(
        delta.files(filled, "cases", snapshot.versions["cases"])
    )
    lake = filled.place.near / "lake"
    with open_snapshot(filled, snapshot) as connection:
        for asked in (part, f"{lake}/cases/*.parquet"):
            with pytest.raises(ConfigError, match="Permission"):
                run_sql(connection, f"select case_id from read_parquet('{asked}')").fetchall()
        with pytest.raises(ConfigError, match="Permission"):
            run_sql(connection, f"from read_text('{lake}/cases/_delta_log/*.json')")


ORDERED = "select last(t) from (select md5(i::text) t from range(3000000) r(i) order by t)"


def test_what_does_not_fit_goes_to_disk_for_us_alone_and_leaves_nothing(
    filled, tmp_path, monkeypatch
):
    """Three million words take 100 MB; nothing is written where the person stands.

    Of rows on a disk that all users of a machine share, others read nothing.
    """
    spill, here = tmp_path / "spill", tmp_path / "here"
    spill.mkdir()
    here.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    monkeypatch.chdir(here)
    with connect(filled, memory="60MB") as connection:
        run_sql(connection, ORDERED).fetchall()
        (private,) = spill.iterdir()
        assert list(private.iterdir()), "it was too little to hold them"
        assert private.stat().st_mode & 0o077 == 0
        assert list(here.iterdir()) == []
    assert list(spill.iterdir()) == []


def test_too_little_memory_is_said_with_the_remedy(filled):
    snapshot, _ = create_snapshot(filled, "x")
    for opened in (connect(filled, memory="1MB"), open_snapshot(filled, snapshot, memory="1MB")):
        with opened as connection, pytest.raises(ConfigError) as caught:
            run_sql(connection, ORDERED)
        assert "emory" in caught.value.what
        assert "--memory" in caught.value.hint


@pytest.mark.parametrize("sql", [*(f"select * from {view}" for view in VIEWS), "show tables"])
def test_who_asks_one_question_is_answered_as_who_may_ask_any(filled, sql):
    with connect(filled) as any_, connect(filled, asked=sql.upper()) as one:
        expected, found = (
            run_sql(connection, text).to_arrow_table()
            for connection, text in ((any_, sql), (one, sql.upper()))
        )
    assert found.schema == expected.schema
    assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, expected.to_pylist()))


def test_no_file_is_fetched_of_a_table_that_a_query_does_not_look_at(filled, monkeypatch):
    """The radiomics of a large store are most of it: thousands of files, or all of a bucket."""
    fetched, local = [], delta.local

    def watched(store, name, paths):
        fetched.append(name)
        return local(store, name, paths)

    monkeypatch.setattr(delta, "local", watched)
    sql = "select case_id, feature_set from cases, pinned.recipes"
    with connect(filled, asked=sql) as connection:
        found = run_sql(connection, sql).fetchall()
    assert fetched == ["cases"]
    with connect(filled) as connection:
        assert sorted(run_sql(connection, sql).fetchall()) == sorted(found) != []
    assert sorted(fetched[1:]) == sorted(TABLES)


@here
@pytest.mark.parametrize("memory", ["-1GB", "-1", " -2 MB", "none", "NONE"])
def test_what_duckdb_takes_for_no_bound_at_all_is_no_amount_of_memory(filled, memory):
    """Whoever shares a machine would have bounded nothing, and not been told."""
    with pytest.raises(ConfigError, match="no amount of memory"), connect(filled, memory=memory):
        pass


@pytest.mark.parametrize(("name", "sibling"), [("s[12]", "s1"), ("a*b", "axb"), ("a?b", "axb")])
def test_a_folders_name_is_no_pattern(tmp_path, name, sibling):
    store = fill(init_store(tmp_path / name / "store"))
    shutil.copytree(tmp_path / name, tmp_path / sibling)
    with connect(store) as connection:
        assert run_sql(connection, "select count(*) from radiomics").fetchall() == [(3,)]


def test_text_in_double_quotes_is_answered_with_how_text_is_written(filled):
    with connect(filled) as connection, pytest.raises(ConfigError) as caught:
        run_sql(connection, 'select * from cases where centre = "c1"')
    assert caught.value.hint.startswith("text stands in 'single quotes'")


def test_a_typing_error_lists_the_views(filled):
    with connect(filled) as connection, pytest.raises(ConfigError, match="cases, rois"):
        run_sql(connection, "select * from patients")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_its_grain_what_it_reads_and_its_units(view):
    text = view_sql(view)
    assert all(word in text for word in ("-- Grain:", "-- Reads:", "-- Units:"))


def test_who_asks_what_there_is_gets_the_views_and_nothing_they_are_made_of(filled):
    with connect(filled) as connection:
        found = {name for (name,) in run_sql(connection, "show tables").fetchall()}
    assert found == set(VIEWS)


@here
def test_views_of_a_snapshot_show_its_cases_and_what_belongs_to_them(store):
    """Days are counted from the first exam that is seen; a record is that of its last revision."""
    days = {"a": ("s", 3), "b": ("s", 10), "c": ("s", 24), "d": ("t", None), "e": ("u", 5)}
    cases = [case_row(c) | {"subject_id": s, "study_day": day} for c, (s, day) in days.items()]
    delta.append(store, "cases", cases, run_id="r")
    recipes = [feature_row("b", feature_set=name) for name in ("p-1", "p-2")]
    delta.append(store, "radiomics", recipes, run_id="r")
    rois = [
        ("a", "tumour", "", "rtstruct"),
        ("b", "tumour", "", "rtstruct"),
        ("b", "tumour", "p-1", "prepared"),
        ("b", "ring", "p-1", "generated"),
        ("b", "ring", "p-2", "generated"),
        ("c", "tumour", "", None),
    ]
    names = ("case_id", "roi", "feature_set", "origin")
    told = {"centre": "c1", "subject_id": "s", "reader": ""}
    delta.append(store, "rois", [told | dict(zip(names, r, strict=True)) for r in rois], run_id="r")
    records = [("s", 1, "1"), ("s", 10, "3"), ("s", 2, "2"), ("t", 1, "1"), ("u", 1, "1")]
    names, more = ("subject_id", "revision", "grade"), {"centre": "c1"}
    records = [more | dict(zip(names, one, strict=True)) for one in records]
    delta.append(store, "clinical", records, run_id="r")
    asked = {
        "cases": "select case_id, days_from_first",
        "clinical": "select subject_id, grade",
        "rois": "select case_id, roi, feature_set",
        "prepared": "select case_id, roi, feature_set",
    }

    def seen(connection):
        return {
            view: set(run_sql(connection, f"{sql} from {view}").fetchall())
            for view, sql in asked.items()
        }

    cohort = "select case_id from cases where case_id in ('b', 'c', 'd')"
    snapshot, _ = create_snapshot(store, "x", cohort_sql=cohort, feature_sets=["p-1"])
    drawn = {(case, "tumour", "") for case in "bc"}
    with open_snapshot(store, snapshot) as connection:
        assert seen(connection) == {
            "cases": {("b", 0), ("c", 14), ("d", None)},
            "clinical": {("s", "3"), ("t", "1")},
            "rois": drawn | {("b", "ring", "p-1")},
            "prepared": {("b", "tumour", "p-1"), ("b", "ring", "p-1")},
        }
    with connect(store) as connection:
        found = seen(connection)
    assert found["cases"] == {("a", 0), ("b", 7), ("c", 21), ("d", None), ("e", 0)}
    assert found["clinical"] == {("s", "3"), ("t", "1"), ("u", "1")}
    assert found["rois"] == drawn | {("a", "tumour", "")} | {
        ("b", "ring", p) for p in ("p-1", "p-2")
    }


def test_latest_keeps_one_row_per_task_the_newest(store):
    rows = [
        {
            "run_id": f"r{i}",
            "task_key": "k",
            "stage": "ingest",
            "centre": "c",
            "case_id": "a",
            "attempt": 1,
            "state": state,
            "reason": "",
            "message": "",
            "recorded_at": feature_row("a")["recorded_at"],
        }
        for i, state in enumerate(["failed", "ok"])
    ]
    delta.append(store, "outcomes", rows, run_id="r")
    with connect(store) as connection:
        assert run_sql(connection, "select state, run_id from latest").fetchall() == [("ok", "r1")]


def test_a_column_declared_after_rows_were_written_reads_as_null(filled, monkeypatch):
    """An old store under a newer radlas is readable, and its next append adds the column."""
    later = Column("stage_letter", "string", "Declared later.")
    old = TABLES["cases"]
    monkeypatch.setitem(TABLES, "cases", replace(old, columns=(*old.columns, later)))
    with connect(filled) as connection:
        rows = run_sql(connection, "select distinct stage_letter from cases").fetchall()
    assert rows == [(None,)]
    assert delta.read(filled, "cases", ["stage_letter"]).to_pylist() == [{"stage_letter": None}] * 3
    delta.append(filled, "cases", [case_row("d") | {"stage_letter": "x"}], run_id="r")
    with connect(filled) as connection:
        sql = "select case_id from cases where stage_letter = 'x'"
        assert run_sql(connection, sql).fetchall() == [("d",)]


@here
@pytest.mark.parametrize("name", ["filename", "FILENAME", "prefix", "many", "file_row_number"])
def test_whatever_a_value_is_called_the_lake_stays_readable(filled, name):
    """Words of the reader's own, and names that DuckDB gives to what files do not hold."""
    delta.append(filled, "radiomics", [feature_row("a", "ring", **{name: 7.0})], run_id="r")
    snapshot, _ = create_snapshot(filled, "named")
    with open_snapshot(filled, snapshot) as connection:
        X = feature_matrix(connection, ["p-1"])
        wide = f'select max("original__{name}") from radiomics_wide'
        assert run_sql(connection, wide).fetchall() == [(7.0,)]
    assert X[f"ring__original__{name}"].dropna().to_dict() == {"a": 7.0}


@here
@pytest.mark.parametrize("kind", ["o'clock", 'the "best"', "x' or 1=1 --", "wavelet-LLH"])
def test_whatever_an_image_type_is_called_the_wide_view_says_what_the_rows_say(filled, kind):
    """Another site's extractor called it, and a merge took it over."""
    rows = [feature_row("a", image_type=kind, firstorder_Mean=7.0)]
    delta.append(filled, "radiomics", rows, run_id="r")
    name = f"{kind}__firstorder_Mean".replace('"', '""')
    with connect(filled) as connection:
        found = run_sql(connection, f'select case_id, "{name}" from radiomics_wide order by 1')
        assert found.fetchall() == [("a", 7.0), ("b", None), ("c", None)]


def test_every_column_of_the_wide_view_is_there_and_none_is_an_aggregate_of_its_own(tmp_path):
    """Of 4,000 cases it took 11 GB and two minutes, and it is how features leave for R."""
    store, rng = init_store(tmp_path / "s"), np.random.default_rng(0)
    names, cases = [f"firstorder_X{n}" for n in range(20)], [f"c{n:03}" for n in range(60)]
    delta.append(store, "cases", [case_row(case) for case in cases], run_id="r")
    values = rng.normal(size=(12, len(cases), len(names)))
    for kind, matrix in enumerate(values):
        rows = [
            feature_row(case, image_type=f"k{kind:02}", **dict(zip(names, row, strict=True)))
            for case, row in zip(cases, matrix.tolist(), strict=True)
        ]
        delta.append(store, "radiomics", rows, run_id="r")
    with connect(store) as connection:
        sql = "select columns('^k[0-9]+__firstorder_X') from radiomics_wide order by case_id"
        found = run_sql(connection, sql).to_arrow_table().to_pandas()
        view = "from duckdb_views() select sql where view_name = 'radiomics_wide'"
        (made,) = connection.sql(view).fetchone()
        assert "max(" not in made.lower()
    wide = pd.DataFrame(
        {f"k{k:02}__{n}": values[k, :, i] for k in range(12) for i, n in enumerate(names)}
    )
    pd.testing.assert_frame_equal(found[wide.columns], wide, check_exact=True)


def test_no_progress_bar_is_printed_between_a_scripts_own_lines(filled):
    """DuckDB takes ``python -c`` for a person at a terminal."""
    with connect(filled) as connection:
        (bar,) = connection.sql("select current_setting('enable_progress_bar_print')").fetchone()
    assert bar is False


def _flipped(data: bytes) -> bytes:
    """Its pages damaged, its footer whole."""
    return data[:4] + bytes(255 - byte for byte in data[4:60]) + data[60:]


def _part(store, table):
    return next(name for name in store.place.names(f"lake/{table}") if name.endswith(".parquet"))


def _forget(store, part):
    """No copy of an object on this machine."""
    if store.place.near != getattr(store.place, "root", None):
        (store.place.near / part).unlink()


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:-40], _flipped])
def test_a_damaged_part_is_the_stores_damage_and_not_the_querys_fault(filled, harm):
    part = _part(filled, "radiomics")
    filled.place.replace(part, harm(filled.place.read(part)))
    _forget(filled, part)
    sql = "select sum(firstorder_Mean), max(case_id) from radiomics"
    refused = pytest.raises(StoreError, match="a file of the lake cannot be read: ")
    with refused as caught, connect(filled) as connection:
        run_sql(connection, sql).fetchall()
    assert "radlas verify" in caught.value.hint


def test_a_lost_part_is_named_whoever_reads(filled):
    part = _part(filled, "cases")
    filled.place.remove(part)
    _forget(filled, part)
    with pytest.raises(StoreError, match="cannot be read") as caught:
        create_snapshot(filled, "x")
    assert part.rpartition("/")[2] in caught.value.what


def test_a_column_may_be_called_as_a_function_that_is_refused(filled):
    with connect(filled) as connection:
        sql = "with query as (select 1 as query, 'query (1)' t) select query, t from query"
        with pytest.raises(ConfigError, match=r"query\(\) runs a text as SQL"):
            run_sql(connection, sql)
        assert run_sql(connection, sql.replace("'query (1)'", "'a query'")).fetchall() == [
            (1, "a query")
        ]
