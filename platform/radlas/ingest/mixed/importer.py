"""The importer of DICOM images with masks in NIfTI, NRRD or MHA, as 3D Slicer writes them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from radlas.ingest.base import FileRef, IngestRules, Scan
from radlas.ingest.dicom.importer import DicomImporter
from radlas.ingest.dicom.scan import scan_dicom
from radlas.ingest.dicom.volume import SeriesData
from radlas.ingest.masks import Drawn, rois_of
from radlas.ingest.mixed.mask_images import drawn_name, link_mask_images
from radlas.ingest.nifti.drawings import MaskImage, present
from radlas.ingest.nifti.names import stem_of
from radlas.ingest.roi_names import resolve_roi_map
from radlas.model import Roi


class DicomMasksImporter(DicomImporter):
    """``DicomImporter`` that takes mask files beside the images, too; see ``mask_images``."""

    name: ClassVar[str] = "dicom-masks"

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """Everything in the source, as ``DicomImporter.find``."""
        return scan_dicom(source, rules, importer=self.name, mask_images=link_mask_images)

    def rois(
        self, refs: tuple[FileRef, ...], series: SeriesData, rules: IngestRules
    ) -> tuple[Roi, ...]:
        """See ``DicomImporter.rois``."""
        roi_map = resolve_roi_map(rules.names, rules.labels)
        drawn: list[Drawn] = []
        for ref in refs:
            if stem_of(ref) is None:
                drawn += self.drawings(ref, series, rules)
            else:
                mask = MaskImage(ref, series.volume.geometry, rules, roi_map)
                drawn += mask.drawings(drawn_name(ref, roi_map))
        return rois_of(present(drawn, roi_map), roi_map, rules.minimum_voxels)
