"""A store in a bucket: S3, or whatever speaks it and honours conditional writes.

Where and who is said by the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, AWS_ENDPOINT_URL. Files that never change are fetched once, to a cache of this machine:
queries then read local files, confined as ever, and need no extension.
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
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from radlas.answers import AWAY, again_if_cut, unusable
from radlas.errors import ConfigError, StoreError
from radlas.stages import appear, located

T = TypeVar("T")
_LONGEST = 30  # that one answer is waited for [s]
# Until a server has answered once: an address that is wrong is told at once.
_RETRIES: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=_LONGEST)}
# Then: one that says "slow down", or is started anew, is back in seconds, and a run takes hours.
_PATIENT: Any = {
    "max_retries": 20,
    "retry_timeout": timedelta(seconds=_LONGEST),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=5),
        "base": 3,
    },
}
_PATIENT_LOG = {
    "max_retries": "20",
    "retry_timeout": f"{_LONGEST}s",
    "backoff_config.init_backoff": "200ms",
    "backoff_config.max_backoff": "5s",
    "backoff_config.base": "3",
}
_WRONG = "look at AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and the key's rights"
_PROBE = ".probe-"  # what the names of files begin with that ``check`` makes
_PIECE = 2**20  # copied at once [B]
_AT_ONCE = 8  # files fetched beside each other


class Bucket:
    """A prefix of a bucket; see ``place.Place`` for what it does.

    Args:
        url: ``s3://bucket/prefix``.
        known: Its server has answered before, and is waited for if it does not.
    """

    def __init__(self, url: str, known: bool = False) -> None:
        self.url, self._known = url, known

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.url, self._known)  # no credentials: a worker has its own

    @property
    def near(self) -> Path:
        """See ``Place``: the cache."""
        return home() / "cache" / self._slug

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        return self._ask(lambda: bytes(obstore.get(self._objects, name).bytes()))

    def read_tagged(self, name: str) -> tuple[bytes, str]:
        """A file's bytes, and the tag that names this state of it."""

        def tagged() -> tuple[bytes, str]:
            found = obstore.get(self._objects, name)
            return bytes(found.bytes()), str(found.meta["e_tag"])

        return self._ask(tagged)

    def create(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._put(name, data, "create")

    def replace(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._put(name, data, "overwrite")

    def exchange(self, name: str, data: bytes, tag: str) -> None:
        """Replace a file that is still in the state of ``tag``; FileExistsError if it is not."""
        self._put(name, data, {"e_tag": tag})

    def remove(self, name: str) -> None:
        """See ``Place``."""
        with suppress(FileNotFoundError):  # some servers say so, S3 does not
            self._ask(lambda: obstore.delete(self._objects, name))

    def names(self, folder: str = "") -> list[str]:
        """See ``Place``."""
        prefix = f"{folder}/" if folder else None
        found = self._ask(lambda: obstore.list(self._objects, prefix).collect())
        return sorted(one["path"] for one in found)

    def size(self, name: str) -> int | None:
        """See ``Place``."""
        try:
            return int(self._ask(lambda: obstore.head(self._objects, name))["size"])
        except FileNotFoundError:
            return None

    def sha256(self, name: str) -> str:
        """See ``Place``."""

        def digest(pieces: Iterable[bytes]) -> str:
            found = hashlib.sha256()
            for piece in pieces:
                found.update(piece)
            return found.hexdigest()

        return self._stream(name, digest)

    def local(self, names: Sequence[str]) -> list[Path]:
        """See ``Place``: fetched, unless they were before."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self._fetch, names))

    def fetched(self, folder: str) -> Path:
        """See ``Place``: files are compared by their tags, and those that changed fetched again."""
        tags = self.near / ".tags"
        found = self._ask(lambda: obstore.list(self._objects, f"{folder}/").collect())
        told = {one["path"]: str(one["e_tag"]) for one in found}
        changed = [name for name, tag in told.items() if not _says(tags / name, tag)]
        for name in changed:
            (self.near / name).unlink(missing_ok=True)
        self.local(changed)
        for name in changed:
            (tags / name).parent.mkdir(parents=True, exist_ok=True)
            (tags / name).write_text(told[name])
        return self.near / folder

    @contextmanager
    def staging(self, folder: str) -> Iterator[Path]:
        """See ``Place``: on this machine."""
        with tempfile.TemporaryDirectory(prefix=f"radlas-{Path(folder).name}-") as stage:
            prepared = Path(stage) / "prepared"
            prepared.mkdir()
            with located(prepared.parent.parent):
                yield prepared

    def keep(self, file: Path, name: str) -> None:
        """See ``Place``. This machine is likely to read it again, and has it already."""
        self._upload(file, name)
        with file.open("rb") as source:
            pieces = iter(partial(source.read, _PIECE), b"")
            self._cache(name, lambda path: _write(path, pieces))

    def publish(self, prepared: Path, folder: str, seal: str) -> None:
        """See ``Place``. Nothing vouches for files without their seal, which is written last."""
        if self.size(f"{folder}/{seal}") is not None:
            raise FileExistsError(folder)
        for path in sorted(prepared.rglob("*")):
            if path.is_file() and path != prepared / seal:
                self._upload(path, f"{folder}/{path.relative_to(prepared).as_posix()}")
        self.create(f"{folder}/{seal}", (prepared / seal).read_bytes())

    def clear(self, folder: str) -> None:
        """See ``Place``."""
        for name in self.names(folder):
            self.remove(name)

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

        return ObjectStore(self._at(name), read_only=True)

    def beside(self, ending: str) -> Path:
        """See ``Place``: in the person's own folder."""
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        return home() / f"{self._slug}{ending}"

    def is_free(self) -> bool:
        """See ``Place``; a probe is of one that was killed, or of one that is faster."""
        return all(name.startswith(_PROBE) for name in self.names())

    def check(self) -> None:
        """Show that a file can be created once only, as all that keeps rows single rests on it.

        Raises:
            StoreError: The second of two creations was not refused.
        """
        name = f"{_PROBE}{uuid.uuid4().hex}"
        self.create(name, b"first")
        try:
            self.create(name, b"second")
        except FileExistsError:
            return
        finally:
            self.remove(name)
        raise StoreError(
            "this object storage takes a file twice: it ignores If-None-Match, so two writers"
            " could overwrite each other",
            self.url,
            "use one with conditional writes (AWS S3, MinIO, Ceph, Cloudflare R2), or a folder",
            "no_conditional_writes",
        )

    @property
    def delta_options(self) -> dict[str, str]:
        """See ``Place``."""
        return _PATIENT_LOG | ({"AWS_ALLOW_HTTP": "true"} if is_plain() else {})

    @property
    def _slug(self) -> str:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.url.partition("://")[2]).strip("-")
        return f"{plain}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    @cached_property
    def _objects(self) -> Any:
        return self._at("")

    def _at(self, name: str) -> Any:
        _check_endpoint()
        bucket, _, prefix = self.url.partition("://")[2].partition("/")
        below = "/".join(part for part in (prefix, name) if part)
        return S3Store(
            bucket,
            prefix=below or None,
            client_options={"allow_http": is_plain()},
            retry_config=_PATIENT if self._known else _RETRIES,
        )

    def _fetch(self, name: str) -> Path:
        path = self.near / name
        if not path.exists():
            self._cache(name, lambda path: self._stream(name, partial(_write, path)))
        return path

    def _cache(self, name: str, fill: Callable[[Path], None]) -> None:
        """Put a file into the cache, whole or not at all."""
        path = self.near / name
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with located(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                fill(temporary)
                appear(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def _stream(self, name: str, take: Callable[[Iterable[bytes]], T]) -> T:
        return self._ask(lambda: take(obstore.get(self._objects, name).stream()))

    def _upload(self, file: Path, name: str) -> None:
        self._ask(lambda: obstore.put(self._objects, name, file))

    def _put(self, name: str, data: bytes, mode: Any) -> None:
        try:
            self._ask(lambda: obstore.put(self._objects, name, data, mode=mode))
        except (AlreadyExistsError, PreconditionError) as error:
            if not self._holds(name, data):
                raise FileExistsError(name) from error
        except FileNotFoundError as error:
            what = "the bucket cannot be used: there is no such bucket"
            raise StoreError(
                what, self.url, "make it first, or look at AWS_ENDPOINT_URL"
            ) from error

    def _holds(self, name: str, data: bytes) -> bool:
        """Whether a file is what was to be written: the answer to a first try was lost then."""
        try:
            return self.read(name) == data
        except FileNotFoundError:
            return False

    def _ask(self, question: Callable[[], T]) -> T:
        """An answer of the server; what went wrong otherwise, in words."""
        try:
            answer = again_if_cut(question)
            if not self._known:
                self._known = True
                self.__dict__.pop("_objects", None)  # the next is made for patience
            return answer
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:  # it tells the server's whole answer
            said = str(error).partition(": Error")[0]
            raise FileNotFoundError(errno.ENOENT, said) from error
        except BaseError as error:
            said = str(error).partition("<?xml")[0].splitlines()[0].strip(" :")
            if "NoSuchBucket" in str(error):
                said = "there is no such bucket"
            hint = AWAY if self._known else _WRONG
            raise unusable(said, self.url, hint) from error


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(pieces)


def home() -> Path:
    """Folder of what this machine keeps for stores in buckets: keys, lists of sources, caches."""
    return Path(os.environ.get("RADLAS_HOME") or Path.home() / ".radlas")


def _says(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


def _check_endpoint() -> None:
    """The library dies of an address that is none."""
    found = os.environ.get("AWS_ENDPOINT_URL")
    if found is not None and not re.match(r"https?://[^/\s]+", found):
        raise ConfigError(f"no address of a server: {found!r}", "AWS_ENDPOINT_URL", "https://…")


def is_plain() -> bool:
    """Whether the server is spoken to without encryption, as its address says."""
    return os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
