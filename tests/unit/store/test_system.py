"""What a file system refuses: rights, a disk or a mount that fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from radlas.store.models import change_json, find_json
from radlas.store.pretraining import note_pretraining, pretraining_of

from .conftest import here


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
    change_json(store, "models/looks.json", lambda _: {"looks": ["one"]})
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "looks.json")  # as 3.13 has it
    with pytest.MonkeyPatch.context() as patch:
        refusing("looks.json", patch=patch)
        with pytest.raises(OSError, match="Input/output error"):
            change_json(store, "models/looks.json", lambda _: {"looks": []})
    assert find_json(store, "models/looks.json") == {"looks": ["one"]}
