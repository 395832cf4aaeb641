"""What is printed for machines holds every value, and each as what it is."""

from __future__ import annotations

import csv
import io
import itertools
import json
import time
from functools import partial

import duckdb
import numpy as np
import pytest
from rich.console import Console

from radlas import entry, progress
from radlas.cli.lake import Format, _text
from radlas.engine.base import Bundle, Done, SerialEngine
from radlas.entry import guarded, plain, show
from radlas.errors import ConfigError, WorkerError
from radlas.flows import versions
from radlas.flows.base import Listing, Report
from radlas.flows.pages import prediction_words
from radlas.progress import WatchedEngine
from radlas.words import harmless


def as_json(sql):
    return json.loads(_text(duckdb.sql(sql), Format.JSON, wide=True))


def as_csv(sql):
    return list(csv.DictReader(io.StringIO(_text(duckdb.sql(sql), Format.CSV, wide=True))))


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("(select sum(n) from range(3) s(n))", 3),
        ("1.5", 1.5),
        ("[1.0, null]", [1.0, None]),
        ("{a: 'nan'::double}", {"a": None}),
        ("170141183460469231731687303715884105727", 170141183460469231731687303715884105727),
    ],
)
def test_a_number_is_a_number_in_json(sql, value):
    assert as_json(f"select any_value(x) as x from (select {sql} as x from range(3) t(i))") == [
        {"x": value}
    ]


EVIL = "a\x1b[31mb\x9bc\r\x07d\u202ee\u2066f\u200bg\u2028h\udc80i:bug:\x7f"
SHOWN = r"a\x1b[31mb\x9bc\r\x07d\u202ee\u2066f\u200bg\u2028h\udc80i:bug:\x7f"


def _bug():
    raise ValueError(EVIL)


def _expected():
    raise ConfigError(EVIL, EVIL, EVIL)


@pytest.mark.parametrize(
    "tell",
    [
        lambda: show(Report((EVIL, f"!! {EVIL}"), {}), as_json=False),
        lambda: show(Report((EVIL,), {EVIL: EVIL}), as_json=True),
        lambda: guarded(_expected),
        lambda: guarded(_expected, as_json=True),
        lambda: guarded(_bug),
        lambda: guarded(_bug, as_json=True),
        lambda: entry._print_listing(Listing(("series", "n"), ((EVIL, 1), (EVIL, 2)), "")),
        lambda: print(
            _text(duckdb.sql("select chr(27) || '[31m' || chr(8238)"), Format.TABLE, wide=True)
        ),
    ],
)
def test_no_name_acts_on_a_terminal(tell, capsys, monkeypatch):
    """A centre, a series or a column of somebody else's store may be called as it likes."""
    monkeypatch.setenv("COLUMNS", "400")
    tell()
    said = "".join(capsys.readouterr())
    assert said
    assert not [sign for sign in said if not sign.isprintable() and sign != "\n"]
    if "f" in said and "31mb" in said:
        assert SHOWN in said or json.dumps(EVIL)[1:-1] in said


@pytest.mark.parametrize(
    "text", ["Müller 山田^太郎 ~ 3 µm\n\tÉ\u00a0e\u0301 👩", "", "x" * 1_000_000]
)
def test_names_of_people_are_printed_as_they_are(text):
    assert harmless(text) == text


def test_who_finds_a_defect_is_told_to_look_for_names_before_it_is_sent(capsys):
    assert guarded(_bug) == 70
    assert "before you send it, check that it names no patient" in " ".join(
        capsys.readouterr().err.split()
    )


def test_no_column_is_lost_to_another_of_its_name():
    assert as_json("select 1 as a, 2 as a") == [{"a": 1, "a_1": 2}]
    assert as_json("select 1 as a, 2 as a, 3 as a_1") == [{"a": 1, "a_1": 2, "a_1_1": 3}]


def test_a_sum_has_all_its_digits_in_csv():
    sql = "select sum(n) as a, 1.10 as a, 2 as a from (values (9007199254740993), (0)) t(n)"
    assert as_csv(sql) == [{"a": "9007199254740993", "a_1": "1.10", "a_2": "2"}]
    assert as_csv("select sum(n) as a from (select 1 as n where false)") == [{"a": ""}]


def test_a_long_list_is_whole_in_csv():
    """Two thousand numbers of a network, or as many cases: none of them is left out."""
    (row,) = as_csv("select list(i / 8) as x from range(2000) t(i)")
    assert json.loads(row["x"]) == [number / 8 for number in range(2000)]
    rows = as_csv("select unnest([[[1], [2, null]], null]) as x, {a: 1.5, b: 'c'} as y")
    assert [row["x"] for row in rows] == ["[[1], [2, null]]", ""]
    assert json.loads(rows[0]["y"]) == {"a": 1.5, "b": "c"}


def test_what_numpy_counted_is_a_number_in_json():
    given = {"n": np.int64(3), "share": np.float32(0.5), "all": np.array([1.0, np.nan])}
    assert plain(given) == {"n": 3, "share": 0.5, "all": [1.0, None]}


def test_numbers_of_a_table_stand_right_with_one_decimal_and_names_left(capsys):
    entry._print_listing(Listing(("series", "mm", "n"), (("T2", 5.25, 20), ("T1 FS", 12.0, 4)), ""))
    title, _, *rows = [
        line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()
    ]
    assert [row.split() for row in rows] == [["T2", "5.2", "20"], ["T1", "FS", "12.0", "4"]]
    assert len({len(row) for row in (title, *rows)}) == 1, "their last digits are below each other"
    assert title.index("series") == rows[0].index("T2") == rows[1].index("T1")


@pytest.mark.parametrize("start", [0, 11, 150])
def test_the_pace_is_that_of_the_work_and_not_of_the_start(start, monkeypatch, capsys):
    """Workers start and loops compile before the first result; the others do not wait for it."""
    clock = [900.0]  # it begins with the machine, not with the run
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)

    def work(task):
        clock[0] += 5 if task else start

    list(WatchedEngine(SerialEngine(), "extract").map(work, range(9)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "extract 9/9, 0 in trouble, 0.20 per s, 0 s left"
    if start:
        assert lines[0] == "extract 1/9, 0 in trouble"
    assert "extract 5/9, 0 in trouble, 0.20 per s, 20 s left" in lines


def test_of_rows_a_log_tells_now_and_then_how_many_are_done_and_how_long_it_takes(
    monkeypatch, capsys
):
    clock = [900.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    with progress.watched_rows("merge") as tally:
        tally.expect(1_000)
        for _ in range(10):
            clock[0] += 4
            tally.done(100)
    assert capsys.readouterr().err.splitlines() == [
        "merge 300/1000 rows, 25.00 per s, 28 s left",
        "merge 600/1000 rows, 25.00 per s, 16 s left",
        "merge 900/1000 rows, 25.00 per s, 4 s left",
    ]


def test_of_rows_a_terminal_shows_a_bar(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = partial(Console, file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda stderr: shown())
    with progress.watched_rows("merge") as tally:
        tally.expect(1_000)
        tally.done(300)
        tally.done(200)
    assert "merge" in screen.getvalue()
    assert "500/1000" in screen.getvalue()


class Ended(SerialEngine):
    """As an engine whose calls have ended: of three cases two are bad, one was lost, one is ok."""

    def map(self, work, tasks, *, gpu=False):
        bad = WorkerError("out of memory", reason="memory")
        yield Done(tasks[0], result=[Done(1, result=1), *[Done(2, error=bad)] * 2])
        yield Done(tasks[1], error=bad)
        yield Done(tasks[2], result=4)


@pytest.mark.parametrize("terminal", [True, False])
def test_cases_in_trouble_are_counted_also_where_a_call_takes_several(
    terminal, monkeypatch, capsys
):
    screen, clock = io.StringIO(), itertools.count(0, 60)
    if not terminal:
        monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    shown = partial(Console, file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda stderr: shown())
    tasks = [Bundle((1, 2, 3)), Bundle((4,)), 5]
    done = WatchedEngine(Ended(), "extract").map(lambda task: task, tasks)
    told = []
    for _ in done:
        screen.write(capsys.readouterr().err)
        told.append(screen.getvalue())
    said = [f"{number}/5" for number in (3, 4, 5)]
    if terminal:  # drawn ten times a second, and at last
        assert said[-1] in screen.getvalue()
        assert "3 in trouble" in screen.getvalue()
    else:
        assert [one.splitlines()[-1].split(", ")[:2] for one in told] == [
            [f"extract {count}", f"{trouble} in trouble"]
            for count, trouble in zip(said, (2, 3, 3), strict=True)
        ]


def test_what_is_nearly_all_or_none_is_said_alike_on_the_terminal_and_on_pages():
    area = {"auc": 0.9996, "interval": [0.0004, 0.9999], "n": 9}
    assert versions._told(area) == "AUC 0.9996 (0.0004 to 0.9999), n = 9"
    row = {"case_id": "c" * 32, "centre": "b", "risk": 0.0002, "interval": [0.0001, 0.9998]}
    row |= {"call": "negative", "threshold": 0.5, "otherwise": 0, "resampled": 100}
    row |= {
        "trained_on": True,
        "trained_as": "c" * 32,
        "out_of_fold": 0.0003,
        "adapted_by": 0,
        "known_centre": True,
    }
    row |= {"drivers": [], "imputed": [], "out_of_range": []}
    card = {"study": {"primary": "dlr"}, "synthetic": False}
    told = prediction_words.told("m@1", card, [row], [])
    assert "risk 0.0002 (0.0001 to 0.9998), negative at 0.500" in told[1]
    assert told[2].endswith("gave 0.0003")


@pytest.mark.parametrize(
    ("interval", "doubted"),
    [
        ([0.1, 0.4], False),
        ([0.3, 0.4], False),
        ([0.31, 0.4], True),
        ([0.1, 0.29], True),
        ([], False),
    ],
)
def test_a_risk_beyond_those_of_resampled_models_is_doubted(interval, doubted):
    row = {"risk": 0.3, "interval": interval, "otherwise": 0, "trained_on": False}
    row |= {"adapted_by": 0, "known_centre": True}
    told = [
        one for one in prediction_words._doubts(row) if "interval of the resampled models" in one
    ]
    assert len(told) == doubted


@pytest.mark.parametrize("seconds", [0.0, 0.6])
def test_a_log_says_once_that_a_first_result_is_waited_for(capsys, monkeypatch, seconds):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    monkeypatch.setattr(progress, "_SILENCE", 0.3)
    list(WatchedEngine(SerialEngine(), "extract").map(lambda _: time.sleep(seconds), range(2)))
    waited = [one for one in capsys.readouterr().err.splitlines() if "no result after" in one]
    assert len(waited) == (seconds > 0.3)
    assert all(one.startswith("extract 0/2, no result after 0.3 s") for one in waited)
