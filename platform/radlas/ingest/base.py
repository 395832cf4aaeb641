"""What an importer is: it finds exams in a source folder and reads one exam at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field, PositiveInt

from radlas.config import Config
from radlas.errors import DataError
from radlas.ingest.roi_names import RoiMap
from radlas.model import Roi, Volume


class IngestRules(Config):
    """How a source is read: which series, which names, which labels."""

    sequence: str | None = Field(
        default=None,
        description="Keep only series of this class: T2FS, STIR, T1, other. None keeps all.",
    )
    roi_map: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="ROI to regular expressions, matched against the whole drawn name, any case.",
    )
    readers: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Reader to regular expressions, searched anywhere in the drawn name.",
    )
    labels: Mapping[str, PositiveInt] = Field(
        default_factory=dict,
        description="ROI to its voxel value in mask files; the empty name holds for every file."
        " Without any, 1 means inside and other values are refused.",
    )
    snap_voxels: float = Field(
        default=0.1, ge=0, description="Masks displaced by less are taken to lie on the image [1]."
    )
    resample_mm: float = Field(
        default=0.0,
        ge=0,
        description="Masks displaced by up to this are resampled to the nearest voxel [mm].",
    )
    minimum_voxels: int = Field(default=1, ge=1, description="Smaller ROIs are refused [1].")

    @property
    def names(self) -> RoiMap:
        """The study's own map of names, without the defaults."""
        return RoiMap(self.roi_map, self.readers)


NO_SEQUENCE = "no sequence"  # names what is refused of a subject without a series that is wanted


@dataclass(frozen=True)
class FileRef:
    """One file: plain, or a member of a zip archive.

    Attributes:
        size: As it was listed [bytes]; no part of which file it is.
        changed: When it, or its archive, was changed last, as listed [ns]; likewise. 0 if unknown.
        frames: Which of its frames are meant, counted from 1; likewise. All of them if empty.
    """

    path: Path
    member: str = ""
    size: int = field(default=0, compare=False)
    changed: int = field(default=0, compare=False)
    frames: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Exam:
    """One exam as found in the source. Carries addresses, no voxels; never stored.

    Attributes:
        importer: Name in ``radlas.ingest.IMPORTERS``.
        subject: The patient's identifier at the hospital; leaves the process only as a pseudonym.
        series: What names the image among the subject's: SeriesInstanceUID, or file name without
            ending. Subject and series together name a case, and are unique within a scan.
        images: The files of the image, in the order of slices if there are several.
        masks: The files of its masks.
        sequence: Class by the vocabulary: T2FS, T1, STIR, other.
        rule: Why this series was chosen.
        fingerprint: SHA-256 over the identities of all its files: the whole content of masks and of
            image files, the names of mask files, SOPInstanceUID and size of DICOM images (an edit
            that keeps both is not seen).
        size: Of all its files [bytes]; no part of what the exam is.
        study_date: ``YYYYMMDD`` as in the headers, or empty; stored only as a day on the
            subject's own clock.
        flags: What a careful reader should know of the series: ``fewer_than_stated``.
        parts: Subjects and series under which a scan refuses its masks while the image is missing.
        issuer: Names and numbers of who gave the subject's identifier, if headers tell; stored as
            keyed digests alone.
    """

    importer: str
    subject: str
    series: str
    images: tuple[FileRef, ...]
    masks: tuple[FileRef, ...]
    sequence: str
    rule: str
    fingerprint: str
    size: int = 0
    study_date: str = ""
    flags: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Something in the source that cannot become a case: quarantined at the scan.

    Attributes:
        subject: Patient identifier if known, else empty.
        series: What names it: that of the exam it would be, a UID, or its path in the source;
            stored only as a pseudonym.
        error: The typed reason.
        fingerprint: SHA-256 over the identities of its files.
        sequence: Class of the series, if it is one.
        files: How many it has.
        size: Of all its files [bytes].
        place: Where it lies, if it is one file whose name does not say so; never stored.
    """

    subject: str
    series: str
    error: DataError
    fingerprint: str
    sequence: str = ""
    files: int = 1
    size: int = 0
    place: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A series that is fine but not wanted, with the reason: printed, counted, not an input.

    Attributes:
        sequence: Class of the series, if it is one.
        files: How many it has.
        size: Of all its files [bytes].
    """

    subject: str
    series: str
    why: str
    sequence: str = ""
    files: int = 1
    size: int = 0


@dataclass(frozen=True)
class Scan:
    """What a source holds.

    Attributes:
        unreached: Files, archives and folders that could not be reached: perhaps whole patients.
        called_alike: Pairs of subjects of which headers say that they are one patient.
        read: Images and masks, whatever became of them: a file that was refused once is sound now.
    """

    exams: tuple[Exam, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    clinical: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    unreached: int = 0
    called_alike: tuple[tuple[str, str], ...] = ()
    read: tuple[FileRef, ...] = ()


@dataclass(frozen=True)
class ExamData:
    """One exam as read: the image, its ROIs, and the allow-listed facts of its headers.

    Attributes:
        flags: What a careful reader should know of the image: ``blank_slices``.
    """

    volume: Volume
    rois: tuple[Roi, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


class Importer(Protocol):
    """Finds exams, then reads them. ``find`` reads headers only; ``read`` runs on workers."""

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """Everything in the source, sorted, so that the same files give the same plan.

        Return no ``Refusal`` for a file that cannot be reached: a refusal is final. Tell of it in
        ``notes`` and ``unreached``, and leave out exams that it may belong to until the next scan.

        Raises:
            ConfigError: The source does not exist or holds nothing this importer can read.
        """

    def read(self, exam: Exam, rules: IngestRules) -> ExamData:
        """Read one exam.

        Raises:
            DataError: The exam is not exactly right; it is quarantined under the reason.
            OSError: A file cannot be reached, and the message names none: planned again.
        """
