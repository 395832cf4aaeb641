"""The header of one RTSTRUCT or SEG: which images it names, and what is drawn in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from radlas.ingest.base import FileRef
from radlas.ingest.dicom.elements import Elements
from radlas.ingest.dicom.enhanced import referenced
from radlas.ingest.dicom.header_records import MaskFile, subject_of
from radlas.ingest.dicom.people import person_told
from radlas.ingest.fingerprints import content_fingerprint

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
    "PixelPaddingValue",
]
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


def mask_file(ref: FileRef, size: int, stream: BinaryIO, head: Elements) -> MaskFile:
    """The record of an RTSTRUCT or SEG of this size, whose top level is ``head``.

    The stream is left anywhere.
    """
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
        subject=subject_told(head),
        person=person_told(head),
        modality=head.text("Modality").upper(),
        description=head.text("SeriesDescription") or _text(header, "StructureSetLabel"),
        frames_of_reference=frozenset([*frames, head.text("FrameOfReferenceUID")]) - {""},
        listed=_listed(header),
        drawn=frozenset(one for path in _DRAWN for one in _named(_items([header], *path))),
        drawn_by=_drawn_by(header),
        frames=frozenset(
            one for path in (*_LISTED, *_DRAWN) for one in _framed(_items([header], *path))
        ),
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
    """Instances, and frames of them, that the contours of each ROI name."""
    rois = _items([header], "StructureSetROISequence")
    names = {_text(roi, "ROINumber"): _text(roi, "ROIName") for roi in rois}
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for item in _items([header], "ROIContourSequence"):
        images = list(_items([item], "ContourSequence", "ContourImageSequence"))
        told = frozenset([*_named(images), *_framed(images)])
        found[names.get(_text(item, "ReferencedROINumber"), "")] |= told
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
    background = _text(header, "PixelPaddingValue")  # of a labelmap
    segments = [
        _text(item, "SegmentLabel")
        for item in header.get("SegmentSequence") or ()
        if not background or _text(item, "SegmentNumber") != background
    ]
    return (*rois, *segments)


def subject_told(head: Elements) -> str:
    """The subject that a header names."""
    return subject_of(*map(head.text, ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")))


def _text(dataset: Dataset, tag: str) -> str:
    value = dataset.get(tag)
    return "" if value is None else str(value).strip()
