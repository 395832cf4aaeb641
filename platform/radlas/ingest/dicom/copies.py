"""Files that are one image stored twice: as copies, or sent again in another encoding."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from radlas.errors import DataError, WorkerError
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.dicom.people import Person
from radlas.ingest.dicom.slice_file import read_slice
from radlas.ingest.files import open_each
from radlas.ingest.fingerprints import content_fingerprint, name_fingerprint
from radlas.ingest.reach import is_unreachable, nameless


def drop_copies(files: Sequence[ImageFile]) -> tuple[list[ImageFile], list[FileRef]]:
    """One file per instance and image, and those that could not be reached to compare them.

    Files of one instance are one image if headers say the same of it and the decoded values are
    equal: archives send an image compressed, or with their own name in it. Two images of one
    instance both stay, and clash.
    """
    claims: dict[str, set[FileRef]] = defaultdict(set)
    for file in files:
        claims[file.instance].add(file.ref)
    rivals = sorted(
        {ref for refs in claims.values() if len(refs) > 1 for ref in refs},
        key=lambda ref: (ref.path, ref.member),
    )
    images = _image_digests(rivals)
    known: set[tuple[ImageFile, str]] = set()
    kept = []
    for file in files:
        image = images.get(file.ref)
        if isinstance(image, str):
            person = Person(file.person.sex, file.person.birth)  # archives mend names and issuers
            said = (replace(file, ref=rivals[0], size=0, person=person), image)
            if said in known:
                continue
            known.add(said)
        if not isinstance(image, OSError):
            kept.append(file)
    return kept, [ref for ref in rivals if isinstance(images[ref], OSError)]


def _image_digests(refs: Iterable[FileRef]) -> dict[FileRef, str | OSError]:
    found: dict[FileRef, str | OSError] = {}
    for ref, stream in open_each(refs):
        if isinstance(stream, OSError):
            found[ref] = stream
        elif isinstance(stream, DataError):
            found[ref] = name_fingerprint(ref)  # reading it says what is wrong
        else:
            try:
                found[ref] = _image_digest(stream)
            except OSError as error:
                if not is_unreachable(error):
                    raise
                found[ref] = nameless(error)
    return found


def _image_digest(stream: BinaryIO) -> str:
    """SHA-256 of heads and decoded values; of the bytes, where they cannot be decoded."""
    try:
        with parsing("a file"):
            file = read_slice(stream, "")
            values = file.pixels(range(len(file.heads)), "")
    except DataError:
        values = None
    except WorkerError as error:
        if error.reason != "memory":
            raise
        values = None  # whether it is a copy in another encoding, this machine cannot tell
    if values is None:
        return content_fingerprint(stream)
    digest = hashlib.sha256(repr((file.heads, values.shape)).encode())
    for frame in values:
        digest.update(np.asarray(frame, np.float64).tobytes())
    return digest.hexdigest()
