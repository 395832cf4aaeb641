"""Files of a source: a folder tree, a zip, or zips inside a folder. Never writes there."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import FileRef
from radlas.reasons import data_error

_EDGE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Listing:
    """What lies in a source.

    Attributes:
        files: Every visible file, sorted by its name in the source.
        broken: Archives that cannot be opened.
    """

    files: tuple[FileRef, ...]
    broken: tuple[FileRef, ...] = ()


def list_files(source: Path) -> Listing:
    """Every visible file of a folder or zip, archives opened, sorted.

    Raises:
        ConfigError: The source does not exist, or is a file but no zip archive.
    """
    source = source.absolute()  # workers may run in another folder
    if source.is_file():
        if not zipfile.is_zipfile(source):
            raise ConfigError("not a folder and not a zip", str(source), "name the folder above")
        return _open_archives([FileRef(source)])
    if not source.is_dir():
        raise ConfigError("no such folder", str(source), "check the path of the source")
    plain = [
        FileRef(path)
        for path in sorted(source.rglob("*"))
        if path.is_file() and _visible(path.relative_to(source).parts)
    ]
    return _open_archives(plain)


def name_of(ref: FileRef) -> str:
    """The file's own name, without folders."""
    return PurePosixPath(ref.member or ref.path.name).name


def folder_of(ref: FileRef) -> str:
    """The name of the folder the file lies in."""
    return PurePosixPath(ref.member).parent.name if ref.member else ref.path.parent.name


@contextmanager
def open_file(ref: FileRef) -> Iterator[BinaryIO]:
    """The file as a seekable binary stream.

    Raises:
        DataError: ``unreadable_file``: it is gone, forbidden, or its archive is damaged.
    """
    for _, stream in open_each([ref]):
        if isinstance(stream, DataError):
            raise stream
        yield stream


def open_each(refs: Iterable[FileRef]) -> Iterator[tuple[FileRef, BinaryIO | DataError]]:
    """Open files in turn, each closed before the next; what cannot be opened says why.

    An archive is opened once for all its members that follow one another.
    """
    with ExitStack() as stack:
        opened: Path | None = None
        archive: zipfile.ZipFile | None = None
        for ref in refs:
            try:
                if ref.member and ref.path != opened:
                    stack.close()
                    archive, opened = stack.enter_context(zipfile.ZipFile(ref.path)), ref.path
                stream = _open_one(ref, archive)
            # zipfile answers RuntimeError to a locked member, KeyError to one that is gone
            except (OSError, zipfile.BadZipFile, RuntimeError, KeyError, EOFError) as error:
                yield ref, data_error("unreadable_file", _cause(error))
                continue
            with stream:
                yield ref, stream


def fingerprint(ref: FileRef) -> str:
    """SHA-256 over size, first and last 64 KiB: names a file without reading gigabytes.

    A file that cannot be opened has the fingerprint of its name; reading it says what is wrong.
    """
    for _, stream in open_each([ref]):
        if not isinstance(stream, DataError):
            return _digest_edges(stream)
    return hashlib.sha256(name_of(ref).encode()).hexdigest()


def joint_fingerprint(identities: Iterable[str]) -> str:
    """SHA-256 over the identities of several files, in any order."""
    return hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest()


def _digest_edges(stream: BinaryIO) -> str:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(_EDGE_BYTES)
    stream.seek(max(0, size - _EDGE_BYTES))
    return hashlib.sha256(str(size).encode() + head + stream.read()).hexdigest()


def _visible(parts: Iterable[str]) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _open_archives(plain: Iterable[FileRef]) -> Listing:
    files: list[FileRef] = []
    broken: list[FileRef] = []
    for ref in plain:
        if ref.path.suffix.lower() != ".zip":
            files.append(ref)
            continue
        try:
            files += _members(ref.path)
        except (zipfile.BadZipFile, OSError):
            broken.append(ref)
    return Listing(tuple(files), tuple(broken))


def _members(path: Path) -> list[FileRef]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    return [FileRef(path, name) for name in names if _visible(PurePosixPath(name).parts)]


def _open_one(ref: FileRef, archive: zipfile.ZipFile | None) -> BinaryIO:
    if ref.member and archive:
        return io.BytesIO(archive.read(ref.member))
    return ref.path.open("rb")


def _cause(error: Exception) -> str:
    # The text of such an error holds paths, and paths hold names: only its kind is told.
    return f"the file or its archive cannot be opened ({type(error).__name__})"
