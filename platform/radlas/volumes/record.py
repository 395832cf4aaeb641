"""The commit record of a case: what was stored, to the byte, under a seal.

Zarr reads a missing chunk as zeros and never looks at bytes it does not need. So the record names
every file of the case with its size, the small ones with their SHA-256, and the digests of what
the files mean. Files of chunks carry checksums of their own, and are decoded to verify a case.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from radlas.digests import digest_of, from_json
from radlas.errors import StoreError, remedy
from radlas.geometry import Geometry
from radlas.places.place import Place

COMMIT = "commit.json"
_REMEDY = "restore the folder from a backup, or delete it and ingest the exam again"


@dataclass(frozen=True)
class Record:
    """What was committed.

    Attributes:
        content: Digests of ``affine``, ``image`` and ``masks``: what the case is.
        files: Size of every file, and SHA-256 of those that hold no chunks: how it is stored.
    """

    content: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]

    def text(self) -> str:
        """The one text of this record."""
        body = {"content": self.content, "files": {k: list(v) for k, v in self.files.items()}}
        sealed = {**body, "seal": digest_of(body)}
        return json.dumps(sealed, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class KnownCase:
    """What the tables tell of a case.

    Attributes:
        image: Digest of its voxels.
        masks: Digests of drawn masks, by the name of their array.
        spacing: Voxel edges along ``(x, y, z)`` [mm]; empty if nothing is told.
    """

    image: str
    masks: Mapping[str, str]
    spacing: tuple[float, ...] = ()

    def contradictions(self, content: Mapping[str, Any], geometry: Geometry) -> str:
        """Which of it is otherwise in a case of this content and grid, in words; empty if none is.

        Masks of which nothing is told contradict nothing.
        """
        masks = {key: digest for key, digest in content["masks"].items() if key in self.masks}
        same = {
            "voxels": self.image == content["image"],
            "masks": self.masks == masks,
            "spacing": not self.spacing or np.allclose(self.spacing, geometry.spacing, 1e-9),
        }
        return " and ".join(what for what, alike in same.items() if not alike)


def file_table(place: Place, folder: str = "") -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file below a folder, without the record itself; see ``Record``."""
    found = {}
    for name in place.names(folder):
        below = PurePosixPath(name).relative_to(folder)
        if below.name != COMMIT:
            is_chunk = below.name.isdigit()
            sha = "" if is_chunk else place.sha256(name)
            found[below.as_posix()] = (place.size(name) or 0, sha)
    return found


def load_record(place: Place, folder: str, case_id: str) -> Record:
    """The record in a case's folder.

    Raises:
        StoreError: There is none, or it is not, byte for byte, a record under its own seal.
    """
    try:
        told = place.read(f"{folder}/{COMMIT}")
    except FileNotFoundError:
        hint = "restore its folder from a backup, or ingest the exam again, if it is one of: "
        hint += "radlas query 'select case_id from cases'"  # tables are not seen from here
        raise StoreError("no volume of this case is here", f"case {case_id}", hint) from None
    try:
        text = told.decode()
        sealed = from_json(text)
        files = {name: (int(size), str(sha)) for name, (size, sha) in sealed["files"].items()}
        record = Record(sealed["content"], files)
        if record.text() != text:
            raise ValueError("its seal does not fit")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable("the commit record", case_id, error) from error
    return record


def check_files(place: Place, folder: str, case_id: str, record: Record) -> None:
    """Check every file of a case against its record, to the byte.

    Raises:
        StoreError: A file is missing, was changed, or was added; names all of them.
    """
    there = file_table(place, folder)
    wrong = [
        f"{name} {_what(there.get(name), record.files.get(name))}"
        for name in sorted(there.keys() | record.files.keys())
        if there.get(name) != record.files.get(name)
    ]
    if wrong:
        raise damaged(", ".join(wrong), case_id)


def check_size(place: Place, folder: str, case_id: str, record: Record, name: str) -> None:
    """Check one file's size against the record: cheap, and enough before a read with checksums.

    Raises:
        StoreError: The file is missing or of another size.
    """
    size = place.size(f"{folder}/{name}")
    told = record.files.get(name, (None, ""))[0]
    if size is None or size != told:
        raise damaged(f"{name} holds {size} of {told} bytes", case_id)


def check_bytes(place: Place, folder: str, case_id: str, record: Record, name: str) -> None:
    """Check one small file against the record: what it says decides how others are read.

    Raises:
        StoreError: The file is missing or was changed.
    """
    try:
        found = (place.size(f"{folder}/{name}"), place.sha256(f"{folder}/{name}"))
    except OSError as error:
        raise unreadable(name, case_id, error) from error
    if found != record.files.get(name):
        raise damaged(f"{name} was changed", case_id)


def damaged(what: str, case_id: str, why: str = "") -> StoreError:
    """The error of a case that is not what was committed."""
    said = f"{what} cannot be read: {why}" if why else f"not as it was committed: {what}"
    return StoreError(said, f"case {case_id}", _REMEDY, "damaged")


def unreadable(what: str, case_id: str, error: Exception) -> StoreError:
    """The error of a part whose reading ended in another.

    What the system refuses may be whole: nobody is to delete it, and ingest the exam again.
    """
    if isinstance(error, OSError) and (hint := remedy(error)):
        said = f"{what} cannot be read: {os.strerror(error.errno or 0)}"
        return StoreError(said, f"case {case_id}", f"{hint}; then run again", "os_error")
    return damaged(what, case_id, _without_path(error, case_id))


def _without_path(error: Exception, case_id: str) -> str:
    """The ledger keeps what is said, and travels: a path on this machine may hold a name."""
    if isinstance(error, OSError):
        said = os.strerror(error.errno) if error.errno else type(error).__name__
        inside = str(error.filename or "").partition(f"{case_id}.zarr/")[2]
        return f"{inside}: {said}" if inside else said
    text = str(error)
    return type(error).__name__ + (f": {text}" if text and "/" not in text else "")


def _what(there: tuple[int, str] | None, told: tuple[int, str] | None) -> str:
    if there is None:
        return "is missing"
    if told is None:
        return "was added"
    return f"holds {there[0]} of {told[0]} bytes" if there[0] != told[0] else "was changed"
