"""Odd and broken masks, and image files other than DICOM: see ``odd``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import generate_uid

from radlas.geometry import Geometry

from .dicom_corpus import (
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
from .odd import EXACT, ODD, Odd, itk_encoded, save, sound

GRID = grid("oblique")
MASK = np.zeros(GRID.shape, np.uint8)
MASK[2:4] = inside_ellipse(GRID, centre=CENTRE, radii=RADII)


# Masks of DICOM series


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


# Image files


def files(expected: str) -> Callable[[Any], Any]:
    """Register a class of image files; the function gets the image's voxels."""

    def register(make: Callable[[Path, np.ndarray], None]) -> Callable[..., Any]:
        def write(folder: Path) -> Series:
            voxels = np.random.default_rng(5).integers(1, 800, GRID.shape).astype(np.int16)
            folder.mkdir(parents=True, exist_ok=True)
            make(folder, voxels)
            return Series([], GRID, voxels)

        ODD[make.__name__] = Odd(make.__name__, expected, write)
        return make

    return register


def write(path: Path, voxels: np.ndarray, geometry: Geometry = GRID, **meta: str) -> None:
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel())
    for key, text in meta.items():
        image.SetMetaData(key, text)
    SimpleITK.WriteImage(image, str(path))


def moved(geometry: Geometry, matrix: Any) -> Geometry:
    return replace(geometry, affine=np.asarray(matrix, dtype=float) @ geometry.affine)


@files(EXACT)
def nifti_pair(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)


@files(EXACT)
def nrrd_image_and_mha_mask(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_tumour.mha", MASK)


@files(EXACT)
def mask_of_a_box(folder, voxels):
    """A mask file that holds only the slices that were drawn on."""
    box = replace(GRID, shape=(2, *GRID.shape[1:]), affine=GRID.affine.copy())
    box.affine[:3, 3] += 2 * GRID.affine[:3, 2]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[2:4], box)


@files(EXACT)
def mask_with_slices_the_other_way(folder, voxels):
    """The same voxels in patient space, stored from the last slice to the first."""
    turned = replace(GRID, affine=GRID.affine.copy())
    turned.affine[:3, 3] += 5 * GRID.affine[:3, 2]
    turned.affine[:3, 2] *= -1
    turned.affine[:3, 0] *= -1  # a left-handed grid cannot be written: turn another axis as well
    turned.affine[:3, 3] += 51 * GRID.affine[:3, 0]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[::-1, :, ::-1].copy(), turned)


@files(EXACT)
def segments_that_name_themselves(folder, voxels):
    meta = {"Segment0_Name": "Tumor", "Segment0_LabelValue": "3", "Segment0_Layer": "0"}
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_masks.seg.nrrd", MASK * 3, **meta)


@files(EXACT)
def mask_named_as_slicer_does(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.seg.nrrd", MASK)


@files("ambiguous_roi")
def two_segments_of_one_name(folder, voxels):
    meta = {"Segment0_Name": "Tumor", "Segment0_LabelValue": "3"}
    meta |= {"Segment1_Name": "Tumor", "Segment1_LabelValue": "4"}
    labels = MASK * 3
    labels[3] = MASK[3] * 4
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_masks.seg.nrrd", labels, **meta)


@files("unsupported_format")
def archive_in_an_archive(folder, voxels):
    nifti_pair(folder, voxels)
    shutil.make_archive(str(folder / "inner"), "tar", folder)


@files("unsupported_format")
def header_apart_from_its_voxels(folder, voxels):
    nifti_pair(folder, voxels)
    write(folder / "P2_image.mhd", voxels)


def header_of(path: Path, old: str, new: str) -> None:
    """Change the text header of a NRRD or MHA file."""
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


@files("unsupported_format")
def nrrd_that_names_another_file(folder, voxels):
    nifti_pair(folder, voxels)
    (folder / "P1_image.nii.gz").unlink()
    write(folder / "P1_image.nrrd", voxels)
    (folder / "voxels.raw").write_bytes(voxels.tobytes())
    whole = (folder / "P1_image.nrrd").read_bytes().partition(b"\n\n")[0]
    raw = whole.replace(b"encoding: gzip", b"encoding: raw")
    (folder / "P1_image.nrrd").write_bytes(raw + b"\ndata file: voxels.raw\n\n")


@files("unsupported_format")
def mha_that_names_another_file(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    (folder / "voxels.raw").write_bytes(voxels.tobytes())
    header = (folder / "P1_image.mha").read_bytes().partition(b"ElementDataFile")[0]
    header = header.replace(b"CompressedData = True", b"CompressedData = False")
    (folder / "P1_image.mha").write_bytes(header + b"ElementDataFile = voxels.raw\n")


@files("missing_geometry")
def mha_without_spacing(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    for stem in ("image", "mask"):
        header_of(folder / f"P1_{stem}.mha", "ElementSpacing", "ElementComment")


@files("bad_geometry")
def mha_with_a_negative_spacing(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    header_of(folder / "P1_image.mha", "ElementSpacing = 0.8", "ElementSpacing = -0.8")


@files("bad_rescale")
def mha_with_a_slope(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    line = "ElementToIntensityFunctionSlope = 2\nElementSpacing"
    header_of(folder / "P1_image.mha", "ElementSpacing", line)


@files("truncated_pixels")
def mha_of_damaged_voxels(folder, voxels):
    """One bit of a compressed file: ITK reads other voxels, without a word."""
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    path = str(folder / "P1_image.mha")
    SimpleITK.WriteImage(SimpleITK.ReadImage(path), path, useCompression=True)
    content = bytearray(Path(path).read_bytes())
    content[-2000] ^= 4
    (folder / "P1_image.mha").write_bytes(content)


@files("unknown_encoding")
def nrrd_packed_by_bzip2(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    header_of(folder / "P1_image.nrrd", "encoding: raw", "encoding: bzip2")


@files("bad_geometry")
def nrrd_in_centimetres(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    line = 'space units: "cm" "cm" "cm"\nspace origin:'
    header_of(folder / "P1_image.nrrd", "space origin:", line)


@files("bad_geometry")
def mha_in_centimetres(folder, voxels):
    write(folder / "P1_image.mha", voxels)
    write(folder / "P1_mask.mha", MASK)
    header_of(folder / "P1_image.mha", "Offset =", "DistanceUnits = cm\nOffset =")


@files(EXACT)
def nrrd_in_millimetres_spelt_out(folder, voxels):
    write(folder / "P1_image.nrrd", voxels)
    write(folder / "P1_mask.nrrd", MASK)
    for unit, stem in (("Millimeters", "image"), ("MM", "mask")):
        line = f'space units: "{unit}" "{unit}" "{unit}"\nspace origin:'
        header_of(folder / f"P1_{stem}.nrrd", "space origin:", line)


@files("mask_flipped")
def mask_in_ras(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK, moved(GRID, np.diag([-1, -1, 1, 1])))


@files("mask_flipped")
def mask_box_in_ras(folder, voxels):
    box = replace(GRID, shape=(2, *GRID.shape[1:]), affine=GRID.affine.copy())
    box.affine[:3, 3] += 2 * GRID.affine[:3, 2]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[2:4], moved(box, np.diag([-1, -1, 1, 1])))


@files("mask_off_grid")
def mask_half_a_voxel_off(folder, voxels):
    shifted = replace(GRID, affine=GRID.affine.copy())
    shifted.affine[:3, 3] += 0.45 * GRID.affine[:3, 0]
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK, shifted)


@files("mask_off_grid")
def mask_of_another_patient(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK[:, :30, :30], grid("axial", (6, 30, 30), (1, 1, 3)))


@files("label_missing")
def label_255(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK * 255)


@files("label_undeclared")
def two_labels(folder, voxels):
    both = MASK.copy()
    both[4, :5, :5] = 2
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", both)


@files("label_undeclared")
def mask_of_probabilities(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", (MASK * np.linspace(0.2, 1, 52)).astype(np.float32))


@files("empty_mask")
def mask_of_zeros(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK * 0)


@files("no_image")
def mask_file_alone(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)
    write(folder / "P2_mask.nii.gz", MASK)


@files("case_conflict")
def two_images_of_one_name(folder, voxels):
    for place, shift in (("a", 0), ("b", 1)):
        (folder / place).mkdir()
        write(folder / place / "P1_image.nii.gz", voxels + np.int16(shift))
    write(folder / "P1_mask.nii.gz", MASK)


@files("not_finite")
def image_with_nan(folder, voxels):
    spoilt = voxels.astype(np.float32)
    spoilt[0, 0, 0] = np.nan
    write(folder / "P1_image.nii.gz", spoilt)
    write(folder / "P1_mask.nii.gz", MASK)


@files("flat_image")
def image_of_one_value(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels * 0 + 7)
    write(folder / "P1_mask.nii.gz", MASK)


@files("truncated_pixels")
def image_cut(folder, voxels):
    write(folder / "P1_image.nii.gz", voxels)
    write(folder / "P1_mask.nii.gz", MASK)
    content = (folder / "P1_image.nii.gz").read_bytes()
    (folder / "P1_image.nii.gz").write_bytes(content[: len(content) // 2])


@files("too_few_slices")
def image_of_one_slice(folder, voxels):
    one = replace(GRID, shape=(1, *GRID.shape[1:]))
    write(folder / "P1_image.nii.gz", voxels[:1], one)
    write(folder / "P1_mask.nii.gz", MASK[2:3], one)


for _ending in ("nii.gz", "mha", "nrrd"):

    @files("not_grey")
    def image_in_four_dimensions(folder, voxels, ending=_ending):
        image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(voxels)] * 2)
        SimpleITK.WriteImage(image, str(folder / f"P1_image.{ending}"))
        write(folder / "P1_mask.nii.gz", MASK)

    @files("not_grey")
    def image_of_colours(folder, voxels, ending=_ending):
        colours = SimpleITK.GetImageFromArray(np.stack([voxels.astype(np.uint8)] * 3, -1), True)
        SimpleITK.WriteImage(colours, str(folder / f"P1_image.{ending}"))
        write(folder / "P1_mask.nii.gz", MASK)

    for _made in ("image_in_four_dimensions", "image_of_colours"):
        ODD[f"{_made}_{_ending}"] = replace(ODD.pop(_made), name=f"{_made}_{_ending}")


# Fields of a NIfTI-1 header that state geometry, with their places in the file.
HEADER = np.dtype(
    {
        "names": [
            *("pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units"),
            *("qform_code", "sform_code", "quatern", "srow_x"),
        ],
        "formats": [("<f4", 8), "<f4", "<f4", "<f4", "u1", "<i2", "<i2", ("<f4", 3), ("<f4", 4)],
        "offsets": [76, 108, 112, 116, 123, 252, 254, 256, 280],
        "itemsize": 348,
    }
)


def _nifti(text: str, expected: str, edit: Callable[[np.ndarray], None]) -> None:
    """Register a class of a NIfTI pair in both of whose raw headers fields are changed."""

    def make(folder: Path) -> Series:
        voxels = np.random.default_rng(5).integers(1, 800, GRID.shape).astype(np.int16)
        folder.mkdir(parents=True, exist_ok=True)
        for stem, values in (("image", voxels), ("mask", MASK)):
            path = folder / f"P1_{stem}.nii"
            write(path, values)
            content = bytearray(path.read_bytes())
            head = np.frombuffer(content, HEADER, 1)
            edit(head[0])
            path.write_bytes(bytes(content))
        return Series([], GRID, voxels)

    ODD[text] = Odd(text, expected, make)


def _set(**values: Any) -> Callable[[np.ndarray], None]:
    def edit(head: np.ndarray) -> None:
        for field, value in values.items():
            head[field] = value

    return edit


def _shift_sform(head: np.ndarray) -> None:
    head["srow_x"][3] += 30


def _turn_qform(head: np.ndarray) -> None:
    head["quatern"] = (0.6, 0.3, 0.1)


_nifti("spacing_nan", "bad_geometry", _set(pixdim=[1, np.nan, 0.7, 4, 0, 0, 0, 0]))
_nifti("spacing_zero", "bad_geometry", _set(pixdim=[1, 0, 0.7, 4, 0, 0, 0, 0], sform_code=0))
_nifti("sform_moved_against_qform", "ambiguous_geometry", _shift_sform)
_nifti("qform_turned_against_sform", "ambiguous_geometry", _turn_qform)
_nifti("sform_sheared", "bad_geometry", _set(qform_code=0, srow_x=[0.8, 0.3, 0, 0]))
_nifti("voxels_inside_the_header", "unreadable_file", _set(vox_offset=0))
_nifti("slope_infinite", "bad_rescale", _set(scl_slope=np.inf))
_nifti(
    "sform_doubled", "ambiguous_geometry", _set(qform_code=0, pixdim=[1, 0.4, 0.35, 2] + [0] * 4)
)
_nifti("slope_without_meaning", EXACT, _set(scl_slope=np.nan, scl_inter=np.nan))
_nifti("metres_by_its_header", "bad_geometry", _set(xyzt_units=1))
_nifti("micrometres_by_its_header", "bad_geometry", _set(xyzt_units=3 | 8))
_nifti("no_unit_in_its_header", EXACT, _set(xyzt_units=0))
_nifti("only_sform", EXACT, _set(qform_code=0))
_nifti("only_qform", EXACT, _set(sform_code=0))
