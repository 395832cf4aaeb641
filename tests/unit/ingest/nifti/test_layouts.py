"""Trees of image files as hospitals and archives lay them out: read as meant, or refused."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from radlas.errors import ConfigError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules

from .test_importer import MASK, VOXELS, write

NIFTI = IMPORTERS["nifti"]()
RULES = IngestRules()
LAYOUTS = {
    "a folder per sequence": "{p}/T1/image {p}/T1/mask {p}/T2FS/image {p}/T2FS/mask",
    "a folder per sequence, named again": "{p}/MR_T1/T1w {p}/MR_T1/mask"
    " {p}/T2_FS/t2fs {p}/T2_FS/gtv",
    "flat names by sequence": "T1/{p}_image T1/{p}_mask T2FS/{p}_image T2FS/{p}_mask",
    "cohorts": "a/{p}/T1/image a/{p}/T1/mask a/{p}/stir/image a/{p}/stir/mask",
    "masks named after their image": "T1/{p}_image T1/{p}_image_mask T2/{p}_image T2/{p}_image_mask"
    " {p}/T2FS/mri {p}/T2FS/mri_mask",
    "names of BIDS by sequence": "T1/sub-{p}_image T1/sub-{p}_mask T2/sub-{p}_image T2/sub-{p}_seg",
    "one spelling": "FS_T2W/{p}_image t2fs/{p}_mask T1W/{p}_image masks/t1/{p}_mask",
    "a folder per sequence above": "T1/{p}/image T1/{p}/mask MR_T2FS/{p}/image MR_T2FS/{p}/gtv",
    "names of a scanner": "{p}/MR_T1 {p}/MR_T1_mask {p}/MR_T2FS {p}/GTV_Mass_MR_T2FS",
    "words said again": "{p}_T1_MRI {p}_T1_MRI_mask {p}_image_T2FS {p}_image_T2FS_mask",
    "native and template space": "sub-{p}_T2w sub-{p}_space-T2w_mask"
    " sub-{p}_space-MNI_T2w sub-{p}_space-MNI_mask",
    "two exams": "sub-{p}/ses-1/anat/sub-{p}_ses-1_T2w sub-{p}/ses-1/anat/sub-{p}_ses-1_T2w_mask"
    " sub-{p}/ses-2/anat/sub-{p}_ses-2_T2w out/sub-{p}_ses-2_label-tumour_mask",
    "two runs": "sub-{p}/sub-{p}_run-1_T1w x/sub-{p}_run-1_desc-tumour_mask"
    " sub-{p}/sub-{p}_run-2_T1w x/sub-{p}_run-2_dseg",
    "what the mask need not say": "sub-{p}_acq-tse_T2w sub-{p}_mask",
}


def lay_out(folder, places, patients=("01", "02")):
    """Files of the patients: every image of its own voxels, and a mask of its own behind each."""
    for number, patient in enumerate(patients):
        for index, place in enumerate(places.format(p=patient).split()):
            shift = 10 * number + index // 2
            is_mask = index % 2
            voxels = np.roll(MASK, shift, axis=2) if is_mask else VOXELS + np.int16(shift)
            write(folder / f"{place}.mha", voxels)


def read_all(folder):
    scan = NIFTI.find(folder, RULES)
    assert scan.refusals == ()
    return [(exam, NIFTI.read(exam, RULES)) for exam in scan.exams]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_image_has_its_own_mask_and_a_patient_is_one_subject(name, tmp_path):
    lay_out(tmp_path, LAYOUTS[name])
    found = read_all(tmp_path)
    images = LAYOUTS[name].count(" ") // 2 + 1
    subjects = sorted(exam.subject.removeprefix("sub-") for exam, _ in found)
    assert subjects == ["01"] * images + ["02"] * images
    assert len({(exam.subject, exam.series) for exam, _ in found}) == len(found)
    for _, data in found:
        shift = int(data.volume.voxels.flat[0]) - int(VOXELS.flat[0])
        np.testing.assert_array_equal(data.volume.voxels, VOXELS + np.int16(shift))
        (roi,) = data.rois
        assert roi.name == "tumour"
        np.testing.assert_array_equal(roi.mask, np.roll(MASK, shift, axis=2) > 0)


@pytest.mark.parametrize("place", ["{p}/images/t1 {p}/masks/tumour", "{p}/anat/T1w {p}/gtv"])
def test_a_folder_that_sorts_by_kind_names_no_subject(place, tmp_path):
    lay_out(tmp_path, place)
    assert [exam.subject for exam, _ in read_all(tmp_path)] == ["01", "02"]


def test_a_folder_of_a_kind_tells_the_sequence(tmp_path):
    lay_out(tmp_path, "{p}/T1/image {p}/T1/mask {p}/T2FS/image {p}/T2FS/mask")
    rules = IngestRules(sequence="T2FS")
    assert {exam.sequence for exam in NIFTI.find(tmp_path, rules).exams} == {"T2FS"}


@pytest.mark.parametrize("source", ["T2FS", "images", "2020-01-01", "MR"])
def test_the_name_of_the_source_says_nothing_of_files_that_name_their_subject(source, tmp_path):
    lay_out(tmp_path / source, "{p}_image {p}_mask")
    lay_out(tmp_path / source, "{p}_image masks/{p}_mask", patients=("03",))
    found = read_all(tmp_path / source)
    assert [exam.subject for exam, _ in found] == ["01", "02", "03"]


@pytest.mark.parametrize(
    "exam", ["20200131", "2020-01-31", "pre", "post-op", "baseline", "visit 2", "ses-a", "tp_1"]
)
@pytest.mark.parametrize("below", ["", "/T2FS", "/images"])
def test_a_folder_of_a_date_or_visit_is_no_patient(exam, below, tmp_path):
    """Each would be one: the same patient to train on, and to test on."""
    write(tmp_path / f"P1/{exam}{below}/t2fs.mha")
    write(tmp_path / f"P1/{exam}{below}/mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    (refused,) = scan.refusals
    assert refused.error.reason == "identity_conflict"
    assert "sub-<patient>_ses-<exam>_<what>" in refused.error.hint
    # At the top it may be a number that the hospital gave, but no word.
    for source in ("P1", f"P1/{exam}") if not below else ("P1",):
        exams = NIFTI.find(tmp_path / source, RULES).exams
        assert [one.subject for one in exams] == [exam] * exam.isdecimal()


def test_one_patients_folder_as_the_source_makes_no_patients_of_its_sequences(tmp_path):
    lay_out(tmp_path, "{p}/T1/image {p}/T1/mask {p}/T2FS/image {p}/T2FS/mask")
    scan = NIFTI.find(tmp_path / "01", RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"] * 2


@pytest.mark.parametrize(
    "places",
    [
        "P{p}/before_t2fs P{p}/before_mask P{p}/after_t2fs P{p}/after_mask",
        "P{p}/2020-01-31_image P{p}/2020-01-31_mask P{p}/20200601_image P{p}/20200601_mask",
        "P{p}_pre_t2fs P{p}_pre_mask P{p}_post_t2fs P{p}_post_mask",
        "P{p}/week_1/P{p}-week_1_mri gtv/P{p}-week_1_gtv P{p}_mri P{p}_gtv",
        "T1_P{p}_image T1_P{p}_mask MR_T2FS_P{p}_image MR_T2FS_P{p}_mask",
    ],
)
def test_a_name_of_an_exam_or_sequence_is_no_patient(places, tmp_path):
    """``P1_pre`` beside ``P1_post`` would be two: one to train on, one to test on."""
    lay_out(tmp_path, places)
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"] * 4


def test_one_exam_of_each_patient_may_be_named_after_it(tmp_path):
    lay_out(tmp_path, "P{p}_baseline_t2fs P{p}_baseline_mask")
    assert [exam.subject for exam, _ in read_all(tmp_path)] == ["P01_baseline", "P02_baseline"]


@pytest.mark.parametrize(
    "places",
    [
        "before/{p}_image after/{p}_mask",
        "images/{p}/before/{p}_t2fs masks/{p}/after/{p}_mask",
        "before/{p}_t1 masks/{p}_mask after/{p}_t2fs masks/x_mask",
        "week1/{p}_t1 scan2/{p}_mask scan2/Q{p}_t1 scan2/Q{p}_muscle",
    ],
)
def test_a_mask_beside_images_or_in_an_exams_folder_is_none_of_an_image_elsewhere(places, tmp_path):
    lay_out(tmp_path, places)
    scan = NIFTI.find(tmp_path, RULES)
    assert not [mask for exam in scan.exams for mask in exam.masks if "mask" in mask.path.name]
    lost = "2 files: masks of another sequence, exam or folder than the subject's images, ignored"
    assert lost in scan.notes


def test_patients_folders_with_files_named_by_exam_are_told_as_such(tmp_path):
    """``A/v1_image`` and ``B/v1_image`` are no two copies of an image of a patient ``v1``."""
    lay_out(tmp_path, "{p}/v1_image {p}/v1_mask {p}/v2_t1 {p}/v2_mask")
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert {one.error.reason for one in scan.refusals} == {"case_conflict"}
    assert "in 2 folders, which may be of 2 patients" in scan.refusals[0].error.what


@pytest.mark.parametrize("inside", ["", "T2FS/", "/T2FS/", "T2FS\\"])
def test_an_archive_per_patient_names_the_patient(inside, tmp_path):
    for patient in ("P1", "P2"):
        write(tmp_path / "image.mha", VOXELS + np.int16(patient == "P2"))
        write(tmp_path / "mask.mha", MASK)
        with zipfile.ZipFile(tmp_path / f"{patient}.zip", "w") as archive:
            for name in ("image.mha", "mask.mha"):
                archive.writestr(f"{inside}{name}", (tmp_path / name).read_bytes())
                (tmp_path / name).unlink()
    assert [exam.subject for exam, _ in read_all(tmp_path)] == ["P1", "P2"]


def test_a_mask_of_one_exam_is_not_given_to_another(tmp_path):
    write(tmp_path / "sub-1_ses-1_T2w.mha")
    write(tmp_path / "sub-1_ses-2_T2w.mha", VOXELS + np.int16(1))
    write(tmp_path / "sub-1_ses-1_T2w_mask.mha", MASK)
    scan = NIFTI.find(tmp_path, RULES)
    assert [exam.series for exam in scan.exams] == ["sub-1/sub-1_ses-1_T2w"]
    assert [out.series for out in scan.left_out] == ["sub-1/sub-1_ses-2_T2w"]


@pytest.mark.parametrize("key", ["pat", "visit", "rep", "date"])
def test_a_key_that_bids_does_not_know_makes_no_one_patient_and_no_two(key, tmp_path):
    """``sub-STS_pat-1`` would be one patient with all others, ``sub-1_visit-1`` two with itself."""
    lay_out(tmp_path, f"sub-A_{key}-{{p}}_T2w sub-A_{key}-{{p}}_mask")
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"] * 2


@pytest.mark.parametrize(
    "places",
    [
        "{p}/T1/image {p}/T2FS/mask",
        "{p}_T1 T2FS/{p}_mask",
        "T1/{p}_image T2FS/{p}_mask",
        "T1/before/{p}/image T2FS/before/{p}/mask",
        "T1/before/{p}_image T2FS/before/{p}_mask",
        "T1/{p}/2020-01-31/{p}_image T2FS/{p}/2020-01-31/{p}_mask",
    ],
)
def test_a_mask_in_a_folder_of_one_kind_is_none_of_another_kinds_image(places, tmp_path):
    lay_out(tmp_path, places)
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["no_mask"] * 2


def test_a_mask_of_another_space_is_none_of_the_image(tmp_path):
    lay_out(tmp_path, "sub-{p}_T2w sub-{p}_space-MNI152_label-tumour_mask")
    assert NIFTI.find(tmp_path, RULES).exams == ()


@pytest.mark.parametrize(
    "places", ["{p}_t2fs {p}_mask", "{p}_image {p}_mask", "{p}/image {p}/mask", "sub-{p}_T2w {p}/x"]
)
@pytest.mark.parametrize("above", ["T2FS", "MR_T1/images", "centre"])
def test_a_case_is_the_same_from_whichever_folder_above_it(places, above, tmp_path):
    lay_out(tmp_path / "all" / above, places)
    sources = [tmp_path / "all", tmp_path / "all" / above, tmp_path / "all" / above / "x" / ".."]
    (tmp_path / "all" / above / "x").mkdir()
    scans = [NIFTI.find(source, RULES) for source in sources]
    assert all(len(scan.exams) + len(scan.refusals) == 2 for scan in scans)
    named = [{(one.subject, one.series) for one in (*s.exams, *s.refusals)} for s in scans]
    assert named[0] == named[1] == named[2]


def test_the_source_gives_its_name_and_not_two_dots(tmp_path):
    lay_out(tmp_path / "P1", "image mask", patients=("P1",))
    (tmp_path / "P1" / "x").mkdir()
    assert [exam.subject for exam, _ in read_all(tmp_path / "P1" / "x" / "..")] == ["P1"]


@pytest.mark.parametrize("outer", ["{p}/image {p}/mask", "{p}/T1/image {p}/T1/mask"])
def test_folders_of_patients_in_one_another_are_refused(outer, tmp_path):
    """Two exams of a patient, or a cohort whose first patients are called T1 and T2."""
    lay_out(tmp_path, f"{outer} {{p}}/scan-{{p}}/image {{p}}/scan-{{p}}/mask")
    scan = NIFTI.find(tmp_path, RULES)
    assert scan.exams == ()
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"] * 4


def test_a_stray_image_in_the_source_costs_no_patient(tmp_path):
    lay_out(tmp_path, "{p}/image {p}/mask")
    write(tmp_path / "image.mha")
    scan = NIFTI.find(tmp_path, RULES)
    assert [exam.subject for exam in scan.exams] == ["01", "02"]
    assert [one.subject for one in scan.refusals] == [tmp_path.name]


VISITS = ["v{}", "exam_{}", "MR{}", "scan-{}", "day {}"]


@pytest.mark.parametrize("word", VISITS)
@pytest.mark.parametrize("joint", ["_", "/"])
def test_numbered_visits_of_several_patients_are_no_patients(word, joint, tmp_path):
    """Two visits of one patient would be trained on, and tested on as another."""
    visits = (("P1", 1), ("P1", 2), ("P2", 1), ("P3", 2), ("P3", 3))
    names = [f"{patient}{joint}{word.format(number)}" for patient, number in visits]
    for shift, name in enumerate(names):
        behind = f"{name}{joint}"
        write(tmp_path / f"{behind}image.mha", VOXELS + np.int16(shift))
        write(tmp_path / f"{behind}mask.mha", np.roll(MASK, shift, axis=2))
    scan = NIFTI.find(tmp_path, RULES)
    assert {refusal.error.reason for refusal in scan.refusals} == {"identity_conflict"}
    assert not {"P1", "P3"} & {exam.subject[:2] for exam in scan.exams}
    assert len(scan.refusals) + len(scan.exams) == 5


@pytest.mark.parametrize("word", VISITS)
def test_a_visit_beside_the_patient_himself_is_no_patient(word, tmp_path):
    lay_out(tmp_path, "{p}_image {p}_mask", ("P1", f"P1_{word.format(2)}".replace(" ", "-"), "P2"))
    scan = NIFTI.find(tmp_path, RULES)
    assert [refusal.error.reason for refusal in scan.refusals] == ["identity_conflict"] * 2
    assert [exam.subject for exam in scan.exams] == ["P2"]


@pytest.mark.parametrize("name", ["sarcoma_v{}", "MSD-MR{}", "cohort/scan{}", "scan_{}", "v{}"])
def test_numbered_patients_of_one_cohort_are_patients(name, tmp_path):
    places = f"{name.format('{p}')}/image {name.format('{p}')}/mask"
    lay_out(tmp_path, places, ("1", "2", "3"))
    assert len({exam.subject for exam, _ in read_all(tmp_path)}) == 3


@pytest.mark.parametrize("importer", ["dicom", "nifti", "table", "dicom-masks"])
def test_a_source_of_a_damaged_archive_alone_says_so(importer, tmp_path):
    """It was told to unpack the archives in it, as if they were sound."""
    (tmp_path / "half.zip").write_bytes(b"PK" + bytes(1000))
    with pytest.raises(ConfigError) as caught:
        IMPORTERS[importer]().find(tmp_path, RULES)
    assert caught.value.hint.startswith("a zip archive cannot be opened: copy the file again")
    if importer != "table":
        assert "found nothing, and 1 archive that cannot be opened" in caught.value.what


@pytest.mark.parametrize("importer", ["dicom", "nifti"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_source_of_packed_archives_alone_is_to_be_unpacked(importer, kind, tmp_path):
    write(tmp_path / "P1_image.mha", VOXELS)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(tmp_path / "P1_image.mha", f"inner.{kind}")
    with pytest.raises(ConfigError, match="unpack the archives"):
        IMPORTERS[importer]().find(tmp_path / "outer.zip", RULES)
