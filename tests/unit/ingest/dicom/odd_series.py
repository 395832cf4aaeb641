"""Odd and broken DICOM series: see ``odd``."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jpeg_ls
import numpy as np
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from ..odd import (
    EXACT,
    ODD,
    Change,
    Odd,
    for_all,
    fresh,
    itk_encoded,
    move,
    name,
    odd,
    odd_folder,
    save,
    sound,
    without,
)
from .corpus import PLANES, Series, tumour_on


def recode(syntax: UID, values: Callable[[np.ndarray], bytes]) -> Change:
    """A change that encodes every slice's voxels by ``values``."""

    def change(series: Series) -> None:
        for dataset, voxels in zip(series.datasets, series.voxels, strict=True):
            dataset.PixelData = values(voxels)
            dataset["PixelData"].VR = "OW"
            dataset.file_meta.TransferSyntaxUID = syntax

    return change


# Exact: where the planes lie

for _plane in sorted(PLANES):

    @odd_folder(EXACT)
    def _in_plane(folder: Path, plane: str = _plane) -> Series:
        series = sound(plane=plane)
        series.write(folder)
        save(series.structures, folder / "RS")
        return series

    ODD[f"plane_{_plane}"] = replace(ODD.pop("_in_plane"), name=f"plane_{_plane}", write=_in_plane)


@odd(EXACT)
def files_in_reverse_order(series: Series) -> None:
    series.datasets.reverse()


@odd(EXACT)
def slices_stored_interleaved(series: Series) -> None:
    series.datasets[:] = series.datasets[::2] + series.datasets[1::2]


odd(EXACT)(name("instance_numbers_reversed", for_all(InstanceNumber=lambda index: 6 - index)))
odd(EXACT)(name("instance_numbers_all_one", for_all(InstanceNumber=1)))
odd(EXACT)(name("instance_numbers_missing", without("InstanceNumber")))
odd(EXACT)(name("spacing_between_slices_wrong", for_all(SpacingBetweenSlices=2.5)))
odd(EXACT)(name("spacing_between_slices_negative", for_all(SpacingBetweenSlices=-4.0)))
odd(EXACT)(name("slice_thickness_missing", without("SliceThickness")))
odd(EXACT)(name("slice_thickness_zero", for_all(SliceThickness=0)))
odd(EXACT)(name("slice_location_wrong", for_all(SliceLocation=lambda index: -index)))
odd(EXACT)(name("acquisition_number_per_slice", for_all(AcquisitionNumber=lambda index: index)))
odd(EXACT)(
    name(
        "descriptions_in_other_letters",
        for_all(SeriesDescription=lambda index: ("AX T2 FS", "Ax T2  FS")[index % 2]),
    )
)
odd(EXACT)(
    name(
        "averages_numbered_as_echoes",
        for_all(EchoNumbers=lambda index: 1 + index % 2, EchoTime=80.0),
    )
)


@odd(EXACT)
def screenshot_of_the_same_size(series: Series) -> None:
    shot = fresh(series.datasets[0], ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(shot, keyword)
    series.datasets.append(shot)


odd(EXACT)(name("patient_id_padded", for_all(PatientID="P1 ")))


@odd(EXACT)
def positions_rounded_to_four_digits(series: Series) -> None:
    for dataset in series.datasets:
        dataset.ImagePositionPatient = [round(float(p), 4) for p in dataset.ImagePositionPatient]


# Exact: how pixels are stored


@odd(EXACT)
def implicit_little_endian(series: Series) -> None:
    for dataset in series.datasets:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


@odd(EXACT)
def deflated(series: Series) -> None:
    for dataset in series.datasets:
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


odd(EXACT)(
    name("big_endian", recode(ExplicitVRBigEndian, lambda voxels: voxels.astype(">i2").tobytes()))
)


def unsigned(series: Series) -> None:
    for dataset in series.datasets:
        dataset.PixelRepresentation = 0


def compressed(syntax: UID) -> Change:
    def change(series: Series) -> None:
        unsigned(series)
        for dataset in series.datasets:
            dataset.compress(syntax, generate_instance_uid=False)

    return change


def by_itk(compressor: str) -> Change:
    """Compress with SimpleITK, which writes encodings that pydicom only reads."""

    def change(series: Series) -> None:
        unsigned(series)
        for dataset, voxels in zip(series.datasets, series.voxels, strict=True):
            encoded = itk_encoded(voxels, compressor)
            dataset.PixelData = encoded.PixelData
            dataset["PixelData"].VR = "OB"
            dataset.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID

    return change


odd(EXACT)(name("jpeg_ls", compressed(JPEGLSLossless)))
odd(EXACT)(name("run_length", compressed(RLELossless)))
odd(EXACT)(name("jpeg_2000", by_itk("JPEG2000")))
odd(EXACT)(name("jpeg_lossless", by_itk("JPEG")))
odd(EXACT)(name("unsigned_pixels", unsigned))
odd(EXACT)(name("monochrome_1", for_all(PhotometricInterpretation="MONOCHROME1")))
odd(EXACT)(name("photometric_missing", without("PhotometricInterpretation")))
odd(EXACT)(name("samples_per_pixel_missing", without("SamplesPerPixel")))
odd(EXACT)(name("samples_per_pixel_empty", for_all(SamplesPerPixel=None)))


def true_after(series: Series, voxels: np.ndarray) -> Series:
    return replace(series, voxels=voxels)


@odd(EXACT)
def rescaled_per_slice(series: Series) -> Series:
    slopes = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    for_all(RescaleSlope=lambda index: float(slopes[index]), RescaleIntercept=-10.5)(series)
    return true_after(series, series.voxels * slopes[:, None, None] - 10.5)


@odd(EXACT)
def rescaled_by_whole_shift(series: Series) -> Series:
    for_all(RescaleSlope=1, RescaleIntercept=-1024)(series)
    return true_after(series, series.voxels.astype(int) - 1024)


@odd(EXACT)
def eight_bits(series: Series) -> Series:
    voxels = (series.voxels % 251).astype(np.uint8)
    for_all(
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=lambda index: voxels[index].tobytes(),
    )(series)
    return true_after(series, voxels)


@odd(EXACT)
def twelve_bits_under_an_overlay(series: Series) -> None:
    """Old scanners keep graphics in the unused high bits."""
    over = np.zeros(series.voxels.shape[1:], np.uint16)
    over[::3] = 0xF000
    for dataset, voxels in zip(series.datasets, series.voxels, strict=True):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        dataset.PixelData = (voxels.astype(np.uint16) | over).tobytes()
        dataset.add_new(0x60000102, "US", 12)  # OverlayBitPosition


@odd(EXACT)
def twelve_bits_signed(series: Series) -> Series:
    voxels = series.voxels - 450
    for dataset, one in zip(series.datasets, voxels, strict=True):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
        dataset.PixelData = (one.astype(np.int16).view(np.uint16) & 0x0FFF).tobytes()
    return true_after(series, voxels)


@odd(EXACT)
def bytes_behind_the_pixels(series: Series) -> None:
    for dataset in series.datasets:
        dataset.PixelData += b"\0\0"


@odd(EXACT)
def float_pixels(series: Series) -> Series:
    voxels = (series.voxels / 8).astype("<f4")
    for dataset, one in zip(series.datasets, voxels, strict=True):
        del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        dataset.BitsAllocated = 32
        dataset.FloatPixelData = one.tobytes()
    return true_after(series, voxels)


# Exact: files and what lies beside them


@odd(EXACT)
def without_preamble(series: Series) -> None:
    """Marked here; the folder is rewritten below."""


def _strip_preambles(folder: Path) -> Series:
    series = sound()
    for number, dataset in enumerate([*series.datasets, series.structures]):
        buffer = io.BytesIO()
        del dataset.file_meta
        dcmwrite(buffer, dataset, implicit_vr=True, little_endian=True, force_encoding=True)
        (folder / f"IM{number}.dcm").write_bytes(
            buffer.getvalue().removeprefix(b"\0" * 128 + b"DICM")
        )
    return series


ODD["without_preamble"] = replace(ODD["without_preamble"], write=_strip_preambles)


@odd_folder(EXACT)
def without_preamble_and_with_meta_information(folder: Path) -> Series:
    """A slice that is taken for no DICOM would be missing at the end of the stack."""
    series = sound()
    for number, dataset in enumerate([*series.datasets, series.structures]):
        buffer = io.BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=True)
        (folder / f"IM{number}").write_bytes(buffer.getvalue()[132:])
    return series


@odd(EXACT)
def large_private_elements_first(series: Series) -> None:
    for dataset in series.datasets:
        block = dataset.private_block(0x0019, "ACME", create=True)
        block.add_new(0x10, "OB", bytes(50_000))


@odd(EXACT)
def sequences_of_undefined_length(series: Series) -> None:
    for dataset in series.datasets:
        inner = Dataset()
        inner.ReferencedSOPInstanceUID = "1.2.3"
        inner.PurposeOfReferenceCodeSequence = Sequence([Dataset()])
        inner.is_undefined_length_sequence_item = True
        dataset.ReferencedImageSequence = Sequence([inner, deepcopy(inner)])
        dataset["ReferencedImageSequence"].is_undefined_length = True


@odd(EXACT)
def names_in_another_script(series: Series) -> None:
    for dataset in series.datasets:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.SeriesDescription = "Müller^Jörg", "AX T2 FS 横断"


@odd_folder(EXACT)
def among_junk(folder: Path) -> Series:
    series = sound()
    for number, dataset in enumerate(series.datasets):
        save(dataset, folder / "deep" / "er" / f"{number} ~copy(1)")
    save(series.structures, folder / "elsewhere" / "x.bin")
    (folder / "deep" / "er" / "Thumbs.db").write_bytes(bytes(range(1, 200)))
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / ".DS_Store").write_bytes(b"x")
    return series


@odd_folder(EXACT)
def in_a_zip_in_a_folder(folder: Path) -> Series:
    series = among_junk(folder / "packed")
    shutil.make_archive(str(folder / "exam"), "zip", folder / "packed")
    shutil.rmtree(folder / "packed")
    return series


@odd_folder(EXACT)
def copied_twice(folder: Path) -> Series:
    series = among_junk(folder / "a")
    shutil.copytree(folder / "a", folder / "b")
    return series


@odd_folder(EXACT)
def copied_in_another_encoding(folder: Path) -> Series:
    """As an archive sends an image again: compressed, and with its own name in the file's head."""
    series = among_junk(folder / "a")
    for number, dataset in enumerate(series.datasets):
        again = deepcopy(dataset)
        again.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
        if number % 2:
            again.compress(RLELossless, generate_instance_uid=False)
        save(again, folder / "b" / f"{number}.dcm")
    return series


@odd_folder("duplicate_slices")
def copied_with_another_scale(folder: Path) -> Series:
    series = among_junk(folder / "a")
    again = deepcopy(series.datasets[2])
    again.RescaleSlope, again.RescaleIntercept = 2, 0
    save(again, folder / "b" / "2.dcm")
    return series


@odd_folder(EXACT)
def beside_another_patient(folder: Path) -> Series:
    """Its own masks, its own frame of reference; interleaved in one folder."""
    series = sound()
    other = sound("none", patient="P2", seed=5)
    for number, dataset in enumerate([*series.datasets, *other.datasets, series.structures]):
        save(dataset, folder / f"{number:03d}")
    return series


@odd(EXACT)
def localizer_inside(series: Series) -> None:
    turned = fresh(series.datasets[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    series.datasets.append(turned)


@odd(EXACT)
def larger_localizer_inside(series: Series) -> None:
    shot = fresh(series.datasets[2], Rows=80, Columns=80, PixelData=bytes(80 * 80 * 2))
    shot.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    series.datasets.append(shot)


@odd(EXACT)
def screenshot_inside(series: Series) -> None:
    shot = fresh(series.datasets[0], Rows=64, Columns=64, PixelData=bytes(64 * 64 * 2))
    del shot.ImagePositionPatient, shot.ImageOrientationPatient, shot.PixelSpacing
    series.datasets.append(shot)


def second_of_two(**tags: Any) -> Change:
    """The series becomes the second of two images in one series; its mask names its images."""

    def change(series: Series) -> None:
        rivals = [fresh(dataset) for dataset in series.datasets]
        for rival in rivals:
            rival.PixelData = bytes(len(rival.PixelData))
        for keyword, (first, second) in tags.items():
            for dataset, rival in zip(series.datasets, rivals, strict=True):
                setattr(rival, keyword, first)
                setattr(dataset, keyword, second)
        series.datasets += rivals

    return change


odd(EXACT, references="images")(
    name("two_echoes", second_of_two(EchoNumbers=(1, 2), EchoTime=(30, 90)))
)
odd(EXACT, references="images")(
    name(
        "magnitude_and_phase",
        second_of_two(ImageType=(["ORIGINAL", "PRIMARY", "P"], ["ORIGINAL", "PRIMARY", "M"])),
    )
)
odd(EXACT, references="images")(name("two_b_values", second_of_two(DiffusionBValue=(800.0, 0.0))))
odd(EXACT, references="images")(
    name(  # no bytes of a number are a text, and as UTF-8 these two are alike
        "two_b_values_beside_names_in_unicode",
        second_of_two(DiffusionBValue=(1200.0, 600.0), SpecificCharacterSet=("ISO_IR 192",) * 2),
    )
)
odd(EXACT, references="images")(
    name("two_phases", second_of_two(TemporalPositionIdentifier=(1, 2)))
)
odd(EXACT, references="images")(name("two_acquisitions", second_of_two(AcquisitionNumber=(1, 2))))


for _time in ("TriggerTime", "AcquisitionTime", "ContentTime"):
    odd(EXACT, references="images")(
        name(f"two_repeats_by_{_time}", second_of_two(**{_time: ("101500", "101730")}))
    )


@odd("duplicate_slices")
def one_slice_made_again_later(series: Series) -> None:
    """Which of the two is right, the later one or the rest of its scan, nobody says."""
    for_all(ContentTime="101500")(series)
    series.datasets.append(fresh(series.datasets[3], ContentTime="112000", PixelData=bytes(4160)))


@odd("duplicate_slices", references="images")
def two_repeats_with_a_time_for_each_slice(series: Series) -> None:
    for_all(AcquisitionTime=lambda index: f"1015{index:02d}")(series)
    series.datasets += [
        fresh(dataset, AcquisitionTime=f"1017{index:02d}", PixelData=bytes(4160))
        for index, dataset in enumerate(list(series.datasets))
    ]


@odd(EXACT, references="images")
def two_echoes_in_two_phases(series: Series) -> None:
    """Only echo and phase together tell the four images apart."""
    base = list(series.datasets)
    for_all(EchoNumbers=1, TemporalPositionIdentifier=1)(series)
    for echo, phase in ((1, 2), (2, 1), (2, 2)):
        series.datasets += [
            fresh(one, EchoNumbers=echo, TemporalPositionIdentifier=phase) for one in base
        ]


odd("ambiguous_series", references="series")(
    name("two_echoes_and_a_mask_for_either", second_of_two(EchoNumbers=(1, 2), EchoTime=(30, 90)))
)


# Exact and refused: multi-frame


def enhanced(series: Series) -> Dataset:
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime, dataset.AcquisitionDate = "20200101", "120000", ""
        dataset.PatientName, dataset.PatientBirthDate = "x", ""
        dataset.remove_private_tags()
    return LegacyConvertedEnhancedMRImage(
        series.datasets, generate_uid(), 1, generate_uid(), instance_number=1
    )


def multi_frame(expected: str) -> Callable[[Change], Change]:
    """Register a class of one multi-frame file, changed after it was made."""

    def register(change: Callable[[Dataset], None]) -> Callable[[Dataset], None]:
        def write(folder: Path) -> Series:
            series = sound("none", tags={"RescaleSlope": 2, "RescaleIntercept": 0})
            made = enhanced(series)
            change(made)
            save(made, folder / "multi")
            whole = replace(series, datasets=[made], voxels=series.voxels * 2)
            structures = tumour_on(whole)
            save(structures, folder / "RS")
            return whole

        ODD[change.__name__] = Odd(change.__name__, expected, write)
        return change

    return register


@multi_frame(EXACT)
def multi_frame_file(made: Dataset) -> None:
    """As it is."""


@multi_frame(EXACT)
def multi_frame_in_another_order(made: Dataset) -> None:
    order = [3, 0, 5, 1, 4, 2]
    frames = np.frombuffer(made.PixelData, np.int16).reshape(6, -1)
    made.PixelData = frames[order].tobytes()
    groups = list(made.PerFrameFunctionalGroupsSequence)
    made.PerFrameFunctionalGroupsSequence = Sequence([groups[index] for index in order])


@multi_frame("truncated_pixels")
def multi_frame_cut(made: Dataset) -> None:
    made.PixelData = made.PixelData[: len(made.PixelData) // 2]


@multi_frame("missing_geometry")
def multi_frame_without_groups(made: Dataset) -> None:
    del made.PerFrameFunctionalGroupsSequence


@multi_frame("duplicate_slices")
def multi_frame_of_two_stacks(made: Dataset) -> None:
    for _, group in zip(range(3), made.PerFrameFunctionalGroupsSequence, strict=False):
        place = made.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0]
        group.PlanePositionSequence[0].ImagePositionPatient = place.ImagePositionPatient


@multi_frame("slice_gap")
def multi_frame_with_a_gap(made: Dataset) -> None:
    planes = [group.PlanePositionSequence[0] for group in made.PerFrameFunctionalGroupsSequence]
    places = np.array([plane.ImagePositionPatient for plane in planes], dtype=float)
    places[4:] += places[1] - places[0]
    for plane, place in zip(planes, places, strict=True):
        plane.ImagePositionPatient = [round(float(number), 6) for number in place]


# Refused: slices


@odd("slice_gap", references="series")
def middle_slice_missing(series: Series) -> None:
    del series.datasets[2]


@odd("slice_gap", references="series")
def two_slices_missing(series: Series) -> None:
    del series.datasets[2:4]


@odd("slices_absent")
def last_slice_missing(series: Series) -> None:
    del series.datasets[-1]


@odd(EXACT)
def images_under_the_names_of_another_export(series: Series) -> None:
    """The mask names its series, and of its images none as it is called here."""
    series.datasets[:] = [fresh(one) for one in series.datasets]


@odd("slices_absent")
def first_slice_missing(series: Series) -> None:
    del series.datasets[0]


@odd("slices_absent")
def last_slice_in_a_series_of_its_own(series: Series) -> None:
    """It is there, and not where its mask names it."""
    series.datasets[-1].SeriesInstanceUID = generate_uid()
    series.datasets[-1].SeriesNumber = 5


for _end in (0, -1):

    @odd("mixed_slices", references="series")
    def _parted(series: Series, end: int = _end) -> None:
        """One byte of its SeriesInstanceUID was changed: the rest is a regular, shorter stack."""
        uid = series.datasets[end].SeriesInstanceUID
        series.datasets[end].SeriesInstanceUID = uid[:-1] + ("1" if uid[-1] == "0" else "0")

    ODD[f"slice_{_end}_under_another_uid"] = replace(
        ODD.pop("_parted"), name=f"slice_{_end}_under_another_uid"
    )


@odd(EXACT, references="images")
def lone_slice_of_another_series(series: Series) -> None:
    """A trial of one slice, before the scan, where its next slice would lie."""
    trial = fresh(series.datasets[-1], SeriesInstanceUID=generate_uid(), SeriesNumber=3)
    move(trial, along=4.0)
    series.datasets.append(trial)


@odd("too_few_slices", references="series")
def one_slice_only(series: Series) -> None:
    del series.datasets[1:]


@odd("duplicate_slices")
def slice_again_under_a_new_uid(series: Series) -> None:
    series.datasets.append(fresh(series.datasets[3]))


@odd("duplicate_slices")
def slice_again_with_other_pixels(series: Series) -> None:
    series.datasets.append(fresh(series.datasets[3], PixelData=bytes(40 * 52 * 2)))


@odd("jittered_slices")
def positions_jittered(series: Series) -> None:
    for dataset in series.datasets[1::2]:
        move(dataset, along=0.05)


@odd("sheared_slices")
def stack_sheared(series: Series) -> None:
    for index, dataset in enumerate(series.datasets):
        move(dataset, aside=0.9 * index)


@odd("sheared_slices")
def stack_sheared_by_two_degrees(series: Series) -> None:
    for index, dataset in enumerate(series.datasets):
        move(dataset, aside=0.14 * index)


@odd("sheared_slices")
def one_slice_aside(series: Series) -> None:
    move(series.datasets[3], aside=2.0)


@odd("uneven_slices")
def spacing_changes_midway(series: Series) -> None:
    for index, dataset in enumerate(series.datasets[3:]):
        move(dataset, along=1.4 * (index + 1))


@odd("mixed_slices")
def one_slice_of_another_size(series: Series) -> None:
    series.datasets[2].Rows = 20
    series.datasets[2].PixelData = series.datasets[2].PixelData[: 20 * 52 * 2]


@odd("mixed_slices")
def last_slice_of_another_size(series: Series) -> None:
    series.datasets[-1].Rows = 20
    series.datasets[-1].PixelData = series.datasets[-1].PixelData[: 20 * 52 * 2]


@odd("mixed_slices", references="series")
def last_slice_of_a_part_of_the_field_of_view(series: Series) -> None:
    """Its corner lies elsewhere, and its middle where the stack goes on."""
    last, (rows, columns) = series.datasets[-1], (10, 6)
    axes = np.array(last.ImageOrientationPatient, dtype=float)
    between_rows, between_columns = map(float, last.PixelSpacing)
    shift = columns * between_columns * axes[:3] + rows * between_rows * axes[3:]
    place = np.array(last.ImagePositionPatient, dtype=float) + shift
    last.ImagePositionPatient = [round(float(number), 9) for number in place]
    part = series.voxels[-1, rows:-rows, columns:-columns]
    last.Rows, last.Columns = part.shape
    last.PixelData = part.tobytes()


@odd("mixed_slices", references="series")
def last_slice_in_pixels_of_twice_the_size(series: Series) -> None:
    """Its corner is the middle of a larger pixel: only the middles of the slices are in line."""
    last = series.datasets[-1]
    axes = np.array(last.ImageOrientationPatient, dtype=float)
    between_rows, between_columns = map(float, last.PixelSpacing)
    place = np.array(last.ImagePositionPatient, dtype=float)
    place += (between_columns * axes[:3] + between_rows * axes[3:]) / 2
    last.ImagePositionPatient = [round(float(number), 9) for number in place]
    last.PixelSpacing = [2 * between_rows, 2 * between_columns]
    coarse = series.voxels[-1, ::2, ::2]
    last.Rows, last.Columns = coarse.shape
    last.PixelData = coarse.tobytes()


@odd("mixed_slices")
def last_slice_turned(series: Series) -> None:
    series.datasets[-1].ImageOrientationPatient = [1, 0, 0, 0, 0, 1]


@odd("mixed_slices")
def first_slice_of_another_spacing(series: Series) -> None:
    series.datasets[0].PixelSpacing = [0.7, 0.9]


@odd("mixed_slices")
def one_slice_in_another_frame(series: Series) -> None:
    series.datasets[1].FrameOfReferenceUID = generate_uid()


@odd("duplicate_slices")
def all_slices_at_one_position(series: Series) -> None:
    place = series.datasets[0].ImagePositionPatient
    for_all(ImagePositionPatient=lambda _: place)(series)


# Refused: numbers of the grid

odd("missing_geometry")(name("one_slice_without_position", without("ImagePositionPatient", only=2)))
odd("missing_geometry")(
    name("last_slice_without_orientation", without("ImageOrientationPatient", only=5))
)
odd("missing_geometry")(
    name("last_slice_without_any_place",
         without("ImageOrientationPatient", "ImagePositionPatient", only=5))
)  # fmt: skip
odd("missing_geometry")(
    name("no_place_at_all", without("ImageOrientationPatient", "ImagePositionPatient"))
)
odd("missing_geometry")(name("pixel_spacing_missing", without("PixelSpacing")))
odd("bad_geometry")(name("pixel_spacing_zero", for_all(PixelSpacing=[0.0, 0.7])))
odd("bad_geometry")(name("pixel_spacing_negative", for_all(PixelSpacing=[0.8, -0.7])))
odd("bad_geometry")(name("axes_skewed", for_all(ImageOrientationPatient=[1, 0, 0, 0.2, 0.98, 0])))
odd("bad_geometry")(name("axes_parallel", for_all(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])))
odd("bad_geometry")(name("axes_zero", for_all(ImageOrientationPatient=[0, 0, 0, 0, 0, 0])))


def spoil(keyword: str, old: bytes, new: bytes) -> Callable[[Path], Series]:
    """Write a sound exam and change bytes of one element in every image."""

    def write(folder: Path) -> Series:
        series = sound(plane="axial")
        series.write(folder)
        save(series.structures, folder / "RS")
        for path in folder.glob("IM*"):
            content = path.read_bytes()
            assert old in content, keyword
            path.write_bytes(content.replace(old, new))
        return series

    return write


ODD["pixel_spacing_not_a_number"] = Odd(
    "pixel_spacing_not_a_number", "bad_geometry", spoil("PixelSpacing", b"0.7\\0.8", b"nan\\0.8")
)
ODD["pixel_spacing_with_a_comma"] = Odd(
    "pixel_spacing_with_a_comma", "bad_geometry", spoil("PixelSpacing", b"0.7\\0.8", b"0,7\\0,8")
)
ODD["position_infinite"] = Odd(
    "position_infinite", "bad_geometry", spoil("ImagePositionPatient", b"-12.5\\", b"1e999\\")
)
ODD["position_of_two_numbers"] = Odd(
    "position_of_two_numbers", "bad_geometry", spoil("Position", b"-12.5\\7.25\\", b"-12.500725\\")
)


def damaged(file: str, behind: bytes, at: int, new: bytes) -> Callable[[Path], Series]:
    """Write a sound exam and change bytes of one file, ``at`` bytes from where others stand."""

    def write(folder: Path) -> Series:
        series = sound("series")
        series.write(folder)
        save(series.structures, folder / "RS")
        content = (folder / file).read_bytes()
        place = content.index(behind) + at
        (folder / file).write_bytes(content[:place] + new + content[place + len(new) :])
        return series

    return write


_COLUMNS, _PIXELS, _OUTLINE = b"\x28\0\x11\0US", b"\xe0\x7f\x10\0OW", b"\x06\x30\x42\0CS"
_COUNT = b"\x06\x30\x46\0IS"
for _name, _expected, *_damage in (
    # An end slice of no size, without a place, was no slice of the stack.
    ("last_slice_without_columns", "unreadable_file", "IM0005", _COLUMNS, 2, b"\x12"),
    ("first_slice_of_endless_columns", "unreadable_file", "IM0000", _COLUMNS, 4, b"UC"),
    # Its length is read at another place then, and pixels begin four bytes too early.
    ("pixel_data_of_no_type", "truncated_pixels", "IM0002", _PIXELS, 4, b"_"),
    # The second outline is a part of the first then.
    ("outline_that_ends_behind_the_next", "bad_contour", "RS", _OUTLINE, -3, b"\xff"),
    ("outline_without_an_end", "bad_contour", "RS", _COUNT, 6, b"\x06"),
):
    ODD[_name] = Odd(_name, _expected, damaged(*_damage))


# Refused: pixels


@odd("truncated_pixels")
def pixels_missing(series: Series) -> None:
    del series.datasets[2].PixelData


@odd("truncated_pixels")
def pixels_too_few(series: Series) -> None:
    series.datasets[2].PixelData = series.datasets[2].PixelData[:-200]


def cut_files(share: float, *change: Change) -> Callable[[Path], Series]:
    """Write a sound exam and cut one image's file to a share of its length."""

    def write(folder: Path) -> Series:
        series = sound()
        for one in change:
            one(series)
        for number, dataset in enumerate(series.datasets):
            save(dataset, folder / f"IM{number:04d}")
        save(series.structures, folder / "RS")
        content = (folder / "IM0003").read_bytes()
        (folder / "IM0003").write_bytes(content[: int(share * len(content))])
        return series

    return write


for _name, _share, _expected, _change in (
    ("file_cut_in_its_pixels", 0.9, "truncated_pixels", ()),
    ("file_cut_in_its_header", 0.1, "unreadable_file", ()),
    ("file_emptied", 0.0, "unreadable_file", ()),
    ("file_cut_jpeg_ls", 0.9, "truncated_pixels", (compressed(JPEGLSLossless),)),
    ("file_cut_run_length", 0.9, "truncated_pixels", (compressed(RLELossless),)),
    (
        "file_cut_jpeg_2000",
        0.9,
        "truncated_pixels",
        (by_itk("JPEG2000"),),
    ),
):
    ODD[_name] = Odd(_name, _expected, cut_files(_share, *_change))


def cut_stream(change: Change) -> Change:
    """Compressed pixels that end too early inside a file that is whole."""

    def cut(series: Series) -> None:
        change(series)
        dataset = series.datasets[2]
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate([stream[: len(stream) // 2]])

    return cut


odd("truncated_pixels")(name("stream_cut_jpeg_ls", cut_stream(compressed(JPEGLSLossless))))
odd("truncated_pixels")(name("stream_cut_jpeg_2000", cut_stream(by_itk("JPEG2000"))))
odd("unreadable_file")(name("stream_cut_run_length", cut_stream(compressed(RLELossless))))


@odd("not_grey")
def colours(series: Series) -> None:
    for_all(
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=bytes(40 * 52 * 3),
    )(series)


odd("not_grey")(name("palette", for_all(PhotometricInterpretation="PALETTE COLOR")))
odd("lossy_pixels")(
    name("declared_lossy", for_all(LossyImageCompression="01", LossyImageCompressionRatio=12.5))
)


def lossy_by_its_code(series: Series) -> None:
    """As converters write it that unpack the pixels and drop the flag."""
    for dataset in series.datasets:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = "113040", "DCM"
        code.CodeMeaning = "Lossy Compression"
        dataset.DerivationCodeSequence = Sequence([code])


odd("lossy_pixels")(lossy_by_its_code)
for _name, _expected, _tags in (
    ("lossy_by_its_ratio", "lossy_pixels", {"LossyImageCompressionRatio": [1, 12.5]}),
    ("lossy_by_its_method", "lossy_pixels", {"LossyImageCompressionMethod": "ISO_10918_1"}),
    ("lossy_by_its_type", "lossy_pixels", {"ImageType": ["DERIVED", "PRIMARY", "JPEG_LOSSY"]}),
    (
        "lossy_by_its_derivation",
        "lossy_pixels",
        {"DerivationDescription": "Lossy compression with JPEG, IJG quality factor 80"},
    ),
    (
        "lossy_against_its_flag",
        "lossy_pixels",
        {"LossyImageCompression": "00", "LossyImageCompressionRatio": 8},
    ),
    ("lossy_in_other_words", "lossy_pixels", {"LossyImageCompression": "YES"}),
    (
        "lossless_in_so_many_words",
        EXACT,
        {
            "LossyImageCompression": "00",
            "LossyImageCompressionRatio": 1,
            "DerivationDescription": "Lossless JPEG compression, non-lossy",
            "ImageType": ["DERIVED", "PRIMARY", "LOSSLESS"],
        },
    ),
):
    odd(_expected)(name(_name, for_all(**_tags)))


def _near_lossless(series: Series, syntax: UID) -> None:
    unsigned(series)
    for dataset, voxels in zip(series.datasets, series.voxels, strict=True):
        stream = jpeg_ls.encode_array(voxels.astype(np.uint16), lossy_error=3)
        dataset.PixelData = encapsulate([bytes(stream)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax


@odd("lossy_pixels")
def near_lossless(series: Series) -> None:
    _near_lossless(series, JPEGLSNearLossless)


@odd("lossy_pixels")
def near_lossless_under_the_name_of_lossless(series: Series) -> None:
    _near_lossless(series, JPEGLSLossless)


@odd("lossy_pixels")
def jpeg_2000_of_the_irreversible_transform(series: Series) -> None:
    """By the one byte that says so: as a lossy stream under the name of a lossless one."""
    by_itk("JPEG2000")(series)
    for dataset in series.datasets:
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        at = stream.index(b"\xff\x52") + 13
        dataset.PixelData = encapsulate([stream[:at] + b"\0" + stream[at + 1 :]])


@odd("lossy_pixels")
def jpeg_of_a_camera(series: Series) -> None:
    for dataset in series.datasets:
        dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit


@odd("unknown_encoding")
def encoding_of_a_film(series: Series) -> None:
    for dataset in series.datasets:
        dataset.PixelData = encapsulate([b"\0\0\1\xb3"])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")


@odd("bad_rescale")
def slope_zero(series: Series) -> None:
    series.datasets[2].RescaleSlope, series.datasets[2].RescaleIntercept = 0, 0


@odd("not_finite")
def voxels_overflow(series: Series) -> None:
    for_all(RescaleSlope="1e38", RescaleIntercept="1e38")(series)


odd("flat_image")(name("all_voxels_equal", for_all(PixelData=bytes(40 * 52 * 2))))
odd("mosaic")(
    name("tiles_in_one_picture", for_all(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]))
)
odd("burned_in")(name("text_in_the_pixels", for_all(BurnedInAnnotation="YES")))


# Refused: whose and which


@odd("identity_conflict")
def two_patients_in_one_series(series: Series) -> None:
    for dataset in series.datasets[3:]:
        dataset.PatientID = "P2"


@odd("duplicate_slices")
def two_contents_of_one_instance(series: Series) -> None:
    twins = deepcopy(series.datasets)
    for twin in twins:
        twin.PixelData = bytes(len(twin.PixelData))
    series.datasets += twins


odd("unreadable_file")(name("images_without_names_of_their_own", without("SOPInstanceUID")))
odd("no_sequence", sequence="T2FS")(name("only_t1", for_all(SeriesDescription="AX T1")))
odd("no_sequence")(name("only_ct", for_all(Modality="CT")))


# Refused: what a regular stack hides

odd("mixed_slices")(
    name("b_values_on_alternate_slices", for_all(DiffusionBValue=lambda index: 800.0 * (index % 2)))
)
odd("mixed_slices")(
    name("two_echoes_on_alternate_slices", for_all(EchoTime=lambda index: 30 + 60 * (index % 2)))
)
for _name, _expected, _tags in (
    ("two_inversions_on_alternate_slices", "mixed_slices", {"InversionTime": (150, 2500)}),
    ("two_echoes_told_by_numbers_alone", "mixed_slices", {"EchoNumbers": (1, 2)}),
    ("two_descriptions_in_one_stack", "mixed_slices", {"SeriesDescription": ("T2 FS", "T1 FS")}),
    ("echo_times_a_tenth_apart", EXACT, {"EchoTime": (80, 87.9)}),
    ("echo_times_further_apart", "mixed_slices", {"EchoTime": (80, 88.1)}),
    ("repetitions_of_three_times", EXACT, {"RepetitionTime": (2000, 6000)}),
    ("repetitions_of_more_than_three_times", "mixed_slices", {"RepetitionTime": (2000, 6001)}),
):
    odd(_expected)(
        name(
            _name,
            for_all(**{key: lambda at, two=two: two[at % 2] for key, two in _tags.items()}),
        )
    )


@odd("slice_gap", references="images")
def second_echo_without_its_last_slice(series: Series) -> None:
    """Regular, and shorter; the first echo tells where it had another slice."""
    second_of_two(EchoNumbers=(1, 2), EchoTime=(30, 90))(series)
    del series.datasets[5]


odd("mixed_slices")(
    name(
        "two_contrasts_one_behind_the_other",
        for_all(RepetitionTime=lambda index: 500 if index < 3 else 4000),
    )
)
odd("mixed_slices")(
    name(
        "water_and_fat_in_one_stack",
        for_all(ImageType=lambda index: ["ORIGINAL", "PRIMARY", "M", ["WATER", "FAT"][index % 2]]),
    )
)
odd("mixed_slices")(
    name(
        "magnitude_and_phase_in_one_stack",
        for_all(ImageType=lambda index: ["ORIGINAL", "PRIMARY", "MP"[index % 2]]),
    )
)


@odd("slice_gap", references="series")
def every_second_slice_missing(series: Series) -> None:
    """Regular by position; the slices' numbers and the stated spacing tell."""
    for_all(SpacingBetweenSlices=4.0)(series)
    del series.datasets[1::2]


@odd("duplicate_slices", references="images")
def acquisitions_that_cover_half_each(series: Series) -> None:
    """Two time points in two concatenations each: no tag gives a whole image."""
    for_all(AcquisitionNumber=lambda index: 1 + index % 2)(series)
    series.datasets += [
        fresh(dataset, AcquisitionNumber=3 + index % 2)
        for index, dataset in enumerate(list(series.datasets))
    ]


odd("identity_conflict")(
    name(
        "two_people_by_date_of_birth",
        for_all(PatientBirthDate=lambda index: f"19500{1 + index % 2}01"),
    )
)
odd("identity_conflict")(
    name(
        "one_series_in_two_studies", for_all(StudyInstanceUID=lambda index: f"1.2.{1 + index % 2}")
    )
)

# Refused: pixels at odds with their header


@odd("bad_pixels")
def values_beyond_their_bits(series: Series) -> None:
    for_all(BitsStored=8, HighBit=7, PixelRepresentation=0)(series)


@odd("bad_pixels")
def fewer_columns_than_pixels(series: Series) -> None:
    for_all(Columns=48)(series)


@odd("bad_pixels")
def signed_values_beyond_their_bits(series: Series) -> None:
    for_all(BitsStored=8, HighBit=7)(series)


odd("bad_pixels")(name("sign_not_stated", without("PixelRepresentation")))
odd("mixed_slices")(
    name(
        "last_slice_derived",
        for_all(ImageType=lambda index: ["DERIVED" if index == 5 else "ORIGINAL", "PRIMARY", "M"]),
    )
)
odd("bad_pixels")(name("high_bit_elsewhere", for_all(BitsStored=12, HighBit=15)))


@odd("bad_pixels")
def compressed_under_an_uncompressed_syntax(series: Series) -> None:
    compressed(RLELossless)(series)
    for dataset in series.datasets:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"


@odd("bad_rescale")
def slope_in_some_slices_only(series: Series) -> None:
    for dataset in series.datasets[1:]:
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, 0


@odd("bad_rescale")
def values_through_a_table(series: Series, *, endless: bool = False) -> None:
    for dataset in series.datasets:
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [4, 0, 16], bytes(8)
        table.ModalityLUTType = "US"
        table.is_undefined_length_sequence_item = endless
        dataset.ModalityLUTSequence = Sequence([table])
        dataset["ModalityLUTSequence"].is_undefined_length = endless


@odd("bad_rescale")
def values_through_a_table_of_undefined_length(series: Series) -> None:
    """As most scanners write sequences; the quick reader passes over its items."""
    values_through_a_table(series, endless=True)


odd("bad_rescale")(
    name("intercept_beyond_a_float", for_all(RescaleSlope=1, RescaleIntercept="1e999"))
)


@odd(EXACT)
def intercept_beyond_an_integer(series: Series) -> Series:
    for_all(RescaleSlope=1, RescaleIntercept="3e9")(series)
    return true_after(series, (series.voxels + 3e9).astype("f4"))


@multi_frame(EXACT)
def multi_frame_of_echo_times_that_were_rounded(made: Dataset) -> None:
    for index, group in enumerate(made.PerFrameFunctionalGroupsSequence):
        echo = Dataset()
        echo.EffectiveEchoTime = 80.0 + 0.0001 * (index % 2)
        group.MREchoSequence = Sequence([echo])


@multi_frame("mixed_slices")
def multi_frame_of_two_echoes(made: Dataset) -> None:
    for index, group in enumerate(made.PerFrameFunctionalGroupsSequence):
        echo = Dataset()
        echo.EffectiveEchoTime = 30.0 + 60 * (index % 2)
        group.MREchoSequence = Sequence([echo])


def alternating(group: str, keyword: str, *values: Any) -> Change:
    """A change of a multi-frame file: an element that is another in every second frame."""

    def change(made: Dataset) -> None:
        for index, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
            item = Dataset()
            setattr(item, keyword, values[index % len(values)])
            setattr(groups, group, Sequence([item]))

    return change


_TIMING = "MRTimingAndRelatedParametersSequence"
_TYPE = "MRImageFrameTypeSequence"
multi_frame("mixed_slices")(
    name("multi_frame_of_t1_and_t2", alternating(_TIMING, "RepetitionTime", 500.0, 4000.0))
)
multi_frame("mixed_slices")(
    name(
        "multi_frame_of_two_inversions",
        alternating("MRModifierSequence", "InversionTimes", 150.0, 2500.0),
    )
)
multi_frame("mixed_slices")(
    name(
        "multi_frame_of_water_and_fat",
        alternating(
            _TYPE,
            "FrameType",
            ["ORIGINAL", "PRIMARY", "W", "NONE"],
            ["ORIGINAL", "PRIMARY", "F", "NONE"],
        ),
    )
)
multi_frame(EXACT)(
    name("multi_frame_that_was_triggered", alternating(_TIMING, "RepetitionTime", 2900.0, 6400.0))
)


@odd(EXACT)
def triggered_by_the_breath(series: Series) -> None:
    """Repetition times follow the patient: from 2.9 to 6.4 s in one image."""
    for_all(RepetitionTime=lambda index: 2900 + 700 * index)(series)


@odd("identity_conflict")
def two_sexes_in_two_studies(series: Series) -> None:
    other = sound("none", description="AX T1", tags={"PatientSex": "M"})
    series.datasets += other.datasets


@odd(EXACT)
def two_dates_of_birth_in_two_studies(series: Series) -> None:
    """Dates that were shifted study by study: a flag, and no more."""
    for_all(PatientBirthDate="19500203")(series)
    other = sound("none", description="AX T1", tags={"PatientBirthDate": "19500307"})
    series.datasets += other.datasets


def beside(first: Mapping[str, Any], second: Mapping[str, Any], **kwargs: Any) -> Change:
    """Two exams under one identifier, whose headers say one thing and the other."""

    def change(series: Series) -> None:
        for_all(**first)(series)
        series.datasets += sound("none", description="AX T1", tags=second, **kwargs).datasets

    return change


_ANNA = {"PatientName": "Meyer^Anna^^Dr", "PatientBirthDate": "19500203"}
_OTTO = {"PatientName": "Brandt^Otto", "PatientBirthDate": "19310817"}
for _name, _expected, _first, _second in (
    ("two_issuers", "identity_conflict", "HOSP_A", "HOSP_B"),
    ("two_issuers_by_number", "identity_conflict", "&1.2.3&ISO", "&1.2.4&ISO"),
    ("an_issuer_that_one_scanner_does_not_know", EXACT, "HOSP_A", ""),
    ("an_issuer_with_its_number", EXACT, "HOSP_A", " hosp_a&1.2.3&ISO"),
    ("an_issuer_by_name_and_one_by_number", EXACT, "HOSP_A", "&1.2.3&ISO"),
):
    odd(_expected)(
        name(_name, beside({"IssuerOfPatientID": _first}, {"IssuerOfPatientID": _second}))
    )
odd("identity_conflict")(name("two_people_under_one_identifier", beside(_ANNA, _OTTO)))
for _name, _second in (
    ("a_name_that_changed", {"PatientName": "Schulz^Anna"}),
    ("a_name_in_another_order", {"PatientName": "ANNA MEYER"}),
    ("a_name_in_two_scripts", {"PatientName": "=\u5c71\u7530^\u592a\u90ce"}),
    ("a_name_that_is_a_code", {"PatientName": "ANON 0231 B"}),
    ("a_name_that_is_nobodys", {"PatientName": "Anonymous Subject"}),
):
    _shifted = {"PatientBirthDate": "19500307", "SpecificCharacterSet": "ISO_IR 192"} | _second
    odd(EXACT)(name(_name, beside(_ANNA, _shifted)))
odd(EXACT)(
    name("another_name_and_one_date_of_birth", beside(_ANNA, _ANNA | {"PatientName": "Lenz^Eva"}))
)


@odd("identity_conflict")
def one_study_under_two_identifiers(series: Series) -> None:
    """As of a patient who was admitted without a name: it would be two."""
    study = series.datasets[0].StudyInstanceUID
    series.datasets += sound("none", description="AX T1", patient="P2", study=study).datasets


@odd("mixed_slices")
def one_slice_bright_for_dark(series: Series) -> None:
    """A workstation inverted it: its pixels would enter the volume as a negative."""
    series.datasets[2].PhotometricInterpretation = "MONOCHROME1"


@odd(EXACT)
def times_of_minus_one(series: Series) -> None:
    """As some exports write a time that they do not know."""
    for dataset in series.datasets:
        dataset.EchoTime, dataset.RepetitionTime, dataset.InversionTime = 80, -1, -1
