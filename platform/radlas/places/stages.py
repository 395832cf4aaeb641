"""Folders in which files are prepared before they appear, and whether their writer still lives.

A writer holds a lock on its folder, which the system gives back when it dies. A network file system
tells of a folder's lock on the writer's own machine only; so of other machines it must be long ago.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ENDING = ".partial"
_DEVICES = (Path("/dev"), Path("/dev/fd"))  # of files alone is what lies in /dev/shm
_LONG_AGO = 72 * 3600  # nobody prepares a case for so long, and no clocks differ by it [s]


def is_stage(name: str) -> bool:
    """Whether a folder of this name is one in which something is prepared."""
    return name.startswith(".") and name.endswith(_ENDING)


def new_stage(parent: Path) -> tuple[Path, int]:
    """A folder, and the descriptor that holds its lock for as long as it is open."""
    while True:
        stage = parent / f".{uuid.uuid4().hex}{_here()}"
        stage.mkdir()
        try:
            held = os.open(stage, os.O_RDONLY)
        except FileNotFoundError:
            continue  # swept before it was locked
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError:  # some file systems have no locks
            os.close(held)
            stage.rmdir()
            raise
        if stage.exists():
            return stage, held
        os.close(held)


@contextmanager
def abandoned(stage: Path) -> Iterator[bool]:
    """Whether no writer lives that prepares this folder; none can begin meanwhile."""
    try:
        held = os.open(stage, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        yield False  # published or removed just now; or somebody else's, in a folder of many
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        is_old = time.time() - os.fstat(held).st_mtime > _LONG_AGO
        yield is_old or stage.name.endswith(_here())
    finally:
        os.close(held)


def _here() -> str:
    """What the names of this machine's stages end with."""
    return f"@{re.sub(r'[^A-Za-z0-9]+', '-', platform.node())[:32]}{_ENDING}"


@contextmanager
def staged(parent: Path) -> Iterator[Path]:
    """A new folder to prepare something in, gone afterwards; so are those of writers that died."""
    sweep(parent)
    stage, held = new_stage(parent)
    try:
        yield stage
    finally:
        os.close(held)
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Say where, if the system refuses to write, and what in its own words.

    Of a full disk it names no file, and of a missing folder a stage that nobody knows; Arrow names
    that stage in the text.
    """
    try:
        yield
    except OSError as error:
        # One without a number has its words alone, and they are lost once it has a file.
        error.strerror = str(error) if error.errno is None else os.strerror(error.errno)
        if error.filename is None or any(map(is_stage, Path(str(error.filename)).parts)):
            error.filename = str(path)
        raise


def sweep(folder: Path) -> None:
    """Remove what writers that died had prepared there; those that live keep it."""
    for stage in folder.glob(f".*@*{_ENDING}"):
        with abandoned(stage) as is_dead:
            if is_dead:
                shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write a file under: it is on disk and whole, or there is what was there before.

    What is no file, as a pipe or ``/dev/stdout``, is written to as it is.
    """
    if path.parent in _DEVICES or (path.exists() and not path.is_file()):
        yield path
        return
    target = path.resolve()  # of a link it is what the link leads to
    with located(target), staged(target.parent) as stage:
        yield stage / target.name
        appear(stage / target.name, target)
        sync(target.parent)


def sync(path: Path) -> None:
    """On disk: a file's bytes, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with located(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def appear(temporary: Path, path: Path) -> None:
    """Give a file its name, once its bytes are on disk."""
    sync(temporary)
    temporary.replace(path)
