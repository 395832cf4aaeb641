"""The header of one DICOM file, reduced to what linking and choosing need."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, TypeVar

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, MediaStorageDirectoryStorage

from radlas.ingest.base import FileRef
from radlas.ingest.deidentify import safe_number
from radlas.ingest.elements import Elements, read_elements
from radlas.ingest.enhanced import OFFSET, SOURCE, referenced
from radlas.ingest.fingerprints import content_fingerprint
from radlas.ingest.frames import as_frames, may_be_enhanced
from radlas.ingest.header_records import ImageFile, MaskFile, Part, subject_of
from radlas.reasons import data_error

_KEYWORDS = tuple(
    "SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID FrameOfReferenceUID PatientID"
    " StudyDate Modality SeriesDescription SeriesNumber ImageType Rows Columns NumberOfFrames"
    " PixelSpacing ImageOrientationPatient ImagePositionPatient EchoNumbers EchoTime"
    " RepetitionTime InversionTime AcquisitionNumber TemporalPositionIdentifier DiffusionBValue"
    " ScanOptions BurnedInAnnotation ImagesInAcquisition SpacingBetweenSlices InstanceNumber"
    " PatientSex PatientBirthDate PhotometricInterpretation ConcatenationUID"
    " ConcatenationFrameOffsetNumber InConcatenationTotalNumber AcquisitionTime ContentTime"
    " TriggerTime"
    " SOPInstanceUIDOfConcatenationSource".split()
)
_MASK_SEQUENCES = [
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "ROIContourSequence",
    "ReferencedSeriesSequence",
    "SegmentSequence",
    "SourceImageSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "StructureSetLabel",
]
_MASKS = {"RTSTRUCT", "SEG"}
# Where references to images stand: RTSTRUCT (PS3.3 C.8.8.5, C.8.8.6), SEG (C.12.4, C.7.6.16).
_FRAMES = "ReferencedFrameOfReferenceSequence"
_LISTED = (
    (_FRAMES, "RTReferencedStudySequence", "RTReferencedSeriesSequence", "ContourImageSequence"),
    ("ReferencedSeriesSequence", "ReferencedInstanceSequence"),
)
_DERIVED = ("DerivationImageSequence", "SourceImageSequence")
_DRAWN = (
    ("ROIContourSequence", "ContourSequence", "ContourImageSequence"),
    ("PerFrameFunctionalGroupsSequence", *_DERIVED),
    ("SharedFunctionalGroupsSequence", *_DERIVED),
    ("SourceImageSequence",),
)
_FAT_OPTIONS = {"FS", "SFS", "FATSAT"}
T = TypeVar("T")


class Shared:
    """Values that many files have in common, kept once: a scan holds a record of every file."""

    def __init__(self) -> None:
        self._known: dict[object, object] = {}

    def __call__(self, value: T) -> T:
        """An equal value, the same object for all that are equal."""
        return self._known.setdefault(value, value)  # type: ignore[return-value]


def describe(
    ref: FileRef, stream: BinaryIO, shared: Shared
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
        return _mask_file(ref, size, stream, head)
    sides = head.short("Rows"), head.short("Columns")
    if all(sides):
        file = _image_file(ref, size, head, shared)
        if may_be_enhanced(file, head.text("SOPClassUID")):
            return as_frames(file, stream, shared)
        return (file,)
    if any(sides) or "ImageStorage" in UID(head.text("SOPClassUID")).keyword:
        raise InvalidDicomError("an image of no size: its header is cut or damaged")
    return None


def _image_file(ref: FileRef, size: int, head: Elements, shared: Shared) -> ImageFile:
    def text(keyword: str) -> str:
        return shared(head.text(keyword))

    frames = int(head.number("NumberOfFrames") or 1)
    return ImageFile(
        ref=ref,
        size=size,
        instance=head.text("SOPInstanceUID"),
        series=text("SeriesInstanceUID"),
        study=text("StudyInstanceUID"),
        subject=shared(_subject(head)),
        study_date=text("StudyDate"),
        frame_of_reference=text("FrameOfReferenceUID"),
        modality=shared(head.text("Modality").upper()),
        description=text("SeriesDescription"),
        number=int(safe_number(head.number("SeriesNumber")) or 0),
        image_type=shared(head.texts("ImageType")),
        shape=shared((frames, head.short("Rows"), head.short("Columns"))),
        frames=frames,
        part=shared(_part(head)),
        pixel_spacing=shared(head.floats("PixelSpacing")),
        orientation=shared(head.floats("ImageOrientationPatient")),
        position=head.floats("ImagePositionPatient"),
        echo=text("EchoNumbers"),
        acquisition=text("AcquisitionNumber"),
        phase=text("TemporalPositionIdentifier"),
        times=shared(tuple(map(text, ("TriggerTime", "AcquisitionTime", "ContentTime")))),
        b_value=shared(head.double("DiffusionBValue")),
        repetition_ms=shared(safe_number(head.number("RepetitionTime"))),
        echo_ms=shared(safe_number(head.number("EchoTime"))),
        inversion_ms=shared(safe_number(head.number("InversionTime"))),
        stated_step=shared(safe_number(head.number("SpacingBetweenSlices"))),
        order=_whole(head.number("InstanceNumber")),
        person=shared((head.text("PatientSex").upper(), head.text("PatientBirthDate"))),
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


def _mask_file(ref: FileRef, size: int, stream: BinaryIO, head: Elements) -> MaskFile:
    stream.seek(0)
    header = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, specific_tags=_MASK_SEQUENCES
    )
    frames = [_text(item, "FrameOfReferenceUID") for item in _items([header], _FRAMES)]
    return MaskFile(
        ref=ref,
        size=size,
        content=content_fingerprint(stream),
        instance=head.text("SOPInstanceUID"),
        study=head.text("StudyInstanceUID"),
        subject=_subject(head),
        modality=head.text("Modality").upper(),
        description=head.text("SeriesDescription") or _text(header, "StructureSetLabel"),
        frames_of_reference=frozenset([*frames, head.text("FrameOfReferenceUID")]) - {""},
        listed=_listed(header),
        drawn=frozenset(one for path in _DRAWN for one in _named(_items([header], *path))),
        drawn_by=_drawn_by(header),
        frames=frozenset(one for path in _DRAWN for one in _framed(_items([header], *path))),
        names=_drawn_names(header),
    )


def _listed(header: Dataset) -> Mapping[str, frozenset[str]]:
    """Instances under each series that the file refers to as a whole."""
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for *path, images in _LISTED:
        for series in _items([header], *path):
            if uid := _text(series, "SeriesInstanceUID"):
                found[uid] |= frozenset(_named(_items([series], images)))
    return dict(found)


def _drawn_by(header: Dataset) -> Mapping[str, frozenset[str]]:
    """Instances that the contours of each ROI name."""
    rois = _items([header], "StructureSetROISequence")
    names = {_text(roi, "ROINumber"): _text(roi, "ROIName") for roi in rois}
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for item in _items([header], "ROIContourSequence"):
        images = _items([item], "ContourSequence", "ContourImageSequence")
        found[names.get(_text(item, "ReferencedROINumber"), "")] |= frozenset(_named(images))
    return dict(found)


def _items(datasets: Iterable[Dataset], *path: str) -> Iterator[Dataset]:
    """Items of nested sequences. By name: to visit every element would parse each coordinate."""
    if not path:
        yield from datasets
        return
    for dataset in datasets:
        yield from _items(dataset.get(path[0]) or (), *path[1:])


def _named(items: Iterable[Dataset]) -> list[str]:
    return [uid for item in items if (uid := _text(item, "ReferencedSOPInstanceUID"))]


def _framed(items: Iterable[Dataset]) -> Iterator[str]:
    for item in items:
        if item.get("ReferencedFrameNumber") is not None:
            yield from referenced(item)


def _drawn_names(header: Dataset) -> tuple[str, ...]:
    rois = [_text(item, "ROIName") for item in header.get("StructureSetROISequence") or ()]
    return (*rois, *(_text(item, "SegmentLabel") for item in header.get("SegmentSequence") or ()))


def _subject(head: Elements) -> str:
    return subject_of(*map(head.text, ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")))


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number.is_integer() else None


def _text(dataset: Dataset, tag: str) -> str:
    value = dataset.get(tag)
    return "" if value is None else str(value).strip()
