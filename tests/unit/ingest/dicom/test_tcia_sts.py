"""The TCIA Soft-tissue-Sarcoma importer: twelve series a patient, in any of the three layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from radlas.ingest import IMPORTERS
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.table.cells import read_tables
from radlas.ingest.table.rows import normalise

from .corpus import CENTRE, RADII, ellipse, grid, make_rtstruct, make_series

TCIA = IMPORTERS["tcia-sts"]()
RULES = IngestRules()
# Modality, description of the image, description of its structure set, native?
SERIES = [
    ("MR", "AXT1", "RTstructT1"),
    ("MR", "T2 F*S", "RTstructT2FS"),
    ("MR", "T1 AllignedT1toPET", "RTstruct_AllignedT1toPET"),
    ("MR", "T2FS AlignedtoPET", "RTstruct_AlignedTtoPET"),
    ("PT", "PET AC", "RTstructPET"),
    ("CT", "CT AC", "RTstructCT"),
]


@dataclass
class File:
    """One object with what each layout makes a path of."""

    dataset: object
    study: tuple[str, str]
    series: tuple[int, str, str]
    number: int


def nbia(patient: str, file: File) -> Path:
    study, description = file.study
    number, words, uid = file.series
    clean = "".join(c if c.isalnum() else "" for c in words)
    return Path(
        "Soft-tissue-Sarcoma",
        patient,
        f"01-03-2006-{description}-{study[-5:]}",
        f"{number}.000000-{clean}-{uid[-5:]}",
        f"1-{file.number:02d}.dcm",
    )


def nbia_2015(patient: str, file: File) -> Path:
    return Path("DOI", patient, file.study[0], file.series[2], f"{file.number:06d}.dcm")


def idc(patient: str, file: File) -> Path:
    name = f"{file.dataset.SOPInstanceUID}.dcm"
    place = f"{file.dataset.Modality}_{file.series[2]}"
    return Path("soft_tissue_sarcoma", patient, file.study[0], place, name)


def a_patient(patient: str, names: tuple[str, ...] = ("GTV_Mass", "GTV_Edema")) -> list[File]:
    """Six images, six structure sets; the MR study is labelled as another body part."""
    study, files = (generate_uid(), "L-SPINE"), []
    for number, (modality, description, structures) in enumerate(SERIES, 1):
        series = make_series(
            grid("axial"),
            patient=patient,
            study=study[0],
            description=description,
            tags={"Modality": modality},
            seed=number,
        )
        inner = [ellipse(series.geometry, z, centre=CENTRE, radii=RADII) for z in (2, 3)]
        outer = [ellipse(series.geometry, z, centre=CENTRE, radii=(14.1, 11.2)) for z in (2, 3)]
        drawn = dict(zip(names, (inner, outer), strict=False))
        uid = series.datasets[0].SeriesInstanceUID
        for slice_, dataset in enumerate(series.datasets, 1):
            files.append(File(dataset, study, (number, description, uid), slice_))
        mask = make_rtstruct(series, drawn, description=structures)
        files.append(File(mask, study, (10 + number, structures, mask.SeriesInstanceUID), 1))
    return files


def write(files: list[File], patient: str, root: Path, layout: Callable[..., Path]) -> None:
    for file in files:
        path = root / layout(patient, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("names", [("GTV_Mass", "GTV_Edema"), ("GTV_Research", "GTV_Res+edema")])
def test_twelve_series_in_three_layouts_give_one_exam_and_a_reason_for_each_other(names, tmp_path):
    files = a_patient("STS_002", names)
    found = []
    for layout in (nbia, nbia_2015, idc):
        root = tmp_path / layout.__name__
        write(files, "STS_002", root, layout)
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        scan = TCIA.find(root, RULES)
        (exam,) = scan.exams
        assert not scan.refusals
        assert (exam.subject, exam.sequence) == ("STS_002", "T2FS")
        assert exam.rule == "T2FS by description; mask by series UID"
        why = {out.sequence: out.why for out in scan.left_out}
        assert len(scan.left_out) == 5
        assert {"T1", "T2FS", "CT", "PT"} == set(why)
        assert "derived copy" in why["T2FS"]
        data = TCIA.read(exam, RULES)
        assert [roi.name for roi in data.rois] == ["edema", "tumour"]
        assert data.rois[0].mask.sum() > data.rois[1].mask.sum()
        found.append((exam.fingerprint, scan.left_out, data.volume.voxels))
        assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    for other in found[1:]:
        assert other[:2] == found[0][:2]
        np.testing.assert_array_equal(other[2], found[0][2])


def test_a_patient_without_edema_is_an_exam_without_edema(tmp_path):
    write(a_patient("STS_003", ("GTV_Mass",)), "STS_003", tmp_path, nbia)
    (exam,) = TCIA.find(tmp_path, RULES).exams
    assert [roi.name for roi in TCIA.read(exam, RULES).rois] == ["tumour"]


def test_a_missing_slice_thickness_changes_nothing(tmp_path):
    """As in the collection's patient 47: spacing comes from positions."""
    files = a_patient("STS_047")
    for file in files:
        if "SliceThickness" in file.dataset:
            del file.dataset.SliceThickness
    write(files, "STS_047", tmp_path, nbia)
    (exam,) = TCIA.find(tmp_path, RULES).exams
    assert TCIA.read(exam, RULES).volume.geometry.spacing[2] == pytest.approx(4.0)


@pytest.mark.real_data
def test_the_collections_workbook_holds_fifty_one_patients(real_data):
    path = real_data / "sts-clinical" / "INFOclinical_STS.xlsx"
    records = normalise(read_tables(FileRef(path))[0])
    assert [one["subject"] for one in records] == [f"STS_{n:03d}" for n in range(1, 52)]
    grades = [one["grade"] for one in records]
    counts = {grade: grades.count(grade) for grade in set(grades)}
    assert counts == {"high": 28, "intermediate": 15, "low": 5, None: 3}
    assert {one["sex"] for one in records} == {"F", "M"}
    assert all(0 < one["age_years"] <= 90 for one in records)
    assert {one["laterality"] for one in records} <= {"left", "right", None}
    assert {one["site_group"] for one in records} <= {"lower limb", "upper limb", "trunk", None}
    unplaced = [one["subject"] for one in records if one["site_group"] is None]
    assert not unplaced
