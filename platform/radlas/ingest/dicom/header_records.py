"""One DICOM file by its header: what linking and choosing need, and nothing else. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.enhanced import frame_name
from radlas.ingest.dicom.people import Person
from radlas.ingest.namesakes import one_spelling

# What anonymisers write into every patient's identifier; one with a number tells patients apart.
_NOBODY = re.compile(
    r"(?:anon(?:ym(?:ous|i[sz]ed))?|pseudonymi[sz]ed|de-?identified)(?:[\s^_-]*(?:patient|subject))?|"
    r"unknown|none|null|removed|redacted|patient|test|n/?a|x+|0+|[\s?_*^-]*",
    re.IGNORECASE,
)


def subject_of(patient: str, study: str, series: str) -> str:
    """The subject's name: PatientID, or the study where that names nobody.

    Without an identifier the study stands for the patient: never all under one name.
    """
    if not _NOBODY.fullmatch(patient):
        return one_spelling(patient)
    return f"study {study}" if study else f"series {series}"


def same_patient(one: str, other: str) -> bool:
    """False if two subjects contradict one another.

    An identifier that one side lost proves nothing; nor do letter case and leading zeros, which
    some workstations change.
    """
    if any(re.fullmatch(r"(study|series) [\d.]+", name) for name in (one, other)):
        return True
    return one.casefold().lstrip("0") == other.casefold().lstrip("0")


@dataclass(frozen=True, slots=True)
class Part:
    """What one file says of the concatenation that it is a part of (PS3.3 C.7.6.16.2.2.4).

    Attributes:
        uid: ConcatenationUID.
        source: SOPInstanceUID of the object that was divided, under which masks may name it.
        offset: Frames in the parts before this one; None if it does not say.
        total: Parts of the whole; 0 if it does not say.
    """

    uid: str
    source: str
    offset: int | None
    total: int


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file, or one frame of an enhanced file, by its header.

    Attributes:
        size: Of the file [bytes].
        shape: Frames, rows, columns; one frame where frames are told apart.
        stated_images: ImagesInAcquisition; 0 where it is missing.
        times: TriggerTime, AcquisitionTime, ContentTime as they stand; never stored.
        b_value: DiffusionBValue [s/mm^2].
        stated_step: SpacingBetweenSlices [mm]; no spacing is made of it.
        person: To tell two people under one identifier; never stored.
        inverted: True if higher values are darker (MONOCHROME1).
        frame: Number of the frame in a file of many, from 1; 0 for a file of one.
        frames: How many frames its file has.
        part: Of a concatenation, if it is one.
    """

    ref: FileRef
    size: int
    instance: str
    series: str
    study: str
    subject: str
    study_date: str
    frame_of_reference: str
    modality: str
    description: str
    number: int
    image_type: tuple[str, ...]
    shape: tuple[int, int, int]
    pixel_spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    echo: str
    acquisition: str
    phase: str
    times: tuple[str, ...]
    b_value: float | None
    repetition_ms: float | None
    echo_ms: float | None
    inversion_ms: float | None
    stated_images: int
    stated_step: float | None
    order: int | None
    person: Person
    fat_option: bool
    burned_in: bool
    inverted: bool
    frame: int = 0
    frames: int = 1
    part: Part | None = None

    @property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs by which masks may name it."""
        return frozenset({self.instance, self.part.source if self.part else ""}) - {""}

    @property
    def frame_names(self) -> frozenset[str]:
        """Names of the frame by which masks may tell it from others of its file."""
        if not self.holder:
            return frozenset()
        number = max(1, self.frame)
        names = {frame_name(self.instance, number)}
        if self.part:
            names.add(frame_name(self.part.source, (self.part.offset or 0) + number))
        return frozenset(names)

    @property
    def holder(self) -> str:
        """What holds its frames together: its concatenation or file; empty for a lone slice."""
        return self.part.uid if self.part else self.instance * (self.frames > 1)

    @property
    def is_whole(self) -> bool:
        """True for a file of many frames that belongs to no other file."""
        return self.frames > 1 and self.part is None

    @property
    def identity(self) -> str:
        """What the file is, wherever it lies: instance and size.

        Images are not read whole at a scan, so an edit that keeps both is not seen; DICOM asks
        whoever changes an image to give it another SOPInstanceUID.
        """
        return f"{self.instance}:{self.size}"


@dataclass(frozen=True, slots=True)
class MaskFile:
    """One RTSTRUCT or SEG file, by its header.

    Attributes:
        size: Of the file [bytes].
        person: As of an image.
        content: SHA-256 of the whole file: contours are edited in place, under the same UID.
        listed: Image instances that it names, by the series it names them under.
        drawn: Image instances that single contours or segments name.
        drawn_by: The same and their frames, by the name of the ROI; of RTSTRUCT only.
        frames: Frames of images that it names anywhere, as ``frame_names`` of an image.
        names: Drawn names in it.
    """

    ref: FileRef
    size: int
    content: str
    instance: str
    study: str
    subject: str
    person: Person
    modality: str
    description: str
    frames_of_reference: frozenset[str]
    listed: Mapping[str, frozenset[str]] = field(hash=False)
    drawn: frozenset[str]
    drawn_by: Mapping[str, frozenset[str]] = field(hash=False)
    frames: frozenset[str]
    names: tuple[str, ...]

    @property
    def series(self) -> frozenset[str]:
        """SeriesInstanceUIDs of images that it names."""
        return frozenset(self.listed)

    @property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs of images that it names anywhere."""
        return self.drawn.union(*self.listed.values())

    @property
    def identity(self) -> str:
        """What the file is, wherever it lies: instance and content."""
        return f"{self.instance}:{self.content}"
