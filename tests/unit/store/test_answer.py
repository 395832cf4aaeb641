"""The rows of an answer have types and names that every form has."""

from __future__ import annotations

import json
from io import StringIO

import duckdb
import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest

from radlas.cli.lake import _csv as as_csv
from radlas.entry import plain
from radlas.store.answer import as_pandas, as_rows, as_table

ODD = (
    "interval 1 month",
    "'01:02:03+02'::timetz",
    "'101'::bit",
    "union_value(number := 2)",
    "340282366920938463463374607431768211455::uhugeint",
    "123456789012345678901234567890::bignum",
    "42::variant",
    "[interval 3 days]",
    "{'took': interval '5.3' seconds}",
)


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("value", ODD)
def test_what_some_form_has_no_type_for_is_text_as_duckdb_writes_it(connection, value, tmp_path):
    table = as_table(connection.sql(f"select 1 as one, {value} as it"))
    expected = connection.sql(f"select ({value})::varchar").fetchall()[0][0]
    pq.write_table(table, tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [{"one": 1, "it": expected}]
    assert polars.from_arrow(table).rows() == [(1, expected)]
    assert table.to_pandas()["it"].tolist() == [expected]


def test_a_count_is_a_number_to_pandas(connection):
    """DuckDB counts what holds, and sums, in 128 bits: Decimals, which no plot or product takes."""
    sql = "select count_if(x > 1) n, sum(x) s, min(x) low from (values (1), (2), (4)) t(x)"
    frame = as_table(connection.sql(sql)).to_pandas()
    assert [kind.kind for kind in frame.dtypes] == ["i", "i", "i"]
    assert frame.to_numpy().tolist() == [[2, 7, 1]]


def test_a_sum_beyond_64_bits_keeps_its_digits(connection):
    sql = "select sum(x) s from (values (9223372036854775807), (9223372036854775807)) t(x)"
    assert as_table(connection.sql(sql)).to_pylist() == [{"s": 2 * 9223372036854775807}]


@pytest.mark.parametrize("kind", ["bigint", "hugeint", "ubigint"])
def test_a_whole_number_beside_null_keeps_its_digits_in_pandas(connection, kind):
    """Digests of rows that a join leaves out on one side: two of them became one float."""
    sql = f"select unnest([9007199254740993, null, 9007199254740992])::{kind} x, null::int y, 1 z"
    frame = as_pandas(connection.sql(sql))
    assert frame["x"].dropna().tolist() == [9007199254740993, 9007199254740992]
    assert frame["x"].isna().tolist() == [False, True, False]
    assert frame["y"].dtype == "float64"  # as pandas has them, where no digit is lost
    assert frame["z"].dtype == "int32"


@pytest.mark.parametrize("value", ["date '12000-01-01'", "date 'infinity'", "time '24:00:00'"])
def test_a_moment_that_python_does_not_have_is_told_in_text_by_pandas(connection, value):
    frame = as_pandas(
        connection.sql(f"select {value} as it, 9007199254740993 n union all by name select 1 n")
    )
    assert (
        frame["it"].dropna().item() == connection.sql(f"select ({value})::varchar").fetchall()[0][0]
    )
    assert sorted(frame["n"]) == [1, 9007199254740993]


def test_no_two_columns_have_one_name(connection):
    """As of a join: polars and most readers of Parquet refuse them."""
    table = as_table(connection.sql("select 1 as a, 2 as a, 3 as a_1, interval 1 day as a"))
    assert table.column_names == ["a", "a_1", "a_1_1", "a_2"]
    assert table.to_pylist() == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": "1 day"}]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (r"'\x00ab'::blob", r"\x00ab"),
        ("'24:00:00'::time", "24:00:00"),
        ("'24:00:00'::time_ns", "24:00:00"),
        ("123456789012345.678::decimal(18,3)", "123456789012345.678"),
        ("0.000000001::decimal(38,9)", 1e-9),
        ("1.50::decimal(5,2)", 1.5),
    ],
)
def test_bytes_times_and_long_decimals_are_told_in_text_as_duckdb_writes_them(
    connection, value, told
):
    relation = connection.sql(f'select {value} as it, null as "no ""thing"')
    assert plain(as_rows(relation)) == [{"it": told, 'no "thing': None}]
    (_, row) = as_csv(relation).splitlines()
    assert row == connection.sql(f"select ({value})::varchar").fetchall()[0][0] + ","


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("['infinity'::timestamp]", ["infinity"]),
        ("{'a': '-infinity'::date, 'b': date '2020-01-01'}", {"a": "-infinity", "b": "2020-01-01"}),
        (r"[{'x': '\x00ab'::blob}]", [{"x": r"\x00ab"}]),
        ("['24:00:00'::time, null]", ["24:00:00", None]),
        ("['b'::enum('a', 'b')]", ["b"]),
        ("[170141183460469231731687303715884105727]", [2**127 - 1]),
        ("[0.1::double, 'nan', 'inf', '-inf', 1e-300]", [0.1, None, None, None, 1e-300]),
        ("""['NaN, Infinity', 'a "NaN"']""", ["NaN, Infinity", 'a "NaN"']),
        ("null::int[]", None),
    ],
)
def test_a_list_or_structure_is_the_same_in_json_and_in_a_cell_of_csv(connection, value, told):
    relation = connection.sql(f"select {value} as it")
    assert plain(as_rows(relation)) == [{"it": told}]
    (cell,) = pd.read_csv(StringIO(as_csv(relation)), dtype=str, keep_default_na=False)["it"]
    assert (json.loads(cell, parse_constant=pytest.fail) if cell else None) == told


def test_a_list_in_csv_keeps_the_digits_of_its_decimals(connection):
    relation = connection.sql("select [123456789012345.678::decimal(18,3)] as it")
    assert as_csv(relation) == "it\n[123456789012345.678]\n"
