"""Real patients: our reader against the data set's own NIfTI, made by other software."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from tests.masks import dice

from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules

pytestmark = pytest.mark.real_data
PATIENTS = ["001", "002", "003", "006", "008", "012", "015", "017", "018", "019"]


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_patient_is_the_same_by_dicom_and_by_nifti(patient, real_data, record_property):
    """Affine to a micrometre, voxels bit for bit, mask of the RTSTRUCT at Dice 0.98 or more."""
    folder = real_data / "sts-t1"
    dicom = IMPORTERS["dicom"]()
    (exam,) = dicom.find(folder / f"STS_{patient}_dicom.zip", IngestRules()).exams
    data = dicom.read(exam, IngestRules())
    image = SimpleITK.ReadImage(str(folder / f"STS_{patient}_image.nii.gz"))
    mask = SimpleITK.ReadImage(str(folder / f"STS_{patient}_mask.nii.gz"))
    geometry = data.volume.geometry
    np.testing.assert_allclose(geometry.origin, image.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(geometry.spacing, image.GetSpacing(), atol=1e-3)
    np.testing.assert_allclose(geometry.direction.ravel(), image.GetDirection(), atol=1e-3)
    np.testing.assert_array_equal(data.volume.voxels, SimpleITK.GetArrayFromImage(image))
    (tumour,) = data.rois
    agreement = dice(tumour.mask, SimpleITK.GetArrayFromImage(mask) > 0)
    record_property("dice", agreement)
    assert agreement >= 0.98
    assert tumour.flags == ()


@pytest.mark.parametrize("patient", PATIENTS[:3])
def test_a_mask_file_of_other_software_is_found_by_its_name_and_lies_on_the_dicom(
    patient, real_data, tmp_path
):
    """Beside the images of three patients, without their structure sets."""
    for one in PATIENTS[:3]:
        with zipfile.ZipFile(real_data / "sts-t1" / f"STS_{one}_dicom.zip") as archive:
            archive.extractall(tmp_path / one)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        if pydicom.dcmread(path, stop_before_pixels=True).Modality != "MR":
            path.unlink()
    mask = tmp_path / "masks" / f"STS_{patient}_mask.nii.gz"
    mask.parent.mkdir()
    shutil.copy(real_data / "sts-t1" / mask.name, mask)
    both = IMPORTERS["dicom-masks"]()
    (exam,) = both.find(tmp_path, IngestRules()).exams
    assert (exam.subject, exam.masks[0].path) == (f"STS_{patient}", mask)
    (tumour,) = both.read(exam, IngestRules()).rois
    drawn = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(mask)))
    np.testing.assert_array_equal(tumour.mask, drawn > 0)


def test_the_folder_of_nifti_files_gives_the_ten_patients(real_data):
    nifti = IMPORTERS["nifti"]()
    scan = nifti.find(real_data / "sts-t1", IngestRules())
    assert [exam.subject for exam in scan.exams] == [f"STS_{patient}" for patient in PATIENTS]
    data = nifti.read(scan.exams[1], IngestRules())
    assert data.rois[0].mask.sum() == 17090
    assert data.rois[0].misalignment_mm == 0


def test_of_a_patient_with_both_the_fat_suppressed_series_is_chosen(real_data):
    importer = IMPORTERS["tcia-sts"]()
    scan = importer.find(real_data / "sts-raw", IngestRules())
    (exam,) = scan.exams
    assert (exam.subject, exam.sequence, exam.importer) == ("STS_001", "T2FS", "tcia-sts")
    assert not scan.refusals
    (left,) = scan.left_out
    assert "T1 by description" in left.why
    data = importer.read(exam, IngestRules())
    assert [roi.name for roi in data.rois] == ["edema", "tumour"]
    edema, tumour = (roi.mask for roi in data.rois)
    assert (tumour & edema).sum() > 0.95 * tumour.sum()  # the collection draws mass inside edema
    assert data.volume.geometry.spacing[2] == pytest.approx(5.2, abs=0.01)  # thickness says 4


def test_the_workbook_holds_51_patients_and_their_grades(real_data):
    records = IMPORTERS["table"]().find(real_data / "sts-clinical", IngestRules()).clinical
    assert len(records) == 51
    grades = Counter(record["grade"] for record in records)
    assert grades == {"high": 28, "intermediate": 15, "low": 5, None: 3}
    assert {record["subject"] for record in records if not record["grade"]} == {
        "STS_040",
        "STS_047",
        "STS_051",
    }
    assert all(record["site_group"] for record in records)
    words = {record[column] for record in records for column in ("histology", "region")}
    assert words.isdisjoint({"other", None})
    assert Counter(record["sex"] for record in records).keys() == {"F", "M"}
    assert all(record["laterality"] for record in records if record["subject"] != "STS_041")
