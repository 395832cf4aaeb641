"""What is prepared beside its place goes with its writer, however that one ended."""

from __future__ import annotations

import signal
import subprocess
import sys

from radlas.stages import whole

KILLED = """
import os, signal, sys
from pathlib import Path
from radlas.stages import whole
with whole(Path(sys.argv[1])) as file:
    file.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_gone_after_the_next(tmp_path):
    """Others that live keep theirs, and so does what is called alike and none of ours."""
    out, mine = tmp_path / "page.html", tmp_path / ".download.partial"
    mine.mkdir()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert (ended.returncode, len(list(tmp_path.iterdir()))) == (-signal.SIGKILL, 2)
    with whole(tmp_path / "other.html") as other:
        other.write_text("whole")
        with whole(out) as file:
            file.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".download.partial",
        "other.html",
        "page.html",
    ]
    assert (tmp_path / "other.html").read_text() == out.read_text() == "whole"
