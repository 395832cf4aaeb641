"""Zip files of others: what may be wrong with one, and whether there is room for what is in it."""

from __future__ import annotations

import errno
import lzma
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

from radlas.errors import StoreError

# What zipfile answers to a damaged archive or member: RuntimeError to a locked one, KeyError to
# one that is gone, ValueError to nonsense in the directory, the rest to damaged content.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,
    KeyError,
    ValueError,
    EOFError,
)
# The archive may be sound.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


def unpack(source: Path, folder: Path) -> None:
    """All members into a folder, none of them outside of it.

    Args:
        source: The zip file.
        folder: It is there, and may be removed with what came into it, should this fail.

    Raises:
        StoreError: It is not there, there is no room for what it says it holds, or it cannot be
            unpacked.
    """
    if not source.exists():
        raise StoreError("no such file", str(source), "name a folder or zip of radlas export")
    try:
        with zipfile.ZipFile(source) as archive:
            needed = sum(member.file_size for member in archive.infolist())
            free = shutil.disk_usage(folder).free
            if needed > free:
                raise StoreError(
                    f"unpacked it takes {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free in"
                    f" {folder.parent}",
                    str(source),
                    "set TMPDIR to a larger disk; if so much cannot be in it, ask who made it",
                )
            archive.extractall(folder)
    except (OSError, *ARCHIVE_ERRORS) as error:
        why = getattr(error, "strerror", None) or str(error)
        what = f"not an archive that can be unpacked: {why}"
        hint = "send it again; a folder or zip of radlas export is needed"
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            what = f"it cannot be unpacked here: {why}"
            hint = f"check the rights, and the space in {folder.parent}; TMPDIR names another disk"
        raise StoreError(what, str(source), hint) from None
