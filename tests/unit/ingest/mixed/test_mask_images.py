"""Masks of other formats beside DICOM: given to the image they were drawn on, or to none."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from radlas.errors import DataError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules
from radlas.testing import check_importer

from ..dicom.corpus import grid, make_series, tumour_on
from ..nifti.odd_images import write

BOTH = IMPORTERS["dicom-masks"]()
RULES = IngestRules()


def drawn_on(series, value=1):
    mask = np.zeros(series.voxels.shape, np.uint8)
    mask[2:4, 10:20, 12:30] = value
    return mask


def add_mask(path, series, mask=None, geometry=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, drawn_on(series) if mask is None else mask, geometry or series.geometry)
    return path


def add_patient(folder, patient, *descriptions, **kwargs):
    """Series on grids of their own, each in a folder."""
    found = []
    for number, description in enumerate(descriptions or ["AX T2 FS"]):
        geometry = grid(spacing=(0.8, 0.7, 4.0 + number))
        series = make_series(
            **{"geometry": geometry, **kwargs},
            patient=patient,
            description=description,
            seed=number,
        )
        found.append(series.write(folder / f"s{number}"))
    return found


def only(source, rules=RULES):
    scan = BOTH.find(source, rules)
    assert not scan.refusals
    (exam,) = scan.exams
    return exam


def refused(source, rules=RULES):
    scan = BOTH.find(source, rules)
    assert not scan.exams
    return {one.error.reason: one.error for one in scan.refusals}


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "seg.nrrd"])
@pytest.mark.parametrize("plane", ["axial", "oblique", "sagittal"])
def test_a_mask_in_the_folder_of_its_patient_lies_on_the_image(ending, plane, tmp_path):
    (series,) = add_patient(tmp_path / "a", "P1", geometry=grid(plane))
    add_mask(tmp_path / "a" / f"tumour.{ending}", series)
    exam = only(tmp_path)
    assert (exam.importer, exam.subject, exam.rule) == (
        "dicom-masks",
        "P1",
        "T2FS by description, native; mask by folder",
    )
    data = BOTH.read(exam, RULES)
    np.testing.assert_array_equal(data.volume.voxels, series.voxels)
    (roi,) = data.rois
    assert (roi.name, roi.origin, roi.flags) == ("tumour", "image", ())
    np.testing.assert_array_equal(roi.mask, drawn_on(series) == 1)


@pytest.mark.parametrize(
    "name",
    ["P1_tumour.nii.gz", "p1_GTV_Mass.nrrd", "masks/P1/mask.mha", "masks/P1_seg.nii.gz"],
)
def test_beside_the_images_of_several_patients_its_name_tells_whose_it_is(name, tmp_path):
    for patient in ("P1", "P10", "P2"):
        (series,) = add_patient(tmp_path / "images" / f"case {patient}", patient)
    add_mask(tmp_path / name, series)
    (exam,) = BOTH.find(tmp_path, RULES).exams
    assert exam.subject == "P1"
    assert exam.rule.endswith("mask by file name")


def test_a_patient_is_also_called_as_the_folder_of_their_images_alone(tmp_path):
    """Exports whose headers are anonymous are told apart by folders."""
    for code in ("STS_001", "STS_002"):
        (series,) = add_patient(tmp_path / code, f"anon-{code[-1]}")
    add_mask(tmp_path / "masks" / "STS_002_tumour.nii.gz", series)
    assert [one.subject for one in BOTH.find(tmp_path, RULES).exams] == ["anon-2"]


def test_among_several_patients_a_mask_without_a_name_is_nobodys(tmp_path):
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / patient, patient)
    add_mask(tmp_path / "tumour.nii.gz", series)
    error = refused(tmp_path)["no_image"]
    assert "images of 2 patients, and names none of them" in error.what
    assert "<PatientID>_<what>" in error.hint


@pytest.mark.parametrize(
    "name", ["masks/P1_tumour.nrrd", "P1_seg.nii.gz", "masks/P1/tumour.mha", "P1_Segm.seg.nrrd"]
)
@pytest.mark.parametrize("images", ["P2", "images/P2", "images"])
def test_a_patient_without_images_is_not_the_one_who_is_left(images, name, tmp_path):
    """Their exam was not exported, and a grid may be equal."""
    (series,) = add_patient(tmp_path / images, "P2")
    add_mask(tmp_path / name, series)
    error = refused(tmp_path)["no_image"]
    assert "images of 1 patient, and names none of them" in error.what
    assert "<PatientID>_<what>" in error.hint


@pytest.mark.parametrize("name", ["masks/tumour.nrrd", "t2fs_seg.nii.gz", "labels/P2/GTV_Mass.mha"])
def test_a_source_of_one_patient_needs_no_name(name, tmp_path):
    (series,) = add_patient(tmp_path / "images", "P2")
    add_mask(tmp_path / name, series)
    assert only(tmp_path).subject == "P2"


def test_a_mask_named_after_another_patient_is_taken_for_nobodys(tmp_path):
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / patient, patient)
    add_mask(tmp_path / "P1" / "P2_tumour.nii.gz", series)
    assert "named after another" in refused(tmp_path)["identity_conflict"].what


def test_a_mask_named_after_one_patient_in_the_folder_of_another_is_nobodys(tmp_path):
    """Also where the folder holds no images, but is called as theirs."""
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / "images" / patient, patient)
    add_mask(tmp_path / "masks" / "P1" / "P2_tumour.nii.gz", series)
    assert "are those of two patients" in refused(tmp_path)["identity_conflict"].what


def test_a_folder_inside_of_a_patients_names_nobody(tmp_path):
    """The second patient alone has a fourth series."""
    for patient, numbers in (("P1", "123"), ("P2", "1234")):
        for number in numbers:
            series = make_series(grid(spacing=(0.8, 0.7, 3.0 + int(number))), patient=patient)
            series.write(tmp_path / "images" / patient / number)
            if (patient, number) == ("P1", "3"):
                drawn = series
    add_mask(tmp_path / "masks" / "P1" / "4" / "tumour.nii.gz", drawn)
    (exam,) = BOTH.find(tmp_path, RULES).exams
    assert (exam.subject, exam.series) == ("P1", drawn.datasets[0].SeriesInstanceUID)


def add_numbered(source):
    """Folders that are numbered otherwise than the patients."""
    for folder, patient in (("1", "17"), ("17", "1")):
        (series,) = add_patient(source / "images" / folder, patient)
    return series  # of patient 1


def test_beside_the_images_a_folder_counts_by_what_lies_in_it(tmp_path):
    add_mask(tmp_path / "images" / "17" / "tumour.nii.gz", add_numbered(tmp_path))
    (exam,) = BOTH.find(tmp_path, RULES).exams
    assert (exam.subject, exam.rule[-14:]) == ("1", "mask by folder")


@pytest.mark.parametrize("name", ["17/tumour.nii.gz", "17_tumour.nii.gz"])
def test_an_identifier_that_is_the_folder_of_another_names_nobody(name, tmp_path):
    add_mask(tmp_path / "masks" / name, add_numbered(tmp_path))
    error = refused(tmp_path)["identity_conflict"]
    assert "may mean several patients" in error.what
    assert error.hint == "put it into the folder of its patient's images"


def test_of_identifiers_that_are_alike_the_one_counts_that_is_spelt_so(tmp_path):
    for folder, patient in (("a", "7"), ("b", "007")):
        (series,) = add_patient(tmp_path / "images" / folder, patient)
    path = add_mask(tmp_path / "masks" / "7_tumour.nii.gz", series)
    assert [one.subject for one in BOTH.find(tmp_path, RULES).exams] == ["7"]
    path.rename(path.with_name("07_tumour.nii.gz"))
    assert "may mean several patients" in refused(tmp_path)["identity_conflict"].what


def test_a_folder_is_called_alike_in_either_spelling_of_its_letters(tmp_path):
    """Disks and archives of macOS take an umlaut apart."""
    for folder in ("Jo\u0308rg", "Bea"):
        (series,) = add_patient(tmp_path / "images" / folder, f"x{folder[0]}")
    add_mask(tmp_path / "masks" / "J\u00f6rg_tumour.nii.gz", series)
    assert [one.subject for one in BOTH.find(tmp_path, RULES).exams] == ["xJ"]


def test_a_mask_without_any_image_says_so(tmp_path):
    tumour_on(make_series()).save_as(tmp_path / "RS", enforce_file_format=True)
    add_mask(tmp_path / "tumour.nii.gz", make_series())
    scan = BOTH.find(tmp_path, RULES)
    assert "a mask file, and no image lies with it" in [one.error.what for one in scan.refusals]


def test_of_several_series_the_one_counts_on_whose_grid_it_lies(tmp_path):
    """Also if the file is a box cut out of it."""
    one, two = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS")
    box = replace(
        two.geometry, shape=(2, *two.geometry.shape[1:]), affine=two.geometry.affine.copy()
    )
    box.affine[:3, 3] += 2 * two.geometry.affine[:3, 2]
    add_mask(tmp_path / "tumour.nii.gz", two, drawn_on(two)[2:4], box)
    exam = only(tmp_path)
    assert exam.series == two.datasets[0].SeriesInstanceUID
    assert exam.rule == "T2FS by description, native; mask by grid"
    np.testing.assert_array_equal(BOTH.read(exam, RULES).rois[0].mask, drawn_on(two) == 1)
    assert one.datasets[0].SeriesInstanceUID != exam.series


def test_a_series_folder_tells_more_than_the_patients(tmp_path):
    first, second = add_patient(tmp_path, "P1", "AX T2 FS", "AX T2 FS", geometry=grid())
    add_mask(tmp_path / "s1" / "tumour.nii.gz", second)
    exam = only(tmp_path)
    assert exam.series == second.datasets[0].SeriesInstanceUID
    assert exam.rule.endswith("mask by folder")
    assert first.datasets[0].SeriesInstanceUID != exam.series


@pytest.mark.parametrize("name", ["t1_tumour.nii.gz", "P1_T1_tumour.nii.gz", "T1/tumour.nii.gz"])
def test_a_stated_sequence_tells_the_series(name, tmp_path):
    first, _ = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS", geometry=grid())
    add_mask(tmp_path / name, first)
    exam = only(tmp_path)
    assert (exam.sequence, exam.rule) == ("T1", "T1 by description, native; mask by file name")
    assert "no_mask" in refused(tmp_path, IngestRules(sequence="T2FS"))  # never given to another


@pytest.mark.parametrize(
    "name",
    [
        "x/P1_T1_tumour.nii.gz",
        "x/T1_tumour.nii.gz",
        "GTV_Mass_MR_T1.nrrd",
        "P1_tumour_T1.nii.gz",
        "P1_T1.seg.nrrd",
        "t1_reader1_tumour.nii.gz",
        "AX_T1_SE/tumour.nii.gz",
    ],
)
@pytest.mark.parametrize("folders", [("T1", "T2FS"), ("P1_T1", "P1_T2FS")])
def test_a_stated_sequence_counts_wherever_it_stands(name, folders, tmp_path):
    """Also if it is what the folder of the images is called, or behind the ROI as at the TCIA."""
    first, second = (
        make_series(grid(), description=description, seed=len(description))
        for description in ("AX T1", "AX T2 FS")
    )
    first.write(tmp_path / "P1" / folders[0])
    second.write(tmp_path / "P1" / folders[1])
    add_mask(tmp_path / "P1" / name, first)
    assert only(tmp_path).sequence == "T1"
    assert "no_mask" in refused(tmp_path, IngestRules(sequence="T2FS"))


@pytest.mark.parametrize(
    ("word", "taken"), [("t2", ["T2FS"]), ("T2w", ["T2FS"]), ("flair", []), ("stir", [])]
)
def test_a_mask_of_a_t2_may_be_one_of_the_fat_suppressed_and_one_of_flair_is_not(
    word, taken, tmp_path
):
    _, series = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS", geometry=grid())
    add_mask(tmp_path / f"{word}_tumour.nii.gz", series)
    exams = BOTH.find(tmp_path, IngestRules(sequence="T2FS")).exams
    assert [one.sequence for one in exams] == taken


def test_a_patient_called_as_a_sequence_states_none(tmp_path):
    first, second = add_patient(tmp_path, "T1", "AX T1", "AX T2 FS", geometry=grid())
    add_mask(tmp_path / "T1_tumour.nii.gz", first)
    wanted = only(tmp_path, IngestRules(sequence="T2FS"))
    assert wanted.series == second.datasets[0].SeriesInstanceUID


def test_of_series_on_one_grid_the_one_that_is_asked_for_counts_or_none(tmp_path):
    first, _ = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS", geometry=grid())
    add_mask(tmp_path / "tumour.nii.gz", first)
    error = refused(tmp_path)["ambiguous_series"]
    assert error.what == "mask file that may belong to any of 2 images by its grid, and names none"
    assert "t2fs_tumour" in error.hint
    exam = only(tmp_path, IngestRules(sequence="T2FS"))
    assert exam.rule == "T2FS by description; mask by grid and sequence"


@pytest.mark.parametrize("name", ["tumour.nii.gz", "t1_tumour.nii.gz"])
def test_of_two_series_of_the_sequence_that_is_asked_for_none_is_taken(name, tmp_path):
    """Before and after contrast: that the earlier one would be read tells not what was drawn on."""
    for number, description in enumerate(["AX T1", "AX T1 +C", "AX T2 FS"]):
        tags = {"SeriesNumber": number}
        series = make_series(description=description, study="1.2.3", tags=tags, seed=number)
        series.write(tmp_path / f"s{number}")
    add_mask(tmp_path / name, series)
    assert "any of" in refused(tmp_path, IngestRules(sequence="T1"))["ambiguous_series"].what


@pytest.mark.parametrize("plane", ["axial", "oblique", "sagittal"])
def test_a_series_that_lacks_a_slice_may_be_the_one_that_was_drawn_on(plane, tmp_path):
    """Its neighbour on the same grid is not taken in its place."""
    *_, series = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS", geometry=grid(plane))
    (tmp_path / "s1" / "IM0003").unlink()
    add_mask(tmp_path / "tumour.nii.gz", series)
    error = refused(tmp_path)["ambiguous_series"]
    assert "any of 2 images by its grid" in error.what
    with pytest.raises(DataError) as caught:
        BOTH.read(only(tmp_path, IngestRules(sequence="T2FS")), RULES)
    assert caught.value.reason == "slice_gap"


def test_a_series_that_lacks_a_slice_on_other_pixels_was_not(tmp_path):
    add_patient(tmp_path, "P1", geometry=grid(spacing=(0.9, 0.7, 4.0)))
    (tmp_path / "s0" / "IM0003").unlink()
    series = make_series(description="AX T1").write(tmp_path / "s1")
    add_mask(tmp_path / "tumour.nii.gz", series)
    assert only(tmp_path).rule == "T1 by description, native; mask by grid"


def test_a_stated_sequence_that_is_not_there_is_told(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    add_mask(tmp_path / "P1_T1_tumour.nii.gz", series)
    error = refused(tmp_path)["no_image"]
    assert error.what == "a mask file, and no MR series of the class T1 lies with it"


@pytest.mark.parametrize(("ending", "kind"), [("nrrd", "NRRD or MHA"), ("nii.gz", "NIfTI")])
def test_a_damaged_mask_among_several_series_is_told_as_such(ending, kind, tmp_path):
    add_patient(tmp_path, "P1", "AX T1", "AX T2 FS")
    (tmp_path / f"tumour.{ending}").write_bytes(b"NRRD0004\ntype: nothing\n\n")
    error = refused(tmp_path)["unreadable_file"]
    assert (error.where, error.what) == ("mask", f"{kind} file cannot be parsed")


def test_a_mask_on_another_grid_is_refused_with_the_millimetres(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    moved = replace(series.geometry, affine=series.geometry.affine.copy())
    moved.affine[0, 3] += 0.4
    add_mask(tmp_path / "tumour.nii.gz", series, geometry=moved)
    exam = only(tmp_path)
    with pytest.raises(DataError, match=r"0\.40 mm") as caught:
        BOTH.read(exam, RULES)
    assert caught.value.reason == "mask_off_grid"
    (roi,) = BOTH.read(exam, IngestRules(resample_mm=0.5)).rois
    assert roi.flags == ("resampled",)


def test_declared_values_hold_in_files_that_are_named_as_masks(tmp_path):
    """In no other: a converted image has some voxels of every value."""
    (series,) = add_patient(tmp_path, "P1")
    labels = drawn_on(series)
    labels[0] = 2
    path = add_mask(tmp_path / "ax_fs_converted.nii.gz", series, labels)
    rules = IngestRules(labels={"tumour": 1, "edema": 2})
    scan = BOTH.find(tmp_path, rules)
    assert [one.error.reason for one in scan.refusals] == ["no_mask"]
    assert scan.notes == (
        "1 file: no DICOM, ignored",
        "drawn names that the ROI map does not know: <9>",
    )
    path.rename(tmp_path / "P1_label.nii.gz")
    edema, tumour = BOTH.read(only(tmp_path, rules), rules).rois
    np.testing.assert_array_equal(tumour.mask, labels == 1)
    np.testing.assert_array_equal(edema.mask, labels == 2)


def test_a_mask_on_no_grid_is_of_the_series_that_is_asked_for_and_has_to_fit_it(tmp_path):
    first, second = add_patient(tmp_path, "P1", "AX T1", "AX T2 FS")
    odd = grid(spacing=(0.8, 0.7, 4.5))
    add_mask(tmp_path / "tumour.nii.gz", first, geometry=odd)
    error = refused(tmp_path)["ambiguous_series"]
    assert "any of 2 images by its folder" in error.what
    rules = IngestRules(sequence="T2FS")
    exam = only(tmp_path, rules)
    assert exam.rule == "T2FS by description; mask by sequence"
    assert exam.series == second.datasets[0].SeriesInstanceUID
    with pytest.raises(DataError) as caught:
        BOTH.read(exam, rules)
    assert caught.value.reason == "mask_off_grid"


def test_who_reads_dicom_alone_is_told_of_masks_beside_it(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    add_mask(tmp_path / "tumour.nii.gz", series)
    add_mask(tmp_path / "x.nii.gz", series)
    notes = IMPORTERS["dicom"]().find(tmp_path, RULES).notes
    assert notes == (
        "2 files: no DICOM, ignored",
        "2 of them are NIfTI, NRRD or MHA: `--importer dicom-masks` reads those that are masks",
    )
    assert not any("dicom-masks" in note for note in BOTH.find(tmp_path, RULES).notes)


def test_structure_sets_are_read_beside_mask_files(tmp_path):
    """Some hospitals draw here and there; one that has both for one ROI has to say which counts."""
    (first,) = add_patient(tmp_path / "a", "P1")
    (second,) = add_patient(tmp_path / "b", "P2")
    tumour_on(first).save_as(tmp_path / "a" / "RS", enforce_file_format=True)
    add_mask(tmp_path / "b" / "tumour.nii.gz", second)
    exams = BOTH.find(tmp_path, RULES).exams
    origins = {one.subject: BOTH.read(one, RULES).rois[0].origin for one in exams}
    assert origins == {"P1": "rtstruct", "P2": "image"}
    add_mask(tmp_path / "a" / "tumour.nii.gz", first)
    exam = next(one for one in BOTH.find(tmp_path, RULES).exams if one.subject == "P1")
    with pytest.raises(DataError) as caught:
        BOTH.read(exam, RULES)
    assert caught.value.reason == "ambiguous_roi"


def test_an_edited_mask_is_another_exam_and_its_time_is_none(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    path = add_mask(tmp_path / "tumour.nrrd", series)
    before = only(tmp_path)
    path.touch()
    assert only(tmp_path) == before
    add_mask(path, series, drawn_on(series)[:, ::-1].copy())
    assert only(tmp_path).fingerprint != before.fingerprint


def test_a_mask_that_was_moved_is_the_same_and_one_of_another_name_is_not(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    path = add_mask(tmp_path / "P1_tumour.nrrd", series)
    before = only(tmp_path).fingerprint
    (tmp_path / "masks").mkdir()
    path = path.rename(tmp_path / "masks" / "tumour.nrrd")
    assert only(tmp_path).fingerprint == before
    path.rename(tmp_path / "masks" / "tumour_reader2.nrrd")
    assert only(tmp_path).fingerprint != before


def test_of_two_copies_of_a_mask_one_is_used_or_refused(tmp_path):
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / patient, patient)
    for name in ("P2/tumour.nii.gz", "P2_tumour.nii.gz", "x_tumour.nii.gz", "y_tumour.nii.gz"):
        add_mask(tmp_path / name, series)
    scan = BOTH.find(tmp_path, RULES)
    assert scan.notes == ("2 files: in the source twice, of which one copy is used",)
    assert [one.error.reason for one in scan.refusals] == ["no_mask", "no_image"]
    assert scan.refusals[1].place == str(tmp_path / "x_tumour.nii.gz")
    (exam,) = scan.exams
    assert BOTH.read(exam, RULES).rois[0].flags == ()


def test_a_zip_is_the_folder_it_was_made_of(tmp_path):
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / "x" / patient, patient)
        add_mask(tmp_path / "x" / patient / "tumour.nii.gz", series)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted((tmp_path / "x").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "x"))
    plain, packed = (BOTH.find(tmp_path / name, RULES).exams for name in ("x", "x.zip"))
    assert [one.subject for one in packed] == ["P1", "P2"]
    told = [[(e.subject, e.series, e.rule) for e in exams] for exams in (plain, packed)]
    assert told[0] == told[1]
    assert [one.fingerprint for one in plain] == [one.fingerprint for one in packed]
    for one, other in zip(plain, packed, strict=True):
        np.testing.assert_array_equal(
            BOTH.read(one, RULES).rois[0].mask, BOTH.read(other, RULES).rois[0].mask
        )


def test_images_beside_the_masks_are_none(tmp_path):
    """Converted copies lie in many exports."""
    (series,) = add_patient(tmp_path, "P1")
    for name in ("image.nii.gz", "P1_T2FS.nrrd", "2_ax_t2_fs.nii.gz"):
        add_mask(tmp_path / name, series, series.voxels)
    add_mask(tmp_path / "P1_tumour.nii.gz", series)
    assert [ref.path.name for ref in only(tmp_path).masks] == ["P1_tumour.nii.gz"]


def test_a_mask_out_of_reach_holds_back_what_it_may_belong_to(tmp_path):
    add_patient(tmp_path, "P1")
    (tmp_path / "tumour.nrrd").symlink_to(tmp_path / "nowhere")
    scan = BOTH.find(tmp_path, RULES)
    assert (scan.exams, scan.refusals, scan.unreached) == ((), (), 1)


def test_a_mask_out_of_reach_holds_back_its_patient_wherever_it_lies(tmp_path):
    """Without its edema the case would be stored for good."""
    for patient in ("P1", "P2"):
        (series,) = add_patient(tmp_path / "images" / patient, patient)
        add_mask(tmp_path / "masks" / f"{patient}_tumour.nii.gz", series)
    (tmp_path / "masks" / "P1_edema.nii.gz").symlink_to(tmp_path / "nowhere")
    scan = BOTH.find(tmp_path, RULES)
    assert [one.subject for one in scan.exams] == ["P2"]
    assert [one.subject for one in scan.left_out] == ["P1"]
    assert (scan.refusals, scan.unreached) == ((), 1)


def test_a_mask_is_not_given_to_who_is_left_while_others_are_out_of_reach(tmp_path):
    (series,) = add_patient(tmp_path / "B", "B")
    (tmp_path / "A").symlink_to(tmp_path / "nowhere")
    add_mask(tmp_path / "masks" / "A_tumour.nii.gz", series)
    scan = BOTH.find(tmp_path, RULES)
    assert (scan.exams, scan.refusals, scan.unreached) == ((), (), 1)
    add_mask(tmp_path / "masks" / "B_tumour.nii.gz", series)  # this one says whose it is
    (exam,) = BOTH.find(tmp_path, RULES).exams
    assert [ref.path.name for ref in exam.masks] == ["B_tumour.nii.gz"]


@pytest.mark.parametrize("name", ["A.zip", "A.7z", "A/IM0001.dcm"])
def test_a_mask_is_not_given_to_who_is_left_while_others_cannot_be_read(name, tmp_path):
    (series,) = add_patient(tmp_path / "B", "B")
    add_mask(tmp_path / "A" / "tumour.nii.gz", series)
    (tmp_path / name).write_bytes(b"PK\x03\x04 damaged" * 40)
    error = refused(tmp_path)["no_image"]
    assert "the images of 1 patient and files that cannot be read" in error.what


def test_in_a_folder_called_as_its_patient_an_archive_hides_nobody_else(tmp_path):
    (series,) = add_patient(tmp_path / "P1" / "images", "P1")
    add_mask(tmp_path / "P1" / "masks" / "tumour.nii.gz", series)
    (tmp_path / "P1" / "notes.tar.gz").write_bytes(b"anything")
    scan = BOTH.find(tmp_path, RULES)
    assert [one.subject for one in scan.exams] == ["P1"]
    assert [one.error.reason for one in scan.refusals] == ["unsupported_format"]


def test_beside_a_copy_of_the_images_a_mask_is_their_patients(tmp_path):
    """The folder above is not another patient's alone."""
    series = make_series(patient="P1").write(tmp_path / "first" / "P1")
    series.write(tmp_path / "second" / "a")
    add_patient(tmp_path / "second" / "b", "P2")
    add_mask(tmp_path / "second" / "a" / "tumour.nii.gz", series)
    (exam,) = BOTH.find(tmp_path, RULES).exams
    assert exam.subject == "P1"


def test_a_header_in_two_files_is_refused(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    add_mask(tmp_path / "tumour.nii.gz", series)
    image = SimpleITK.GetImageFromArray(drawn_on(series))
    SimpleITK.WriteImage(image, str(tmp_path / "edema.mhd"))
    reasons = [one.error.reason for one in BOTH.find(tmp_path, RULES).refusals]
    assert reasons == ["unsupported_format"]


def test_it_keeps_what_importers_promise(tmp_path):
    for patient in ("P1", "P2"):
        one, _ = add_patient(tmp_path / patient, patient, "AX T2 FS", "AX T1")
        add_mask(tmp_path / "masks" / f"{patient}_tumour.seg.nrrd", one)
    check_importer(BOTH, tmp_path)


def test_what_nobody_draws_on_is_no_candidate(tmp_path):
    """Localisers, single slices and other modalities, though they lie on the same grid."""
    (series,) = add_patient(tmp_path, "P1", geometry=grid())
    others = {
        "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "ct": {"Modality": "CT"},
        "one": {},
    }
    for name, tags in others.items():
        other = make_series(grid(), patient="P1", tags=tags, seed=len(name))
        del other.datasets[1 if name == "one" else 99 :]
        other.write(tmp_path / name)
    add_mask(tmp_path / "tumour.nii.gz", series)
    exam = only(tmp_path)
    assert exam.series == series.datasets[0].SeriesInstanceUID
    assert exam.rule.endswith("mask by folder")


def test_segments_carry_names_of_their_own_whatever_their_file_is_called(tmp_path):
    (series,) = add_patient(tmp_path, "P1")
    mask, meta = drawn_on(series, 2), {"Segment0_Name": "GTV_Mass", "Segment0_LabelValue": "2"}
    write(tmp_path / "Segmentation.seg.nrrd", mask, series.geometry, **meta)
    (roi,) = BOTH.read(only(tmp_path), RULES).rois
    np.testing.assert_array_equal(roi.mask, mask == 2)
