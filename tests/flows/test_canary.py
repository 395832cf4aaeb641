"""Nothing identifying leaves the hospital's files: a canary in every place a name can hide in.

Sixty DICOM elements, those that are stored among them, private and nested ones, free text, names
of ROIs, files, folders and archive members, columns of tables, the words in headers of NIfTI, NRRD,
MHA, gzip, zip and workbooks, the path of the store itself. It may
be in no byte of the store, of an export or of a page, and in no line that a command prints.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import pyarrow.parquet as pq
import pytest
import SimpleITK
from openpyxl.comments import Comment
from openpyxl.workbook.defined_name import DefinedName
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from radlas.digests import digest_of
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules, Refusal
from radlas.store import delta
from radlas.store.layout import open_store

from ..unit.ingest.dicom.corpus import make_rtstruct, make_series, tumour_on

CANARY = "CANARY7f3a"
SHORT = CANARY[:8]  # what a field may cut it to
TAGS = """
PatientName PatientID IssuerOfPatientID OtherPatientIDs OtherPatientNames PatientBirthName
PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientComments
PatientReligiousPreference
MilitaryRank BranchOfService EthnicGroup Occupation AdditionalPatientHistory MedicalRecordLocator
CountryOfResidence RegionOfResidence PatientInsurancePlanCodeSequence Allergies MedicalAlerts
SpecialNeeds PatientState AccessionNumber StudyID StudyDescription SeriesDescription ProtocolName
InstitutionName InstitutionAddress InstitutionalDepartmentName StationName ReferringPhysicianName
ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers PerformingPhysicianName
NameOfPhysiciansReadingStudy PhysiciansOfRecord OperatorsName RequestingPhysician RequestingService
RequestedProcedureDescription RequestedProcedureID PerformedProcedureStepDescription
PerformedProcedureStepID ScheduledPerformingPhysicianName AdmissionID AdmittingDiagnosesDescription
ReasonForStudy DeviceSerialNumber DetectorID GantryID SoftwareVersions ImageComments FrameComments
AcquisitionComments ContentCreatorName DerivationDescription TextComments IdentifyingComments
CurrentPatientLocation PatientInstitutionResidence VisitComments InterpretationText ScanOptions
SequenceName ImageType EchoNumbers
""".split()


def marked(dataset: Dataset) -> Dataset:
    """The canary in every element of the list, in a private one, and two levels deep."""
    for keyword in TAGS:
        if dictionary_VR(keyword) in {"SQ", "IS", "DS"}:
            continue
        if keyword == "ImageType":
            dataset.ImageType = ["ORIGINAL", "PRIMARY", CANARY]
        elif keyword == "SeriesDescription":
            dataset.SeriesDescription = f"AX T2 FS {CANARY}"
        else:
            setattr(dataset, keyword, CANARY)
    inner, outer = Dataset(), Dataset()
    inner.PatientComments = inner.CodeMeaning = CANARY
    outer.PerformedProcedureStepDescription = CANARY
    outer.RequestAttributesSequence = DicomSequence([inner])
    dataset.ReferencedStudySequence = DicomSequence([outer])
    block = dataset.private_block(0x0011, f"{CANARY} maker", create=True)
    block.add_new(0x01, "LT", f"free text of {CANARY}, born 1950")
    dataset.Manufacturer = f"ACME {CANARY}"
    dataset.ManufacturerModelName = f"Magnet 3T {CANARY} 1950-02-03"
    dataset.MagneticFieldStrength = dataset.RepetitionTime = dataset.EchoTime = "19500203"
    dataset.InversionTime = dataset.FlipAngle = "19500203"
    if hasattr(dataset, "file_meta"):
        dataset.file_meta.SourceApplicationEntityTitle = CANARY
        dataset.preamble = CANARY.encode().ljust(128, b"\0")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20190317"
    dataset.PatientBirthDate = "19500203"
    return dataset


def dicom_source(root: Path) -> Path:
    """Exams that are read, and exams that are refused in several ways, all under the canary."""
    names = {"strange name": f"Lesion {CANARY}", "reader": f"GTV_Mass_reader_{SHORT}"}
    kinds = ("sound", "cut", "strange name", "gap", "tilted", "number", "reader")
    for number, kind in enumerate(kinds):
        folder = root / f"{CANARY}^{kind}" / CANARY
        series = make_series(patient=f"{CANARY}-{number}", seed=number)
        structures = tumour_on(series, names.get(kind, "GTV_Mass"))
        if kind == "tilted":
            structures = make_rtstruct(series, {"GTV_Mass": [np.eye(3) * 9], CANARY: []})
        structures.StructureSetLabel = structures.StructureSetName = CANARY
        if kind == "gap":
            del series.datasets[2]
        if kind == "number":
            series.datasets[1].RescaleSlope = "1"
            series.datasets[1].RescaleIntercept = "2"
        for index, dataset in enumerate([*series.datasets, structures]):
            path = folder / f"{CANARY}_{index}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            patient = dataset.PatientID
            marked(dataset).PatientID = patient
            dataset.save_as(path, enforce_file_format=True)
        if kind == "cut":
            first = folder / f"{CANARY}_0.dcm"
            first.write_bytes(first.read_bytes()[:-900])
        if kind == "sound":
            first = folder / f"{CANARY}_0.dcm"
            first.write_bytes(first.read_bytes() + b"behind the pixels: " + CANARY.encode())
    (root / f"{CANARY}.dcm").write_bytes(b"no dicom of " + CANARY.encode())
    shutil.make_archive(str(root / f"{CANARY} archive"), "zip", root / f"{CANARY}^sound")
    with zipfile.ZipFile(root / f"{CANARY} archive.zip", "a") as archive:
        archive.comment = CANARY.encode()
        for member in archive.infolist():
            member.comment = CANARY.encode()
        archive.writestr(f"../{CANARY}/{CANARY}", CANARY)
    workbook(root / f"{CANARY}.xlsx")
    (root / f"{CANARY}.zip").write_bytes(b"PK broken " + CANARY.encode())
    (root / f"{CANARY}.tar").write_bytes(CANARY.encode())
    columns = ["patient id", "sex", "age", "grade", "histology", "site", "side", "remark"]
    with (root / f"{CANARY}.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(columns)
        rows.writerow(
            [f"{CANARY}-0", "F", "61", "high", CANARY, f"left thigh {CANARY}", "", CANARY]
        )
        rows.writerow([f"{CANARY}-1", CANARY, CANARY, f"high ({CANARY})", "", CANARY, CANARY, ""])
    return root


def hide_in_headers(path: Path) -> None:
    """The canary in all that a header of NIfTI, NRRD, MHA or gzip says in words."""
    if path.suffix == ".nrrd":
        first, rest = path.read_bytes().split(b"\n", 1)
        words = f"# drawn by {CANARY}\ncontent: {CANARY}\n{CANARY}:={CANARY}\n"
        path.write_bytes(first + b"\n" + words.encode() + rest)
    elif path.suffix == ".mha":
        words = f"Comment = {CANARY}\nName = {CANARY}\nModality = MET_MR_{CANARY}\n".encode()
        path.write_bytes(path.read_bytes().replace(b"NDims", words + b"NDims", 1))
    else:
        image = nibabel.Nifti1Image.from_bytes(unpacked(path))
        for field in ("descrip", "aux_file", "intent_name", "db_name"):
            image.header[field] = CANARY.encode()
        for code in ("comment", "dicom", "afni"):
            text = f"<PatientName>{CANARY}</PatientName>".encode()
            image.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, text))
        content = image.to_bytes()
        path.write_bytes(packed(content) if path.suffix == ".gz" else content)


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def packed(content: bytes) -> bytes:
    """A gzip file with a name, a comment and an extra field in its header."""
    plain, words = gzip.compress(content), f"{CANARY}\0".encode()
    extra = len(words).to_bytes(2, "little") + words
    return plain[:3] + b"\x1c" + plain[4:10] + extra + words + words + plain[10:]


def workbook(path: Path) -> None:
    """A clinical table whose file is full of names, beside its cells."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title, sheet.oddHeader.center.text = CANARY, CANARY
    for row in (["patient id", "sex", "age", "grade"], [f"{CANARY}-0", "F", "61", "high"]):
        sheet.append(row)
    sheet["A2"].comment = Comment(CANARY, CANARY)
    book.create_sheet(f"{CANARY} 2").append([CANARY])
    for name in ("creator", "lastModifiedBy", "title", "subject", "description", "keywords"):
        setattr(book.properties, name, CANARY)
    book.defined_names[CANARY] = DefinedName(CANARY, attr_text=f"'{CANARY}'!$A$1")
    book.save(path)


def image_source(root: Path) -> Path:
    """NIfTI, NRRD and MHA under the canary: read, mislabelled, cut, and with a lying header."""
    root.mkdir()
    voxels = np.random.default_rng(0).integers(1, 500, (6, 20, 20)).astype(np.int16)
    mask = np.zeros(voxels.shape, np.uint8)
    mask[2:4, 5:15, 5:15] = 1
    for kind, ending in (("a", "nii.gz"), ("b", "nrrd"), ("c", "mha"), ("d", "nii"), ("e", "nii")):
        for stem, values in (("image", voxels), ("mask", mask * (255 if kind == "b" else 1))):
            image = SimpleITK.GetImageFromArray(values)
            image.SetSpacing((0.8, 0.8, 4.0))
            image.SetMetaData("descrip", CANARY)
            image.SetMetaData("patient", CANARY)
            SimpleITK.WriteImage(image, str(root / f"{CANARY}{kind}_{stem}.{ending}"))
    for path in sorted(root.iterdir()):
        hide_in_headers(path)
    cut = root / f"{CANARY}d_image.nii"
    cut.write_bytes(cut.read_bytes()[:900])
    lies = root / f"{CANARY}e_image.nii"
    content = bytearray(lies.read_bytes()[:1000])
    content[72:74] = b"\x01\x00"  # bitpix
    lies.write_bytes(bytes(content))
    return root


VERBS = """
import json, sys
from radlas.cli import app
for words in json.loads(sys.argv[1]):
    try:
        app(words)
    except SystemExit as done:
        if done.code not in (0, 1):
            raise
"""


def run(*verbs: Sequence[object], typed: str) -> str:
    """All that commands print, in a process of their own: warnings of libraries as well."""
    words = json.dumps([[str(word) for word in verb] for verb in verbs])
    environment = {**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-c", VERBS, words]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, input=typed
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def told_and_store(tmp_path_factory) -> tuple[str, Path]:
    """A store of both sources, and all that was printed on the way."""
    root = tmp_path_factory.mktemp(CANARY)
    (root / "out").mkdir()
    store = root / "store"
    dicom, images = dicom_source(root / "dicom"), image_source(root / "images")
    here = ("--store", store)
    a = ("ingest", dicom, *here, "--centre", "a")
    b = ("ingest", images, *here, "--centre", "b", "--importer", "nifti")
    told = run(
        ("init", store),
        (*a, "--dry-run"),
        (*a, "--dry-run", "--json"),
        (*a, "--engine", "local:1"),
        (*a, "--engine", "serial", "--json"),
        (*b, "--dry-run", "--json"),
        (*b, "--dry-run"),
        (*b, "--engine", "serial"),
        ("status", *here),
        ("status", *here, "--json"),
        ("verify", *here),
        ("qc", *here, "--out", root / "out" / "qc.html", "--json"),
        ("retry", *here, "--reason", "truncated_pixels", "--engine", "serial"),
        ("sql", *here),
        ("qc", *here, "--out", root / "out" / "qc.html"),
        ("snapshot", "create", "first", *here),
        ("snapshot", "show", "first", *here, "--json"),
        ("export", root / "out" / "export", *here, "--features-only"),
        typed="\\f csv;\nfrom cases;\nfrom rois;\nfrom clinical;\nfrom outcomes;\nfrom latest;\n",
    )
    return told.replace(str(root), ""), store  # a person reads there what a person typed


def test_the_sources_were_read_and_refused_as_meant(told_and_store):
    """The canary was everywhere, and every way out was taken."""
    told, _ = told_and_store
    for reason in (
        "truncated_pixels",
        "no_tumour",
        "slice_gap",
        "bad_contour|contour_off_plane|mask_outside",
        "bad_rescale",
        "label_missing",
        "unreadable_file",
        "unsupported_format",
    ):
        assert re.search(reason, told), reason
    assert told.count(",ok,") >= 3


def test_nothing_that_is_printed_holds_the_canary(told_and_store):
    told, _ = told_and_store
    lines = [line for line in told.splitlines() if SHORT.lower() in line.lower()]
    assert lines == []


def contents(path: Path) -> str:
    """All that a file of a store says, unpacked."""
    text = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        text += str(pq.ParquetFile(path).read().to_pydict())
    return text


def test_no_byte_of_the_store_holds_the_canary_or_a_date(told_and_store):
    _, store = told_and_store
    given = store.parent / "out"
    files = [path for root in (store, given) for path in root.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert (given / "qc.html") in files
    for path in files:
        assert SHORT.lower() not in path.as_posix().removeprefix(str(store.parent)).lower()
        assert SHORT.lower() not in contents(path).lower(), path.relative_to(store.parent)
        assert not re.search("20190317|19500203|2019-03-17|1950-02-03", contents(path))


def test_the_ledger_does_not_tell_whose_machine_did_the_work(told_and_store):
    """Workstations are called like the people who sit there, and the ledger goes to other sites."""
    _, store = told_and_store
    told = delta.read(open_store(store), "outcomes", ["worker"]).column("worker").to_pylist()
    done = [one for one in told if one]  # by nobody: what was refused at the scan
    assert done
    assert not [one for one in done if one.startswith(platform.node())]


def test_no_list_of_identifiers_can_be_tried_against_the_store(told_and_store):
    """Whoever knows UIDs, sizes and file names, and not the key, finds no digest of them."""
    _, store = told_and_store
    everything = "".join(contents(path) for path in store.rglob("*") if path.is_file())
    rows = delta.read(open_store(store), "outcomes", ["case_id"]).to_pylist()
    cases = {row["case_id"] for row in rows}
    scan = IMPORTERS["dicom"]().find(store.parent / "dicom", IngestRules())
    assert scan.exams
    assert scan.refusals
    for one in (*scan.exams, *scan.refusals):
        last = one.error.reason if isinstance(one, Refusal) else IngestRules().digest()
        middle = () if isinstance(one, Refusal) else (one.importer,)
        tried = {digest_of([case, one.fingerprint, *middle, last]) for case in cases}
        assert not [digest for digest in (one.fingerprint, *tried) if digest in everything]
    sizes = delta.read(open_store(store), "cases", ["source_bytes"]).to_pylist()
    assert not {row["source_bytes"] for row in sizes} & {exam.size for exam in scan.exams}


def test_no_day_of_a_study_tells_its_date(told_and_store):
    """The clock is so long that its ends are met by nobody: no date is likelier than another."""
    _, store = told_and_store
    days = delta.read(open_store(store), "cases", ["study_day"]).column("study_day").to_pylist()
    told = [day for day in days if day is not None]
    assert told
    assert all(day - date(2019, 3, 17).toordinal() > 36_525 for day in told)


def test_there_are_sixty_places_in_a_header_alone():
    assert len(TAGS) >= 60
