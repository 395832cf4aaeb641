"""How a folder of several files appears in a bucket, where no two of them appear at once.

A file that vouches for the others is written last: the seal. Of two writers that prepared different
things one stops, and neither changes what is sealed, on three conditions. Each file is made once.
The first in order tells what all of them hold, so that it is another for each writer. And what a
writer left that died is removed only when it was silent for longer than one that lives can be.
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radlas.places.bucket import Bucket

_SILENT = timedelta(minutes=15)  # that no writer is between two files: one is sent in ten at most
_NAP = 60.0  # after which a writer looks whether it was taken for dead [s]


def publish(place: Bucket, prepared: Path, folder: str, seal: str) -> None:
    """See ``Place.publish``.

    Raises:
        FileExistsError: It is sealed, or another writes there.
    """
    if place.size(f"{folder}/{seal}") is not None:
        raise FileExistsError(folder)
    files = _files(prepared, folder, seal)
    first, looked = next(iter(files)), time.time()
    for name, path in files.items():
        slept = time.time() - looked > _NAP  # and another may have begun anew
        if slept and name != first:
            if not _holds(place, first, files[first]):
                raise FileExistsError(folder)
            looked = time.time()
        place.create(name, path.read_bytes())


def clear(place: Bucket, folder: str, but: Path) -> None:
    """See ``Place.clear``.

    Raises:
        FileExistsError: Another may be writing there: it would go on with its next file, and seal
            what is left of its own beside ours.
    """
    there = {name: but / name.removeprefix(f"{folder}/") for name in place.names(folder)}
    others = [name for name, path in there.items() if not _holds(place, name, path)]
    if not others:
        return
    times, now = place.times(folder), place.now()
    if any(now - times.get(name, now) < _SILENT for name in others):
        raise FileExistsError(folder)
    for name in others:
        place.remove(name)


def _files(prepared: Path, folder: str, seal: str) -> dict[str, Path]:
    """By name, in the order in which they are made: from the top down, the seal last."""
    paths = [path for path in prepared.rglob("*") if path.is_file()]
    ordered = sorted(paths, key=lambda path: (path == prepared / seal, len(path.parts), path))
    return {f"{folder}/{path.relative_to(prepared).as_posix()}": path for path in ordered}


def _holds(place: Bucket, name: str, file: Path) -> bool:
    """Whether a file is there, and holds what one of this machine does."""
    try:
        return file.is_file() and place.read(name) == file.read_bytes()
    except FileNotFoundError:
        return False
