"""A store in a folder: what appears there is whole, and on disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radlas.digests import file_digest
from radlas.places.stages import abandoned, appear, is_stage, located, staged, sync
from radlas.places.within import within


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
            return self._at(name).read_bytes()
        except NotADirectoryError as error:  # a file stands where a folder should
            raise FileNotFoundError(*error.args) from error

    def create(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        with self._written(name, data) as temporary:
            os.link(temporary, self._at(name))

    def replace(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        with self._written(name, data) as temporary:
            temporary.replace(self._at(name))

    def change(self, name: str, made: Callable[[bytes | None], bytes]) -> None:
        """See ``Place``."""
        try:
            known = self.read(name)
        except FileNotFoundError:
            known = None
        self.replace(name, made(known))

    def remove(self, name: str) -> None:
        """See ``Place``."""
        self._at(name).unlink(missing_ok=True)

    def names(self, folder: str = "") -> list[str]:
        """See ``Place``; what is being prepared does not count, and may vanish meanwhile."""
        found: list[str] = []
        for here, folders, files in os.walk(self._at(folder), onerror=_unless_gone):
            folders[:] = [name for name in folders if not is_stage(name)]
            there = Path(here).relative_to(self.root)
            found += [(there / name).as_posix() for name in files if not is_stage(name)]
        return sorted(found)

    def size(self, name: str) -> int | None:
        """See ``Place``."""
        try:
            found = self._at(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def sha256(self, name: str) -> str:
        """See ``Place``."""
        return file_digest(self._at(name))

    def local(self, names: Sequence[str]) -> list[Path]:
        """See ``Place``."""
        return [self._at(name) for name in names]

    def fetched(self, folder: str) -> Path:
        """See ``Place``."""
        return self._at(folder)

    @contextmanager
    def staging(self, folder: str) -> Iterator[Path]:
        """See ``Place``. The lock on the folder tells a writer that lives from one that died."""
        parent = self._at(folder).parent
        parent.mkdir(parents=True, exist_ok=True)
        with located(parent), staged(parent) as stage:
            prepared = stage / "prepared"  # who fills it may remove it and make it anew
            prepared.mkdir()
            yield prepared

    def keep(self, file: Path, name: str) -> None:
        """See ``Place``."""
        target = self._at(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        appear(file, target)
        sync(target.parent)

    def publish(self, prepared: Path, folder: str, seal: str) -> None:
        """See ``Place``. All of it appears by one rename; the seal is among it."""
        target = self._at(folder)
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
        shutil.rmtree(self._at(folder), ignore_errors=True)

    def sweep(self, folder: str) -> None:
        """See ``Place``."""
        for pattern in (".*.partial", "*/.*.partial"):
            for stage in self._at(folder).glob(pattern):
                with abandoned(stage) as is_dead:
                    if is_dead:
                        shutil.rmtree(stage, ignore_errors=True)

    def settle(self, names: Sequence[str]) -> None:
        """See ``Place``."""
        paths = [path for name in names if (path := self._at(name)).is_file()]
        for path in (*paths, *{path.parent for path in paths}):
            sync(path)

    def uri(self, name: str) -> str:
        """See ``Place``."""
        return str(self._at(name))

    @property
    def delta_options(self) -> dict[str, str]:
        """See ``Place``."""
        return {}

    def zarr(self, name: str) -> Any:
        """See ``Place``."""
        return self._at(name)

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

    def _at(self, name: str) -> Path:
        return within(self.root, name)

    @contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Path]:
        """A file on disk, not yet in its place; the place is synced when it is."""
        with self.staging(name) as stage:
            temporary = stage / "file"
            temporary.write_bytes(data)
            sync(temporary)
            yield temporary
        sync(self._at(name).parent)


def _unless_gone(error: OSError) -> None:
    """A folder that cannot be read is not empty: what it holds would not be there for anybody."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
