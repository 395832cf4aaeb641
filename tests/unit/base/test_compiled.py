"""Where compiled loops are looked for and kept."""

from __future__ import annotations

import importlib.util
import os
import tempfile

import pytest

from radlas.compiled import kept_in

LOOP = """
from radlas.compiled import kernel

@kernel
def doubled(x):
    return 2 * x
"""


@pytest.fixture
def loop(tmp_path, monkeypatch):
    """The same loop, as another process would import it: from a file beside which it was kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")
    source = tmp_path / "image" / "loops.py"
    source.parent.mkdir()
    source.write_text(LOOP, encoding="utf-8")

    def imported():
        spec = importlib.util.spec_from_file_location("loops", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.doubled

    return imported


@pytest.fixture
def only_read(tmp_path, monkeypatch):
    """Make folders such that nobody can write to them, not even root."""
    fixed = list[str]()
    access, temporary = os.access, tempfile.TemporaryFile

    def refused(path):
        return any(str(path).startswith(one) for one in fixed)

    def written(*args, **kwargs):
        if refused(kwargs.get("dir")):
            raise OSError(30, "Read-only file system")
        return temporary(*args, **kwargs)

    monkeypatch.setattr(os, "access", lambda path, how: not refused(path) and access(path, how))
    monkeypatch.setattr(tempfile, "TemporaryFile", written)
    return lambda name: fixed.append(str(tmp_path / name))


def counted(loop):
    return sum(loop.stats.cache_hits.values()), sum(loop.stats.cache_misses.values())


def kept(folder):
    return sorted(folder.rglob("*.nb?"))


def test_loops_of_an_image_that_can_only_be_read_are_not_compiled_anew(loop, only_read, tmp_path):
    assert loop()(3) == 6
    there = kept(tmp_path)
    assert there
    only_read("image")
    only_read("cache")
    again = loop()
    assert (again(3), counted(again)) == (6, (1, 0))
    assert again(1.5) == 3.0  # what was not compiled there
    assert kept(tmp_path) == there


def test_what_an_image_lacks_is_kept_where_there_is_room(loop, only_read, tmp_path):
    assert loop()(3) == 6
    only_read("image")
    assert loop()(1.5) == 3.0
    assert kept(tmp_path / "cache")
    again = loop()
    assert (again(3), again(1.5), counted(again)) == (6, 3.0, (2, 0))


def test_loops_work_where_none_can_be_read_or_kept(loop, only_read, tmp_path):
    only_read("image")
    only_read("cache")
    assert loop()(3) == 6
    assert not kept(tmp_path)


def test_loops_of_another_processor_are_not_taken_for_those_of_this_one(loop, monkeypatch):
    made = loop()
    assert kept_in(made) is None
    assert made(3) == 6
    assert kept_in(loop()) == kept_in(made) is not None
    codegen = type(made.targetctx.codegen())
    monkeypatch.setattr(codegen, "magic_tuple", lambda self: ("x86_64", "another", ""))
    assert kept_in(loop()) is None


def test_it_is_told_where_loops_lie_that_can_only_be_read(loop, only_read, tmp_path):
    loop()(3)
    only_read("image")
    only_read("cache")
    again = loop()
    assert kept_in(again) == tmp_path / "image" / "__pycache__"
    assert again.stats.cache_path is None
