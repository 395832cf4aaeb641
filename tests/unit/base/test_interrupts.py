"""Ctrl-C, SIGTERM and SIGHUP end a command with one line and their code, whenever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from radlas.__main__ import _terminated
from radlas.cli import app
from radlas.entry import guarded
from radlas.errors import Terminated
from radlas.store.layout import Store, init_store
from radlas.store.query import connect

WISHED = """
import os, signal, sys

class Wish:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number:d})

signal.signal({number:d}, {before})
sys.meta_path.insert(0, Wish())
sys.argv = ["radlas", *sys.argv[1:]]
from radlas.__main__ import main
main()
"""
HELP = ("status", "--help")


def wished(module: str, number: int, before: str = "signal.SIG_DFL", words: Sequence[str] = HELP):
    """What came of a command that got a signal when it began to import a module."""
    code = WISHED.format(module=module, number=number, before=before)
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("module", ["typer", "pyarrow.vendored", "duckdb", "radlas.cli.weights"])
def test_a_command_that_has_not_begun_ends_with_one_line_and_the_signals_code(module, number):
    """Not with a traceback, nor with 1, which says: done, with cases in trouble."""
    ended = wished(module, number)
    assert ended.returncode == 128 + number
    assert ended.stderr == (
        "error: interrupted before anything began\n  try: run the same command again\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("qc", "--store", "s"), "radlas.flows.qc"),
        (("retry", "--store", "s", "--reason", "no_tumour"), "radlas.flows.retry"),
        (("whois", "--store", "s", "0279"), "radlas.flows.whois"),
        (("doctor",), "radlas.doctor"),
        (("sql", "--store", "s"), "radlas.cli.shell"),
        (("validate", "--store", "s", "m"), "radlas.flows.validate"),
        (("explain", "--store", "s", "m"), "radlas.flows.explain"),
        (("report", "--store", "s", "m"), "radlas.flows.report"),
    ],
)
def test_a_verb_that_still_loads_its_flow_ends_with_a_message_and_the_signals_code(
    words, module, number
):
    """Typer ends what nobody else catches as Ctrl-C does, and without a word."""
    ended = wished(module, number, words=words)
    assert ended.returncode == 128 + number
    assert ended.stderr.startswith("error: interrupted\n  try: run the same command again")


@pytest.mark.parametrize("word", ["doctor", "--help", "--version"])
def test_what_needs_no_store_and_finds_no_room_for_its_answer_says_so(word):
    """It was a traceback, and the exit code that of a machine that lacks something."""
    code = "from radlas.cli import app; app()"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        told = subprocess.run(
            [sys.executable, "-c", code, word],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert (told.returncode, told.stderr.splitlines()[0]) == (2, "error: No space left on device")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_pandas_is_loaded_is_heard(number, tmp_path):
    """Where DuckDB loaded it, the signal was lost, and the query went on."""
    store = init_store(tmp_path / "store").place
    words = ("query", "--store", str(store), "--format", "csv", "select 1")
    ended = wished("pandas.core.reshape.tile", number, "signal.default_int_handler", words)
    assert (ended.returncode, ended.stdout) == (128 + number, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_who_was_told_not_to_hear_a_signal_does_not(number):
    """As a script's command in the background of Ctrl-C, or under nohup of a closed terminal."""
    ended = wished("duckdb", number, before="signal.SIG_IGN")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "step", "promise"),
    [
        (("init", "store"), "radlas.cli.data.init_store", "; if there is a store then"),
        (("phantom", "out"), "radlas.phantom.write_cohort", ": it begins anew"),
    ],
)
def test_who_is_interrupted_is_told_what_the_same_command_will_do(
    words, step, promise, monkeypatch, tmp_path
):
    """Of a cohort nothing is kept, and of a store that was made no second one is."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, interrupted)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, [*words])
    assert ended.exit_code == 130
    assert f"run the same command again{promise}" in ended.stderr
    assert "what was finished" not in ended.stderr


def ask_for_long(store: Store, number: int) -> None:
    """And get a signal a second after."""
    with connect(store) as connection:
        connection.sql("select 1").fetchall()  # what DuckDB imports once swallows a signal
        threading.Timer(1, os.kill, (os.getpid(), number)).start()
        connection.sql("select sum(a.range % 7) from range(1e11::bigint) a").fetchall()


@pytest.mark.parametrize(
    ("number", "handler", "wish"),
    [
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        (signal.SIGTERM, _terminated, Terminated),
        (signal.SIGHUP, _terminated, Terminated),
    ],
)
def test_a_query_is_interrupted_as_all_else_is(number, handler, wish, tmp_path):
    """DuckDB answers with an error of its own, which would be told as a defect; and goes on."""
    store, before = init_store(tmp_path / "store"), signal.signal(number, handler)
    try:
        with pytest.raises(wish):
            ask_for_long(store, number)
    finally:
        signal.signal(number, before)
    used = time.process_time()  # of all threads
    time.sleep(0.5)
    assert time.process_time() - used < 0.1


def test_a_run_whose_terminal_is_closed_stores_what_is_finished_and_ends(tmp_path):
    """Its message has nowhere to go then, and is no reason for another exit code."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # these tests may run under nohup
        "from radlas import entry\n"
        "from radlas.__main__ import main\n"
        "class Show:\n"
        "    def __call__(self, *_, **__):\n"
        "        os.dup2(os.open('/dev/full', os.O_WRONLY), 2)\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "            signal.pause()\n"
        "        finally:\n"
        "            print('stored', flush=True)\n"
        "from radlas.cli import data\n"
        "data.show = Show()\n"
        f"sys.argv = ['radlas', 'init', {str(tmp_path / 'store')!r}]\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (129, "stored\n")


@pytest.mark.parametrize("error", [MemoryError(), duckdb.OutOfMemoryException("no 8 MB left")])
def test_a_run_without_memory_says_so_and_is_no_defect(error, tmp_path, capsys):
    store = init_store(tmp_path / "store")

    def action() -> int:
        with connect(store):
            raise error

    assert guarded(action) == 1
    assert capsys.readouterr().err.startswith("error: out of memory")


@pytest.mark.parametrize("words", [("query", "select 1 as a"), ("sql",)])
def test_who_stops_reading_ends_a_verb_without_a_word(words, tmp_path):
    """As ``| head`` does: nothing is wrong with a path or the disk."""
    store = init_store(tmp_path / "store").place
    command = [sys.executable, "-m", "radlas", *words, "--store", str(store)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as run:
        run.stdout.close()
        run.stdin.write("select 1;\n")
        run.stdin.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (1, "")


@pytest.mark.parametrize(
    ("words", "closed", "code", "said"),
    [
        (("query", "select 1"), ">&-", 0, ""),
        (("query", "select 1"), "<&- >&- 2>&-", 0, ""),
        (("query", "-"), "<&-", 2, "error: not one query"),
        (("sql",), "<&-", 0, ""),
    ],
)
def test_a_stream_that_was_closed_is_one_of_nothing(words, closed, code, said, tmp_path):
    """As from a daemon: it was a defect, as Python has no object for such a stream."""
    store = str(init_store(tmp_path / "store").place)
    command = [sys.executable, "-m", "radlas", *words, "--store", store]
    closing = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    ended = subprocess.run(closing, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.partition("\n")[0]) == (code, said)


OPEN_FILES = """
import os, subprocess, sys
from radlas import __main__, cli
look = "import os, sys; os.write(int(sys.argv[1]), os.readlink('/proc/self/fd/2').encode())"
pipe = int(sys.argv[1])
cli.app = lambda: subprocess.run([sys.executable, "-c", look, sys.argv[1]], pass_fds=[pipe])
__main__.main()
"""


def test_no_file_takes_the_place_of_a_stream_that_was_closed():
    """What a library in C prints would go into it; and so it is in a child."""
    read, write = os.pipe()
    command = [sys.executable, "-c", OPEN_FILES, str(write)]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    subprocess.run(closing, check=True, pass_fds=[write], timeout=60)
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == os.devnull


@pytest.mark.parametrize("as_json", [False, True])
def test_an_output_that_finds_no_room_is_told_on_stderr(tmp_path, as_json):
    """As data it was a traceback, and the exit code that of cases in trouble."""
    store = init_store(tmp_path / "store")
    words = ["status", "--store", str(store.place), *["--json"] * as_json]
    command = [sys.executable, "-c", "from radlas.cli import app; app()", *words]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        told = subprocess.run(
            command, check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert told.returncode == 2
    assert told.stderr.splitlines()[:2] == [
        "error: No space left on device",
        "  in: what is printed",
    ]
