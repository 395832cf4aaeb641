"""Enhanced MR in several files, odd and broken: see ``odd``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, RLELossless, generate_uid

from ..odd import (
    EXACT,
    Change,
    Drawn,
    as_unknown,
    fresh,
    move,
    name,
    odd,
    odd_folder,
    save,
    sound,
)
from .corpus import Series

_TOLD_BY_GROUPS = (
    "ImagePositionPatient ImageOrientationPatient PixelSpacing SpacingBetweenSlices SliceThickness"
    " RescaleSlope RescaleIntercept EchoTime".split()
)


def item(**values: Any) -> Sequence:
    """A sequence of one item."""
    one = Dataset()
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return Sequence([one])


def enhanced_of(slices: list[Dataset], **tags: Any) -> Dataset:
    """Slices as the frames of one enhanced file, written by hand; under the first one's UID."""
    first = slices[0]
    made = deepcopy(first)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    made.NumberOfFrames = len(slices)
    made.PixelData = b"".join(one.PixelData for one in slices)
    shared = Dataset()
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=first.ImageOrientationPatient)
    shared.PixelMeasuresSequence = item(PixelSpacing=first.PixelSpacing, SliceThickness=3.0)
    if "EchoTime" in first:
        shared.MREchoSequence = item(EffectiveEchoTime=float(first.EchoTime))
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    made.PerFrameFunctionalGroupsSequence = Sequence([_own(one) for one in slices])
    for keyword in _TOLD_BY_GROUPS:
        if keyword in made:
            delattr(made, keyword)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def _own(one: Dataset) -> Dataset:
    own = Dataset()
    own.PlanePositionSequence = item(ImagePositionPatient=one.ImagePositionPatient)
    own.FrameContentSequence = item(StackID="1", InStackPositionNumber=int(one.InstanceNumber))
    if "RescaleSlope" in one:
        own.PixelValueTransformationSequence = item(
            RescaleSlope=one.RescaleSlope, RescaleIntercept=one.RescaleIntercept, RescaleType="US"
        )
    own.MRImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"])
    return own


def one_each(series: Series) -> None:
    """Every slice as an enhanced file of one frame."""
    series.datasets[:] = [enhanced_of([one]) for one in series.datasets]


def refer(structures: Dataset, names: Mapping[str, str]) -> None:
    """Change the images that a structure set names, wherever it does."""
    for element in structures.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            element.value = names.get(element.value, element.value)


def parted(*sizes: int, by_source: bool = False, **tags: Any) -> Callable[[Drawn], None]:
    """Cut the series into a concatenation of parts of these sizes."""

    def change(series: Drawn) -> None:
        uid, source, whole = generate_uid(), generate_uid(), list(series.datasets)
        names, parts, offset = {}, [], 0
        for number, size in enumerate(sizes, 1):
            frames = whole[offset : offset + size]
            part = enhanced_of(
                frames,
                ConcatenationUID=uid,
                SOPInstanceUIDOfConcatenationSource=source,
                InConcatenationNumber=number,
                InConcatenationTotalNumber=len(sizes),
                ConcatenationFrameOffsetNumber=offset,
                **tags,
            )
            shown = source if by_source else part.SOPInstanceUID
            names |= {str(one.SOPInstanceUID): str(shown) for one in frames}
            parts.append(part)
            offset += size
        refer(series.structures, names)
        series.datasets[:] = parts

    return change


def then(*changes: Change) -> Change:
    def change(series: Series) -> Any:
        for one in changes:
            series = one(series) or series
        return series

    return change


def lose(index: int) -> Change:
    def change(series: Series) -> None:
        del series.datasets[index]

    return change


def rescaled(series: Series) -> Series:
    """Each slice by its own slope."""
    slopes = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    for dataset, slope in zip(series.datasets, slopes, strict=True):
        dataset.RescaleSlope, dataset.RescaleIntercept = float(slope), -10.5
    return replace(series, voxels=series.voxels * slopes[:, None, None] - 10.5)


odd(EXACT)(name("enhanced_of_one_frame_each", one_each))
odd(EXACT)(name("enhanced_of_one_frame_each_rescaled", then(rescaled, one_each)))
odd("slice_gap", references="series")(
    name("enhanced_of_one_frame_each_with_a_gap", then(one_each, lose(2)))
)
odd("slices_absent")(name("enhanced_of_one_frame_each_without_its_last", then(one_each, lose(5))))


@odd("mixed_slices", references="series")
def enhanced_of_one_frame_each_of_two_echoes(series: Series) -> None:
    """On alternate slices; regular, and no image."""
    for index, dataset in enumerate(series.datasets):
        dataset.EchoTime = 30 + 60 * (index % 2)
    one_each(series)


@odd("truncated_pixels")
def enhanced_of_one_frame_each_one_of_them_cut(series: Series) -> None:
    one_each(series)
    series.datasets[3].PixelData = series.datasets[3].PixelData[:-100]


@odd("missing_geometry", references="series")
def enhanced_of_one_frame_each_one_of_them_placeless(series: Series) -> None:
    one_each(series)
    del series.datasets[5].PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


@odd("mixed_slices", references="series")
def last_frame_of_another_size_in_files_of_a_vendors_class(series: Series) -> None:
    """Without the class's name too it is known to lie where the stack goes on."""
    one_each(series)
    series.datasets[-1].Rows = 20
    series.datasets[-1].PixelData = series.datasets[-1].PixelData[: 20 * 52 * 2]
    for dataset in series.datasets:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.3.46.670589.11.0.0.12"


def second_of_two(**echoes: Any) -> Change:
    """Two enhanced images in one series; the mask names the files of the second."""

    def change(series: Series) -> None:
        rivals = [fresh(one, PixelData=bytes(len(one.PixelData))) for one in series.datasets]
        for one, rival in zip(series.datasets, rivals, strict=True):
            rival.EchoTime, one.EchoTime = echoes["times"]
        series.datasets += rivals
        one_each(series)

    return change


odd(EXACT, references="images")(
    name("enhanced_of_one_frame_each_in_two_echoes", second_of_two(times=(30, 90)))
)
odd("ambiguous_series", references="series")(
    name("enhanced_in_two_echoes_and_a_mask_for_either", second_of_two(times=(30, 90)))
)


@odd(EXACT)
def whole_file_of_two_in_one_series(series: Drawn) -> None:
    """Two enhanced files of one series, alike in all but their pixels; the mask names one."""
    first, uid = list(series.datasets), series.datasets[0].SOPInstanceUID
    refer(series.structures, {str(one.SOPInstanceUID): str(uid) for one in first})
    again = [fresh(one, PixelData=bytes(len(one.PixelData))) for one in first]
    series.datasets[:] = [enhanced_of(first), enhanced_of(again)]


@odd(EXACT, references="series")
def groups_of_a_type_that_an_archive_did_not_know(series: Series) -> None:
    """What a vendor adds to each frame makes them longer than pydicom looks into."""
    made = enhanced_of(series.datasets)
    for groups in made.PerFrameFunctionalGroupsSequence:
        groups.add_new((0x0021, 0x0010), "LO", "ACME")
        groups.add_new((0x0021, 0x1001), "OB", bytes(12_000))
    as_unknown(made, "PerFrameFunctionalGroupsSequence")
    series.datasets[:] = [made]


odd(EXACT)(name("concatenation", parted(3, 3)))
odd(EXACT)(name("concatenation_of_uneven_parts", parted(4, 1, 1)))
odd(EXACT)(name("concatenation_named_by_its_source", parted(2, 4, by_source=True)))
odd(EXACT)(name("concatenation_rescaled", then(rescaled, parted(4, 2))))
odd(EXACT)(name("concatenation_of_lone_frames", parted(1, 1, 1, 1, 1, 1)))
for _name, _lost in (("first", 0), ("middle", 1), ("last", 2)):
    odd("slices_absent", references="series")(
        name(f"concatenation_without_its_{_name}_part", then(parted(2, 3, 1), lose(_lost)))
    )


@odd("slices_absent", references="series")
def concatenation_without_its_first_part_and_total(series: Drawn) -> None:
    parted(1, 4, 1)(series)
    for dataset in series.datasets:
        del dataset.InConcatenationTotalNumber
    del series.datasets[0]


@odd("mixed_slices", references="series")
def concatenation_of_two_stacks(series: Drawn) -> None:
    parted(3, 3)(series)
    for groups in series.datasets[1].PerFrameFunctionalGroupsSequence:
        groups.FrameContentSequence[0].StackID = "2"


@odd("duplicate_slices", references="series")
def concatenation_of_slices_at_one_place(series: Drawn) -> None:
    place = series.datasets[3].ImagePositionPatient
    series.datasets[2].ImagePositionPatient = place
    parted(3, 3)(series)


@odd("jittered_slices", references="series")
def concatenation_jittered(series: Drawn) -> None:
    for dataset in series.datasets[1::2]:
        move(dataset, along=0.05)
    parted(4, 2)(series)


@odd("contour_conflict")
def concatenation_drawn_on_its_other_part(series: Drawn) -> None:
    """The contours lie on slices 2 and 3, and name the part of slices 4 and 5."""
    uid = str(series.datasets[4].SOPInstanceUID)
    for roi in series.structures.ROIContourSequence:
        for contour in roi.ContourSequence:
            contour.ContourImageSequence = item(ReferencedSOPInstanceUID=uid)
    parted(4, 2)(series)


@odd_folder(EXACT)
def enhanced_copied_in_another_encoding(folder: Path) -> Series:
    series = sound("series")
    whole = enhanced_of(series.datasets)
    again = deepcopy(whole)
    again.compress(RLELossless, generate_instance_uid=False)
    for number, dataset in enumerate((whole, again, series.structures)):
        save(dataset, folder / str(number))
    return series


def frames_named(*, off: int) -> Callable[[Drawn], None]:
    """One file; every contour names the frame that it lies on, or one beside it."""

    def change(series: Drawn) -> None:
        made = enhanced_of(series.datasets)
        frames = {str(one.SOPInstanceUID): at + 1 for at, one in enumerate(series.datasets)}
        for contour in series.structures.ROIContourSequence[0].ContourSequence:
            (image,) = contour.ContourImageSequence
            image.ReferencedFrameNumber = frames[str(image.ReferencedSOPInstanceUID)] + off
        refer(series.structures, dict.fromkeys(frames, str(made.SOPInstanceUID)))
        series.datasets[:] = [made]

    return change


odd(EXACT, references="images")(name("contours_that_name_frames", frames_named(off=0)))
odd("contour_conflict", references="images")(
    name("contours_that_name_other_frames", frames_named(off=1))
)


def two_echoes_in_one_file(*, told: bool) -> Callable[[Drawn], None]:
    """Frames of two echoes in turn; the mask names the file, and of it its frames or none."""

    def change(series: Drawn) -> None:
        first = list(series.datasets)
        again = [fresh(one, PixelData=bytes(len(one.PixelData))) for one in first]
        pairs = [one for pair in zip(again, first, strict=True) for one in pair]
        made = enhanced_of(pairs)
        for index, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
            groups.MREchoSequence = item(EffectiveEchoTime=30.0 + 60 * (index % 2))
        frames = {str(one.SOPInstanceUID): 2 * index + 2 for index, one in enumerate(first)}
        named = [
            one for one in series.structures.iterall() if one.keyword == "ContourImageSequence"
        ]
        for image in (image for element in named * told for image in element.value):
            image.ReferencedFrameNumber = frames[str(image.ReferencedSOPInstanceUID)]
        refer(series.structures, dict.fromkeys(frames, str(made.SOPInstanceUID)))
        series.datasets[:] = [made]

    return change


odd(EXACT, references="images")(name("two_echoes_in_one_file", two_echoes_in_one_file(told=True)))
odd(EXACT)(
    name("two_echoes_in_one_file_and_a_mask_that_lists_frames", two_echoes_in_one_file(told=True))
)
odd("ambiguous_series", references="images")(
    name("two_echoes_in_one_file_and_a_mask_for_either", two_echoes_in_one_file(told=False))
)
