"""What a command writes outside of the store is there whole, or as it was before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import radlas

SELECT = "select case_id from cases order by 1"
WRITERS = {
    "page.html": ("report", "tiny", "--out", "{out}"),
    "qc.html": ("qc", "--engine", "serial", "--out", "{out}"),
    "rows.csv": ("query", SELECT, "--format", "csv", "--out", "{out}"),
    "rows.json": ("query", SELECT, "--format", "json", "--out", "{out}"),
    "rows.parquet": ("query", SELECT, "--format", "parquet", "--out", "{out}"),
    "rows.arrow": ("query", SELECT, "--format", "arrow", "--out", "{out}"),
}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_file_that_was_there_and_nothing_else(
    name, own_store, tmp_path, full_disk
):
    out = tmp_path / "pages" / name
    out.parent.mkdir()
    out.write_text("of yesterday")
    words = [word.format(out=out) for word in WRITERS[name]]
    with full_disk(name):
        said = radlas(*words, "--store", own_store)
    assert said.code == 2
    assert "No space left on device" in said.err + said.out
    assert (_names(out.parent), out.read_text()) == ([name], "of yesterday")
    assert radlas(*words, "--store", own_store).code == 0
    assert _names(out.parent) == [name]
    assert out.read_bytes() != b"of yesterday"


def test_a_patients_page_is_whole_or_absent(own_store, tmp_path, full_disk):
    case = radlas("query", SELECT, "--store", own_store, "--format", "csv").out.split()[1]
    words = ("predict", "tiny", case, "--store", own_store, "--out", tmp_path / "pages")
    name = f"{case[:12]}.html"
    with full_disk(name):
        said = radlas(*words)
    assert (said.code, "No space left on device" in said.err) == (2, True)
    assert _names(tmp_path / "pages") == []
    assert radlas(*words).code == 0
    assert _names(tmp_path / "pages") == [name]


def test_what_is_no_file_is_written_to_as_it_is_and_a_link_leads_to_its_file(study_store, tmp_path):
    """As /dev/stdout or a named pipe: nothing can take their place."""
    code = "from radlas.cli import app; app()"
    words = ["query", SELECT, "--format", "csv", "--out", "/dev/stdout", "--store", study_store]
    command = [sys.executable, "-c", code, *map(str, words)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.stdout.startswith("case_id\n"), ended.stderr
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    words[5] = tmp_path / "link.csv"
    assert radlas(*words).code == 0
    assert (tmp_path / "real.csv").read_text() == ended.stdout
    assert (tmp_path / "link.csv").is_symlink()
