"""Odd and broken masks of DICOM series: see ``odd``."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import generate_uid

from ..odd import EXACT, ODD, Odd, as_unknown, itk_encoded, odd_folder, save, sound
from .corpus import (
    CENTRE,
    RADII,
    Series,
    ellipse,
    grid,
    inside_ellipse,
    make_rtstruct,
    make_seg,
    make_series,
    to_world,
    tumour_on,
)

GRID = grid("oblique")
MASK = np.zeros(GRID.shape, np.uint8)
MASK[2:4] = inside_ellipse(GRID, centre=CENTRE, radii=RADII)


def drawn(expected: str) -> Callable[[Any], Any]:
    """Register a class of a sound series whose mask file the function makes."""

    def register(draw: Callable[[Series], Dataset | None]) -> Callable[..., Any]:
        def write(folder: Path) -> Series:
            series = sound("none")
            series.write(folder)
            made = draw(series)
            if made is not None:
                save(made, folder / "RS")
            return series

        ODD[draw.__name__] = Odd(draw.__name__, expected, write)
        return draw

    return register


def shape_at(series: Series, *planes: float) -> list[np.ndarray]:
    return [ellipse(series.geometry, z, centre=CENTRE, radii=RADII) for z in planes]


@drawn(EXACT)
def contours_a_hair_off(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2.04, 3.04)})


@drawn(EXACT)
def contours_a_third_of_a_slice_off(series: Series) -> Dataset:
    """Flagged, and given to the nearest slice."""
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2.3, 3.3)})


@drawn(EXACT)
def tumour_under_an_alias(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Research": shape_at(series, 2, 3)})


@drawn(EXACT)
def points_and_lines_beside(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    point = Dataset()
    point.ContourGeometricType, point.NumberOfContourPoints = "POINT", 1
    point.ContourData = ["1", "2", "3"]
    made.ROIContourSequence[0].ContourSequence.append(point)
    return made


@drawn(EXACT)
def segmentation(series: Series) -> Dataset:
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime, dataset.SpacingBetweenSlices = "20200101", "1200", 4.0
    return make_seg(series, {"Tumor": MASK > 0})


@drawn("mask_off_grid")
def segmentation_of_another_grid(series: Series) -> Dataset:
    other = make_series(grid("oblique", spacing=(0.9, 0.7, 4.0)))
    for dataset in other.datasets:
        dataset.StudyDate, dataset.StudyTime, dataset.SpacingBetweenSlices = "20200101", "1200", 4.0
    made = make_seg(other, {"Tumor": MASK > 0})
    _rename(made, other, series)
    return made


def _rename(dataset: Dataset, old: Series, new: Series) -> None:
    """Let a mask refer to another series: image by image."""
    known = {
        str(one.SOPInstanceUID): other.SOPInstanceUID
        for one, other in zip(old.datasets, new.datasets, strict=True)
    }
    known[str(old.datasets[0].SeriesInstanceUID)] = new.datasets[0].SeriesInstanceUID
    for element in dataset.iterall():
        if element.VR == "UI" and str(element.value) in known:
            element.value = known[str(element.value)]
    dataset.FrameOfReferenceUID = new.datasets[0].FrameOfReferenceUID


@drawn("no_mask")
def mask_missing(series: Series) -> None:
    """No file at all."""


@drawn("no_image")
def mask_of_an_absent_series(series: Series) -> Dataset:
    return tumour_on(make_series(grid("oblique"), patient="P9"))


@drawn("no_tumour")
def tumour_under_a_strange_name(series: Series) -> Dataset:
    return make_rtstruct(series, {"Muscle": shape_at(series, 2, 3)})


@drawn("ambiguous_roi")
def tumour_drawn_under_two_names(series: Series) -> Dataset:
    drawn = {"GTV_Mass": shape_at(series, 2, 3), "GTV_Research": shape_at(series, 2)}
    return make_rtstruct(series, drawn)


@drawn(EXACT)
def tumour_drawn_alike_under_two_names(series: Series) -> Dataset:
    contours = shape_at(series, 2, 3)
    return make_rtstruct(series, {"GTV_Mass": contours, "GTV_Research": contours})


@drawn("empty_mask")
def tumour_named_and_never_drawn(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": []})


@drawn("empty_mask")
def tumour_of_open_lines(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)}, kind="OPEN_PLANAR")


@drawn("empty_mask")
def tumour_between_the_pixels(series: Series) -> Dataset:
    speck = ellipse(series.geometry, 2, centre=(25.5, 20.5), radii=(0.2, 0.2))
    return make_rtstruct(series, {"GTV_Mass": [speck]})


@drawn("mask_outside")
def contours_beyond_the_image(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 11, 12)})


@drawn("mask_outside")
def contours_beside_the_image(series: Series) -> Dataset:
    far = ellipse(series.geometry, 2, centre=(300, 20), radii=RADII)
    return make_rtstruct(series, {"GTV_Mass": [far]})


@drawn("contour_off_plane")
def contours_tilted(series: Series) -> Dataset:
    contour = ellipse(series.geometry, 2, centre=CENTRE, radii=RADII)
    contour[:, 2] += np.linspace(-6, 6, len(contour))
    return make_rtstruct(series, {"GTV_Mass": [contour]})


@drawn("contour_off_plane")
def contours_in_another_plane(series: Series) -> Dataset:
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    index = np.column_stack([25 + 9 * np.cos(angle), np.full(90, 20), 2.5 + 2 * np.sin(angle)])
    return make_rtstruct(series, {"GTV_Mass": [to_world(series.geometry, index)]})


@drawn("bad_contour")
def contour_not_in_triples(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    contour = made.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = contour.ContourData[:-1]
    return made


@drawn(EXACT)
def roi_in_two_items(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    first = made.ROIContourSequence[0]
    second = Dataset()
    second.ReferencedROINumber = first.ReferencedROINumber
    second.ContourSequence = [first.ContourSequence.pop()]
    made.ROIContourSequence.append(second)
    return made


@drawn(EXACT)
def contours_of_a_type_that_an_archive_did_not_know(series: Series) -> Dataset:
    shape = [ellipse(series.geometry, z, centre=CENTRE, radii=RADII, points=2_000) for z in (2, 3)]
    made = make_rtstruct(series, {"GTV_Mass": shape})
    as_unknown(made, "ROIContourSequence")
    return made


@drawn(EXACT)
def type_in_lower_case(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)}, kind="Closed_Planar")


@drawn("ambiguous_roi")
def two_rois_of_one_number(series: Series) -> Dataset:
    contours = shape_at(series, 2, 3)
    made = make_rtstruct(series, {"GTV_Mass": contours, "Muscle": contours})
    made.StructureSetROISequence[1].ROINumber = 1
    return made


@drawn("bad_contour")
def contours_of_no_roi(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.ROIContourSequence[0].ReferencedROINumber = 7
    return made


@drawn("bad_contour")
def fewer_points_than_stated(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 1440
    return made


@drawn("bad_contour")
def outline_that_runs_round_twice(series: Series) -> Dataset:
    contours = [np.concatenate([one, one]) for one in shape_at(series, 2, 3)]
    return make_rtstruct(series, {"GTV_Mass": contours})


@drawn("bad_contour")
def contour_of_an_unknown_type(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)}, kind="SPIRAL")


@drawn("contour_off_plane")
def contours_between_two_slices(series: Series) -> Dataset:
    return make_rtstruct(series, {"GTV_Mass": shape_at(series, 2.5, 3.5)})


@drawn("contour_conflict")
def contours_that_name_other_slices(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)}, references="images")
    for item in made.ROIContourSequence[0].ContourSequence:
        item.ContourImageSequence[0].ReferencedSOPInstanceUID = series.datasets[0].SOPInstanceUID
    return made


@drawn("contour_conflict")
def segment_upside_down(series: Series) -> Dataset:
    """Its frames lie on each other's slices, by what they name."""
    made = segmentation(series)
    frames = made.PerFrameFunctionalGroupsSequence
    places = [frame.PlanePositionSequence for frame in frames]
    for frame, place in zip(frames, places[::-1], strict=True):
        frame.PlanePositionSequence = place
    return made


@drawn("bad_pixels")
def segmentation_of_more_frames_than_it_describes(series: Series) -> Dataset:
    """Frames without a place of their own would be lost without a word."""
    made = segmentation(series)
    del made.PerFrameFunctionalGroupsSequence[-1]
    return made


@drawn("bad_pixels")
def segmentation_of_countless_frames(series: Series) -> Dataset:
    """Decoding would ask for terabytes."""
    made = segmentation(series)
    made.NumberOfFrames = 999_999_999
    return made


@drawn("bad_pixels")
def fractions_of_nothing(series: Series) -> Dataset:
    """Half of nothing holds every voxel of the segment's slices."""
    segmentation(series)
    made = make_seg(series, {"Tumor": MASK > 0}, "FRACTIONAL")
    made.MaximumFractionalValue = 0
    return made


@drawn("bad_pixels")
def fractions_beyond_the_whole(series: Series) -> Dataset:
    """Half of the whole is less than it is said to be, and holds more of the edge."""
    segmentation(series)
    made = make_seg(series, {"Tumor": MASK > 0}, "FRACTIONAL")
    made.MaximumFractionalValue = int(made.pixel_array.max()) - 1
    return made


@drawn(EXACT)
def segment_that_says_yes_and_no(series: Series) -> Dataset:
    """Of what says nothing of its voxels."""
    made = segmentation(series)
    frame = made.PerFrameFunctionalGroupsSequence[0]
    source = frame.DerivationImageSequence[0].SourceImageSequence[0]
    source.SpatialLocationsPreserved = ["YES", "NO"]
    return made


@drawn(EXACT)
def segment_of_an_unknown_kind_of_thing(series: Series) -> Dataset:
    """As simple tools write it: no algorithm, no codes, and nothing that all frames share."""
    made = segmentation(series)
    item = made.SegmentSequence[0]
    del item.SegmentAlgorithmType, item.SegmentedPropertyTypeCodeSequence
    del item.SegmentedPropertyCategoryCodeSequence
    shared = made.SharedFunctionalGroupsSequence[0]
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.update(shared)
    made.SharedFunctionalGroupsSequence = []
    return made


@drawn("bad_pixels")
def frames_of_no_segment(series: Series) -> Dataset:
    """The second frame would be lost without a word."""
    made = segmentation(series)
    shared = made.SharedFunctionalGroupsSequence[0]
    for number, frame in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        identity = Dataset()
        identity.ReferencedSegmentNumber = number
        frame.SegmentIdentificationSequence = [identity]
    shared.pop("SegmentIdentificationSequence", None)
    return made


@drawn("bad_pixels")
def labels_of_no_segment(series: Series) -> Dataset:
    segmentation(series)
    made = make_seg(series, {"Tumor": MASK > 0}, "LABELMAP")
    values = np.frombuffer(made.PixelData, np.uint8).copy()
    values[np.flatnonzero(values)[-1]] = 7
    made.PixelData = values.tobytes()
    return made


@drawn("ambiguous_roi")
def two_segments_of_one_number(series: Series) -> Dataset:
    made = segmentation(series)
    other = deepcopy(made.SegmentSequence[0])
    other.SegmentLabel = "Muscle"
    made.SegmentSequence = [made.SegmentSequence[0], other]
    return made


@drawn(EXACT)
def labels_with_colours(series: Series) -> Dataset:
    """A palette gives each number its colour, and the numbers are no less what they are."""
    segmentation(series)
    made = make_seg(series, {"Tumor": MASK > 0}, "LABELMAP")
    made.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [2, 0, 16])
        setattr(made, f"{colour}PaletteColorLookupTableData", bytes(4))
    return made


@drawn(EXACT)
def fractions_packed_by_jpeg_2000(series: Series) -> Dataset:
    segmentation(series)
    made = make_seg(series, {"Tumor": MASK > 0}, "FRACTIONAL")
    packed = []
    for frame in made.pixel_array:
        encoded = itk_encoded(frame, "JPEG2000", np.uint8)
        packed += generate_frames(encoded.PixelData, number_of_frames=1)
    made.PixelData = encapsulate(packed)
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID
    return made


def _on_two_series(folder: Path) -> Series:
    """A tumour of three contours, of which one names another series."""
    t2 = sound("none", study="1.2.3", frame_of_reference="1.2.4")
    t1 = sound("none", study="1.2.3", frame_of_reference="1.2.4", description="AX T1", seed=3)
    t2.write(folder / "t2")
    t1.write(folder / "t1")
    made = make_rtstruct(t2, {"GTV_Mass": shape_at(t2, 2, 3, 4)}, references="images")
    tumour = made.ROIContourSequence[0].ContourSequence[0]
    tumour.ContourImageSequence[0].ReferencedSOPInstanceUID = t1.datasets[2].SOPInstanceUID
    save(made, folder / "RS")
    return t2


ODD["one_tumour_on_two_series"] = Odd(
    "one_tumour_on_two_series", "contour_conflict", _on_two_series
)


@odd_folder("ambiguous_series")
def mask_that_lists_one_series_and_is_drawn_on_another(folder: Path) -> Series:
    t2 = sound("none", study="1.2.3", frame_of_reference="1.2.4").write(folder / "t2")
    t1 = sound("none", study="1.2.3", frame_of_reference="1.2.4", description="AX T1", seed=3)
    t1.write(folder / "t1")
    made = tumour_on(t2, references="images")
    made.ReferencedFrameOfReferenceSequence = tumour_on(t1).ReferencedFrameOfReferenceSequence
    save(made, folder / "RS")
    return t2


@drawn("frame_conflict")
def mask_in_another_frame(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = generate_uid()
    return made


@drawn("frame_conflict")
def roi_in_another_frame(series: Series) -> Dataset:
    """The file lists both frames; the ROI says that it was drawn in the other one."""
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    other = Dataset()
    other.FrameOfReferenceUID = generate_uid()
    made.ReferencedFrameOfReferenceSequence.append(other)
    made.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = other.FrameOfReferenceUID
    return made


@drawn(EXACT)
def mask_that_lost_its_identifier(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.PatientID = ""
    return made


@drawn(EXACT)
def mask_of_an_identifier_in_other_letters(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.PatientID = "00p1"
    return made


@drawn("identity_conflict")
def mask_of_another_identifier(series: Series) -> Dataset:
    made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)})
    made.PatientID = "P2"
    return made


def of_people(image: dict[str, str], mask: dict[str, str], **kwargs: Any) -> Any:
    """An exam whose image says one thing of its patient, and whose contours another."""

    def write(folder: Path) -> Series:
        series = sound("none", tags=image)
        made = make_rtstruct(series, {"GTV_Mass": shape_at(series, 2, 3)}, **kwargs)
        for keyword, value in mask.items():
            setattr(made, keyword, value)
        series.write(folder)
        save(made, folder / "RS")
        return series

    return write


_ISSUED_A, _ISSUED_B = {"IssuerOfPatientID": "HOSP_A"}, {"IssuerOfPatientID": "HOSP_B"}
_BY_WORDS = {"references": "nothing", "description": "AX T2 FS"}
_ANNA = {"PatientName": "Meyer^Anna", "PatientBirthDate": "19500203"}
_OTTO = {"PatientName": "Brandt^Otto", "PatientBirthDate": "19310817"}
for _name, _expected, _image, _mask, _kwargs in (
    ("mask_of_another_sex", "identity_conflict", {"PatientSex": "F"}, {"PatientSex": "M"}, {}),
    ("mask_of_another_person", "identity_conflict", _ANNA, _OTTO, {}),
    ("mask_from_a_system_with_its_own_issuer", EXACT, _ISSUED_A, _ISSUED_B, {}),
    ("mask_by_words_alone", EXACT, _ISSUED_A, {}, _BY_WORDS),
    ("mask_by_words_of_another_issuer", "identity_conflict", _ISSUED_A, _ISSUED_B, _BY_WORDS),
):
    ODD[_name] = Odd(_name, _expected, of_people(_image, _mask, **_kwargs))


@drawn("roi_too_small")
def contour_of_one_voxel(series: Series) -> Dataset:
    """Refused because this corpus asks for two voxels at least."""
    speck = ellipse(series.geometry, 2, centre=(25, 20), radii=(0.6, 0.6))
    return make_rtstruct(series, {"GTV_Mass": [speck]})


def _cut_structures(folder: Path) -> Series:
    series = sound()
    series.write(folder)
    save(series.structures, folder / "RS")
    content = (folder / "RS").read_bytes()
    (folder / "RS").write_bytes(content[:400])
    return series


ODD["structures_cut"] = Odd("structures_cut", "unreadable_file", _cut_structures)
