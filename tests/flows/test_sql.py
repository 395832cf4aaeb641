"""SQL as people meet it: the shell, what it completes, formats, the wide view, bounded memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from typer.testing import CliRunner

from radlas.cli import app
from radlas.cli.shell import Shell, SqlCompleter, columns_of
from radlas.errors import ConfigError, Terminated
from radlas.store import delta
from radlas.store.layout import init_store, open_store
from radlas.store.query import connect, run_sql
from radlas.store.views import VIEWS

from .conftest import radlas


def talk(store, text):
    """What the shell says to a text on stdin, which is no terminal."""
    return CliRunner().invoke(app, ["sql", "--store", str(store)], input=text)


def completions(connection, text):
    found = SqlCompleter(connection).get_completions(Document(text), CompleteEvent())
    return [one.text for one in found]


@pytest.fixture
def connection(study_store):
    with connect(open_store(study_store)) as opened:
        yield opened


def test_statements_may_span_lines_and_end_with_a_semicolon(study_store):
    said = talk(study_store, "\\f csv\nselect count(*) n\nfrom cases;\nselect 1 as one;\n")
    assert said.exit_code == 0, said.stderr
    header, number, *rest = said.stdout.split()
    assert (header, rest) == ("n", ["one", "1"])
    assert int(number) > 0


def test_a_wrong_statement_is_told_and_the_others_are_answered(study_store):
    said = talk(study_store, "select nope;\n\\x\n\\f csv\nselect 2 as two;")
    assert said.exit_code == 1
    assert '"nope" was not found' in said.stderr
    assert "no command \\x" in said.stderr
    assert said.stdout.split() == ["two", "2"]


def test_a_text_that_leaves_is_read_no_further(tmp_path):
    init_store(str(tmp_path / "store"))
    said = talk(tmp_path / "store", "select 1 as one;\n\\q\nselect nope;")
    assert (said.exit_code, said.stderr) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        "select 1 as one; select 2 as two;",
        "-- first;\nselect 1 as one; -- and\nselect 2 as two;",
        "/* nothing */;\nselect 1 as one\n;;select 2 as two",
        "  \\f csv\nselect 1 as one;\n  \\f csv\nselect 2 as two;",
    ],
)
def test_statements_are_told_apart_as_duckdb_does(tmp_path, text):
    """Also several of one line, and comments behind them; nothing is passed over in silence."""
    init_store(str(tmp_path / "store"))
    said = talk(tmp_path / "store", f"\\f csv\n{text}")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.split() == ["one", "1", "two", "2"]


def test_pivot_says_that_its_values_want_names(tmp_path):
    init_store(str(tmp_path / "store"))
    said = talk(tmp_path / "store", "pivot cases on centre using count(*);")
    assert said.exit_code == 1
    assert said.stderr.startswith("error: PIVOT without its values")
    sql = "\\f csv\npivot cases on centre in ('a') using count(*) group by importer;"
    assert talk(tmp_path / "store", sql).stdout == "importer,a\n"


def test_every_column_of_every_view_has_a_meaning(tmp_path):
    init_store(str(tmp_path / "store"))
    said = talk(
        tmp_path / "store", "".join(f"\\d {view}\n" for view in VIEWS if "wide" not in view)
    )
    told = [line.split() for line in said.stdout.splitlines() if line.startswith("  ")]
    assert len(told) > 100
    assert [words for words in told if len(words) < 2] == []


def test_the_shell_can_write_no_more_than_a_query(study_store, tmp_path):
    said = talk(study_store, f"copy cases to '{tmp_path}/x.csv';")
    assert said.exit_code == 1
    assert "not one query" in said.stderr
    assert not (tmp_path / "x.csv").exists()


def test_d_describes_views_and_columns_with_units(study_store):
    said = talk(study_store, "\\d\n\\d radiomics\n\\d nowhere\n")
    assert all(f"  {view} " in said.stdout for view in VIEWS)
    assert "shape_MeshVolume                         mm3" in said.stdout
    assert "no view 'nowhere'" in said.stderr


def test_a_conversation_ends_a_statement_with_a_semicolon_and_itself_with_q(connection):
    given = []
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("select 1 as a\n, 2 as b;\n\\q\n")
        Shell(connection, lambda rows, _: given.append(rows.fetchall())).talk("> ")
    assert given == [[(1, 2)]]


@pytest.mark.parametrize("wish", [KeyboardInterrupt, Terminated])
def test_ctrl_c_ends_a_query_and_sigterm_the_conversation(connection, wish, capsys):
    """The next query is answered on the same connection; DuckDB tells of Ctrl-C in its own way."""
    given = []

    def give(rows, _):
        given.append(rows.fetchall())
        if len(given) == 1:
            raise RuntimeError("Query interrupted") from wish()

    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("select 1;\nselect 2;\n\\q\n")
        with pytest.raises(Terminated) if wish is Terminated else nullcontext():
            Shell(connection, give).talk("> ")
    ended = wish is Terminated
    assert given == ([[(1,)]] if ended else [[(1,)], [(2,)]])
    assert capsys.readouterr().err == ("" if ended else "interrupted\n")


def test_columns_of_the_named_view_are_offered_with_those_that_begin_so_first(connection):
    found = completions(connection, "select * from deep where vec")
    assert found == ["vector"]
    assert completions(connection, "select r.firstorder_Me")[:2] == [
        "firstorder_Mean",
        "firstorder_MeanAbsoluteDeviation",
    ]
    assert "radiomics_wide" in completions(connection, "select * from radi")
    wide = completions(connection, "select orig from radiomics_wide where original__glcm_Contr")
    assert wide == ["original__glcm_Contrast"]


def test_the_wide_view_says_what_the_rows_say(study_store, connection):
    sql = 'select case_id, roi, "original__glcm_Contrast" v from radiomics_wide order by all'
    wide = radlas("query", "--store", study_store, sql, "--format", "json").data
    sql = "select case_id, roi, glcm_Contrast v from radiomics where image_type = 'original'"
    long = radlas("query", "--store", study_store, f"{sql} order by all", "--format", "json").data
    assert wide == long
    assert len(wide) > 1
    assert "original__shape_MeshVolume" in columns_of(connection, "radiomics_wide")


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "json"])
def test_every_format_writes_the_same_rows_to_a_file(study_store, tmp_path, kind):
    out = tmp_path / f"rows.{kind}"
    sql = "select case_id, slices from cases order by case_id"
    assert radlas("query", "--store", study_store, sql, "--format", kind, "--out", out).code == 0
    expected = radlas("query", "--store", study_store, sql, "--format", "json").data
    readers = {
        "parquet": lambda: pq.read_table(out).to_pylist(),
        "arrow": lambda: pyarrow.feather.read_table(out).to_pylist(),
        "json": lambda: json.loads(out.read_text()),
        "csv": lambda: [
            {"case_id": line.split(",")[0], "slices": int(line.split(",")[1])}
            for line in out.read_text().splitlines()[1:]
        ],
    }
    assert readers[kind]() == expected


@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_the_time_between_two_moments_is_the_same_text_in_every_format(study_store, tmp_path, kind):
    out, sql = tmp_path / "rows", "select max(recorded_at) - min(recorded_at) as took from cases"
    expected = radlas("query", "--store", study_store, f"select ({sql})::varchar as took", "--json")
    said = radlas("query", "--store", study_store, sql, "--format", kind, "--out", out)
    assert said.code == 0, said.err
    readers = {"parquet": pd.read_parquet, "csv": pd.read_csv, "json": pd.read_json}
    assert readers[kind](out)["took"].astype(str).tolist() == [expected.data[0]["took"]]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_a_file_that_cannot_be_written_is_no_damage_of_the_store(tmp_path, kind):
    init_store(str(tmp_path / "store"))
    out = tmp_path / "nowhere" / "rows"
    words = ("--store", tmp_path / "store", "select 1", "--format", kind, "--out", out)
    said = radlas("query", *words)
    assert said.code == 2
    assert said.err.startswith(f"error: No such file or directory\n  in: {out}\n")


def test_a_binary_format_asks_for_a_file(study_store):
    said = radlas("query", "--store", study_store, "select 1", "--format", "arrow")
    assert said.code == 2
    assert "name it: --out result.arrow" in said.err


def test_memory_is_bounded_and_no_amount_is_told(study_store):
    sql = "select current_setting('memory_limit') as bound"
    said = radlas("query", "--store", study_store, sql, "--memory", "1GB", "--format", "csv")
    assert "953.6 MiB" in said.out
    said = radlas("query", "--store", study_store, sql, "--memory", "lots")
    assert said.code == 2
    assert "no amount of memory: 'lots'" in said.err


def test_compact_says_what_it_did_and_changes_no_answer(own_store):
    sql = "select count(*) n, sum(glcm_Contrast) s from radiomics"
    before = radlas("query", "--store", own_store, sql, "--format", "json").data
    said = radlas("compact", "--store", own_store, "--many", "1", "--keep-hours", "1", "--json")
    assert said.code == 0
    tables = {one["table"]: one for one in said.data["tables"]}
    assert tables["outcomes"]["parts_before"] > tables["outcomes"]["parts_after"] == 1
    after = radlas("query", "--store", own_store, sql, "--format", "json").data
    assert after[0]["n"] == before[0]["n"]
    assert after[0]["s"] == pytest.approx(before[0]["s"], rel=1e-12)
    assert radlas("verify", "--store", own_store).code == 0


def printed_queries():
    text = (Path(__file__).parents[2] / "docs/query.md").read_text()
    return re.findall(r'^radlas query (?:--snapshot demo )?"(.*?)"', text, re.MULTILINE | re.DOTALL)


def test_features_that_differ_between_centres_are_found_by_the_query_of_the_page(tmp_path):
    """Planted: one wavelet's contrast is three deviations higher at one of two centres."""
    store = init_store(tmp_path / "store")
    rng = np.random.default_rng(0)
    cases, rows = [], []
    for number in range(400):
        centre = "ab"[number % 2]
        who = {"case_id": f"{number:03}", "centre": centre, "subject_id": f"s{number}"}
        cases.append({**who, "voxel_digest": "v"})
        for kind in ("original", "wavelet-LLH", "wavelet-HHH"):
            shift = 3.0 if (kind, centre) == ("wavelet-LLH", "b") else 0.0
            features = {"glcm_Contrast": shift, "glcm_Id": 0.0, "firstorder_Mean": 9 * shift}
            values = {name: at + rng.normal() for name, at in features.items()}
            which = {"feature_set": "p-1", "roi": "ring_0_10", "image_type": kind}
            rows.append({**who, **which, "reason": "", "input_digest": "x", **values})
    for table, given in (("cases", cases), ("radiomics", rows)):
        stamp = {"run_id": "r", "recorded_at": datetime.now(UTC)}
        delta.append(store, table, [row | stamp for row in given], run_id="r")
    (sql,) = (one for one in printed_queries() if "apart" in one)
    with connect(store) as opened:
        (kind, feature, apart), *others = run_sql(opened, sql).fetchall()
    assert (kind, feature) == ("wavelet-LLH", "glcm_Contrast")
    assert apart == pytest.approx(3, abs=0.4)
    assert max(one[2] for one in others) < 0.5
    assert {one[1] for one in others} == {"glcm_Contrast", "glcm_Id"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("'a;\nb'", "a;\nb"),
        ("'it''s;\n'", "it's;\n"),
        ("e'it\\'s;\n'", "it's;\n"),
        ("'x' -- that's it;\n", "x"),
        ("/* ;\n\\d */ 'x'", "x"),
        ("$$a;\n\\d$$", "a;\n\\d"),
        ("$q$ $$;\n$q$", " $$;\n"),
    ],
)
def test_a_semicolon_ends_no_statement_within_a_text_or_a_comment(tmp_path, value, told):
    init_store(str(tmp_path / "store"))
    said = talk(tmp_path / "store", f'\\f json\nselect {value} as "a;\nb";\nselect 2 as two;')
    assert (said.exit_code, said.stderr) == (0, "")
    first, end = json.JSONDecoder().raw_decode(said.stdout)
    assert (first, json.loads(said.stdout[end:])) == ([{"a;\nb": told}], [{"two": 2}])


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz", "timestamp_s"])
@pytest.mark.parametrize("value", ["infinity", "-infinity", "10000-01-01", "0044-03-15 (BC)"])
def test_a_moment_beyond_the_years_of_python_is_told_as_duckdb_does(tmp_path, kind, value):
    """JSON ended as a defect, and CSV told infinity as the year 294247."""
    init_store(str(tmp_path / "store"))
    sql = f"select m as x, m::varchar as told, {{'a': m}} as y from (select '{value}'::{kind} as m)"
    for form in ("json", "csv"):
        said = CliRunner().invoke(
            app, ["query", "--store", str(tmp_path / "store"), "--format", form, sql]
        )
        assert said.exit_code == 0, said.stderr
        rows = json.loads(said.stdout) if form == "json" else None
        row = rows[0] if rows else pd.read_csv(StringIO(said.stdout), dtype=str).iloc[0]
        assert row["x"] == row["told"]


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # with a locale, and without
@pytest.mark.parametrize("words", [("query", "-"), ("sql",)])
def test_sql_of_another_encoding_is_told_and_is_no_damage_of_the_store(tmp_path, words, errors):
    init_store(str(tmp_path / "store"))
    said = subprocess.run(
        [sys.executable, "-m", "radlas", *words, "--store", str(tmp_path / "store")],
        input="select 1 as Gefäß".encode("latin-1"),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"},
        check=False,
    )
    assert (said.returncode, said.stdout) == (2, b"")
    assert said.stderr.startswith(b"error: no text, or none in UTF-8\n  in: stdin\n")


def test_a_query_of_another_encoding_is_told_to_who_types_it(connection):
    with pytest.raises(ConfigError, match="the query is no text in UTF-8"):
        run_sql(connection, os.fsdecode("select 1 as Gefäß".encode("latin-1")))


@pytest.mark.parametrize("comment", ["-- how many", "--", "--how many?", "--a=b"])
def test_a_query_may_begin_with_a_comment(tmp_path, comment):
    init_store(str(tmp_path / "store"))
    words = ["query", "--store", str(tmp_path / "store"), "--format", "csv"]
    said = CliRunner().invoke(app, [*words, f"-- first\n{comment}\nselect 1 as one"])
    assert (said.stdout, said.stderr) == ("one\n1\n", "")
    if "=" not in comment:  # that is how an option with a value looks
        said = CliRunner().invoke(app, [*words, f"{comment}\nselect 1 as one"])
        assert (said.stdout, said.stderr) == ("one\n1\n", "")
