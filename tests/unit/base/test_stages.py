"""What is prepared beside its place goes with its writer, however that one ended."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from radlas.places.stages import located, sync, whole
from radlas.store.layout import init_store

SHARED = Path("/dev/shm")  # noqa: S108 - that folder is meant
KILLED = """
import os, signal, sys
from pathlib import Path
from radlas.places.stages import sync, whole
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


def test_of_a_full_disk_it_is_said_where(tmp_path, full_disk):
    """The system itself names no file when it cannot write to it."""
    refused = pytest.raises(OSError, match="No space left")
    with full_disk("page"), refused as full, whole(tmp_path / "page") as file:
        file.write_text("x")
    assert full.value.filename == str(tmp_path / "page")


def test_an_error_without_a_number_keeps_its_words(tmp_path):
    """Libraries raise such; with a file it read as [Errno None] None."""
    with pytest.raises(OSError, match="half of it is missing") as failed, located(tmp_path):
        raise OSError("half of it is missing")
    assert (failed.value.strerror, failed.value.filename) == (
        "half of it is missing",
        str(tmp_path),
    )


def test_a_disk_that_fails_as_it_is_asked_to_keep_a_file_is_told_with_the_file(
    tmp_path, monkeypatch
):
    """The system names none, and a store may lie on several disks."""

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "part").write_text("x")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error") as failed:
        sync(tmp_path / "part")
    assert failed.value.filename == str(tmp_path / "part")


@pytest.mark.skipif(not SHARED.is_dir(), reason="this system has no /dev/shm")
def test_in_shared_memory_a_file_is_whole_or_as_it_was():
    """It lies below /dev, and is no device: a run that was killed left half a checkpoint there."""
    with TemporaryDirectory(dir=SHARED) as folder:
        path = Path(folder, "checkpoint.pt")
        path.write_text("of yesterday")
        ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert (ended.returncode, path.read_text()) == (-signal.SIGKILL, "of yesterday")


def test_a_key_that_cannot_be_written_is_not_left_empty(tmp_path, monkeypatch):
    """Else it would be refused as no key, and be in the way of the next try."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("radlas.store.layout.os.fsync", refuse)
        with pytest.raises(OSError, match="No space left") as full:
            init_store(tmp_path / "store")
    assert full.value.filename == str(tmp_path / "store.key")
    assert not (tmp_path / "store.key").exists()
    assert len(init_store(tmp_path / "store").key()) == 32


def test_a_key_file_that_a_kill_left_empty_is_written_by_the_next(tmp_path):
    """It is no key, and nobody can have made a store with it."""
    for killed_at in ("os.fchmod", "os.fsync"):
        place = tmp_path / killed_at
        code = f"""
import os, signal, sys
from radlas.store.layout import init_store
{killed_at} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
init_store(sys.argv[1])
"""
        ended = subprocess.run([sys.executable, "-c", code, str(place / "store")], check=False)
        assert ended.returncode == -signal.SIGKILL
        key = place / "store.key"
        left = key.read_text().strip()
        made = init_store(place / "store").key().hex()
        assert made == (left or made)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
