"""The DICOM importer: what it finds, links, chooses, refuses and leaves out, with its reasons."""

from __future__ import annotations

import shutil
import unicodedata
import zipfile
import zlib
from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from radlas import tables
from radlas.errors import ConfigError, DataError
from radlas.ingest import IMPORTERS, files
from radlas.ingest.base import IngestRules, Scan
from radlas.ingest.dicom import strays
from radlas.ingest.dicom.series import ImageSeries

from .corpus import (
    CANARY,
    ellipse,
    grid,
    make_rtstruct,
    make_seg,
    make_series,
    tumour_on,
)

DICOM = IMPORTERS["dicom"]()
T2FS = IngestRules(sequence="T2FS")


def write(dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def add_exam(folder: Path, *, mask: bool = True, **kwargs):
    """One series with its RTSTRUCT in a folder of its own."""
    series = make_series(**kwargs)
    place = folder / f"{len(list(folder.iterdir())) if folder.exists() else 0}"
    series.write(place)
    if mask:
        write(tumour_on(series), place / "structures")
    return series


def shape_of(scan: Scan):
    """A scan without its addresses."""
    exams = [(e.subject, e.series, e.sequence, e.rule, e.fingerprint) for e in scan.exams]
    refused = [(r.subject, r.series, r.error.reason, r.fingerprint) for r in scan.refusals]
    return exams, refused, scan.left_out, scan.notes


def test_an_exam_is_found_and_read(tmp_path):
    series = add_exam(tmp_path)
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert (exam.importer, exam.subject, exam.sequence) == ("dicom", "P1", "T2FS")
    assert exam.series == series.datasets[0].SeriesInstanceUID
    data = DICOM.read(exam, IngestRules())
    np.testing.assert_array_equal(data.volume.voxels, series.voxels)
    (roi,) = data.rois
    assert (roi.name, roi.origin, roi.flags) == ("tumour", "rtstruct", ())
    assert roi.mask.shape == series.voxels.shape
    assert set(data.facts) <= set(tables.CASES.names)


def test_nothing_identifying_is_in_what_read_returns(tmp_path):
    add_exam(tmp_path, patient=f"{CANARY}-id", description=f"T2 FS {CANARY}")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    data = DICOM.read(exam, IngestRules())
    assert CANARY not in f"{data.facts} {data.rois} {exam.sequence} {exam.rule} {exam.fingerprint}"


def test_a_zip_is_the_folder_it_was_made_of(tmp_path):
    add_exam(tmp_path / "source")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "source"))
    nested = tmp_path / "nested"
    nested.mkdir()
    shutil.copy(archive, nested / "a.zip")
    scans = [DICOM.find(place, T2FS) for place in (tmp_path / "source", archive, nested)]
    assert shape_of(scans[0]) == shape_of(scans[1]) == shape_of(scans[2])
    read = [DICOM.read(scan.exams[0], T2FS) for scan in scans]
    for other in read[1:]:
        np.testing.assert_array_equal(other.volume.voxels, read[0].volume.voxels)
        np.testing.assert_array_equal(other.rois[0].mask, read[0].rois[0].mask)


def test_names_and_order_of_files_change_nothing(tmp_path):
    series = make_series()
    structures = tumour_on(series)
    scans, volumes = [], []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        names = np.random.default_rng(seed).permutation(100)
        series.write(folder, names=lambda index, names=names: f"x{names[index]}.tmp")
        write(structures, folder / "deep" / "er" / "rs.ima")
        scans.append(DICOM.find(folder, IngestRules()))
        volumes.append(DICOM.read(scans[-1].exams[0], IngestRules()).volume)
    assert shape_of(scans[0]) == shape_of(scans[1])
    np.testing.assert_array_equal(volumes[0].voxels, volumes[1].voxels)
    np.testing.assert_array_equal(volumes[0].geometry.affine, volumes[1].geometry.affine)


@pytest.mark.parametrize(
    ("references", "told_by"),
    [
        ("series", "series UID"),
        ("images", "image UIDs"),
        ("frame", "frame of reference"),
        ("nothing", "description"),
    ],
)
def test_a_mask_is_linked_by_the_best_there_is_and_the_rule_says_so(references, told_by, tmp_path):
    study = generate_uid()
    wanted = make_series(description="AX T2 FS", study=study).write(tmp_path / "a")
    make_series(description="AX T1", study=study, seed=1).write(tmp_path / "b")
    write(tumour_on(wanted, references=references, description="RTstructT2FS"), tmp_path / "rs")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert exam.series == wanted.datasets[0].SeriesInstanceUID
    assert exam.rule.endswith(f"mask by {told_by}")


def test_contours_of_an_absent_series_are_never_given_to_its_neighbour(tmp_path):
    """Same patient, same frame of reference: it would fit, and be wrong."""
    frame = generate_uid()
    make_series(frame_of_reference=frame).write(tmp_path / "present")
    absent = make_series(description="AX T1", frame_of_reference=frame)
    write(tumour_on(absent), tmp_path / "rs")
    scan = DICOM.find(tmp_path, IngestRules())
    assert scan.exams == ()
    assert sorted(refusal.error.reason for refusal in scan.refusals) == ["no_image", "no_mask"]


def test_the_native_series_of_the_class_is_chosen_and_every_other_has_a_reason(tmp_path):
    study = generate_uid()
    chosen = add_exam(tmp_path, study=study)
    add_exam(tmp_path, study=study, description="AX T1")
    add_exam(tmp_path, study=study, description="AX IR")
    add_exam(tmp_path, study=study, description="T2FS AllignedtoPET")
    add_exam(tmp_path, study=study, tags={"ImageType": ["DERIVED", "SECONDARY"]})
    add_exam(tmp_path, study=study, tags={"Modality": "PT"})
    add_exam(tmp_path, study=study, tags={"BurnedInAnnotation": "YES"})
    add_exam(tmp_path, study=study, mask=False)
    scan = DICOM.find(tmp_path, T2FS)
    assert [exam.series for exam in scan.exams] == [chosen.datasets[0].SeriesInstanceUID]
    assert not scan.refusals
    reasons = sorted(out.why for out in scan.left_out)
    assert len(reasons) == 7
    for part in ("T1 by", "second choice", "derived copy", "modality PT", "burned", "no contour"):
        assert any(part in reason for reason in reasons), part


@pytest.mark.parametrize(
    ("tags", "rule"),
    [
        (
            {"RepetitionTime": 4000, "EchoTime": 80, "ScanOptions": ["PFP", "FS"]},
            "T2FS by TR/TE/TI",
        ),
        ({"RepetitionTime": 4000, "EchoTime": 80}, "other by TR/TE/TI"),
        ({"RepetitionTime": 4000, "EchoTime": 40, "InversionTime": 150}, "STIR by TR/TE/TI"),
        ({"RepetitionTime": 550, "EchoTime": 12}, "T1 by TR/TE/TI"),
        (
            {"SeriesDescription": "T2 IDEAL", "ImageType": ["DERIVED", "PRIMARY", "WATER"]},
            "T2FS by description",
        ),
        (
            {"SeriesDescription": "T2 FS IDEAL", "ImageType": ["DERIVED", "PRIMARY", "FAT"]},
            "other by description",
        ),
    ],
)
def test_whatever_of_a_header_tells_the_class_is_asked(tags, rule, tmp_path):
    add_exam(tmp_path, description="", tags=tags)
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert exam.rule == f"{rule}, native; mask by series UID"


def test_a_subject_without_the_sequence_is_refused_with_what_there_is(tmp_path):
    """In words of ours alone: a damaged header may hold a name where the modality stands."""
    for description, modality in (("AX T1", "MR"), ("T1", "MR"), ("T2 FS", "PT"), ("x", CANARY)):
        add_exam(tmp_path, mask=False, description=description, tags={"Modality": modality})
    (refused,) = DICOM.find(tmp_path, T2FS).refusals
    assert refused.error.what == "no T2FS series; there are 1 x PT, 2 x T1, 1 x other"


def test_what_a_file_is_may_be_written_in_any_case(tmp_path):
    series = make_series(tags={"Modality": "mr"}).write(tmp_path)
    structures = tumour_on(series)
    structures.Modality = "rtstruct"
    write(structures, tmp_path / "RS")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert DICOM.read(exam, IngestRules()).rois[0].name == "tumour"


def test_a_series_without_a_mask_says_on_which_class_the_subject_was_drawn(tmp_path):
    """The file that the remedy asks for lies there: it was drawn on the other series."""
    drawn = add_exam(tmp_path, description="AX T1")
    add_exam(tmp_path, mask=False, study=drawn.datasets[0].StudyInstanceUID)
    (error,) = (one.error for one in DICOM.find(tmp_path, T2FS).refusals)
    assert error.reason == "no_mask"
    assert error.what == "T2FS series of 6 slices; the masks of this subject lie on T1 series"
    assert "--sequence" in error.hint


def test_the_background_of_a_labelmap_is_no_drawing_under_an_unknown_name(tmp_path):
    series = make_series(tags={"StudyDate": "20200101", "StudyTime": "120000"}).write(tmp_path)
    tumour = np.zeros(series.voxels.shape, bool)
    tumour[2:4, 10:20, 10:20] = True
    write(make_seg(series, {"Tumor": tumour}, "LABELMAP"), tmp_path / "seg")
    assert DICOM.find(tmp_path, IngestRules()).notes == ()


def test_a_structure_set_without_drawings_asks_for_one_and_not_for_a_name(tmp_path):
    series = make_series().write(tmp_path)
    write(make_rtstruct(series, {}), tmp_path / "RS")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    with pytest.raises(DataError, match="0 masks") as caught:
        DICOM.read(exam, IngestRules())
    assert (caught.value.reason, "draw the tumour" in caught.value.hint) == ("no_tumour", True)


def test_one_frame_of_reference_is_told_as_one(tmp_path):
    series = make_series().write(tmp_path)
    other = make_series(study=series.datasets[0].StudyInstanceUID)
    for dataset in other.datasets:
        dataset.SeriesInstanceUID = series.datasets[0].SeriesInstanceUID
    write(tumour_on(other), tmp_path / "RS")
    (refusal,) = DICOM.find(tmp_path, IngestRules()).refusals
    assert refusal.error.reason == "frame_conflict"
    assert refusal.error.what == "RTSTRUCT names 1 frame of reference, and not the image's"


def test_a_screenshot_is_no_image_without_a_mask(tmp_path):
    """It is left out for what it is, with an exam beside it or not."""
    for patient, mask in (("P1", True), ("P2", False)):
        if mask:
            add_exam(tmp_path, patient=patient, study="1.2.3")
        shot = make_series(patient=patient, study=f"1.2.{3 if mask else 4}").datasets[0]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(shot, keyword)
        write(shot, tmp_path / f"shot {patient}")
    scan = DICOM.find(tmp_path, IngestRules())
    assert [exam.subject for exam in scan.exams] == ["P1"]
    told = [(out.subject, out.why.partition(":")[0]) for out in scan.left_out]
    assert told == [(one, "no position in the patient") for one in ("P1", "P2")]
    (refused,) = scan.refusals  # no subject vanishes
    assert (refused.subject, refused.error.reason) == ("P2", "no_sequence")
    assert refused.error.what == "no MR series; there are 1 x screenshot"


@pytest.mark.parametrize(
    ("alike", "chosen"),
    [
        ([(6, 5), (7, 9)], 1),
        ([(7, 9), (6, 5)], 0),
        ([(6, 9), (6, 5)], 1),
        ([(6, 2), (6, 10)], 0),
    ],
)
def test_of_series_alike_in_one_study_that_of_most_slices_is_chosen_else_the_first(
    alike, chosen, tmp_path
):
    """Told by slices and number of the series; another study has its own."""
    added = [
        add_exam(tmp_path, geometry=grid(shape=(slices, 40, 52)), study="1.2.3",
                 tags={"SeriesNumber": number})
        for slices, number in alike
    ]  # fmt: skip
    later = add_exam(tmp_path, study="1.2.4")
    add_exam(tmp_path, study="1.2.4", description="STIR")
    scan = DICOM.find(tmp_path, T2FS)
    wanted = [one.datasets[0].SeriesInstanceUID for one in (added[chosen], later)]
    assert sorted(exam.series for exam in scan.exams) == sorted(wanted)
    left = {out.series: out.why for out in scan.left_out}
    assert left.pop(added[1 - chosen].datasets[0].SeriesInstanceUID) == (
        "another T2FS series of the same study was chosen: more slices, or first"
    )
    assert list(left.values()) == ["STIR is the second choice, and the subject has a T2FS series"]


def test_stir_is_the_second_choice_and_the_rule_says_so(tmp_path):
    add_exam(tmp_path, description="COR STIR")
    add_exam(tmp_path, description="AX T1")
    (exam,) = DICOM.find(tmp_path, T2FS).exams
    assert exam.sequence == "STIR"
    assert "second choice" in exam.rule


def test_beside_a_first_choice_without_a_mask_the_rule_says_what_that_lacks(tmp_path):
    """It said that the subject had none; why it is left out is told of that one."""
    drawn = add_exam(tmp_path, description="COR STIR")
    add_exam(tmp_path, description="AX T2 FS", mask=False)
    (exam,) = DICOM.find(tmp_path, T2FS).exams
    assert exam.series == drawn.datasets[0].SeriesInstanceUID
    assert "second choice: no native T2FS of this subject can be taken" in exam.rule


@pytest.mark.parametrize("asked", ["T1", "STIR", "T2FS"])
def test_only_for_a_fat_suppressed_image_there_is_a_second_choice(asked, tmp_path):
    others = {"T1": "AX T1", "STIR": "COR STIR", "T2FS": "AX T2 FS"}
    wanted = others.pop(asked)
    for description in others.values():
        add_exam(tmp_path, description=description)
    rules = IngestRules(sequence=asked)
    exams = DICOM.find(tmp_path, rules).exams
    assert [exam.sequence for exam in exams] == ["STIR"] * (asked == "T2FS")
    add_exam(tmp_path, description=wanted)
    assert [exam.sequence for exam in DICOM.find(tmp_path, rules).exams] == [asked]


def test_a_derived_series_is_taken_only_where_there_is_no_native_one(tmp_path):
    add_exam(tmp_path, tags={"ImageType": ["DERIVED", "SECONDARY"]})
    (exam,) = DICOM.find(tmp_path, T2FS).exams
    assert "derived" in exam.rule


@pytest.mark.parametrize(
    "patient",
    ["", "ANON", "Anonymous", "anonymized^patient", "XXXX", "0000", "n/a", "De-identified"],
)
def test_an_identifier_that_names_nobody_makes_no_one_patient_of_many(tmp_path, patient):
    for _ in range(2):
        add_exam(tmp_path, study=generate_uid(), tags={"PatientID": patient})
    exams = DICOM.find(tmp_path, T2FS).exams
    assert len({exam.subject for exam in exams}) == 2


@pytest.mark.parametrize("patient", ["ANON0123", "anon_7", "X1", "test-4", "Patient 12", "007"])
def test_a_pseudonym_holds_a_patients_studies_together(tmp_path, patient):
    for _ in range(2):
        add_exam(tmp_path, study=generate_uid(), tags={"PatientID": patient})
    exams = DICOM.find(tmp_path, T2FS).exams
    assert {exam.subject for exam in exams} == {patient}


def test_an_image_that_the_scanner_filtered_is_native(tmp_path):
    add_exam(tmp_path, tags={"ImageType": ["DERIVED", "PRIMARY", "OTHER"]})
    (exam,) = DICOM.find(tmp_path, T2FS).exams
    assert "derived" not in exam.rule


def test_without_a_sequence_every_native_series_with_a_mask_is_an_exam(tmp_path):
    """And every derived one without a native one of its class."""
    add_exam(tmp_path)
    add_exam(tmp_path, description="AX T1")
    add_exam(tmp_path, description="T1 aligned to PET")
    add_exam(tmp_path, description="STIR aligned to PET")
    scan = DICOM.find(tmp_path, IngestRules())
    assert sorted(exam.sequence for exam in scan.exams) == ["STIR", "T1", "T2FS"]
    assert [out.why for out in scan.left_out] == ["derived copy of a native T1 series"]


def test_a_subject_without_any_mask_is_refused_once_per_wanted_series(tmp_path):
    add_exam(tmp_path, mask=False)
    add_exam(tmp_path, description="AX T1", mask=False)
    add_exam(tmp_path, patient="P2")
    scan = DICOM.find(tmp_path, T2FS)
    assert [exam.subject for exam in scan.exams] == ["P2"]
    assert [(r.subject, r.error.reason) for r in scan.refusals] == [("P1", "no_mask")]
    assert [out.subject for out in scan.left_out] == ["P1"]


def test_two_echoes_of_one_series_are_two_images_and_the_mask_has_one(tmp_path):
    first = make_series(tags={"EchoNumbers": 1, "EchoTime": 30})
    second = deepcopy(first)
    for dataset in second.datasets:
        dataset.EchoNumbers, dataset.EchoTime = 2, 90
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    first.write(tmp_path / "a")
    second.write(tmp_path / "b")
    drawn = [ellipse(second.geometry, 2, centre=(25, 20), radii=(9, 7))]
    write(make_rtstruct(second, {"GTV": drawn}, references="images"), tmp_path / "rs")
    scan = DICOM.find(tmp_path, IngestRules())
    (exam,) = scan.exams
    data = DICOM.read(exam, IngestRules())
    assert data.facts["echo_time_ms"] == 90
    assert "echo" in exam.rule
    assert len(scan.left_out) == 1


def test_a_mask_that_names_a_disputed_series_beside_its_own_is_not_lost(tmp_path):
    disputed = make_series(description="AX T1", seed=2)
    disputed.datasets[0].StudyInstanceUID = "1.2.3.4"
    disputed.write(tmp_path / "disputed")
    series = make_series()
    series.write(tmp_path / "sound")
    structures = tumour_on(series)
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    named = deepcopy(study.RTReferencedSeriesSequence[0])
    named.SeriesInstanceUID = disputed.datasets[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence.append(named)
    structures.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [Dataset()]
    (image,) = structures.ROIContourSequence[0].ContourSequence[0].ContourImageSequence
    image.ReferencedSOPInstanceUID = series.datasets[2].SOPInstanceUID
    write(structures, tmp_path / "rs")
    scan = DICOM.find(tmp_path, IngestRules())
    assert [exam.series for exam in scan.exams] == [series.datasets[0].SeriesInstanceUID]
    assert [one.error.reason for one in scan.refusals] == ["identity_conflict"]


def test_a_localizer_inside_the_series_is_set_apart(tmp_path):
    """Sent later, it makes no second case of the same image."""
    series = add_exam(tmp_path)
    (before,) = DICOM.find(tmp_path, IngestRules()).exams
    stray = deepcopy(series.datasets[0])
    stray.SOPInstanceUID = generate_uid()
    stray.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    write(stray, tmp_path / "localizer")
    scan = DICOM.find(tmp_path, IngestRules())
    (exam,) = scan.exams
    assert exam.series == before.series
    assert DICOM.read(exam, IngestRules()).volume.geometry.shape == series.voxels.shape
    assert "another size or plane" in scan.left_out[0].why


@pytest.mark.parametrize(
    ("stated", "held", "flags"),
    [
        (-2000, -2000, ("padded",)),
        (63_536, -2000, ("padded",)),  # the same, written as unsigned
        (32_767, 32_767, ("padded",)),
        (0, 0, ()),
        (-2000, 0, ()),
    ],
)
def test_padding_that_stands_out_of_the_image_is_flagged(stated, held, flags, tmp_path):
    series = make_series(tags={"RescaleSlope": 2, "RescaleIntercept": 0})
    for dataset in series.datasets:
        vr = "SS" if stated < 0 else "US"
        dataset.add_new("PixelPaddingValue", vr, stated)
        voxels = np.frombuffer(dataset.PixelData, np.int16).copy()
        voxels[:50] = held
        dataset.PixelData = voxels.tobytes()
    series.write(tmp_path)
    tumour_on(series).save_as(tmp_path / "RS", enforce_file_format=True)
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert DICOM.read(exam, IngestRules()).flags == flags


@pytest.mark.parametrize(
    ("numbers", "stated", "flags"),
    [
        (range(1, 7), 6, ()),
        (range(1, 7), 7, ("fewer_than_stated",)),
        (range(11, 17), 5, ()),
        ((1, 2, 3, 4, 5, 7), 6, ("numbering_gap",)),
        ((6, 5, 4, 3, 2, 1), 6, ()),
        ((1, 1, 2, 3, 9, 7), 6, ()),  # not one for each image
        (range(0, 12, 2), 12, ("fewer_than_stated", "numbering_gap")),
    ],
)
def test_images_that_may_be_missing_are_flagged_and_no_fault(numbers, stated, flags, tmp_path):
    series = make_series(tags={"ImagesInAcquisition": stated})
    for dataset, number in zip(series.datasets, numbers, strict=True):
        dataset.InstanceNumber = number
    series.write(tmp_path)
    write(tumour_on(series), tmp_path / "RS")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert exam.flags == flags


def test_a_file_copied_twice_counts_once(tmp_path):
    add_exam(tmp_path)
    shutil.copytree(tmp_path / "0", tmp_path / "again")
    scan = DICOM.find(tmp_path, IngestRules())
    assert len(scan.exams[0].images) == 6
    assert len(scan.exams[0].masks) == 1
    assert any("twice" in note for note in scan.notes)


def test_junk_is_counted_and_damaged_dicom_is_refused(tmp_path):
    add_exam(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / ".hidden").write_text("hello")
    (tmp_path / "broken.dcm").write_bytes(b"not at all")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "bad.zip").write_bytes(b"PK nothing")
    scan = DICOM.find(tmp_path, IngestRules())
    assert len(scan.exams) == 1
    assert [refusal.error.reason for refusal in scan.refusals] == ["unreadable_file"] * 3
    assert any(note.startswith("1 file: no DICOM") for note in scan.notes)


def test_a_source_without_dicom_says_what_it_holds(tmp_path):
    (tmp_path / "P1_image.nii.gz").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"1 x \.nii\.gz.*(?s:.*)--importer nifti"):
        DICOM.find(tmp_path, IngestRules())
    with pytest.raises(ConfigError, match="no such folder"):
        DICOM.find(tmp_path / "absent", IngestRules())


@pytest.mark.parametrize("importer", ["dicom", "nifti"])
def test_endings_that_may_be_parts_of_a_name_are_not_told(importer, tmp_path):
    for name in ("scan.Doe.John", "x.1967-11-03", "a.pdf", "bare"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match="here") as caught:
        IMPORTERS[importer]().find(tmp_path, IngestRules())
    told = caught.value.what.partition("found ")[2].split(", ")
    assert sorted(told) == ["1 x .pdf", "1 x no ending", "2 x another ending"]


def test_a_misspelt_sequence_is_a_wrong_configuration(tmp_path):
    with pytest.raises(ConfigError, match="T2FS"):
        DICOM.find(tmp_path, IngestRules(sequence="T2FSS"))


@pytest.mark.parametrize(
    ("rois", "reason"),
    [
        ({"muscle": 1}, "no_tumour"),
        ({"GTV_Mass": 1, "GTV_Research": 2}, "ambiguous_roi"),
        ({"GTV_Mass": 0}, "empty_mask"),
        ({"GTV_Mass": 9}, "mask_outside"),
    ],
)
def test_masks_that_cannot_serve_are_refused_when_read(rois, reason, tmp_path):
    """1: drawn; 0: named and never drawn; 9: drawn far outside of the image."""
    series = make_series().write(tmp_path / "a")
    drawn = {
        name: [ellipse(series.geometry, 2 * how, centre=(25, 20), radii=(9, 7))] if how else []
        for name, how in rois.items()
    }
    write(make_rtstruct(series, drawn), tmp_path / "rs")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    with pytest.raises(DataError) as caught:
        DICOM.read(exam, IngestRules())
    assert caught.value.reason == reason


def test_a_name_that_was_never_drawn_does_not_compete_with_a_drawing(tmp_path):
    series = make_series().write(tmp_path / "a")
    drawn = [ellipse(series.geometry, 2, centre=(25, 20), radii=(9, 7))]
    write(make_rtstruct(series, {"GTV": [], "GTV_Mass": drawn}), tmp_path / "rs")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    assert [roi.name for roi in DICOM.read(exam, IngestRules()).rois] == ["tumour"]


def test_a_seg_and_a_structure_set_of_the_same_shape_agree(tmp_path):
    series = make_series(grid("oblique"))
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
        dataset.SpacingBetweenSlices = 4.0
    series.write(tmp_path / "a")
    write(tumour_on(series), tmp_path / "rs")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    (contoured,) = DICOM.read(exam, IngestRules()).rois
    (tmp_path / "rs").unlink()
    write(make_seg(series, {"Tumor": contoured.mask}), tmp_path / "seg")
    (exam,) = DICOM.find(tmp_path, IngestRules()).exams
    (segmented,) = DICOM.read(exam, IngestRules()).rois
    np.testing.assert_array_equal(segmented.mask, contoured.mask)
    assert segmented.origin == "seg"


def test_an_archive_with_a_locked_or_damaged_member_names_it_and_goes_on(tmp_path):
    add_exam(tmp_path / "source")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "source"))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("late.dcm", b"A" * 5000)
    content = bytearray(archive.read_bytes())
    content[content.index(b"A" * 100)] ^= 1  # breaks the checksum of that member only
    archive.write_bytes(bytes(content))
    scan = DICOM.find(archive, IngestRules())
    assert len(scan.exams) == 1
    assert [refusal.error.reason for refusal in scan.refusals] == ["unreadable_file"]


def test_a_member_that_unpacks_to_more_than_memory_costs_itself_alone(tmp_path, monkeypatch):
    """A few megabytes of zip may hold ten gigabytes, and the scan ended for want of memory."""
    monkeypatch.setattr(files, "_LARGEST", 1 << 20)
    add_exam(tmp_path / "source")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "source"))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("late.dcm", bytes(128) + b"DICM" + bytes(1 << 20))
    scan = DICOM.find(archive, IngestRules())
    assert len(scan.exams) == 1
    (refusal,) = scan.refusals
    assert refusal.error.reason == "unreadable_file"
    assert "a file in a zip archive takes 0.0 GB" in refusal.error.what
    assert "unpack the archive yourself" in refusal.error.hint


def test_an_archive_whose_members_share_their_bytes_is_damaged_and_the_scan_goes_on(tmp_path):
    """Members that lie in one another made terabytes of twenty kilobytes, and a scan without end.

    As in "A better zip bomb" (Fifield, 2019): a member begins with the header of the next one,
    which it holds as plain data. To Python before 3.11.8 both are sound.
    """
    add_exam(tmp_path / "source")
    within = zipfile.ZipInfo("within")
    within.file_size = within.compress_size = 5000
    within.CRC = zlib.crc32(b"A" * 5000)
    with zipfile.ZipFile(tmp_path / "source" / "bomb.zip", "w") as archive:
        archive.writestr("outer", within.FileHeader() + b"A" * 5000)
        within.header_offset = len(archive.filelist[0].FileHeader())
        archive.filelist.append(within)
    scan = DICOM.find(tmp_path / "source", IngestRules())
    assert len(scan.exams) == 1
    (refusal,) = scan.refusals
    assert refusal.error.reason == "unreadable_file"
    assert refusal.error.what == "a zip archive is damaged: its members overlap"


def test_linking_asks_each_series_for_its_images_a_few_times_only(tmp_path, monkeypatch):
    """Every mask once went through every series: an hour for three thousand patients."""
    for patient in range(20):
        series = make_series(patient=f"P{patient}")
        series.write(tmp_path / str(patient))
        tumour_on(series).save_as(tmp_path / str(patient) / "RS", enforce_file_format=True)
    asked, instances = [], ImageSeries.instances.fget
    counting = property(lambda one: asked.append(one.key) or instances(one))
    monkeypatch.setattr(ImageSeries, "instances", counting)
    assert len(DICOM.find(tmp_path, IngestRules()).exams) == 20
    assert max(Counter(asked).values()) < 10


def test_each_place_of_a_dynamic_series_is_looked_at_once_for_each_phase(tmp_path, monkeypatch):
    """Not each file: a hundred phases of a hundred slices are a million pairs."""
    series, asked = make_series(), []
    for phase in range(8):
        for index, dataset in enumerate(series.datasets):
            again = deepcopy(dataset)
            again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            again.TemporalPositionIdentifier = phase + 1
            write(again, tmp_path / f"{phase}-{index}")
    lacks = strays.Line.lacks
    counting = lambda line, file: asked.append(file) or lacks(line, file)  # noqa: E731
    monkeypatch.setattr(strays.Line, "lacks", counting)
    assert len(DICOM.find(tmp_path, IngestRules()).refusals) == 8
    assert len(asked) == 8 * len(series.datasets)


@pytest.mark.parametrize("slices", [(2,), (1, 2, 3)], ids=["fewer", "more"])
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("GTV_Edema", ("elsewhere_edema",)),
        ("GTV_Research", ("elsewhere_tumour",)),
        ("Muscle", ()),
    ],
)
def test_what_a_file_has_drawn_on_another_series_is_left_to_that_series(
    name, flags, slices, tmp_path
):
    """The case is of the series of the tumour, however many contours others have; and it tells."""
    frame, study = generate_uid(), generate_uid()
    series = [
        make_series(description=text, frame_of_reference=frame, study=study).write(tmp_path / text)
        for text in ("AX T2 FS", "STIR")
    ]
    made = tumour_on(series[0], references="images")
    shapes = [ellipse(series[1].geometry, z, centre=(25, 20), radii=(5, 5)) for z in slices]
    other = make_rtstruct(series[1], {name: shapes}, references="images")
    other.StructureSetROISequence[0].ROINumber = 2
    other.ROIContourSequence[0].ReferencedROINumber = 2
    made.StructureSetROISequence += other.StructureSetROISequence
    made.ROIContourSequence += other.ROIContourSequence
    write(made, tmp_path / "RS")
    scan = DICOM.find(tmp_path, IngestRules())
    if name == "GTV_Research" and len(slices) > 2:  # the tumour has most of its contours there
        assert [exam.sequence for exam in scan.exams] == ["STIR"]
        return
    (exam,) = scan.exams
    assert exam.sequence == "T2FS"
    (roi,) = DICOM.read(exam, IngestRules()).rois
    assert (roi.name, roi.flags) == ("tumour", flags)


def test_images_that_lost_their_names_say_so_and_not_that_they_are_damaged(tmp_path):
    series = make_series()
    for dataset in series.datasets:
        del dataset.SOPInstanceUID
    series.write(tmp_path)
    told = {refusal.error.what for refusal in DICOM.find(tmp_path, IngestRules()).refusals}
    assert told == {"a DICOM file without SOPInstanceUID"}


def test_identifiers_in_a_script_that_is_not_theirs_stay_apart(tmp_path):
    """Latin letters declared to be UTF-8 decode to one sign that stands for none of them."""
    for patient in ("M\xfcller", "M\xe4ller"):
        series = make_series(patient=patient, tags={"SpecificCharacterSet": "ISO_IR 100"})
        series.write(tmp_path / patient)
        write(tumour_on(series), tmp_path / patient / "RS")
        for path in (tmp_path / patient).iterdir():
            path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 192"))
    scan = DICOM.find(tmp_path, IngestRules())
    assert [exam.subject for exam in scan.exams] == ["M\xe4ller", "M\xfcller"]


def test_an_identifier_in_either_spelling_of_unicode_is_one_patients(tmp_path):
    for form in ("NFC", "NFD"):
        patient, script = unicodedata.normalize(form, "M\xfcller"), "ISO_IR 192"
        series = make_series(patient=patient, tags={"SpecificCharacterSet": script})
        series.write(tmp_path / form)
        structures = tumour_on(series)
        structures.SpecificCharacterSet = script
        write(structures, tmp_path / form / "RS")
    scan = DICOM.find(tmp_path, IngestRules())
    assert [exam.subject for exam in scan.exams] == ["M\xfcller"] * 2


@pytest.mark.parametrize(
    ("references", "described", "by"),
    [("frame", "RTstruct", "frame of reference"), ("nothing", "RTstructT2FS", "description")],
)
def test_a_mask_of_two_series_alike_says_what_it_could_be_told_by(
    references, described, by, tmp_path
):
    frame = generate_uid()
    for seed in range(2):
        series = make_series(frame_of_reference=frame, seed=seed).write(tmp_path / str(seed))
    write(tumour_on(series, references=references, description=described), tmp_path / "RS")
    scan = DICOM.find(tmp_path, IngestRules())
    (refusal,) = scan.refusals
    told = [out.why for out in scan.left_out]
    assert told == ["a mask may belong to it or to another image"] * 2, "no series vanishes"
    assert refusal.error.reason == "ambiguous_series"
    assert (
        refusal.error.what
        == f"RTSTRUCT that may belong to any of 2 images by its {by}, and names none"
    )
    assert "with the references to its images" in refusal.error.hint


@pytest.mark.parametrize(
    ("references", "said"),
    [
        ("series", "refers to 1 series, none"),
        ("images", "refers to 2 images, none"),
        ("nothing", "names no image"),
    ],
)
def test_a_mask_without_its_image_says_what_it_refers_to(references, said, tmp_path):
    other = make_series()
    if references == "nothing":  # two series of a kind: neither frame nor words decide
        make_series(frame_of_reference="1.2.3").write(tmp_path / "1")
        make_series(frame_of_reference="1.2.3", seed=1).write(tmp_path / "2")
    write(tumour_on(other, references=references), tmp_path / "RS")
    scan = DICOM.find(tmp_path, IngestRules())
    (error,) = (one.error for one in scan.refusals if one.error.reason == "no_image")
    assert said in error.what
