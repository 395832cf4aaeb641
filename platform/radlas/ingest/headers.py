"""The header of one DICOM file, reduced to what linking and choosing need."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue

from radlas.ingest.base import FileRef
from radlas.ingest.deidentify import safe_number
from radlas.ingest.fingerprints import content_fingerprint
from radlas.ingest.header_records import ImageFile, MaskFile

_IMAGE_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "Modality",
    "SeriesDescription",
    "SeriesNumber",
    "ImageType",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "EchoNumbers",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "ScanOptions",
    "BurnedInAnnotation",
    "StructureSetLabel",
]
_MASK_TAGS = [
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "ROIContourSequence",
    "ReferencedSeriesSequence",
    "SegmentSequence",
    "SourceImageSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_REFERENCES = [
    "ReferencedFrameOfReferenceSequence",
    "RTReferencedStudySequence",
    "RTReferencedSeriesSequence",
    "ROIContourSequence",
    "ContourSequence",
    "ContourImageSequence",
    "ReferencedSeriesSequence",
    "ReferencedInstanceSequence",
    "SourceImageSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DerivationImageSequence",
]
_MASKS = {"RTSTRUCT", "SEG"}


def describe(ref: FileRef, stream: BinaryIO) -> ImageFile | MaskFile | None:
    """What the header says; None for DICOM files that are neither image nor mask.

    What pydicom raises on a damaged file is the caller's to catch: see ``parsing``.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    header = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, specific_tags=[*_IMAGE_TAGS, *_MASK_TAGS]
    )
    if "MediaStorageDirectoryStorage" in _class_name(header):
        return None
    modality = str(header.get("Modality") or "")
    if not modality or not header.get("SOPInstanceUID"):
        raise InvalidDicomError("no Modality or SOPInstanceUID")
    if modality in _MASKS:
        return _mask_file(ref, content_fingerprint(stream), header)
    return _image_file(ref, size, header) if header.get("Rows") else None


def _class_name(header: Dataset) -> str:
    meta = getattr(header, "file_meta", None)
    uid = meta.get("MediaStorageSOPClassUID") if meta else None
    return str(getattr(uid, "keyword", "") or "")


def _image_file(ref: FileRef, size: int, header: Dataset) -> ImageFile:
    frames = int(header.get("NumberOfFrames") or 1)
    return ImageFile(
        ref=ref,
        size=size,
        instance=str(header.SOPInstanceUID),
        series=_text(header, "SeriesInstanceUID"),
        study=_text(header, "StudyInstanceUID"),
        subject=_subject(header),
        frame_of_reference=_text(header, "FrameOfReferenceUID"),
        modality=str(header.Modality),
        description=_text(header, "SeriesDescription"),
        number=int(safe_number(header.get("SeriesNumber")) or 0),
        image_type=_texts(header.get("ImageType")),
        shape=(frames, int(header.Rows), int(header.Columns)),
        pixel_spacing=_floats(header.get("PixelSpacing")),
        orientation=_floats(header.get("ImageOrientationPatient")),
        position=_floats(header.get("ImagePositionPatient")),
        echo=_text(header, "EchoNumbers"),
        acquisition=_text(header, "AcquisitionNumber"),
        phase=_text(header, "TemporalPositionIdentifier") + _text(header, "DiffusionBValue"),
        repetition_ms=safe_number(header.get("RepetitionTime")),
        echo_ms=safe_number(header.get("EchoTime")),
        inversion_ms=safe_number(header.get("InversionTime")),
        fat_option=bool({"FS", "SFS", "FATSAT"} & set(_texts(header.get("ScanOptions")))),
        burned_in=_text(header, "BurnedInAnnotation").upper() == "YES",
    )


def _mask_file(ref: FileRef, content: str, header: Dataset) -> MaskFile:
    items = list(_walk(header))
    label = _text(header, "StructureSetLabel")
    return MaskFile(
        ref=ref,
        content=content,
        instance=str(header.SOPInstanceUID),
        study=_text(header, "StudyInstanceUID"),
        subject=_subject(header),
        modality=str(header.Modality),
        description=_text(header, "SeriesDescription") or label,
        frames_of_reference=_values(items, "FrameOfReferenceUID"),
        series=_values(items[1:], "SeriesInstanceUID"),
        instances=_values(items, "ReferencedSOPInstanceUID"),
        names=_drawn_names(header),
    )


def _drawn_names(header: Dataset) -> tuple[str, ...]:
    rois = [_text(item, "ROIName") for item in header.get("StructureSetROISequence") or ()]
    return (*rois, *(_text(item, "SegmentLabel") for item in header.get("SegmentSequence") or ()))


def _walk(dataset: Dataset) -> Iterator[Dataset]:
    # By name: visiting every element would parse each coordinate of each contour.
    yield dataset
    for tag in _REFERENCES:
        for item in dataset.get(tag) or ():
            yield from _walk(item)


def _values(items: Iterable[Dataset], tag: str) -> frozenset[str]:
    return frozenset(value for item in items if (value := _text(item, tag)))


def _subject(header: Dataset) -> str:
    # Without a patient's identifier the study stands for the patient: never all under one name.
    return _text(header, "PatientID") or f"study {_text(header, 'StudyInstanceUID')}"


def _text(dataset: Dataset, tag: str) -> str:
    value = dataset.get(tag)
    return "" if value is None else str(value).strip()


def _texts(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, MultiValue | list | tuple) else [value or ""]
    return tuple(str(part).strip().upper() for part in parts)


def _floats(value: Any) -> tuple[float, ...]:
    return tuple(float(part) for part in value) if value else ()
