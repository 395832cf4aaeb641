"""Law 10: no process that a verb starts asks the network for anything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import radlas

# Python imports this at the start of every process, workers included. A datagram socket that is
# connected sends nothing: Dask learns so which address this machine would be reached at.
WATCH = """
import os, socket, sys

LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname()}

def watch(event, args):
    if event == "socket.connect" and args[0].family != socket.AF_UNIX:
        asked = args[0].type == socket.SOCK_STREAM and args[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        asked = args[0]
    elif event == "socket.sendto" and args[0].family != socket.AF_UNIX:
        asked = args[1][0]
    else:
        return
    asked = asked.decode() if isinstance(asked, bytes) else asked
    if asked and asked not in LOCAL:
        with open(os.environ["ASKED"], "a") as log:
            print(event, asked, file=log)

open(os.environ["ASKED"] + f".{os.getpid()}", "w").close()
sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path):
    """Runs Python with these words; what all its processes asked of the network, and how many."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "asked"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "ASKED": str(log)}

    def run(*words: object) -> tuple[list[str], int]:
        command = [sys.executable, *map(str, words)]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        asked = log.read_text().splitlines() if log.exists() else []
        return asked, len(list(tmp_path.glob("asked.*")))

    return run


def test_the_watch_sees_who_asks(watched):
    ask = "import socket; s = socket.socket(); s.settimeout(0.01); s.connect_ex(('192.0.2.1', 80))"
    assert watched("-c", ask) == (["socket.connect 192.0.2.1"], 1)


def test_from_ingest_to_the_page_nobody_asks_the_network(
    cohort, recipe, own_store, tmp_path, watched
):
    store = tmp_path / "new"
    case, *_ = radlas("query", "select case_id from cases", "--store", own_store, "--json").data
    centre = ("--centre", "centre-c", "--importer", "nifti", "--engine", "local:1")
    for words in (
        ("init", store),
        ("ingest", cohort / "centre-c", "--store", store, *centre),
        ("extract", "--store", store, "--config", recipe, "--engine", "local:1"),
        ("snapshot", "create", "s", "--store", store),
        ("query", "select count(*) from radiomics", "--store", store, "--snapshot", "s"),
        ("verify", "--store", store),
        ("report", "tiny", "--store", own_store, "--out", tmp_path / "page.html"),
        ("predict", "tiny", case["case_id"], "--store", own_store),
    ):
        asked, processes = watched("-m", "radlas", *words)
        assert asked == [], words
    assert processes > 8, "the workers' processes were not watched"
