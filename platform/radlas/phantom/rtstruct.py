"""RTSTRUCT as the TCIA collection has it: one structure set per image, closed planar contours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import MRImageStorage, RTStructureSetStorage

from radlas.geometry import Geometry
from radlas.phantom.contours import Polygon, slice_contours, to_patient
from radlas.phantom.dicom import Labels, identity, save, uid
from radlas.phantom.noise import Field
from radlas.phantom.subjects import Subject

_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = Tag(0x3006, 0x0050)


def write_rtstruct(
    levels: Mapping[str, Field],
    grid: Geometry,
    slices: Sequence[Dataset],
    *,
    subject: Subject,
    labels: Labels,
    path: Path,
) -> None:
    """Write the contours of every ROI drawn on one image series.

    Args:
        levels: ROI name to level set, shape ``(z, y, x)`` [mm], above 0 inside.
        grid: The image's grid.
        slices: Its slices' datasets, in order.
        subject: Whose they are.
        labels: Descriptions; ``name`` distinguishes the structure set's UIDs.
        path: File to write; its folder is created.
    """
    dataset = identity(subject, labels)
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = uid(subject, labels.name, "instance")
    dataset.Modality = "RTSTRUCT"
    dataset.ManufacturerModelName = "phantom reader"
    dataset.SeriesDescription = labels.series
    dataset.SeriesNumber = labels.series_number
    dataset.SeriesInstanceUID = uid(subject, labels.name, "series")
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = "RTstruct"
    dataset.StructureSetName = labels.series
    dataset.StructureSetDate, dataset.StructureSetTime = labels.date, "101500"
    dataset.ReferencedFrameOfReferenceSequence = _one(_frame(slices))
    numbered = list(enumerate(levels.items(), start=1))
    dataset.StructureSetROISequence = DicomSequence(
        [_roi(number, name, slices[0]) for number, (name, _) in numbered]
    )
    dataset.ROIContourSequence = DicomSequence(
        [_drawn(number, level, grid, slices) for number, (_, level) in numbered]
    )
    dataset.RTROIObservationsSequence = DicomSequence(
        [_observation(number, name) for number, (name, _) in numbered]
    )
    path.parent.mkdir(parents=True)
    save(dataset, path)


def _frame(slices: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = slices[0].SeriesInstanceUID
    series.ContourImageSequence = DicomSequence([_image(one) for one in slices])
    study = Dataset()
    study.ReferencedSOPClassUID = _DETACHED_STUDY
    study.ReferencedSOPInstanceUID = slices[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = _one(series)
    frame = Dataset()
    frame.FrameOfReferenceUID = slices[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = _one(study)
    return frame


def _image(one: Dataset) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID = MRImageStorage
    image.ReferencedSOPInstanceUID = one.SOPInstanceUID
    return image


def _roi(number: int, name: str, one: Dataset) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ROIName = number, name
    roi.ReferencedFrameOfReferenceUID = one.FrameOfReferenceUID
    roi.ROIGenerationAlgorithm = "MANUAL"
    return roi


def _observation(number: int, name: str) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.ROIObservationLabel = name
    observation.RTROIInterpretedType, observation.ROIInterpreter = "GTV", ""
    return observation


def _drawn(number: int, level: Field, grid: Geometry, slices: Sequence[Dataset]) -> Dataset:
    roi = Dataset()
    roi.ROIDisplayColor = ["255", "0", "0"] if number == 1 else ["0", "255", "255"]
    roi.ContourSequence = DicomSequence(
        [
            _contour(to_patient(polygon, index, grid), slices[index])
            for index, plane in enumerate(level)
            for polygon in slice_contours(plane)
        ]
    )
    roi.ReferencedROINumber = number
    return roi


def _contour(points: Polygon, one: Dataset) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = _one(_image(one))
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    texts = np.char.mod("%.4f", points.ravel()).tolist()
    # Ready-made strings: parsing tens of thousands of decimals would take longer than the rest.
    contour[_CONTOUR_DATA] = DataElement(_CONTOUR_DATA, "DS", texts, already_converted=True)
    return contour


def _one(item: Dataset) -> DicomSequence:
    return DicomSequence([item])
