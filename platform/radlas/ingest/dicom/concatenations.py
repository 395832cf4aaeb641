"""Whether every part of a concatenation is there: the rest would be a shorter volume. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from radlas.errors import DataError
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.header_records import ImageFile, Part
from radlas.reasons import data_error

_HINT = "export the series again, with every part of it, or as one file"


def incomplete(files: Iterable[ImageFile]) -> Mapping[str, DataError]:
    """The fault of every concatenation that lacks a part, by its ConcatenationUID.

    How many parts there are need not be said, so frames are counted up to each part as well. A
    last part that nobody speaks of is missed by nothing.
    """
    found: dict[str, dict[FileRef, tuple[Part, int]]] = defaultdict(dict)
    for file in files:
        if file.part:
            found[file.part.uid][file.ref] = file.part, file.frames
    faults = {uid: _fault(list(parts.values())) for uid, parts in found.items()}
    return {uid: fault for uid, fault in faults.items() if fault}


def _fault(parts: list[tuple[Part, int]]) -> DataError | None:
    total = max(part.total for part, _ in parts)
    if len(parts) < total:
        what = f"{len(parts)} of {total} parts of a concatenation are here"
        return data_error("slices_absent", what, hint=_HINT)
    here = 0
    for offset, frames in sorted((part.offset or 0, frames) for part, frames in parts):
        if offset > here:
            what = f"frames {here + 1} to {offset} of a concatenation are in none of its parts here"
            return data_error("slices_absent", what, hint=_HINT)
        here = max(here, offset + frames)
    return None
