"""Files of a source: a folder tree, a zip, or zips inside a folder. Never writes there."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from radlas.errors import ConfigError, DataError
from radlas.ingest.base import FileRef
from radlas.ingest.reach import is_unreachable, nameless, reaching
from radlas.places.archive import ARCHIVE_ERRORS
from radlas.reasons import data_error
from radlas.words import counted

_UNPACK = "unpack the archive yourself, if so much is meant to be in it; files may have any size"
Opened = BinaryIO | DataError | OSError
_ENCRYPTED = 0x1  # flag of a member
_HEADER = 30  # of a member, at least [B]
_LARGEST = (
    2 << 30
)  # of a member, which is unpacked to memory, in the process that scans as well [B]
# Endings that say what a file is; any other may be a part of a name, as in ``scan.Doe.John``.
_ENDINGS = frozenset(
    ".nii .nii.gz .nrrd .nhdr .mha .mhd .hdr .img .mgz .mnc .par .rec .dcm .dicom .ima .zip .tar"
    " .gz .tgz .7z .rar .csv .tsv .xlsx .xls .ods .txt .json .xml .html .pdf .doc .docx .jpg .jpeg"
    " .png .tif .tiff .bmp .avi .mat .npy .npz .pkl .h5 .raw .bin .dat .exe .inf .log .py".split()
)
_LITTER = {".DS_Store", "__MACOSX", ".Spotlight-V100", ".Trashes", ".fseventsd", "lost+found"}
_OF_SYSTEMS = {"__MACOSX", "lost+found"}  # without a dot; the second is root's on every disk


@dataclass(frozen=True)
class Listing:
    """What lies in a source.

    Attributes:
        source: The folder or zip, absolute.
        files: Every visible file, sorted by its name in the source.
        broken: Archives that cannot be opened, and why.
        unreachable: Files, archives and folders that the system would not hand over.
        hidden: Files that were passed over for a dot before a name; not those that systems leave.
    """

    source: Path
    files: tuple[FileRef, ...]
    broken: tuple[tuple[FileRef, DataError], ...] = ()
    unreachable: tuple[FileRef, ...] = ()
    hidden: int = 0


def list_files(source: Path) -> Listing:
    """Every visible file of a folder or zip, archives opened, links followed, sorted.

    Raises:
        ConfigError: The source does not exist or cannot be reached, or is a file but no zip.
    """
    source = rooted(source)
    if source.is_file():
        _check_zip(source)
        return _open_archives(source, [FileRef(source)], [])
    if not source.is_dir():
        raise ConfigError("no such folder", str(source), "check the path of the source")
    return _open_archives(source, *_walk(source))


def rooted(source: Path) -> Path:
    """Where a source lies, for workers that run in another folder.

    A patient may be called as the source, but not "..".
    """
    return source.resolve() if ".." in source.parts else source.absolute()


def inside(member: str) -> PurePosixPath:
    """The path of a member in its archive. Some tools of Windows write it with backslashes."""
    return PurePosixPath(member.replace("\\", "/"))


def name_of(ref: FileRef) -> str:
    """The file's own name, without folders."""
    return inside(ref.member).name if ref.member else ref.path.name


def told_endings(listing: Listing) -> str:
    """How many files of which kind there are, in words: ``3 x .nii.gz, 1 x another ending``."""
    counts = Counter(_ending_of(name_of(ref)) for ref in listing.files)
    shown = ", ".join(f"{count} x {ending}" for ending, count in counts.most_common(5)) or "nothing"
    broken, lost = len(listing.broken), len(listing.unreachable)
    if broken:
        shown += f", and {counted(broken, 'archive')} that cannot be opened"
    if lost:
        what = counted(lost, "file or folder", "files or folders")
        shown += f", and {what} that cannot be reached"
    return shown


def _ending_of(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    told = ("".join(suffixes[-2:]), "".join(suffixes[-1:]))
    known = next((ending for ending in told if ending in _ENDINGS), "another ending")
    return known if suffixes else "no ending"


def home_of(ref: FileRef) -> tuple[Path, str]:
    """What names the folder the file lies in: two files of one folder have the same home."""
    if ref.member:
        return ref.path, str(inside(ref.member).parent)
    return ref.path.parent, ""


def place_of(ref: FileRef, source: Path) -> str:
    """The file's path inside the source: unique there, and the same wherever the source lies."""
    path, source = ref.path, source.absolute()
    outer = path.name if path == source else path.relative_to(source).as_posix()
    return f"{outer}/{ref.member}" if ref.member else outer


def was_changed(ref: FileRef) -> bool:
    """True if the file is not the one that was listed: written or moved since, or gone."""
    try:
        found = ref.path.stat()
    except OSError:
        return True
    grown = not ref.member and found.st_size != ref.size  # some disks count time in seconds
    return ref.changed != 0 and (grown or _changed(found) != ref.changed)


def _changed(found: os.stat_result) -> int:
    """When a file was written or moved last, whatever time it was given then [ns]."""
    return max(found.st_mtime_ns, found.st_ctime_ns)


@contextmanager
def open_file(ref: FileRef) -> Iterator[BinaryIO]:
    """The file as a seekable binary stream.

    Raises:
        DataError: ``unreadable_file``: its archive is damaged.
        OSError: It cannot be reached; also while it is read. Names no path.
    """
    for _, stream in open_each([ref]):
        if isinstance(stream, Exception):
            raise stream
        with reaching():
            yield stream


def open_each(refs: Iterable[FileRef]) -> Iterator[tuple[FileRef, Opened]]:
    """Open files in turn, each closed before the next; what cannot be opened says why.

    An archive is opened once for all its members that follow one another. In place of a stream
    comes a ``DataError`` if content is damaged, and an ``OSError`` without a path if the file
    cannot be reached.
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
            except DataError as error:
                yield ref, error
                continue
            except (OSError, *ARCHIVE_ERRORS) as error:
                yield ref, _told(error)
                continue
            with stream:
                yield ref, stream


def _check_zip(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            is_zip = zipfile.is_zipfile(stream)
    except OSError as error:
        what = f"the source cannot be reached: {os.strerror(error.errno or 0)}"
        raise ConfigError(what, str(path), "check the mount and the permissions") from None
    if not is_zip:
        raise ConfigError("not a folder and not a zip", str(path), "name the folder above")


def _walk(source: Path) -> tuple[list[FileRef], list[FileRef]]:
    """Files below a folder, sorted, links followed; and what could not be reached."""
    lost: list[Path] = []
    files: dict[Path, os.stat_result] = {}
    for path in _each_file(source, lost):
        try:
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                files[path] = found
        except OSError:  # a link to what is gone is a file that cannot be reached
            lost.append(path)
    visible = (path for path in sorted(lost) if not _hidden(path.relative_to(source).parts))
    listed = [
        FileRef(path, size=files[path].st_size, changed=_changed(files[path]))
        for path in sorted(files)
    ]
    return listed, [FileRef(path) for path in visible]


def _each_file(source: Path, lost: list[Path]) -> Iterator[Path]:
    """Paths in all folders, each folder once: under its own name, if that lies in the source.

    The name may be a patient's, so it must not depend on the order in which a disk lists links.
    """
    entered: set[tuple[int, int]] = set()  # a link may lead back to where we are
    tops = [source]
    for top in tops:  # grows by the links that are met
        for folder, folders, names in os.walk(top, onerror=lambda e: lost.append(Path(e.filename))):
            here = Path(folder).stat()
            if (here.st_dev, here.st_ino) in entered:
                folders.clear()
                continue
            entered.add((here.st_dev, here.st_ino))
            folders.sort()
            below = (Path(folder, name) for name in folders)
            tops += [path for path in below if _is_link(path)]
            yield from (Path(folder, name) for name in names)


def _is_link(path: Path) -> bool:
    """False of a path too long to be asked for: to walk it is what tells that it is lost."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _hidden(parts: Iterable[str]) -> bool:
    return any((part.startswith(".") and part != "..") or part in _OF_SYSTEMS for part in parts)


def _left_by_a_system(parts: Sequence[str]) -> bool:
    return parts[-1].startswith("._") or not _LITTER.isdisjoint(parts)


def _open_archives(source: Path, plain: Iterable[FileRef], lost: Iterable[FileRef]) -> Listing:
    files: list[FileRef] = []
    broken: list[tuple[FileRef, DataError]] = []
    unreachable = list(lost)
    for ref in plain:
        if ref.path.suffix.lower() != ".zip" and ref.path != source:
            files.append(ref)
            continue
        try:
            files += _members(ref.path)
        except DataError as error:
            broken.append((ref, error))
        except (OSError, *ARCHIVE_ERRORS) as error:
            if is_unreachable(error):
                unreachable.append(ref)
            else:
                what = "a zip archive cannot be opened"
                broken.append((ref, data_error("unreadable_file", what)))
    parts = {ref: _parts(ref, source) for ref in files}
    hidden = [ref for ref in files if _hidden(parts[ref])]
    counted = sum(not _left_by_a_system(parts[ref]) for ref in hidden)
    visible = tuple(ref for ref in files if not _hidden(parts[ref]))
    return Listing(source, visible, tuple(broken), tuple(unreachable), counted)


def _parts(ref: FileRef, source: Path) -> tuple[str, ...]:
    outer = ref.path.relative_to(source).parts
    return (*outer, *inside(ref.member).parts) if ref.member else outer


def _members(path: Path) -> list[FileRef]:
    changed = _changed(path.stat())
    with zipfile.ZipFile(path) as archive:
        _check_apart(archive.infolist())
        members = [one for one in archive.infolist() if not one.filename.endswith(("/", "\\"))]
    if any(one.flag_bits & _ENCRYPTED for one in members):
        what = "a zip archive is encrypted"
        raise data_error("unreadable_file", what, hint="unpack it with its password")
    names = [one.filename for one in members]
    if twice := len(names) - len(set(names)):
        what = f"a zip archive holds {twice} names twice"
        hint = "pack it again: of two members of one name, only one can be read"
        raise data_error("unreadable_file", what, hint=hint)
    sizes = {one.filename: one.file_size for one in members}
    return [FileRef(path, name, sizes[name], changed) for name in sorted(sizes)]


def _check_apart(members: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse members that share their bytes: each of thousands may unpack to the same gigabyte."""
    placed = sorted((one.header_offset, one.compress_size) for one in members)
    if any(start + _HEADER + size > after for (start, size), (after, _) in pairwise(placed)):
        what = "a zip archive is damaged: its members overlap"
        raise data_error("unreadable_file", what, hint="pack it again; else ask who made it")


def _open_one(ref: FileRef, archive: zipfile.ZipFile | None) -> BinaryIO:
    if ref.member and archive:
        size = archive.getinfo(ref.member).file_size
        if size > _LARGEST:  # a few megabytes of zip may say so, and end the whole scan
            what = f"a file in a zip archive takes {size / 1e9:.1f} GB when it is unpacked"
            raise data_error("unreadable_file", what, hint=_UNPACK)
        return io.BytesIO(archive.read(ref.member))
    return ref.path.open("rb")


def _told(error: Exception) -> DataError | OSError:
    # The text of such an error holds paths, and paths hold names: only its kind is told.
    if isinstance(error, OSError) and is_unreachable(error):
        return nameless(error)
    what = f"the file or its archive cannot be opened ({type(error).__name__})"
    return data_error("unreadable_file", what)
