"""The header of one DICOM file, reduced to what linking and choosing need."""

from __future__ import annotations

import io
from typing import BinaryIO, TypeVar

from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, MediaStorageDirectoryStorage

from radlas.ingest.base import FileRef
from radlas.ingest.deidentify import safe_number
from radlas.ingest.dicom.elements import Elements, read_elements
from radlas.ingest.dicom.enhanced import OFFSET, SOURCE
from radlas.ingest.dicom.frames import as_frames, may_be_enhanced
from radlas.ingest.dicom.header_records import ImageFile, MaskFile, Part
from radlas.ingest.dicom.mask_headers import mask_file, subject_told
from radlas.ingest.dicom.people import KEYWORDS, person_told
from radlas.reasons import data_error

_KEYWORDS = (
    *KEYWORDS,
    *"SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID FrameOfReferenceUID PatientID"
    " StudyDate Modality SeriesDescription SeriesNumber ImageType Rows Columns NumberOfFrames"
    " PixelSpacing ImageOrientationPatient ImagePositionPatient EchoNumbers EchoTime"
    " RepetitionTime InversionTime AcquisitionNumber TemporalPositionIdentifier DiffusionBValue"
    " ScanOptions BurnedInAnnotation ImagesInAcquisition SpacingBetweenSlices InstanceNumber"
    " PhotometricInterpretation ConcatenationUID"
    " ConcatenationFrameOffsetNumber InConcatenationTotalNumber AcquisitionTime ContentTime"
    " TriggerTime SOPInstanceUIDOfConcatenationSource".split(),
)
_MASKS = {"RTSTRUCT", "SEG"}
_FAT_OPTIONS = {"FS", "SFS", "FATSAT"}
T = TypeVar("T")


class Interner:
    """Values that many files have in common, kept once: a scan holds a record of every file."""

    def __init__(self) -> None:
        self._known: dict[object, object] = {}

    def __call__(self, value: T) -> T:
        """An equal value, the same object for all that are equal."""
        return self._known.setdefault(value, value)  # type: ignore[return-value]


def describe(
    ref: FileRef, stream: BinaryIO, intern: Interner
) -> tuple[ImageFile, ...] | MaskFile | None:
    """What the header says; None for DICOM files that are neither image nor mask.

    An image file is one record, or one for each of its frames if they are described.

    What a damaged file raises is the caller's to catch: see ``parsing``.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = read_elements(stream, _KEYWORDS)
    if head.text("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    modality = head.text("Modality").upper()
    if missing := [one for one in ("Modality", "SOPInstanceUID") if not head.text(one)]:
        what = f"a DICOM file without {' or '.join(missing)}"
        hint = "export it again; if a tool took identifiers out, let it put others in their place"
        raise data_error("unreadable_file", what, hint=hint)
    if modality in _MASKS:
        return mask_file(ref, size, stream, head)
    sides = head.short("Rows"), head.short("Columns")
    if all(sides):
        file = _image_file(ref, size, head, intern)
        if may_be_enhanced(file, head.text("SOPClassUID")):
            return as_frames(file, stream, intern)
        return (file,)
    if any(sides) or "ImageStorage" in UID(head.text("SOPClassUID")).keyword:
        raise InvalidDicomError("an image of no size: its header is cut or damaged")
    return None


def _image_file(ref: FileRef, size: int, head: Elements, intern: Interner) -> ImageFile:
    def text(keyword: str) -> str:
        return intern(head.text(keyword))

    frames = int(head.number("NumberOfFrames") or 1)
    return ImageFile(
        ref=ref,
        size=size,
        instance=head.text("SOPInstanceUID"),
        series=text("SeriesInstanceUID"),
        study=text("StudyInstanceUID"),
        subject=intern(subject_told(head)),
        study_date=text("StudyDate"),
        frame_of_reference=text("FrameOfReferenceUID"),
        modality=intern(head.text("Modality").upper()),
        description=text("SeriesDescription"),
        number=int(safe_number(head.number("SeriesNumber")) or 0),
        image_type=intern(head.texts("ImageType")),
        shape=intern((frames, head.short("Rows"), head.short("Columns"))),
        frames=frames,
        part=intern(_part(head)),
        pixel_spacing=intern(head.floats("PixelSpacing")),
        orientation=intern(head.floats("ImageOrientationPatient")),
        position=head.floats("ImagePositionPatient"),
        echo=text("EchoNumbers"),
        acquisition=text("AcquisitionNumber"),
        phase=text("TemporalPositionIdentifier"),
        times=intern(tuple(map(text, ("TriggerTime", "AcquisitionTime", "ContentTime")))),
        b_value=intern(head.double("DiffusionBValue")),
        repetition_ms=intern(safe_number(head.number("RepetitionTime"))),
        echo_ms=intern(safe_number(head.number("EchoTime"))),
        inversion_ms=intern(safe_number(head.number("InversionTime"))),
        stated_step=intern(safe_number(head.number("SpacingBetweenSlices"))),
        order=_whole(head.number("InstanceNumber")),
        person=intern(person_told(head)),
        stated_images=int(safe_number(head.number("ImagesInAcquisition")) or 0),
        fat_option=not _FAT_OPTIONS.isdisjoint(head.texts("ScanOptions")),
        burned_in=head.text("BurnedInAnnotation").upper() == "YES",
        inverted=head.text("PhotometricInterpretation").upper() == "MONOCHROME1",
    )


def _part(head: Elements) -> Part | None:
    uid = head.text("ConcatenationUID")
    if not uid:
        return None
    offset, total = map(head.whole, (OFFSET, "InConcatenationTotalNumber"))
    return Part(uid, head.text(SOURCE), offset, total or 0)


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number.is_integer() else None
