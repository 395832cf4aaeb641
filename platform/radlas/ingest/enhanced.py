"""Multi-frame MR: one file that holds the whole volume, its frames described like single slices."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from radlas.reasons import data_error

# Functional groups (PS3.3 C.7.6.16) and what a single slice says at its top level.
_GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
}
ONE_CONTRAST = 1.1  # times of one image differ by rounding and by a few per cent at most
ONE_TRIGGER = 3.0  # repetition follows the breath where a scan is triggered; T1 and T2 are further
_CONTRASTS = (  # and by how much times may differ
    ("stacks", "FrameContentSequence", "StackID", 1.0),
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
_OF_ALL = ("Rows", "Columns", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept")


def frame_headers(dataset: Dataset) -> list[Dataset]:
    """One header per frame, with the elements that a slice of a single-frame series would have.

    Raises:
        DataError: ``missing_geometry``: frames are counted but not described.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if len(own) != count:
        what = f"{count} frames, {len(own)} of them described"
        hint = "export the enhanced MR object itself, not a multi-frame secondary capture of it"
        raise data_error("missing_geometry", what, hint=hint)
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    return [_frame(dataset, shared, one) for one in own]


def check_one_contrast(dataset: Dataset) -> None:
    """Refuse frames of several stacks, echoes or kinds that only together make a regular grid.

    Raises:
        DataError: ``mixed_slices``.
    """
    for name, group, keyword, ratio in _CONTRASTS:
        found = {
            str(item.get(keyword))
            for own in dataset.get("PerFrameFunctionalGroupsSequence") or ()
            for item in _items(own, group)
            if item.get(keyword) is not None
        }
        if len(found) > 1 and not (ratio > 1 and _about_equal(found, ratio)):
            raise data_error("mixed_slices", f"frames of {len(found)} {name} in one file")


def _about_equal(times: set[str], ratio: float) -> bool:
    numbers = [float(time) for time in times]
    return 0 < max(numbers) <= ratio * min(numbers)


def effective_echo(dataset: Dataset) -> Dataset:
    """The header with the times that enhanced objects keep in their functional groups."""
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    first = next(iter(dataset.get("PerFrameFunctionalGroupsSequence") or ()), Dataset())
    for group, source, target in (
        ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
        ("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
    ):
        for item in (*_items(first, group), *_items(shared, group)):
            if target not in dataset and item.get(source) is not None:
                setattr(dataset, target, item.get(source))
    return dataset


def _frame(dataset: Dataset, shared: Dataset, own: Dataset) -> Dataset:
    header = Dataset()
    for keyword in _OF_ALL:
        _copy(dataset, header, keyword)
    for group, keywords in _GROUPS.items():
        for item in (*_items(shared, group), *_items(own, group)):  # the frame's own wins
            for keyword in keywords:
                _copy(item, header, keyword)
    return header


def _items(groups: Dataset, name: str) -> Iterator[Dataset]:
    yield from groups.get(name) or ()


def _copy(source: Dataset, target: Dataset, keyword: str) -> None:
    value = source.get(keyword)
    if value is not None and value != "":
        setattr(target, keyword, list(value) if isinstance(value, MultiValue) else value)
