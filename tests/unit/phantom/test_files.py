"""The three centres' files: valid, consistent, and as awkward as they are meant to be."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import openpyxl
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from highdicom.spatial import get_volume_positions
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.phantom import tcia
from radlas.phantom.anatomy import make_exam
from radlas.phantom.scanners import SCANNERS
from radlas.phantom.subjects import Subject, make_subject
from radlas.phantom.workbook import grade_text


@cache
def truth(cohort: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader((cohort / "truth.csv").open(encoding="utf-8"))
    return {row["subject"]: row for row in rows}


@cache
def datasets(root: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(root.rglob("*.dcm"))]


def series(root: Path) -> dict[str, list[Dataset]]:
    """MR series by their UID, in the order of instances."""
    found: dict[str, list[Dataset]] = {}
    for one in datasets(root):
        if one.Modality == "MR":
            found.setdefault(one.SeriesInstanceUID, []).append(one)
    assert found
    return {uid: sorted(each, key=lambda one: one.InstanceNumber) for uid, each in found.items()}


def structures(root: Path) -> list[Dataset]:
    found = [one for one in datasets(root) if one.Modality == "RTSTRUCT"]
    assert found
    return found


def contours(structure: Dataset) -> list[tuple[str, NDArray[np.float64], str]]:
    """ROI name, points ``(point, 3)`` and referenced image of every contour."""
    names = {roi.ROINumber: roi.ROIName for roi in structure.StructureSetROISequence}
    return [
        (
            names[roi.ReferencedROINumber],
            np.array(contour.ContourData, float).reshape(-1, 3),
            contour.ContourImageSequence[0].ReferencedSOPInstanceUID,
        )
        for roi in structure.ROIContourSequence
        for contour in roi.ContourSequence
    ]


@pytest.fixture(scope="module")
def odd_subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Subjects 3 and 4 of the first centre, coarse: other ROI names, no slice thickness."""
    root = tmp_path_factory.mktemp("odd")
    for number in (3, 4):
        subject = make_subject(SCANNERS[0], number, seed=0)
        exam = make_exam(subject, SCANNERS[0], every=(1, 4, 4))
        tcia.write_subject(subject, exam, SCANNERS[0], root)
    return root


def test_slices_are_equally_spaced_along_their_normal(cohort: Path):
    for slices in [*series(cohort / "centre-a").values(), *series(cohort / "centre-b").values()]:
        axes = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
        assert axes[0] @ axes[1] == pytest.approx(0, abs=1e-9)
        steps = np.diff([np.array(one.ImagePositionPatient, float) for one in slices], axis=0)
        along = steps @ np.cross(*axes)
        np.testing.assert_allclose(along, along[0], atol=1e-6)
        assert along[0] in (pytest.approx(6.5), pytest.approx(4.0))
        np.testing.assert_allclose(steps @ axes.T, 0, atol=1e-6)


def test_highdicom_takes_every_series_for_a_regular_volume(cohort: Path):
    for slices in [*series(cohort / "centre-a").values(), *series(cohort / "centre-b").values()]:
        spacing, order = get_volume_positions(
            [one.ImagePositionPatient for one in slices], slices[0].ImageOrientationPatient
        )
        assert spacing == pytest.approx(6.5 if len(slices) == 18 else 4.0, abs=1e-4)
        assert order is not None


def test_dicom_files_hold_what_a_strict_reader_asks_for(cohort: Path):
    for one in datasets(cohort):
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
        assert one.Manufacturer == "RADLAS PHANTOM"
        assert pydicom.uid.UID(one.SOPInstanceUID).is_valid
        row = truth(cohort)[one.PatientID]
        assert one.PatientSex == row["sex"]
        if one.Modality == "MR":
            assert one.PatientAge == f"{int(row['age']):03d}Y"
            assert one.MagneticFieldStrength == 1.5
            assert one.RepetitionTime > one.EchoTime > 0
            assert one.pixel_array.dtype == np.int16


def test_uids_are_unique(cohort: Path):
    found = [one.SOPInstanceUID for one in datasets(cohort)]
    assert len(set(found)) == len(found)


def test_contours_lie_on_the_image_they_refer_to(cohort: Path):
    images = {one.SOPInstanceUID: one for one in datasets(cohort) if one.Modality == "MR"}
    for structure in structures(cohort):
        for _, points, reference in contours(structure):
            image = images[reference]
            axes = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
            away = (points - np.array(image.ImagePositionPatient, float)) @ np.cross(*axes)
            assert np.abs(away).max() < 1e-3


def test_structure_sets_name_their_series_and_every_image_of_it(cohort: Path):
    known = series(cohort / "centre-a")
    for structure in structures(cohort):
        frame = structure.ReferencedFrameOfReferenceSequence[0]
        named = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        slices = known[named.SeriesInstanceUID]
        listed = [one.ReferencedSOPInstanceUID for one in named.ContourImageSequence]
        assert listed == [one.SOPInstanceUID for one in slices]
        assert frame.FrameOfReferenceUID == slices[0].FrameOfReferenceUID


def test_contour_areas_add_up_to_the_true_volume(cohort: Path):
    """Shoelace area times slice spacing: an oracle that rasterises nothing."""
    for structure in structures(cohort):
        if structure.SeriesDescription != "RTstructT2FS":
            continue
        total = 0.0
        for name, points, _ in contours(structure):
            if name == "GTV_Mass":
                twice = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
                total += 0.5 * float(np.linalg.norm(twice)) * 6.5
        expected = float(truth(cohort)[structure.PatientID]["tumour_mm3"])
        assert total == pytest.approx(expected, rel=0.02)


def test_some_subjects_have_a_t1_series_with_contours_of_its_own(cohort: Path):
    for subject in ("STS_001", "STS_002"):
        own = [one for one in structures(cohort) if one.PatientID == subject]
        expected = {"RTstructT2FS"} | ({"RTstructT1"} if subject == "STS_002" else set())
        assert {one.SeriesDescription for one in own} == expected


def test_readers_of_some_subjects_used_other_roi_names(odd_subjects: Path):
    names = {
        one.PatientID: {roi.ROIName for roi in one.StructureSetROISequence}
        for one in structures(odd_subjects)
    }
    assert "GTV_Research" in names["STS_003"]
    assert "GTV_Mass" in names["STS_004"]


def test_one_subjects_headers_lack_the_slice_thickness(odd_subjects: Path):
    lacking = {
        one.PatientID for one in datasets(odd_subjects)
        if one.Modality == "MR" and "SliceThickness" not in one
    }  # fmt: skip
    assert lacking == {"STS_004"}


def test_segments_hold_the_true_volume_on_the_grid_of_the_image(cohort: Path):
    segmentations = [one for one in datasets(cohort) if one.Modality == "SEG"]
    assert len(segmentations) == 2
    for seg in segmentations:
        assert seg.SegmentSequence[0].SegmentLabel == "tumour"
        row = truth(cohort)[seg.PatientID]
        assert (len(seg.SegmentSequence) == 2) == (row["edema_drawn"] == "yes")
        shared = seg.SharedFunctionalGroupsSequence[0]
        voxels = sum(
            int((frame > 0).sum())
            for frame, item in zip(
                seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True
            )
            if segment_number(item, shared) == 1
        )
        assert voxels * 0.5 * 0.5 * 4.0 == pytest.approx(float(row["tumour_mm3"]), abs=0.1)


def segment_number(item: Dataset, shared: Dataset) -> int:
    owner = item if "SegmentIdentificationSequence" in item else shared
    return int(owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def test_nifti_masks_lie_on_their_oblique_image_and_hold_the_true_volume(cohort: Path):
    paths = sorted((cohort / "centre-c" / "masks").glob("*_tumour.nii.gz"))
    assert len(paths) == 2
    for path in paths:
        name = path.name.split("_")[0]
        mask = sitk.ReadImage(str(path))
        image = sitk.ReadImage(str(cohort / "centre-c" / "images" / f"{name}_image.nii.gz"))
        assert mask.GetSize() == image.GetSize()
        assert mask.GetDirection() == image.GetDirection()
        assert mask.GetOrigin() == image.GetOrigin()
        assert 0.93 < abs(image.GetDirection()[8]) < 0.99
        volume = int(sitk.GetArrayFromImage(mask).sum()) * np.prod(mask.GetSpacing())
        assert volume == pytest.approx(float(truth(cohort)[name]["tumour_mm3"]), rel=1e-5)


def test_nifti_images_are_marked_in_their_header(cohort: Path):
    paths = list((cohort / "centre-c").rglob("*.nii.gz"))
    assert len(paths) >= 4
    for path in paths:
        assert sitk.ReadImage(str(path)).GetMetaData("descrip") == "RADLAS PHANTOM"


def test_the_workbook_has_the_collections_headers_notes_and_grades(cohort: Path):
    book = openpyxl.load_workbook(cohort / "centre-a" / "INFOclinical_STS.xlsx")
    head, *rows = book["Clinical Information"].iter_rows(values_only=True)
    assert head[:7] == (
        "Patient ID", "Age", "Sex", "Histological type", "MSKCC type",
        "Site of primary STS", "Grade",
    )  # fmt: skip
    patients = {row[0]: row for row in rows if str(row[0]).startswith("STS_")}
    assert len(rows) > len(patients)
    for name, row in patients.items():
        assert (row[6] == "High") == (truth(cohort)[name]["grade"] == "high")
        assert row[1] == int(truth(cohort)[name]["age"])


def test_every_low_grade_is_written_low_or_intermediate_however_spelt():
    grades = {_workbook_grade(make_subject(SCANNERS[0], number, seed=0)) for number in range(1, 40)}
    assert grades == {("high", "High"), ("low", "Low"), ("low", "Intermediate")}


def _workbook_grade(subject: Subject) -> tuple[str, str]:
    return subject.grade, grade_text(subject)


@pytest.mark.parametrize(
    ("centre", "name", "grade", "high"),
    [("centre-b", "patient_id", "fnclcc", "G3"), ("centre-c", "subject", "grade", "high")],
)
def test_clinical_tables_agree_with_the_truth(
    cohort: Path, centre: str, name: str, grade: str, high: str
):
    rows = list(csv.DictReader((cohort / centre / "clinical.csv").open(encoding="utf-8")))
    expected = {one for one, row in truth(cohort).items() if row["centre"] == centre}
    assert {row[name] for row in rows} == expected
    for row in rows:
        assert (row[grade] == high) == (truth(cohort)[row[name]]["grade"] == "high")
