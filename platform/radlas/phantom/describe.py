"""What a synthetic cohort says of itself: ``phantom.json`` and ``README.txt``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from radlas.phantom.scanners import SCANNERS, Scanner
from radlas.phantom.subjects import (
    AGE_STRENGTH,
    SHARED,
    SIZE_STRENGTH,
    STRENGTHS,
    Subject,
    expected_auc,
)

VERSION = 1  # of the content: another version, other bytes
MARK_FILE = "phantom.json"
_README = """This folder is a SYNTHETIC cohort (RADLAS PHANTOM). No file in it stems from a patient.

{subjects} invented patients with a soft-tissue sarcoma of a limb or the back, seen at three
invented hospitals, each with its own scanner, file format and habits. Seed {seed}: the same
command with the same seed writes the same bytes.

centre-a    DICOM with RTSTRUCT, in the folder layout and with the spelling habits of TCIA's
            Soft-tissue-Sarcoma collection; clinical workbook INFOclinical_STS.xlsx
            (Grade: High = high; Intermediate and Low = low).
centre-b    DICOM with DICOM-SEG; clinical.csv (fnclcc: G3 = high; G1 and G2 = low).
centre-c    NIfTI images/ and masks/, oblique; clinical.csv (grade: high, low).
truth.csv   What was planted: grade, signals, tumour volume. Not for training.
site.key    A demonstration key for pseudonyms. A real key is secret and lies elsewhere.

Images are fat-suppressed T2-weighted (some subjects of centre-a also have a T1 series). The edema
ROI, where a reader drew one, holds mass and edema together. Three signals carry the grade:
  intratumoral  heterogeneity, septa and necrosis of the mass
  ring          infiltration of the 10 mm around it
  deep          streaks in the muscles far from it, outside every ROI
Measured without error, they would tell high from low grade with these areas under the ROC curve:
  intratumoral {intra:.2f}; with ring {both:.2f}; with deep {all:.2f}.
"""


def describe_cohort(subjects: Sequence[Subject], *, seed: int) -> dict[str, Any]:
    """Settings, planted strengths and one entry per centre; also tells two cohorts apart."""
    return {
        "mark": "RADLAS PHANTOM",
        "version": VERSION,
        "seed": seed,
        "subjects": len(subjects),
        "strengths": {**STRENGTHS, "size": SIZE_STRENGTH, "age": AGE_STRENGTH},
        "shared_correlation": SHARED,
        "expected_auc": {
            "intratumoral": round(expected_auc("intratumoral"), 4),
            "intratumoral+ring": round(expected_auc("intratumoral", "ring"), 4),
            "intratumoral+ring+deep": round(expected_auc(*STRENGTHS), 4),
        },
        "centres": {
            scanner.centre: describe_centre(
                scanner, [one for one in subjects if one.centre == scanner.centre], seed=seed
            )
            for scanner in SCANNERS
        },
    }


def describe_centre(scanner: Scanner, subjects: Sequence[Subject], *, seed: int) -> dict[str, Any]:
    """One centre: scanner, numbers, prevalence."""
    grades = Counter(subject.grade for subject in subjects)
    return {
        "mark": "RADLAS PHANTOM",
        "version": VERSION,
        "seed": seed,
        "centre": scanner.centre,
        "format": scanner.format,
        "subjects": len(subjects),
        "high": grades["high"],
        "low": grades["low"],
        "scanner": scanner.model,
        "field_strength_t": scanner.field_t,
        "repetition_time_ms": scanner.tr_ms,
        "echo_time_ms": scanner.te_ms,
        "spacing_xyz_mm": list(scanner.spacing),
        "shape_zyx": list(scanner.shape),
    }


def readme(description: Mapping[str, Any]) -> str:
    """The cohort in plain words."""
    intra, both, everything = description["expected_auc"].values()
    return _README.format(
        subjects=description["subjects"],
        seed=description["seed"],
        intra=intra,
        both=both,
        all=everything,
    )
