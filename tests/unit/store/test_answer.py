"""The rows of an answer have types and names that every form has."""

from __future__ import annotations

import duckdb
import polars
import pyarrow.parquet as pq
import pytest

from radlas.store.answer import as_table

ODD = (
    "interval 1 month",
    "'01:02:03+02'::timetz",
    "'101'::bit",
    "union_value(number := 2)",
    "340282366920938463463374607431768211455::uhugeint",
    "123456789012345678901234567890::bignum",
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


def test_no_two_columns_have_one_name(connection):
    """As of a join: polars and most readers of Parquet refuse them."""
    table = as_table(connection.sql("select 1 as a, 2 as a, 3 as a_1, interval 1 day as a"))
    assert table.column_names == ["a", "a_1", "a_1_1", "a_2"]
    assert table.to_pylist() == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": "1 day"}]
