"""What a file is, by its content: the same file has one fingerprint, an edited one another.

A member of a zip is read like a plain file: a folder and its zip are then the same exams, and a
damaged member does not hide behind the checksum that its archive remembers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

from radlas.errors import DataError
from radlas.ingest.base import FileRef
from radlas.ingest.files import name_of, open_each
from radlas.ingest.reach import is_unreachable, nameless

_BLOCK = 1 << 20  # bytes read at once


def fingerprint(ref: FileRef) -> str:
    """SHA-256 of the file's whole content, or of its name if it cannot be read now.

    Reading it then says what is wrong, and is planned again.
    """
    found = fingerprints([ref])[ref]
    return found if isinstance(found, str) else name_fingerprint(ref)


def fingerprints(refs: Iterable[FileRef]) -> dict[FileRef, str | OSError]:
    """SHA-256 of every file's whole content, in one pass; the error for those out of reach.

    A member that its archive cannot unpack has the fingerprint of its name: reading it says what
    is wrong, and its repaired self has another one.
    """
    found: dict[FileRef, str | OSError] = {}
    for ref, stream in open_each(refs):
        if isinstance(stream, OSError):
            found[ref] = stream
        elif isinstance(stream, DataError):
            found[ref] = name_fingerprint(ref)
        else:
            found[ref] = _digest_or_error(stream)
    return found


def content_fingerprint(stream: BinaryIO) -> str:
    """SHA-256 of a whole stream, from its start, wherever it stands."""
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def name_fingerprint(ref: FileRef) -> str:
    """SHA-256 of the file's name: all that is known of content that cannot be read."""
    # Names of another encoding than this system's are told by bytes that no text has.
    return hashlib.sha256(name_of(ref).encode(errors="surrogateescape")).hexdigest()


def joint_fingerprint(identities: Iterable[str]) -> str:
    """SHA-256 over the identities of several files, in any order."""
    return hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest()


def _digest_or_error(stream: BinaryIO) -> str | OSError:
    try:
        return content_fingerprint(stream)
    except OSError as error:
        if not is_unreachable(error):
            raise
        return nameless(error)
