"""MR series as DICOM files that a strict reader accepts, the same bytes on every run."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radlas.model import Volume
from radlas.phantom.scanners import Scanner
from radlas.phantom.subjects import Subject

MARK = "RADLAS PHANTOM"  # manufacturer of everything synthetic


@dataclass(frozen=True)
class Labels:
    """What one study and series are called, and when they claim to have been made.

    Attributes:
        study: Study description.
        series: Series description.
        series_number: Number of the series.
        date: Date of the study, ``YYYYMMDD``.
        sequence: Value of ScanOptions: ``FS`` if fat is suppressed.
        tr_ms: Repetition time [ms].
        te_ms: Echo time [ms].
        thickness_mm: Slice thickness that the header claims [mm]; None leaves it out.
        name: Distinguishes the subject's series in their UIDs.
    """

    study: str
    series: str
    series_number: int
    date: str
    sequence: str
    tr_ms: float
    te_ms: float
    thickness_mm: float | None
    name: str


def uid(subject: Subject, *parts: str | int) -> UID:
    """A UID under 2.25, fixed by seed, centre, subject and ``parts``.

    Source:
        DICOM PS3.5 B.2: a UUID as decimal number under the root 2.25.
    """
    text = "/".join(str(part) for part in (subject.seed, subject.centre, subject.number, *parts))
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'radlas-phantom/{text}').int}")


def exam_date(subject: Subject) -> str:
    """A made-up study date of the subject, ``YYYYMMDD``."""
    rng = subject.stream(7)
    year, month, day = rng.integers(2001, 2010), rng.integers(1, 13), rng.integers(1, 29)
    return f"{year:04d}{month:02d}{day:02d}"


def save(dataset: Dataset, path: Path) -> None:
    """Write one dataset as a DICOM file, with file meta information of our own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Fixed, so that the bytes do not change with the writing library's version.
    meta.ImplementationClassUID = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, MARK).int}")
    meta.ImplementationVersionName = "RADLAS_PHANTOM"
    dataset.file_meta = meta
    whole = io.BytesIO()  # of a full disk pydicom tells by its own stack
    dcmwrite(whole, dataset, enforce_file_format=True)
    path.write_bytes(whole.getvalue())


def identity(subject: Subject, labels: Labels) -> Dataset:
    """Patient and study, as every object of one exam repeats them."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = labels.date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "101500"
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = labels.date, "101500"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = labels.study
    dataset.PatientName, dataset.PatientID = f"PHANTOM^{subject.name}", subject.name
    dataset.PatientBirthDate = ""
    dataset.PatientSex = subject.sex
    dataset.PatientAge = f"{subject.age:03d}Y"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "synthetic: there is no patient"
    dataset.StudyInstanceUID = uid(subject, "study")
    dataset.StudyID = "1"
    dataset.FrameOfReferenceUID = uid(subject, "frame")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = MARK
    return dataset


def write_series(
    volume: Volume, subject: Subject, scanner: Scanner, labels: Labels, folder: Path
) -> list[Dataset]:
    """Write one MR series, one file per slice: ``1-01.dcm``, ``1-02.dcm``, ...

    Args:
        volume: Voxels int16, shape ``(z, y, x)``, none below 0.
        subject: Whose series it is.
        scanner: Who made it.
        labels: Descriptions, date, sequence times.
        folder: Created; holds the files.

    Returns:
        The slices' datasets in the order of slices.
    """
    folder.mkdir(parents=True)
    head = _series_head(volume, subject, scanner, labels)
    slices = []
    for index, plane in enumerate(volume.voxels):
        dataset = Dataset()
        dataset.update(head)
        dataset.SOPInstanceUID = uid(subject, labels.name, index)
        dataset.InstanceNumber = index + 1
        position = volume.geometry.affine @ (0, 0, index, 1)
        dataset.ImagePositionPatient = [_number(value) for value in position[:3]]
        normal = volume.geometry.direction[:, 2]
        dataset.SliceLocation = _number(float(normal @ position[:3]))
        dataset.PixelData = np.ascontiguousarray(plane, dtype="<i2").tobytes()
        save(dataset, folder / f"1-{index + 1:02d}.dcm")
        slices.append(dataset)
    return slices


def _series_head(volume: Volume, subject: Subject, scanner: Scanner, labels: Labels) -> Dataset:
    dataset = identity(subject, labels)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.SOPClassUID = MRImageStorage
    dataset.Modality = "MR"
    dataset.SeriesDescription = labels.series
    dataset.SeriesNumber = labels.series_number
    dataset.SeriesInstanceUID = uid(subject, labels.name, "series")
    dataset.ManufacturerModelName = scanner.model
    dataset.SoftwareVersions = "phantom 1"
    dataset.BodyPartExamined = "EXTREMITY"
    dataset.PatientPosition = "FFS"
    dataset.Laterality = subject.side[0].upper()
    _add_protocol(dataset, scanner, labels)
    _add_pixels(dataset, volume)
    return dataset


def _add_protocol(dataset: Dataset, scanner: Scanner, labels: Labels) -> None:
    dataset.ScanningSequence, dataset.SequenceVariant = "SE", ["SK", "SP"]
    dataset.ScanOptions = labels.sequence
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime, dataset.EchoTime = _number(labels.tr_ms), _number(labels.te_ms)
    dataset.EchoTrainLength = 9
    dataset.FlipAngle = "90"
    dataset.MagneticFieldStrength = _number(scanner.field_t)
    if labels.thickness_mm is not None:
        dataset.SliceThickness = _number(labels.thickness_mm)


def _add_pixels(dataset: Dataset, volume: Volume) -> None:
    x, y, _ = volume.geometry.spacing
    axes = volume.geometry.direction
    dataset.ImageOrientationPatient = [_number(value) for value in (*axes[:, 0], *axes[:, 1])]
    dataset.PixelSpacing = [_number(y), _number(x)]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = volume.voxels.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    bright = float(np.percentile(volume.voxels[:, ::4, ::4], 99.5))
    dataset.WindowCenter, dataset.WindowWidth = _number(round(bright / 2)), _number(round(bright))


def _number(value: float) -> str:
    """A decimal string of at most 16 characters; tiny rounding noise is zero."""
    return format_number_as_ds(0.0 if abs(value) < 1e-12 else float(value))
