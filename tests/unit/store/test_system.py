"""What a file system refuses: rights, a disk or a mount that fails, no locks, no hard links.

It is told as that, with what to try, and never as damage: what is refused may be whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import DeltaError

from radlas.errors import StoreError, refused, remedy
from radlas.store import delta
from radlas.store.health import verify
from radlas.store.layout import init_store
from radlas.store.locks import writing
from radlas.store.models import change_json, find_json
from radlas.store.pretraining import note_pretraining, pretraining_of
from radlas.store.query import connect, run_sql
from radlas.store.recipes import save_recipe
from radlas.store.snapshots import create_snapshot

from .conftest import case_row, fill, here, part_names

REFUSED = [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE]
LOOK = {"centre": "c", "model": "m@1", "made_from": "k", "at": None}


@pytest.fixture
def refusing(monkeypatch):
    """Files and folders whose paths hold a text are not opened."""

    def refuse(text, number=errno.EIO, patch=monkeypatch):
        plain_open, plain_scan = Path.open, os.scandir

        def refused_open(path, *args, **kwargs):
            if text in str(path):
                raise OSError(number, os.strerror(number), str(path))
            return plain_open(path, *args, **kwargs)

        def refused_scan(path):
            if text in os.fspath(path):
                raise OSError(number, os.strerror(number), os.fspath(path))
            return plain_scan(path)

        patch.setattr(Path, "open", refused_open)
        patch.setattr(os, "scandir", refused_scan)

    return refuse


@here
def test_a_folder_that_cannot_be_read_is_not_an_empty_one(store, refusing):
    """Else a network would have seen nobody, a study no model, and a snapshot would be gone."""
    note_pretraining(store, "weights", {"subjects": ["s1"]})
    refusing("pretraining", errno.EACCES)
    with pytest.raises(OSError, match="Permission denied") as caught:
        pretraining_of(store, {"weights"})
    assert caught.value.filename == str(store.place.root / "pretraining")


@here
def test_a_file_that_cannot_be_read_is_not_begun_anew(store, refusing, monkeypatch):
    """It is the history of champions, or the looks at a holdout."""
    change_json(store, "models/looks.json", lambda _: {"looks": [LOOK]})
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "looks.json")  # as 3.13 has it
    with pytest.MonkeyPatch.context() as patch:
        refusing("looks.json", patch=patch)
        with pytest.raises(OSError, match="Input/output error"):
            change_json(store, "models/looks.json", lambda _: {"looks": []})
    assert find_json(store, "models/looks.json") == {"looks": [LOOK]}


@here
@pytest.mark.parametrize("number", REFUSED)
def test_a_part_that_is_refused_is_not_told_as_damaged(filled, monkeypatch, number):
    """Nobody is to take a copy of yesterday for what a mount of today does not give."""

    def refuse(path):
        raise OSError(number, "Failed to open local file: by a library, in words of its own")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(StoreError, match=os.strerror(number)) as caught:
        delta.read(filled, "cases")
    assert caught.value.reason == "os_error"
    assert caught.value.where == f"{filled.place}/{part_names(filled, 'cases')[0]}"
    assert "backup" not in caught.value.hint or number == errno.EIO


@contextmanager
def no_more_files():
    """This process may open none."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@here
def test_a_query_that_may_open_no_more_files_says_so(filled):
    """A lake has hundreds of parts, and some systems let a process have 256."""
    refused_part = pytest.raises(StoreError, match="Too many open files")
    with refused_part as caught, connect(filled) as connection, no_more_files():
        run_sql(connection, "select firstorder_Mean from radiomics")
    assert "ulimit -n" in caught.value.hint


@here
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_log_whose_disk_fails_is_not_told_as_damaged(filled, monkeypatch, number):
    def refuse(*_, **__):
        text = f"Kernel error: Io error: {os.strerror(number)} (os error {number})"
        raise DeltaError(text)

    monkeypatch.setattr("radlas.store.log.DeltaTable", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        delta.version(filled, "cases")
    assert caught.value.filename == f"{filled.place}/lake/cases/_delta_log"


@here
def test_verify_goes_on_beside_what_a_disk_that_fails_does_not_give(filled, refusing):
    """That is when it is run; and what else it found would be told to nobody."""
    save_recipe(filled, "p-1", {"extractor": "radiomics"})
    for name in ("x", "y"):
        create_snapshot(filled, name)
    parts = part_names(filled, "radiomics") + part_names(filled, "cases")
    refused_parts = [Path(name).name for name in parts]
    first, *others = [*refused_parts, "x@1.json", "p-1.json"]
    for name in (first, *others):
        refusing(name)
    damage = "\n".join(verify(filled))
    for name in (first, *others):
        assert name in damage
    assert damage.count("Input/output error") == len([first, *others])


@here
def test_what_is_refused_is_told_with_what_to_try(store):
    """Whatever it is; and a disk without a word for it is told by the path, as before."""
    told = {number: refused(OSError(number, os.strerror(number), "/store")) for number in REFUSED}
    assert "ulimit -n" in told[errno.EMFILE].hint
    assert "mount it again" in told[errno.ESTALE].hint
    assert len({one.hint for one in told.values()}) == len(REFUSED)
    assert all("running again is safe" in one.hint for one in told.values())
    assert remedy(OSError("bad stream")) == remedy(ValueError()) == ""
    assert "free space" in refused(OSError("odd")).hint


def without_locks(*_):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_a_file_system_without_locks_is_told_and_nothing_is_left_there(tmp_path, monkeypatch):
    """As Lustre, where nobody asked for them."""
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(OSError, match="Function not implemented") as caught:
        init_store(tmp_path / "store")
    assert "-o flock" in refused(caught.value).hint
    assert list((tmp_path / "store").iterdir()) == []


def test_a_store_that_was_moved_to_where_no_locks_are_says_which_lock(tmp_path, monkeypatch):
    store = init_store(tmp_path / "store")
    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(OSError, match="Function not implemented") as caught, writing(store, "x"):
        pass
    assert caught.value.filename == str(tmp_path / "store" / "locks" / "x.lock")


def test_a_file_system_without_hard_links_holds_no_store_and_says_so(tmp_path, monkeypatch):
    """As FAT: a file that is made once is a second name of what was prepared."""

    def without(source, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(source), None, str(target))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", without)
        with pytest.raises(OSError, match="Operation not permitted") as caught:
            init_store(tmp_path / "store")
    assert "hard links" in refused(caught.value).hint
    assert caught.value.filename == str(tmp_path / "store")
    assert init_store(tmp_path / "store").key()


def test_another_persons_stage_in_a_folder_of_many_is_in_nobodys_way(tmp_path, monkeypatch):
    """Its owner alone may open it, and may have been killed."""
    store = fill(init_store(tmp_path / "store"))
    theirs = tmp_path / "store" / "lake" / f".0123@{os.uname().nodename}.partial"
    theirs.mkdir()
    plain_open = os.open

    def theirs_alone(path, *args, **kwargs):
        if os.fspath(path) == str(theirs):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(theirs))
        return plain_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", theirs_alone)
    assert delta.append(store, "cases", [case_row("d")], run_id="r") == 1
    assert theirs.exists()
