"""Where a store's files lie: a folder, or a prefix of a bucket (``bucket.py``).

All that the store asks of either is here. Files are created whole or not at all; what is named by
its content, or sealed, never changes; the few files that do are replaced in one step.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator

from radlas.digests import file_digest
from radlas.errors import ConfigError
from radlas.stages import abandoned, appear, is_stage, located, staged, sync

SCHEME = "s3://"
_SCHEMED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+")  # as RFC 3986 has it


class Place(Protocol):
    """A folder or a prefix. Names are relative to it, with ``/`` between their parts."""

    @property
    def near(self) -> Path:
        """The folder that ``local`` gives files of."""

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
        """Remove what is below a folder that is not sealed; what is as in ``but`` may stay."""

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


@dataclass(frozen=True)
class Folder:
    """A place in a file system.

    Attributes:
        root: Its folder, absolute.
    """

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    @property
    def near(self) -> Path:
        """See ``Place``."""
        return self.root

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        try:
            return (self.root / name).read_bytes()
        except NotADirectoryError as error:  # a file stands where a folder should
            raise FileNotFoundError(*error.args) from error

    def create(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        with self._written(name, data) as temporary:
            os.link(temporary, self.root / name)

    def replace(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        with self._written(name, data) as temporary:
            temporary.replace(self.root / name)

    def change(self, name: str, made: Callable[[bytes | None], bytes]) -> None:
        """See ``Place``."""
        self.replace(name, made(self.read(name) if (self.root / name).exists() else None))

    def remove(self, name: str) -> None:
        """See ``Place``."""
        (self.root / name).unlink(missing_ok=True)

    def names(self, folder: str = "") -> list[str]:
        """See ``Place``; what is being prepared does not count, and may vanish meanwhile."""
        found: list[str] = []
        for here, folders, files in os.walk(self.root / folder):
            folders[:] = [name for name in folders if not is_stage(name)]
            within = Path(here).relative_to(self.root)
            found += [(within / name).as_posix() for name in files if not is_stage(name)]
        return sorted(found)

    def size(self, name: str) -> int | None:
        """See ``Place``."""
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def sha256(self, name: str) -> str:
        """See ``Place``."""
        return file_digest(self.root / name)

    def local(self, names: Sequence[str]) -> list[Path]:
        """See ``Place``."""
        return [self.root / name for name in names]

    def fetched(self, folder: str) -> Path:
        """See ``Place``."""
        return self.root / folder

    @contextmanager
    def staging(self, folder: str) -> Iterator[Path]:
        """See ``Place``. The lock on the folder tells a writer that lives from one that died."""
        parent = (self.root / folder).parent
        parent.mkdir(parents=True, exist_ok=True)
        with located(parent), staged(parent) as stage:
            prepared = stage / "prepared"  # who fills it may remove it and make it anew
            prepared.mkdir()
            yield prepared

    def keep(self, file: Path, name: str) -> None:
        """See ``Place``."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        appear(file, target)
        sync(target.parent)

    def publish(self, prepared: Path, folder: str, seal: str) -> None:
        """See ``Place``. All of it appears by one rename; the seal is among it."""
        target = self.root / folder
        for path in sorted(prepared.rglob("*")):
            sync(path)
        sync(prepared)
        try:
            prepared.rename(target)
        except OSError as error:  # a rename onto a folder that is not empty
            if not (target / seal).exists():
                raise
            raise FileExistsError(str(target)) from error
        sync(target.parent)

    def clear(self, folder: str, but: Path) -> None:
        """See ``Place``: a rename takes its place."""
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def sweep(self, folder: str) -> None:
        """See ``Place``."""
        for pattern in (".*.partial", "*/.*.partial"):
            for stage in (self.root / folder).glob(pattern):
                with abandoned(stage) as is_dead:
                    if is_dead:
                        shutil.rmtree(stage, ignore_errors=True)

    def settle(self, names: Sequence[str]) -> None:
        """See ``Place``."""
        paths = [path for name in names if (path := self.root / name).is_file()]
        for path in (*paths, *{path.parent for path in paths}):
            sync(path)

    def uri(self, name: str) -> str:
        """See ``Place``."""
        return str(self.root / name)

    @property
    def delta_options(self) -> dict[str, str]:
        """See ``Place``."""
        return {}

    def zarr(self, name: str) -> Any:
        """See ``Place``."""
        return self.root / name

    def beside(self, ending: str) -> Path:
        """See ``Place``."""
        return Path(f"{self.root}{ending}")

    def is_free(self) -> bool:
        """See ``Place``."""
        if not self.root.is_dir():
            return not self.root.exists()
        return all(is_stage(path.name) for path in self.root.iterdir())  # of one that was killed

    def check(self) -> None:
        """See ``Place``: a file system can."""

    @contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Path]:
        """A file on disk, not yet in its place; the place is synced when it is."""
        with self.staging(name) as stage:
            temporary = stage / "file"
            temporary.write_bytes(data)
            sync(temporary)
            yield temporary
        sync((self.root / name).parent)


def open_place(address: str | Path) -> Place:
    """The place of an address: ``s3://bucket/prefix``, else a folder."""
    text = plain_address(address)
    if not text.startswith(SCHEME):
        return Folder(Path(text))
    from radlas.bucket import Bucket  # noqa: PLC0415 - most stores are folders

    return Bucket(text)


def plain_address(address: str | Path) -> str:
    """An address in its one spelling: a folder's path is absolute, none ends with ``/``.

    Raises:
        ConfigError: It holds a backslash, which Delta would take for a folder's end; or it begins
            with a scheme other than ``s3://``, and would be made as a folder called ``https:``.
    """
    text = str(address)
    if "\\" in text:
        raise ConfigError("a backslash in a store's address", text, "choose another name")
    if text.startswith(SCHEME):
        return text.rstrip("/")
    if scheme := _SCHEMED.match(text):
        what = f"a store is a folder or in a bucket; nothing is known of {scheme[0]}"
        raise ConfigError(what, text, f"a folder's path, or {SCHEME}bucket/prefix")
    return str(Path(text).absolute())


Address = Annotated[str, BeforeValidator(plain_address)]
