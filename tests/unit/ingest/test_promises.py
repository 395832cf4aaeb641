"""What an importer of somebody else's may return: nothing false, and nobody's name, is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radlas.errors import ConfigError, DataError, WorkerError
from radlas.geometry import Geometry, make_geometry
from radlas.ingest.base import Exam, ExamData, FileRef, Refusal, Scan
from radlas.ingest.deidentify import image_facts
from radlas.ingest.promises import hold_scan_to_promises, hold_to_promises
from radlas.model import Roi, Volume

SHAPE = (4, 6, 5)
VOXELS = np.arange(120, dtype=np.int16).reshape(SHAPE)
GRID = make_geometry(SHAPE, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
MASK = VOXELS > 60
FLAT = Geometry(SHAPE, np.diag([1.0, 1.0, 0.0, 1.0]))


def exam(*, voxels=VOXELS, grid=GRID, facts=None, **roi):
    drawn = replace(Roi("tumour", MASK, "image"), **roi)
    return ExamData(Volume(voxels, grid), (drawn,), facts or {})


@pytest.mark.parametrize(
    "fine",
    [
        exam(),
        exam(voxels=VOXELS.astype(np.float32), reader="r2"),
        exam(flags=("thin_ring",), values="-1.5=20 0=80 1=9 2=8 3=1 4=1 and 2 more values"),
        exam(facts=image_facts({}, beside_phantom=True)),
        exam(facts={"manufacturer": "SIEMENS", "sex": "F", "age_years": 90.0}),
    ],
)
def test_what_is_as_promised_is_taken(fine):
    hold_to_promises(fine, "theirs")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "`read` returned NoneType, not ExamData"),
        (exam(voxels=VOXELS[0]), "voxels are int16 of shape (6, 5), not real numbers (z, y, x)"),
        (exam(voxels=VOXELS.astype(complex)), "voxels are complex128"),
        (exam(voxels=VOXELS[1:]), "voxels have shape (3, 6, 5), their grid (4, 6, 5)"),
        (exam(grid=FLAT), "the affine does not lead from voxels to millimetres"),
        (exam(mask=MASK[1:]), "the mask of tumour has shape (3, 6, 5), its image (4, 6, 5)"),
        (exam(mask=MASK.astype(np.uint8)), "the mask of tumour is uint8, not bool"),
        (exam(voxels=VOXELS.tolist()), "the voxels of Volume: list, not ndarray"),
        (exam(grid=None), "the geometry of Volume: NoneType, not Geometry"),
        (ExamData(None, ()), "the volume of ExamData: NoneType, not Volume"),
        (ExamData(Volume(VOXELS, GRID), (MASK,)), "one of the rois is ndarray, not Roi"),
        (ExamData(Volume(VOXELS, GRID), (), None), "the facts of ExamData: NoneType, not Mapping"),
        # Looking at them used them up: the exam was stored as one without a mask.
        (ExamData(Volume(VOXELS, GRID), iter(())), "the rois of ExamData: tuple_iterator, not"),
        (exam(reader=None), "the reader of Roi: NoneType, not str"),
        (exam(mask=MASK.tolist()), "the mask of Roi: list, not ndarray"),
        (exam(name="my roi/x"), "a ROI's name is not small letters"),
        (exam(reader="Dr. Eisenbarth"), "or its reader is not at most 8 letters and digits"),
    ],
)
def test_a_broken_promise_is_the_importers_fault(wrong, told):
    with pytest.raises(WorkerError) as caught:
        hold_to_promises(wrong, "theirs")
    assert told in str(caught.value)
    assert "a defect of the importer 'theirs', not of the exam" in str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        {"subject_id": "DOE^JOHN"},  # would stand where the pseudonym belongs
        {"birth_date": 19520617},
        {"manufacturer": "DOE^JOHN"},
        {"age_years": 97.0},
        {"sex": "female"},
        {"repetition_time_ms": float("inf")},
    ],
)
def test_no_fact_leaves_its_source_that_ours_would_not_let_through(facts):
    with pytest.raises(WorkerError) as caught:
        hold_to_promises(exam(facts=facts), "theirs")
    assert not any(str(value) in str(caught.value) for value in facts.values())


@pytest.mark.parametrize(
    "wrong",
    [
        replace(exam(), flags=("DOE^JOHN",)),
        exam(flags=("seen by Dr. Doe",)),
        exam(origin="DOE^JOHN"),
        exam(values="DOE^JOHN 1=120"),
    ],
)
def test_no_text_beside_the_facts_leaves_its_source_but_codes_and_counts(wrong):
    """Flags, origins and inventories were stored as they came."""
    with pytest.raises(WorkerError) as caught:
        hold_to_promises(wrong, "theirs")
    assert "doe" not in caught.value.what.lower()


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not_finite"), (0, "flat_image")])
def test_an_image_that_no_feature_can_be_of_is_the_datas_fault(value, reason):
    voxels = VOXELS.astype(np.float32)
    voxels[:] = value
    with pytest.raises(DataError) as caught:
        hold_to_promises(exam(voxels=voxels), "theirs")
    assert caught.value.reason == reason


FOUND = Exam("theirs", "P1", "1.2.3", (FileRef(Path("a")),), (), "T2FS", "the only one", "f")
RECORD = {"subject": "P1", "grade": "high", "age_years": 61, "sex": None}


def test_a_scan_that_is_as_promised_is_taken():
    scan = Scan(
        (FOUND, replace(FOUND, sequence="", flags=("fewer_than_stated",))), (), (), (RECORD,)
    )
    assert hold_scan_to_promises(scan, "theirs") is scan


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "`find` returned NoneType, not Scan"),
        ([FOUND], "`find` returned list, not Scan"),
        (Scan(exams=None), "the exams of Scan: NoneType, not tuple"),
        (Scan(exams=({"subject": "P1"},)), "one of the exams is dict, not Exam"),
        (Scan((replace(FOUND, subject=None),)), "the subject of Exam: NoneType, not str"),
        (Scan((replace(FOUND, images=("a.npz",)),)), "one of an exam's files is str, not FileRef"),
        (
            Scan((replace(FOUND, sequence="T2 DOE^JOHN"),)),
            "the sequence of an exam is none of STIR",
        ),
        (Scan((replace(FOUND, flags=("DOE^JOHN",)),)), "a flag is no code"),
        (Scan(refusals=("a.npz",)), "one of what is not read is str, not Refusal"),
        (Scan(refusals=(Refusal("P1", "1", None, "f"),)), "the error of Refusal: NoneType, not"),
        (Scan(clinical=({"grade": "high"},)), "a clinical record is no mapping, or has no subject"),
        (
            Scan(clinical=(RECORD | {"birth_year": 1950},)),
            "1 columns of a clinical record are none",
        ),
        (Scan(clinical=(RECORD | {"grade": 3},)), "grade of a clinical record is int"),
        (Scan(clinical=(RECORD | {"age_years": "old"},)), "age_years of a clinical record is str"),
    ],
)
def test_what_is_no_scan_is_the_importers_fault(wrong, told):
    """It ended the run in a defect of ours, or stood in the store as the importer wrote it."""
    with pytest.raises(ConfigError) as caught:
        hold_scan_to_promises(wrong, "theirs")
    assert told in caught.value.what
    assert caught.value.where == "importer theirs"
    assert not any(name in str(caught.value) for name in ("DOE", "1950"))
