"""Synthetic DICOM series, RTSTRUCT and SEG with known truth, and the ways in which they go bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from radlas.geometry import Geometry, make_geometry

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
CANARY = "CANARY7f3a"
CENTRE, RADII = (25.0, 20.0), (9.1, 7.2)  # no voxel centre lies on the edge


def turned(degrees: float) -> NDArray[np.float64]:
    """Axes of a doubly oblique stack, as columns."""
    a = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x)


PLANES = {
    "axial": np.eye(3),
    "sagittal": np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]) @ np.diag([1.0, 1, -1]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique": turned(17),
}


def grid(
    plane: str = "axial",
    shape: tuple[int, int, int] = (6, 40, 52),
    spacing: tuple[float, float, float] = (0.8, 0.7, 4.0),
) -> Geometry:
    """A non-square, anisotropic grid in one of four planes."""
    direction = PLANES[plane]
    direction = direction * np.array([1, 1, np.sign(np.linalg.det(direction))])
    return make_geometry(shape, spacing=spacing, origin=(-12.5, 7.25, 31.0), direction=direction)


@dataclass
class Series:
    """Datasets of one series as they will be written, with their truth."""

    datasets: list[FileDataset]
    geometry: Geometry
    voxels: NDArray[Any]

    def write(self, folder: Path, names: Callable[[int], str] = "IM{:04d}".format) -> Series:
        """Write one file per dataset."""
        folder.mkdir(parents=True, exist_ok=True)
        for index, dataset in enumerate(self.datasets):
            dataset.save_as(folder / names(index), enforce_file_format=True)
        return self


def make_series(
    geometry: Geometry | None = None,
    *,
    description: str = "AX T2 FS",
    patient: str = "P1",
    study: str | None = None,
    frame_of_reference: str | None = None,
    tags: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Series:
    """A series of random voxels; slices in file order are in order of position."""
    geometry = geometry or grid()
    voxels = np.random.default_rng(seed).integers(0, 900, geometry.shape).astype(np.int16)
    uids = (study or generate_uid(), generate_uid(), frame_of_reference or generate_uid())
    datasets = [
        _slice(geometry, voxels, index, uids=uids, names=(patient, description), tags=tags or {})
        for index in range(len(voxels))
    ]
    return Series(datasets, geometry, voxels)


def make_rtstruct(
    series: Series,
    contours: Mapping[str, Sequence[NDArray[np.float64]]],
    *,
    kind: str = "CLOSED_PLANAR",
    references: str = "series",
    description: str = "RTstruct",
) -> FileDataset:
    """A structure set; contours in LPS [mm]. ``references``: series, images, frame or nothing."""
    first = series.datasets[0]
    dataset = _file(RTSTRUCT, first.PatientID, first.StudyInstanceUID)
    dataset.Modality, dataset.SeriesDescription = "RTSTRUCT", description
    dataset.SeriesInstanceUID = generate_uid()
    if references in {"series", "frame"}:
        frame = _item(FrameOfReferenceUID=first.FrameOfReferenceUID)
        if references == "series":
            one = _item(SeriesInstanceUID=first.SeriesInstanceUID)
            study = _item(RTReferencedSeriesSequence=[one])
            frame.RTReferencedStudySequence = [study]
        dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence = [
        _item(ROINumber=number, ROIName=name) for number, name in enumerate(contours, 1)
    ]
    dataset.ROIContourSequence = [
        _roi_contour(number, points, kind, series.datasets if references == "images" else ())
        for number, points in enumerate(contours.values(), 1)
    ]
    return dataset


def make_seg(series: Series, masks: Mapping[str, NDArray[np.bool_]], kind: str = "BINARY") -> Any:
    """A SEG by highdicom, empty frames omitted; a fractional one holds its voxels by 0.7."""
    stacked = np.stack(list(masks.values()), axis=-1)
    pixels: NDArray[Any] = stacked.astype(np.uint8)
    if kind == "LABELMAP":
        pixels = (pixels * np.arange(1, len(masks) + 1, dtype=np.uint8)).max(axis=-1)
    if kind == "FRACTIONAL":
        pixels = 0.7 * stacked.astype(np.float32)
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(masks, 1)
    ]
    return highdicom.seg.Segmentation(
        source_images=series.datasets,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=90,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )


def ellipse(
    geometry: Geometry,
    plane: float,
    *,
    centre: tuple[float, float],
    radii: tuple[float, float],
    points: int = 720,
) -> NDArray[np.float64]:
    """An ellipse drawn on slice ``plane``, given in voxel indices, as LPS points [mm]."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)
    return to_world(geometry, np.column_stack([x, y, np.full(points, plane)]))


def inside_ellipse(
    geometry: Geometry, *, centre: tuple[float, float], radii: tuple[float, float]
) -> NDArray[np.bool_]:
    """The analytic truth at voxel centres of one slice, shape ``(y, x)``."""
    y, x = np.mgrid[: geometry.shape[1], : geometry.shape[2]]
    return np.asarray(((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1)


def to_world(geometry: Geometry, index: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel indices ``(x, y, z)`` as LPS [mm]."""
    return np.asarray(index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3])


def tumour_on(series: Series, name: str = "GTV_Mass", **kwargs: Any) -> FileDataset:
    """An RTSTRUCT with an ellipse on two neighbouring slices."""
    drawn = [ellipse(series.geometry, z, centre=CENTRE, radii=RADII) for z in (2, 3)]
    return make_rtstruct(series, {name: drawn}, **kwargs)


def _item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _file(sop_class: str, patient: str, study: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.StudyInstanceUID = patient, study
    for tag in ("PatientName", "ReferringPhysicianName", "StudyDescription", "InstitutionName"):
        setattr(dataset, tag, f"{CANARY} {tag}")
    for tag in ("PatientComments", "DeviceSerialNumber", "AccessionNumber", "StudyID"):
        setattr(dataset, tag, CANARY)
    dataset.StudyDate = dataset.StudyTime = dataset.PatientBirthDate = ""
    dataset.add_new((0x0009, 0x0010), "LO", "private")
    dataset.add_new((0x0009, 0x1001), "LO", CANARY)
    return dataset


def _slice(
    geometry: Geometry,
    voxels: NDArray[Any],
    index: int,
    *,
    uids: tuple[str, str, str],
    names: tuple[str, str],
    tags: Mapping[str, Any],
) -> FileDataset:
    dataset = _file(MR_IMAGE, names[0], uids[0])
    dataset.Modality, dataset.SeriesDescription = "MR", names[1]
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uids[1:]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.Manufacturer, dataset.ManufacturerModelName = "ACME Imaging", "Magnet 3T"
    dataset.PatientSex, dataset.PatientAge = "F", "061Y"
    dataset.SeriesNumber, dataset.InstanceNumber = 4, index + 1
    dataset.Rows, dataset.Columns = geometry.shape[1:]
    x, y, _ = geometry.spacing
    dataset.PixelSpacing = [y, x]
    dataset.SliceThickness = 99.0  # a lie that nobody may believe
    dataset.SpacingBetweenSlices = 77.0
    axes = geometry.direction
    dataset.ImageOrientationPatient = [round(float(v), 12) for v in [*axes[:, 0], *axes[:, 1]]]
    place = geometry.affine[:3, 3] + index * geometry.affine[:3, 2]
    dataset.ImagePositionPatient = [round(float(v), 9) for v in place]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = voxels[index].tobytes()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def _distance(image: Dataset, points: NDArray[np.float64]) -> float:
    """How far a contour lies from an image's plane [mm]."""
    axes = np.array(image.ImageOrientationPatient, dtype=float)
    normal = np.cross(axes[:3], axes[3:])
    return abs(float(normal @ (points[0] - np.array(image.ImagePositionPatient, dtype=float))))


def _roi_contour(
    number: int, contours: Sequence[NDArray[np.float64]], kind: str, images: Sequence[Dataset]
) -> Dataset:
    items = []
    for points in contours:
        item = _item(ContourGeometricType=kind, NumberOfContourPoints=len(points))
        item.ContourData = [f"{value:.9g}"[:16] for value in points.ravel()]
        if images:
            image = min(images, key=lambda one: _distance(one, points))
            item.ContourImageSequence = [_item(ReferencedSOPInstanceUID=image.SOPInstanceUID)]
        items.append(item)
    return _item(ReferencedROINumber=number, ContourSequence=items)
