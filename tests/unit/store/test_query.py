"""SQL: read-only, confined to the lake, and the views keep their grain."""

from dataclasses import replace

import pytest

from radlas.errors import ConfigError
from radlas.store import delta
from radlas.store.query import VIEWS, connect, run_sql, view_sql
from radlas.tables import TABLES, Column

from .conftest import case_row, feature_row

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
    ],
)
def test_a_query_can_only_read_the_store(filled, tmp_path, sql):
    (tmp_path / "secret.csv").write_text("name\nJane Doe\n")
    with connect(filled) as connection, pytest.raises(ConfigError) as caught:
        run_sql(connection, sql.format(host=tmp_path, store=filled.place)).fetchall()
    assert "Jane" not in str(caught.value)
    kept = {"secret.csv", "store", "store.key", "home"}
    assert {path.name for path in tmp_path.iterdir()} <= kept


def test_a_typing_error_lists_the_views(filled):
    with connect(filled) as connection, pytest.raises(ConfigError, match="cases, rois"):
        run_sql(connection, "select * from patients")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_its_grain_what_it_reads_and_its_units(view):
    text = view_sql(view)
    assert all(word in text for word in ("-- Grain:", "-- Reads:", "-- Units:"))


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
    delta.append(filled, "cases", [case_row("d") | {"stage_letter": "x"}], run_id="r")
    with connect(filled) as connection:
        sql = "select case_id from cases where stage_letter = 'x'"
        assert run_sql(connection, sql).fetchall() == [("d",)]
