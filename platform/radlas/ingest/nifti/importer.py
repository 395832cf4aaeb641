"""The importer of NIfTI, NRRD and MHA: one file per image, one per mask, linked by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.geometry import Geometry, slices_first
from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.checks import image_flags
from radlas.ingest.deidentify import image_facts
from radlas.ingest.grids import checked_volume
from radlas.ingest.labels import ANY, Segment, inventory, labelled_voxels, segments, told
from radlas.ingest.masks import Drawn, Placed, rois_of
from radlas.ingest.nifti.itk import read_image, read_mask
from radlas.ingest.nifti.names import is_slicers, name_mask
from radlas.ingest.nifti.scan import scan_files
from radlas.ingest.placing import Bounds, place_on_image
from radlas.ingest.reach import reaching
from radlas.ingest.roi_names import RoiMap, match_name, resolve_roi_map
from radlas.model import TUMOUR
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
        drawn = [one for ref in exam.masks for one in _drawings(ref, exam.subject, geometry, rules)]
        rois = rois_of(_present(drawn, roi_map), roi_map, rules.minimum_voxels)
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


class _Layers(NamedTuple):
    """A mask file as read.

    Attributes:
        voxels: Shape ``(layer, z, y, x)``.
        segments: What the file declares by itself.
        found: Inventory of each layer.
    """

    voxels: NDArray[np.generic]
    grid: Geometry
    segments: tuple[Segment, ...]
    found: tuple[dict[float, int], ...]


class _MaskFile:
    """One mask file, read when it is first needed.

    Args:
        ref: The file.
        geometry: Grid of the image.
        rules: Labels, and how far the mask may lie off.
    """

    def __init__(self, ref: FileRef, geometry: Geometry, rules: IngestRules) -> None:
        self._ref, self._geometry, self._rules = ref, geometry, rules
        self._is_slicers = is_slicers(ref)

    @cached_property
    def _content(self) -> _Layers:
        try:
            mask = read_mask(self._ref)
            declared = segments(mask.metadata, len(mask.voxels)) if self._is_slicers else ()
        except DataError as error:
            raise error.at("mask") from error
        found = tuple(map(inventory, mask.voxels))
        return _Layers(mask.voxels, mask.geometry, declared, found)

    def drawings(self, name: str) -> list[Drawn]:
        """The file's ROI under its own name, or one for each label that is declared.

        Those of labels that the file does not hold are hollow. Which of several layers a study's
        label would mean nobody says: there the file's own declaration counts.
        """
        labels = [Segment(*one, 0) for one in self._rules.labels.items() if one[0] != ANY]
        if self._is_slicers and (not labels or len(self._content.voxels) > 1):
            labels = list(self._content.segments)
        if not labels:
            own = self._rules.labels.get(ANY)
            return [Drawn(name, "image", hollow=False, place=partial(self._place, own))]
        found = self._content.found
        return [
            Drawn(
                one.name,
                "image",
                hollow=float(one.value) not in found[one.layer],
                place=partial(self._place, one.value, one.layer, named=True),
            )
            for one in labels
        ]

    def _place(self, label: int | None, layer: int = 0, *, named: bool = False) -> Placed:
        content = self._content
        values, found = content.voxels[layer], content.found[layer]
        inside, flags = labelled_voxels(values, label, found, named=named)
        bounds = Bounds(self._rules.snap_voxels, self._rules.resample_mm)
        placed = place_on_image(inside, content.grid, self._geometry, bounds)
        return replace(placed, flags=(*placed.flags, *flags), values=told(found))


def _present(drawn: Sequence[Drawn], roi_map: RoiMap) -> list[Drawn]:
    """Drawings without those of labels that no file holds, but where no tumour would be left.

    There placing them says what the files hold instead.
    """
    tumours = [one for one in drawn if (match_name(one.name, roi_map) or ("",))[0] == TUMOUR]
    missed = tumours if all(one.hollow for one in tumours) else []
    return [one for one in drawn if not one.hollow or one in missed]


def _drawings(ref: FileRef, subject: str, geometry: Geometry, rules: IngestRules) -> list[Drawn]:
    named = name_mask(ref, [subject])
    return _MaskFile(ref, geometry, rules).drawings(named.name if named else "")
