"""Files named and nested in any way: a mask is of its own image, and a patient one subject."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import ConfigError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules

NIFTI = IMPORTERS["nifti"]()
RULES = IngestRules()
PATIENTS = [
    ("P1", "P2", "P3"),
    ("01", "02", "11"),
    ("STS_001", "STS_002", "STS_0021"),
    ("sub-1", "sub-2", "sub-12"),
    ("A-1", "A-2", "B-1"),
    ("Doe_John", "Doe_Jane", "Doe_Jo"),
    ("MR01", "MR02", "MR3"),
]
EXAMS = [
    ("before", "after"),
    ("2020-01-31", "2020-06-01"),
    ("ses-1", "ses-2"),
    ("visit1", "visit2"),
    ("pre", "post-op"),
    ("week_0", "week_6"),
    ("baseline", "FU1"),
]
KINDS = [("t1", "t2fs"), ("T1w", "T2w"), ("MR_T1", "MR_T2FS"), ("stir", "T2")]


@st.composite
def cohorts(draw):
    """Paths of images and masks, each with its patient, exam and kind, as one hospital has them."""
    parts = {"patient": draw(st.sampled_from(PATIENTS))}
    if draw(st.booleans()):
        parts["exam"] = draw(st.sampled_from(EXAMS))
    if draw(st.booleans()):
        parts["kind"] = draw(st.sampled_from(KINDS))
    folders = draw(st.permutations([key for key in parts if draw(st.booleans())]))
    also = draw(st.sets(st.sampled_from(sorted(parts))))
    names = [key for key in parts if key not in folders or key in also]
    trees, cohort = draw(st.booleans()), draw(st.sampled_from(["", "all/"]))
    words = [
        draw(st.sampled_from(["image", "mri", "volume"])),
        draw(st.sampled_from(["mask", "gtv"])),
    ]
    files = {}
    for patient in parts["patient"]:
        for exam in parts.get("exam", [""]):
            for kind in parts.get("kind", [""]):
                told = {"patient": patient, "exam": exam, "kind": kind}
                for word in words:
                    tree = f"{'images' if word == words[0] else 'masks'}/" if trees else ""
                    above = "".join(f"{told[key]}/" for key in folders)
                    stem = "_".join([*(told[key] for key in names), word])
                    if draw(st.integers(0, 9)):  # some were not sent
                        files[f"{cohort}{tree}{above}{stem}.nii"] = (patient, exam, kind)
    return files


@settings(max_examples=150, deadline=None)
@given(cohorts())
def test_what_is_read_is_of_one_patient_one_exam_and_one_sequence(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "source"
        for place in files:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(place)
        try:
            exams = NIFTI.find(root, RULES).exams
        except ConfigError:  # no image at all
            return
        of = {root / place: whose for place, whose in files.items()}
        patients = set()
        for exam in exams:
            whose = of[exam.images[0].path]
            assert {of[mask.path] for mask in exam.masks} == {whose}
            patients.add((exam.subject, whose[0]))
        assert (
            len({one for one, _ in patients}) == len({one for _, one in patients}) == len(patients)
        )
