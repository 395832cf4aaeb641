"""The DICOM importer: series, RTSTRUCT and SEG of any folder or zip, one exam at a time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import pydicom

from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.checks import image_flags, padding_flags
from radlas.ingest.dicom.contours import Outline, Planes, is_elsewhere, names_any, read_contours
from radlas.ingest.dicom.facts import dicom_facts
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.dicom.rtstruct import rasterise
from radlas.ingest.dicom.scan import scan_dicom
from radlas.ingest.dicom.seg import read_segments
from radlas.ingest.dicom.volume import SeriesData, read_series
from radlas.ingest.files import open_file
from radlas.ingest.masks import Drawn, Placed, rois_of
from radlas.ingest.placing import Bounds
from radlas.ingest.roi_names import resolve_roi_map
from radlas.model import Roi
from radlas.reasons import data_error


class DicomImporter:
    """Reads MR series with their RTSTRUCT or SEG.

    Attributes:
        name: Its name in ``radlas.ingest.IMPORTERS``.
        spellings: Series descriptions that its collections use in their own sense.
    """

    name: ClassVar[str] = "dicom"
    spellings: ClassVar[Mapping[str, str]] = {}

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """Everything in the source, from headers alone.

        Raises:
            ConfigError: The source does not exist or holds no DICOM file; the rules are wrong.
        """
        return scan_dicom(source, rules, importer=self.name, spellings=self.spellings)

    def read(self, exam: Exam, rules: IngestRules) -> ExamData:
        """The volume on its exact grid, its ROIs, and the allow-listed facts of its header.

        Raises:
            DataError: The series is no regular volume, or its masks do not lie on it.
            OSError: A file cannot be reached; names no path.
        """
        series = read_series(exam.images)
        rois = self.rois(exam.masks, series, rules)
        voxels = series.volume.voxels
        flags = (*image_flags(voxels), *padding_flags(voxels, series.header))
        with parsing("a header"):  # values are decoded when they are asked for
            facts = dicom_facts(series.header)
        return ExamData(series.volume, rois, facts, flags)

    def rois(
        self, refs: tuple[FileRef, ...], series: SeriesData, rules: IngestRules
    ) -> tuple[Roi, ...]:
        """The ROIs of a series' mask files, on its grid.

        Raises:
            DataError: They do not lie on it, or none is the tumour.
        """
        drawn = [one for ref in refs for one in self.drawings(ref, series, rules)]
        return rois_of(drawn, resolve_roi_map(rules.names), rules.minimum_voxels)

    def drawings(self, ref: FileRef, series: SeriesData, rules: IngestRules) -> list[Drawn]:
        """What a RTSTRUCT or SEG holds."""
        with open_file(ref) as stream:
            content = io.BytesIO(stream.read())
        with parsing("a mask file"):
            dataset = pydicom.dcmread(content, force=True)
            if str(dataset.get("Modality") or "").strip().upper() == "RTSTRUCT":
                return _outlines(read_contours(dataset), series)
        content.seek(0)
        roi_map, bounds = resolve_roi_map(rules.names), Bounds(rules.snap_voxels, rules.resample_mm)
        return read_segments(content, series.volume.geometry, roi_map, bounds, series.planes)


def _outlines(drawn: Sequence[Outline], series: SeriesData) -> list[Drawn]:
    known = names_any((one.images for roi in drawn for one in roi.contours), series.planes)
    planes = series.planes if known else {}
    return [_contoured(roi, series, planes) for roi in drawn]


def _contoured(roi: Outline, series: SeriesData, planes: Planes) -> Drawn:
    hollow = not any(contour.encloses for contour in roi.contours)
    place = partial(_rasterised, roi, series, planes)
    elsewhere = is_elsewhere(roi, planes)
    return Drawn(roi.name, "rtstruct", hollow=hollow, place=place, elsewhere=elsewhere)


def _rasterised(roi: Outline, series: SeriesData, planes: Planes) -> Placed:
    frame = str(series.header.get("FrameOfReferenceUID") or "").strip()
    if roi.frame_of_reference and frame and roi.frame_of_reference != frame:
        raise data_error("frame_conflict", "the ROI was drawn in another frame than the image's")
    return Placed(*rasterise(roi.contours, series.volume.geometry, planes))
