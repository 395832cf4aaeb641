"""The store: one place, its format, its site key."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import IO

from radlas.digests import pseudonym
from radlas.errors import StoreError, WorkerError
from radlas.forms import FLAG, TEXT
from radlas.places.documents import damaged, document
from radlas.places.place import Place, open_place
from radlas.places.stages import located, sync

FORMAT = 4
HEAD = "radlas.json"
_HEAD = {"store_id": TEXT, "key_check": TEXT, "features_only": FLAG, "exported": {}}


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
        place: Where its files lie.
        store_id: Given once, by ``init``.
        key_check: Pseudonym of a constant under the site key: tells a wrong key from the right one.
        features_only: True for an export: there are no volumes, and that is no damage.
    """

    place: Place
    store_id: str
    key_check: str
    features_only: bool = False

    @property
    def key_path(self) -> Path:
        """Where the site key is looked for: beside the store, never in it."""
        return _key_path(self.place)

    def key(self) -> bytes:
        """The site's secret for pseudonyms.

        Raises:
            StoreError: The key is missing, lies in the store, or is not the one it was made with.
        """
        _refuse_inside(self.place, self.key_path)
        try:
            key = bytes.fromhex(self.key_path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise StoreError(
                "the site key is missing; without it the same patient would get a second name",
                str(self.key_path),
                "restore the key file, or name it with RADLAS_KEY",
            ) from None
        except ValueError:
            raise StoreError(
                "not a site key: expected hexadecimal digits",
                str(self.key_path),
                "restore the key file, or name it with RADLAS_KEY",
            ) from None
        if _check(key) != self.key_check:
            raise StoreError(
                "this is not the key the store was made with", str(self.key_path), "find the other"
            )
        return key


def init_store(address: str | Path, key_file: Path | None = None) -> Store:
    """Make an empty store and its site key beside it.

    Args:
        address: Folder to make, which may exist if empty; or ``s3://bucket/prefix``.
        key_file: A site key to copy; otherwise one is drawn.

    Raises:
        StoreError: There is a store, or something else, already; or the object storage does not
            honour conditional writes.
    """
    place = open_place(address)
    if "%" in str(place) or not str(place).isprintable() or "_delta_log" in str(place).split("/"):
        what = "a path with %, with a line's end, or through _delta_log cannot hold a lake"
        raise StoreError(what, repr(str(place)), "choose another place")
    if place.size(HEAD) is not None:
        raise StoreError("there is a store already", str(place), "use it, or choose another place")
    if not place.is_free():
        raise StoreError("the place is not empty", str(place), "choose an empty one")
    place.check()
    key_path = _key_path(place)
    _refuse_inside(place, key_path)
    if key_file is None and not _is_free(key_path):
        key_file = key_path
    text = _read_key(key_file) if key_file else secrets.token_hex(32)
    if not _is_kept(key_path, text):
        raise StoreError(
            "another site key lies where this store's key belongs: somebody may still need it",
            str(key_path),
            "move it away, or choose another place for the store",
        )
    write_head(place, uuid.uuid4().hex, _check(bytes.fromhex(text)))
    return open_store(address)


def _is_kept(path: Path, text: str) -> bool:
    """Write a key where none lies; whether this key is there then. Nobody's key is overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_free(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with located(path), os.fdopen(descriptor, "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # somebody else may be at it
            if not stream.read():
                _write_key(stream, path, text)
    return _read_key(path) == text


def _write_key(stream: IO[bytes], path: Path, text: str) -> None:
    try:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(f"{text}\n".encode("ascii"))
        os.fsync(stream.fileno())
        sync(path.parent)
    except BaseException:  # half a key would be refused, and in the way, for ever
        path.unlink()
        raise


def _is_free(path: Path) -> bool:
    """No key lies there; an empty file is what one left who was killed before he wrote it."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def write_head(place: Place, store_id: str, key_check: str, *, features_only: bool = False) -> None:
    """Write the file that makes a place a store; it is there once.

    Raises:
        StoreError: Somebody was faster.
    """
    head = {"format": FORMAT, "store_id": store_id, "key_check": key_check}
    head |= {"features_only": True} if features_only else {}
    try:
        place.create(HEAD, (json.dumps(head, indent=1) + "\n").encode())
    except FileExistsError:
        raise StoreError("there is a store already", str(place), "somebody just made it") from None


def open_store(address: str | Path) -> Store:
    """Open a store.

    Raises:
        StoreError: There is none, or it is of another format version.
    """
    place = open_place(address)
    try:
        head = document(place, HEAD, _HEAD)
    except FileNotFoundError:
        raise StoreError(
            "no store here", str(place), f"make one: radlas init {quote(str(place))}"
        ) from None
    if head.get("format") != FORMAT:
        raise StoreError(
            f"format {head.get('format')}, this radlas reads {FORMAT}",
            str(place),
            "use the radlas that made it, or ingest the sources into a new store",
        )
    # It names files, and the head of an export is another's: as `../..` it would name any file.
    if not re.fullmatch("[0-9a-f]{32}", head["store_id"]):
        raise damaged(head.where, "its store id is not 32 hexadecimal digits")
    return Store(place, head["store_id"], head["key_check"], head.get("features_only", False))


def check_still_there(store: Store) -> None:
    """Check that what was opened has not gone since: its tables would read as empty ones.

    Raises:
        StoreError: It was moved or removed, or its disk is not there for now.
    """
    if store.place.size(HEAD) is None:
        raise StoreError(
            "the store that was opened here is gone",
            str(store.place),
            "it was moved or removed, or its disk is not mounted: see to that, then run again",
            "os_error",
        )


def check_here(place: Place, store_id: str) -> None:
    """Check that a store lies where a task says, as this machine sees it.

    Where it is not mounted a worker would make the folders, and keep what it stores to itself.

    Raises:
        WorkerError: ``other_store``: there is none, or another.
    """
    try:
        found = document(place, HEAD, _HEAD)["store_id"]
    except FileNotFoundError:
        found = ""
    if found != store_id:
        what = f"this worker finds {'another' if found else 'no'} store at the store's address"
        hint = "mount the store under the same path on every worker's machine; then run again"
        raise WorkerError(what, hint=hint, reason="other_store")


def _key_path(place: Place) -> Path:
    named = os.environ.get("RADLAS_KEY")
    return Path(named) if named else place.beside(".key")


def _refuse_inside(place: Place, key_path: Path) -> None:
    """Whoever copies a store, or is given one, must not get its key with it."""
    if key_path.resolve().is_relative_to(Path(str(place)).resolve()):
        raise StoreError(
            "the site key may not lie in the store: who has both knows who is who",
            str(key_path),
            "move it out, and name it with RADLAS_KEY",
        )


def _check(key: bytes) -> str:
    return pseudonym(key, "radlas", "key-check")


def _read_key(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
        if len(bytes.fromhex(text)) < 16:
            raise ValueError("shorter than 128 bits")
    except OSError as error:
        what = f"the site key cannot be read: {error.strerror}"
        hint = "name a key file that is there, or none, and one is drawn"
        raise StoreError(what, str(path), hint) from None
    except ValueError as error:
        raise StoreError(f"not a site key: {error}", str(path), "32 bytes as hex digits") from None
    return text
