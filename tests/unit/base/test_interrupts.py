"""Ctrl-C and SIGTERM end a command with one line and their exit code, whenever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import duckdb
import pytest

from radlas.__main__ import _terminated
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

signal.signal(signal.SIGINT, {before})
sys.meta_path.insert(0, Wish())
sys.argv = ["radlas", "status", "--help"]
from radlas.__main__ import main
main()
"""


def wished(module: str, number: int, before: str = "signal.default_int_handler"):
    """What came of a command that got a signal when it began to import a module."""
    code = WISHED.format(module=module, number=number, before=before)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["typer", "pyarrow.vendored", "duckdb", "radlas.cli.weights"])
def test_a_command_that_has_not_begun_ends_with_one_line_and_the_signals_code(module, number):
    """Not with a traceback, nor with 1, which says: done, with cases in trouble."""
    ended = wished(module, number)
    assert ended.returncode == 128 + number
    assert ended.stderr == (
        "error: interrupted before anything began\n  try: run the same command again\n"
    )


def test_who_was_told_not_to_hear_ctrl_c_does_not():
    """As a script's command in the background."""
    ended = wished("duckdb", signal.SIGINT, before="signal.SIG_IGN")
    assert (ended.returncode, ended.stderr) == (0, "")


def ask_for_long(store: Store) -> None:
    with connect(store) as connection:
        connection.sql("select sum(a.range % 7) from range(1e11::bigint) a").fetchall()


@pytest.mark.parametrize(
    ("number", "handler", "wish"),
    [
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        (signal.SIGTERM, _terminated, Terminated),
    ],
)
def test_a_query_is_interrupted_as_all_else_is(number, handler, wish, tmp_path):
    """DuckDB answers with an error of its own, which would be told as a defect; and goes on."""
    store, before = init_store(tmp_path / "store"), signal.signal(number, handler)
    threading.Timer(1, os.kill, (os.getpid(), number)).start()
    try:
        with pytest.raises(wish):
            ask_for_long(store)
    finally:
        signal.signal(number, before)
    used = time.process_time()  # of all threads
    time.sleep(0.5)
    assert time.process_time() - used < 0.1


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
