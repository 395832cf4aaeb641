"""The importer of NIfTI, NRRD and MHA: one file per image, one per mask, linked by their names."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from radlas.geometry import slices_first
from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.checks import image_flags
from radlas.ingest.deidentify import image_facts
from radlas.ingest.grids import checked_volume
from radlas.ingest.masks import Drawn, rois_of
from radlas.ingest.nifti.drawings import MaskImage, present
from radlas.ingest.nifti.itk import read_image
from radlas.ingest.nifti.names import name_mask
from radlas.ingest.nifti.scan import scan_files
from radlas.ingest.reach import reaching
from radlas.ingest.roi_names import resolve_roi_map
from radlas.reasons import data_error

_PHANTOM_FILE = "phantom.json"


class NiftiImporter:
    """Reads ``<subject>_<what>.<ending>`` files of NIfTI, NRRD and MHA; see ``names``."""

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """Everything in the source, from file names alone.

        Raises:
            ConfigError: The source does not exist or holds no image; the rules are wrong.
        """
        return scan_files(source, rules)

    def read(self, exam: Exam, rules: IngestRules) -> ExamData:
        """The volume, its ROIs on the volume's grid, and whether it is a phantom.

        Raises:
            DataError: A file is damaged, the image is no volume of finite numbers, or a mask has
                another label or another grid.
            OSError: A file cannot be reached; names no path.
        """
        image = read_image(exam.images[0])
        geometry, voxels = slices_first(image.geometry, image.voxels)
        turned = ("axes_reordered",) if geometry is not image.geometry else ()
        if min(len(voxels), len(image.voxels)) < 2:
            raise data_error("too_few_slices", "1 slice")
        volume = checked_volume(voxels, geometry)
        roi_map = resolve_roi_map(rules.names, rules.labels)
        drawn: list[Drawn] = []
        for ref in exam.masks:
            named = name_mask(ref, [exam.subject])
            mask = MaskImage(ref, geometry, rules, roi_map)
            drawn += mask.drawings(named.name if named else "")
        rois = rois_of(present(drawn, roi_map), roi_map, rules.minimum_voxels)
        phantom = beside_phantom(exam.images[0])
        facts = image_facts(image.metadata, beside_phantom=phantom)
        flags = (*image.flags, *turned, *image_flags(volume.voxels))
        return ExamData(volume, rois, facts, flags)


def beside_phantom(ref: FileRef) -> bool:
    """True if a ``phantom.json`` lies in the source of an image: in its folder or up to two above.

    Two, because the grammar allows one folder per subject or kind, and one for a cohort.

    Raises:
        OSError: The source cannot be reached; names no path.
    """
    with reaching():
        if any((folder / _PHANTOM_FILE).is_file() for folder in list(ref.path.parents)[:3]):
            return True
        if not ref.member:
            return False
        with ZipFile(ref.path) as archive:
            return any(name.split("/")[-1] == _PHANTOM_FILE for name in archive.namelist())
