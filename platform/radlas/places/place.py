"""Where a store's files lie: in a folder (``Folder``), or under a prefix of a bucket (``Bucket``).

All that the store asks of either is here. Files are created whole or not at all; what is named by
its content, or sealed, never changes; the few files that do are replaced in one step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator

from radlas.errors import ConfigError
from radlas.places.folder import Folder

SCHEME = "s3://"
_SCHEMED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+")  # as RFC 3986 has it
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of another name libraries die


class Place(Protocol):
    """A folder or a prefix. Names are relative to it, with ``/`` between their parts."""

    @property
    def near(self) -> Path:
        """The local folder below which ``local`` returns files."""

    def read(self, name: str) -> bytes:
        """A file's bytes; FileNotFoundError if there is none."""

    def create(self, name: str, data: bytes) -> None:
        """Make a file, whole and for good; FileExistsError if there is one of other bytes.

        If its bytes are just these, it may be ours: a server's answer is lost now and then.
        """

    def replace(self, name: str, data: bytes) -> None:
        """Make a file, or put another content in its place in one step."""

    def change(self, name: str, made: Callable[[bytes | None], bytes]) -> None:
        """Replace a file by what is made of it; None is given if there is none.

        The caller holds a lock; in a bucket another may have taken it, and nothing is lost then:
        it is made anew of what the other wrote.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def names(self, folder: str = "") -> list[str]:
        """Every file below a folder, sorted; empty if there is no such folder."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none."""

    def sha256(self, name: str) -> str:
        """Digest of the bytes as they are stored, not of a copy; FileNotFoundError as in read."""

    def local(self, names: Sequence[str]) -> list[Path]:
        """Files to read that never change; FileNotFoundError if one is not there."""

    def fetched(self, folder: str) -> Path:
        """A folder to read, as it is now, on this machine."""

    def staging(self, folder: str) -> Any:
        """A context with a new local folder to prepare files in, near ``folder``."""

    def keep(self, file: Path, name: str) -> None:
        """Take a prepared file over; one of that name is the same, as names say what they hold."""

    def publish(self, prepared: Path, folder: str, seal: str) -> None:
        """Take a prepared folder over: it is there once its file ``seal`` is.

        Raises FileExistsError if there is a sealed one already, or if another is being written.
        """

    def clear(self, folder: str, but: Path) -> None:
        """Remove what is below a folder that is not sealed; what is as in ``but`` may stay.

        Raises FileExistsError if another may be writing there.
        """

    def sweep(self, folder: str) -> None:
        """Remove what writers that died had prepared near ``folder``; those that live keep it."""

    def settle(self, names: Sequence[str]) -> None:
        """Have files on disk that others wrote here, those of them that are there."""

    def uri(self, name: str) -> str:
        """A folder's address, as Delta wants it."""

    @property
    def delta_options(self) -> dict[str, str]:
        """What Delta must know besides."""

    def zarr(self, name: str) -> Any:
        """A folder as a store that zarr reads."""

    def beside(self, ending: str) -> Path:
        """A file of this machine that belongs to the place and must not be in it."""

    def is_free(self) -> bool:
        """Whether nothing at all is there."""

    def check(self) -> None:
        """StoreError if the place cannot keep what ``create`` promises."""


def open_place(address: str | Path) -> Place:
    """The place of an address: ``s3://bucket/prefix``, else a folder."""
    text = plain_address(address)
    if not text.startswith(SCHEME):
        return Folder(Path(text))
    from radlas.places.bucket import Bucket  # noqa: PLC0415 - most stores are folders

    return Bucket(text)


def plain_address(address: str | Path) -> str:
    """An address in its one spelling: a folder's path is absolute, none ends with ``/``.

    Raises:
        ConfigError: It holds a backslash, which Delta would take for a folder's end; or it begins
            with a scheme other than ``s3://``, and would be made as a folder called ``https:``; or
            it names no bucket, or a prefix that a server could read otherwise.
    """
    text = str(address)
    if "\\" in text:
        raise ConfigError("a backslash in a store's address", text, "choose another name")
    if text.startswith(SCHEME):
        return _in_bucket(text)
    if scheme := _SCHEMED.match(text):
        what = f"a store is a folder or in a bucket; nothing is known of {scheme[0]}"
        raise ConfigError(what, text, f"a folder's path, or {SCHEME}bucket/prefix")
    return str(Path(text).absolute())


def _in_bucket(text: str) -> str:
    bucket, *parts = text.removeprefix(SCHEME).rstrip("/").split("/")
    lack = "" if _BUCKET.fullmatch(bucket) else "no bucket's name stands in it"
    if not all(parts) or {".", ".."} & set(parts):
        lack = "a part of its prefix is empty, `.` or `..`"
    if {"#", "?"} & set(text):  # where an address ends for Delta
        lack = "it holds # or ?"
    if not text.isprintable():
        lack = "it holds a line's end, or another sign that cannot be seen"
    if lack:
        raise ConfigError(f"no address in a bucket: {lack}", repr(text), f"{SCHEME}bucket/prefix")
    return f"{SCHEME}{'/'.join((bucket, *parts))}"


Address = Annotated[str, BeforeValidator(plain_address)]
