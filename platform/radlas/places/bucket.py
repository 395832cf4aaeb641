"""A store in a bucket: S3, or whatever speaks it and honours conditional writes.

Files that never change are fetched once, to a cache of this machine: queries then read local files,
confined as ever, and need no extension.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from radlas.digests import file_digest
from radlas.errors import StoreError
from radlas.places import sealing
from radlas.places.objects import Objects, delta_options
from radlas.places.stages import appear, located, staged
from radlas.places.within import within

_PROBE = ".probe-"  # what the names of files begin with that ``check`` makes
_PIECE = 2**20  # copied at once [B]
_AT_ONCE = 8  # files fetched beside each other
_BY_DIGEST = re.compile(r"/part-([0-9a-f]{32})\.parquet$")  # as the lake's are called


class Bucket:
    """A prefix of a bucket; see ``place.Place`` for what it does.

    Args:
        url: ``s3://bucket/prefix``.
        known: Its server has answered before, and is waited for if it does not.
    """

    def __init__(self, url: str, known: bool = False) -> None:
        self.url, self._objects = url, Objects(url, known)

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.url, self._objects.known)  # no credentials: a worker has its own

    @property
    def near(self) -> Path:
        """See ``Place``: the cache."""
        return home() / "cache" / self._slug

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        return self._objects.read(name)

    def read_tagged(self, name: str) -> tuple[bytes, str]:
        """A file's bytes, and the tag that names this state of it."""
        return self._objects.read_tagged(name)

    def create(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._objects.put(name, data, "create")

    def replace(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._objects.put(name, data, "overwrite")

    def times(self, folder: str) -> dict[str, datetime]:
        """Every file below a folder, and when it was written, by the server's clock."""
        return self._objects.times(f"{folder}/")

    def now(self) -> datetime:
        """The server's time."""
        asked = f".now-{uuid.uuid4().hex}"
        self.create(asked, b"")
        try:
            return self._objects.written(asked)
        finally:
            self.remove(asked)

    def exchange(self, name: str, data: bytes, tag: str) -> None:
        """Replace a file that is still in the state of ``tag``; FileExistsError if it is not."""
        self._objects.put(name, data, {"e_tag": tag})

    def change(self, name: str, made: Callable[[bytes | None], bytes]) -> None:
        """See ``Place``."""
        while True:
            with suppress(FileExistsError):  # another did meanwhile
                try:
                    data, tag = self.read_tagged(name)
                except FileNotFoundError:
                    return self.create(name, made(None))
                return self.exchange(name, made(data), tag)

    def remove(self, name: str) -> None:
        """See ``Place``."""
        with suppress(FileNotFoundError):  # some servers say so, S3 does not
            self._objects.remove(name)

    def names(self, folder: str = "") -> list[str]:
        """See ``Place``."""
        return sorted(self._objects.tags(f"{folder}/" if folder else None))

    def size(self, name: str) -> int | None:
        """See ``Place``."""
        try:
            return self._objects.size(name)
        except FileNotFoundError:
            return None

    def sha256(self, name: str) -> str:
        """See ``Place``."""

        def digest(pieces: Iterable[bytes]) -> str:
            found = hashlib.sha256()
            for piece in pieces:
                found.update(piece)
            return found.hexdigest()

        return self._objects.stream(name, digest)

    def local(self, names: Sequence[str]) -> list[Path]:
        """See ``Place``: fetched, unless they were before."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self._fetch, names))

    def fetched(self, folder: str) -> Path:
        """See ``Place``: files are compared by their tags, and those that changed fetched again."""
        tags = self.near / ".tags"
        told = self._objects.tags(f"{folder}/")
        changed = [name for name, tag in told.items() if not _says(tags / name, tag)]
        for name in changed:
            within(self.near, name).unlink(missing_ok=True)
        self.local(changed)
        with located(self.near):
            for name in changed:
                tag, size = told[name].rpartition(" ")[0], (self.near / name).stat().st_size
                (tags / name).parent.mkdir(parents=True, exist_ok=True)
                (tags / name).write_text(f"{tag} {size}")  # of one that broke off it fits no state
        return self.near / folder

    @contextmanager
    def staging(self, folder: str) -> Iterator[Path]:
        """See ``Place``: on this machine; what a writer left that was killed goes with the next."""
        parent = Path(tempfile.gettempdir())
        with located(parent), staged(_own(parent)) as stage:
            prepared = stage / "prepared"
            prepared.mkdir()
            yield prepared

    def keep(self, file: Path, name: str) -> None:
        """See ``Place``. This machine is likely to read it again, and has it already."""
        self._objects.upload(file, name)
        with file.open("rb") as source:
            pieces = iter(partial(source.read, _PIECE), b"")
            self._cache(name, lambda path: _write(path, pieces))

    def publish(self, prepared: Path, folder: str, seal: str) -> None:
        """See ``Place``."""
        sealing.publish(self, prepared, folder, seal)

    def clear(self, folder: str, but: Path) -> None:
        """See ``Place``."""
        sealing.clear(self, folder, but)

    def sweep(self, folder: str) -> None:
        """See ``Place``: what is prepared lies on other machines, in their temporary folders."""

    def settle(self, names: Sequence[str]) -> None:
        """See ``Place``: a server answers once it has a file."""

    def uri(self, name: str) -> str:
        """See ``Place``."""
        return f"{self.url}/{name}"

    def zarr(self, name: str) -> Any:
        """See ``Place``."""
        from zarr.storage import ObjectStore  # noqa: PLC0415 - only to read volumes

        return ObjectStore(self._objects.at(name), read_only=True)

    def beside(self, ending: str) -> Path:
        """See ``Place``: in the person's own folder."""
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        return home() / f"{self._slug}{ending}"

    def is_free(self) -> bool:
        """See ``Place``; a probe is of one that was killed, or of one that is faster."""
        return all(name.startswith(_PROBE) for name in self.names())

    def check(self) -> None:
        """Show that a file can be created once only, and replaced only in the state that was seen.

        All that keeps rows single, and what two wrote from being one's, rests on it.

        Raises:
            StoreError: The second of two creations, or of two replacements, was not refused.
        """
        name = f"{_PROBE}{uuid.uuid4().hex}"
        self.create(name, b"first")
        try:
            _, tag = self.read_tagged(name)
            for ignored, second in (
                ("If-None-Match", partial(self.create, name, b"second")),
                ("If-Match", partial(self.exchange, name, b"third", tag)),
            ):
                try:
                    second()
                except FileExistsError:
                    self.replace(name, b"another's")
                    continue
                raise _careless(ignored, self.url)
        finally:
            self.remove(name)

    @property
    def delta_options(self) -> dict[str, str]:
        """See ``Place``."""
        return delta_options()

    @property
    def _slug(self) -> str:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.url.partition("://")[2]).strip("-")
        return f"{plain}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def _fetch(self, name: str) -> Path:
        path = within(self.near, name)
        if not path.exists():
            self._cache(name, partial(self._download, name))
        return path

    def _download(self, name: str, path: Path) -> None:
        """Fetch a file; FileNotFoundError if what is there is not what its name says.

        A length that a server or a proxy claims is believed, and what is in the cache once is
        looked at no more.
        """
        self._objects.stream(name, partial(_write, path))
        named = _BY_DIGEST.search(name)
        if named and not file_digest(path).startswith(named[1]):
            raise FileNotFoundError(errno.ENOENT, f"{name} holds other bytes than were written")

    def _cache(self, name: str, fill: Callable[[Path], None]) -> None:
        """Put a file into the cache, whole or not at all."""
        path = within(self.near, name)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with located(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fill(temporary)
            appear(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _own(parent: Path) -> Path:
    """A folder of this person's alone, where others may make theirs.

    Raises:
        StoreError: Somebody else made one of that name, and could read what is prepared.
    """
    folder = parent / f"radlas-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        hint = "have it removed, or name another folder for temporary files with TMPDIR"
        raise StoreError("this folder belongs to somebody else", str(folder), hint)
    return folder


def _careless(ignored: str, url: str) -> StoreError:
    return StoreError(
        f"this object storage takes a file twice: it ignores {ignored}, so two writers"
        " could overwrite each other",
        url,
        "use one with conditional writes (AWS S3, MinIO, Ceph, Cloudflare R2), or a folder",
        "no_conditional_writes",
    )


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    with located(path.parent), path.open("wb") as stream:
        stream.writelines(pieces)


def home() -> Path:
    """Folder of what this machine keeps for stores in buckets: keys, lists of sources, caches."""
    return Path(os.environ.get("RADLAS_HOME") or Path.home() / ".radlas")


def _says(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text
