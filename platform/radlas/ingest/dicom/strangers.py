"""Masks among files that are no DICOM: what finds them, and what it gives. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.header_records import ImageFile
from radlas.ingest.dicom.linking import Link
from radlas.ingest.dicom.series import ImageSeries


@dataclass(frozen=True)
class Images:
    """The images of a source, and where others may be.

    Attributes:
        copies: Files of images that lie elsewhere, too, and were passed over.
        unread: Files, archives and folders that cannot be read now: perhaps of other patients.
    """

    series: Sequence[ImageSeries]
    copies: Sequence[ImageFile]
    unread: Sequence[FileRef]


@dataclass(frozen=True)
class MaskImages:
    """What of a source's other files are masks.

    Attributes:
        links: One for each mask.
        unknown: Names of files that may be masks, which the map of names does not know.
        lost: Of the files those that could not be reached.
        copies: How many of the masks were there twice, and are passed over.
        awaited: For each mask out of reach, links to all series that it may belong to.
    """

    links: tuple[Link, ...] = ()
    unknown: tuple[str, ...] = ()
    lost: tuple[FileRef, ...] = ()
    copies: int = 0
    awaited: tuple[Link, ...] = ()


class FindMasks(Protocol):
    """Finds masks among files that are no DICOM, and links each to its series."""

    def __call__(
        self,
        files: Sequence[FileRef],
        images: Images,
        rules: IngestRules,
        *,
        sequence: str | None,
        source: Path,
    ) -> MaskImages:
        """Find them.

        Args:
            files: Of the whole source.
            images: Likewise.
            rules: Names of ROIs and labels.
            sequence: Class that is asked for; None for all.
            source: Folder or zip, absolute.
        """


def leave_alone(*_: Any, **__: Any) -> MaskImages:
    """Finds none: RTSTRUCT and SEG alone are masks."""
    return MaskImages()
