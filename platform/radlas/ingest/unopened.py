"""Files of a source that may hold exams and are not opened: each is a refusal, none vanishes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from radlas.errors import DataError
from radlas.ingest.base import FileRef, Refusal
from radlas.ingest.files import Listing, name_of, place_of
from radlas.ingest.fingerprints import fingerprint, joint_fingerprint
from radlas.reasons import data_error

_UNPACK = "unpack the archives in it first; of zips, only those that lie in no other are opened"
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2|txz|7z|rar|bz2|xz|zip|gz)$", re.IGNORECASE)
_IMAGE = re.compile(r"\.nii\.gz$", re.IGNORECASE)
_PAIR = re.compile(r"\.(hdr|mhd|nhdr)$", re.IGNORECASE)


def refuse_unopened(listing: Listing, *, pairs: bool = False) -> tuple[Refusal, ...]:
    """A refusal for every archive that cannot be opened, or that is of a kind nobody opens here.

    Args:
        listing: Of the source.
        pairs: True to refuse image headers whose voxels lie in another file as well.
    """
    return tuple(
        Refusal("", place_of(ref, listing.source), error, joint_fingerprint([fingerprint(ref)]))
        for ref, error in (*listing.broken, *_unopened(listing.files, pairs=pairs))
    )


def unopened(listing: Listing) -> list[FileRef]:
    """Archives that cannot be opened, or that nobody opens here."""
    return [ref for ref, _ in (*listing.broken, *_unopened(listing.files, pairs=False))]


def what_to_open(listing: Listing) -> str:
    """What to try where nothing is found but archives that are not opened; empty without any."""
    if listing.broken:
        _, error = listing.broken[0]
        return f"{error.what}: {error.hint}"
    return _UNPACK if unopened(listing) else ""


def _unopened(files: Iterable[FileRef], *, pairs: bool) -> Iterable[tuple[FileRef, DataError]]:
    for ref in files:
        name = name_of(ref)
        if (found := _ARCHIVE.search(name)) and not _IMAGE.search(name):
            inside = " inside another archive" if ref.member else ""
            what = f"a .{found[1].lower()} archive{inside} is not opened"
            yield ref, data_error("unsupported_format", what)
        elif pairs and (found := _PAIR.search(name)):
            what = f"a .{found[1].lower()} header, with its voxels in another file"
            yield ref, data_error("unsupported_format", what)
