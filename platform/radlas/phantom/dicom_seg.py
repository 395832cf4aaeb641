"""Centre B: DICOM series with a DICOM-SEG each, and a clinical table with FNCLCC grades."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.valuerep import DA, DT, TM

from radlas.phantom.anatomy import Exam
from radlas.phantom.dicom import MARK, Labels, exam_date, save, uid, write_series
from radlas.phantom.scanners import Scanner
from radlas.phantom.subjects import Subject

COLUMNS = ("patient_id", "age_years", "sex", "fnclcc", "histology", "location", "side")
_MASS = Code("4147007", "SCT", "Mass")
_EDEMA = Code("79654002", "SCT", "Edema")
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")


def write_subject(subject: Subject, exam: Exam, scanner: Scanner, root: Path) -> None:
    """Write ``<subject>/T2FS/1-01.dcm`` ... and ``<subject>/SEG/1-1.dcm`` below ``root``."""
    labels = Labels(
        study="MR soft tissue tumour",
        series="t2_tse_fs_tra",
        series_number=5,
        date=exam_date(subject),
        sequence="FS",
        tr_ms=scanner.tr_ms,
        te_ms=scanner.te_ms,
        thickness_mm=scanner.nominal_slice_mm,
        name="t2fs",
    )
    folder = root / subject.name
    slices = write_series(exam.volume, subject, scanner, labels, folder / "T2FS")
    (folder / "SEG").mkdir()
    save(_segmentation(subject, exam, slices, labels), folder / "SEG" / "1-1.dcm")


def write_clinical(subjects: Sequence[Subject], root: Path) -> None:
    """Write ``clinical.csv``: G1 and G2 are low grade here, G3 is high."""
    with (root / "clinical.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (one.name, one.age, one.sex, fnclcc(one), one.histology, one.region, one.side)
            for one in subjects
        )


def fnclcc(subject: Subject) -> str:
    """G3 for high grade; G1 or G2 for low."""
    if subject.grade == "high":
        return "G3"
    return "G1" if subject.number % 3 == 0 else "G2"


def _segmentation(
    subject: Subject, exam: Exam, slices: Sequence[Dataset], labels: Labels
) -> Segmentation:
    masks = [exam.tumour > 0]
    described = [_segment(1, "tumour", _MASS)]
    if exam.edema is not None:
        masks.append(exam.edema > 0)
        described.append(_segment(2, "edema", _EDEMA))
    seg = Segmentation(
        source_images=slices,
        pixel_array=np.stack(masks, axis=-1).astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=uid(subject, "seg", "series"),
        series_number=105,
        sop_instance_uid=uid(subject, "seg", "instance"),
        instance_number=1,
        manufacturer=MARK,
        manufacturer_model_name="phantom reader",
        software_versions="phantom 1",
        device_serial_number="0",
        content_label="MANUAL",
        content_date=labels.date,
        content_time="101500",
        series_description="tumour and edema, manual",
    )
    return _without_clock(seg, subject, labels)


def _segment(number: int, label: str, kind: Code) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=_ABNORMAL,
        segmented_property_type=kind,
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
    )


def _without_clock(seg: Segmentation, subject: Subject, labels: Labels) -> Segmentation:
    """Replace what highdicom takes from the clock and from chance."""
    date, time = DA(labels.date), TM("101500")
    seg.InstanceCreationDate, seg.InstanceCreationTime = date, time
    seg.SeriesDate, seg.SeriesTime = date, time
    for equipment in seg.ContributingEquipmentSequence:
        equipment.ContributionDateTime = DT(f"{labels.date}101500")
    organization = uid(subject, "seg", "dimensions")
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in seg.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    return seg
