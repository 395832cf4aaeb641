"""Enhanced MR: files of one or many frames, each frame described like a slice of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage

from radlas.reasons import data_error

ENHANCED = {EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage}
PER_FRAME, OF_SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
SOURCE, OFFSET = "SOPInstanceUIDOfConcatenationSource", "ConcatenationFrameOffsetNumber"
_TIMES = {name: name for name in ("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle")}
# Functional groups (PS3.3 C.7.6.16, C.8.13.5), and under which name a single slice says the same.
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "UnassignedSharedConvertedAttributesSequence": _TIMES,
    "UnassignedPerFrameConvertedAttributesSequence": _TIMES,
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelMeasuresSequence": {
        "PixelSpacing": "PixelSpacing",
        "SpacingBetweenSlices": "SpacingBetweenSlices",
    },
    "PixelValueTransformationSequence": {
        "RescaleSlope": "RescaleSlope",
        "RescaleIntercept": "RescaleIntercept",
    },
    "FrameContentSequence": {
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "InStackPositionNumber": "InstanceNumber",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
    },
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRTimingAndRelatedParametersSequence": {
        "RepetitionTime": "RepetitionTime",
        "FlipAngle": "FlipAngle",
    },
    "MRModifierSequence": {
        "InversionTimes": "InversionTime",
        "SpectrallySelectedSuppression": "SpectrallySelectedSuppression",
    },
    "MRDiffusionSequence": {"DiffusionBValue": "DiffusionBValue"},
    "MRImageFrameTypeSequence": {
        "FrameType": "ImageType",
        "ComplexImageComponent": "ComplexImageComponent",
    },
}
ONE_CONTRAST = 1.1  # times of one image differ by rounding and by a few per cent at most
ONE_TRIGGER = 3.0  # repetition follows the breath where a scan is triggered; T1 and T2 are further
_CONTRASTS = (  # and by how much times may differ
    ("echo times", "MREchoSequence", "EffectiveEchoTime", ONE_CONTRAST),
    (
        "repetition times",
        "MRTimingAndRelatedParametersSequence",
        "RepetitionTime",
        ONE_TRIGGER,
    ),
    ("inversion times", "MRModifierSequence", "InversionTimes", 1.0),
    ("b-values", "MRDiffusionSequence", "DiffusionBValue", 1.0),
    ("complex components", "MRImageFrameTypeSequence", "ComplexImageComponent", 1.0),
    ("frame types", "MRImageFrameTypeSequence", "FrameType", 1.0),
)
_OF_ALL = (
    "SOPInstanceUID",
    "Rows",
    "Columns",
    "FrameOfReferenceUID",
    "RescaleSlope",
    "RescaleIntercept",
)
Frame = tuple[Dataset, int]  # a file, and the index of one of its frames


def is_described(dataset: Dataset) -> bool:
    """True if the file says where it lies by functional groups, and not at its top level."""
    return PER_FRAME in dataset or int(dataset.get("NumberOfFrames") or 1) > 1


def frame_headers(dataset: Dataset) -> list[dict[str, Any]]:
    """What each frame says, by the keywords of the slices of a single-frame series.

    Raises:
        DataError: ``missing_geometry``: frames are counted but not described.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    own = list(dataset.get(PER_FRAME) or ())
    if len(own) != count:
        what = f"{count} frames, {len(own)} of them described"
        hint = "export the enhanced MR object itself, not a multi-frame secondary capture of it"
        raise data_error("missing_geometry", what, hint=hint)
    shared = next(iter(dataset.get(OF_SHARED) or ()), Dataset())
    return [_frame(dataset, shared, one) for one in own]


def check_one_contrast(frames: Sequence[Frame]) -> None:
    """Refuse frames of several stacks, echoes or kinds that only together make a regular grid.

    Raises:
        DataError: ``mixed_slices``.
    """
    groups = [dataset[PER_FRAME].value[index] for dataset, index in frames]
    for name, group, keyword, ratio in _CONTRASTS:
        found = _found(groups, group, keyword)
        if len(found) > 1 and not (ratio > 1 and _about_equal(found, ratio)):
            raise data_error("mixed_slices", f"frames of {len(found)} {name} in one stack")
    # Stacks are numbered anew in each file, but through all of a concatenation.
    files: dict[str, list[Dataset]] = defaultdict(list)
    for (dataset, _), own in zip(frames, groups, strict=True):
        files[str(dataset.get("ConcatenationUID") or dataset.get("SOPInstanceUID"))].append(own)
    stacks = [len(_found(own, "FrameContentSequence", "StackID")) for own in files.values()]
    if (most := max(stacks, default=0)) > 1:
        raise data_error("mixed_slices", f"frames of {most} stacks in one file")


def referenced(item: Dataset) -> frozenset[str]:
    """What an item of a sequence refers to: ``UID``, or ``UID#number`` for each frame it names."""
    uid = str(item.get("ReferencedSOPInstanceUID") or "").strip()
    told = item.get("ReferencedFrameNumber")
    numbers = [told] if isinstance(told, int | str) else told or ()
    return frozenset(frame_name(uid, int(number)) for number in numbers) or frozenset({uid} - {""})


def frame_name(uid: str, number: int) -> str:
    """The name of one frame of a file, counted from 1."""
    return f"{uid}#{number}"


def with_facts(dataset: Dataset, frame: Mapping[str, Any]) -> Dataset:
    """The header of a file, with what enhanced objects say of their frames alone."""
    for keyword in (*_TIMES, "RescaleSlope", "RescaleIntercept"):
        if keyword not in dataset and frame.get(keyword) is not None:
            setattr(dataset, keyword, frame[keyword])
    return dataset


def _found(groups: Sequence[Dataset], name: str, keyword: str) -> set[str]:
    values = (item.get(keyword) for own in groups for item in _items(own, name))
    return {str(value) for value in values if value is not None}


def _about_equal(times: set[str], ratio: float) -> bool:
    numbers = [float(time) for time in times]
    return 0 < max(numbers) <= ratio * min(numbers)


def _frame(dataset: Dataset, shared: Dataset, own: Dataset) -> dict[str, Any]:
    header = _said(dataset, {keyword: keyword for keyword in _OF_ALL})
    for group, keywords in _GROUPS.items():
        for item in (*_items(shared, group), *_items(own, group)):  # the frame's own wins
            header |= _said(item, keywords)
    return header


def _items(groups: Dataset, name: str) -> Iterator[Dataset]:
    yield from groups.get(name) or ()


def _said(source: Dataset, keywords: Mapping[str, str]) -> dict[str, Any]:
    found = {target: source.get(keyword) for keyword, target in keywords.items()}
    return {
        keyword: list(value) if isinstance(value, MultiValue) else value
        for keyword, value in found.items()
        if value is not None and value != ""
    }
