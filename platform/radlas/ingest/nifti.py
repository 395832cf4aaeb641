"""The importer of NIfTI, NRRD and MHA: one file per image, one per mask, linked by their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import Exam, ExamData, FileRef, IngestRules, Scan
from radlas.ingest.deidentify import image_facts
from radlas.ingest.file_names import name_mask
from radlas.ingest.grids import finite_volume
from radlas.ingest.itk import read_image
from radlas.ingest.masks import Drawn, Placed, rois_of
from radlas.ingest.nifti_scan import scan_files
from radlas.ingest.placing import place_on_image
from radlas.ingest.reach import reaching
from radlas.ingest.roi_names import resolve_roi_map
from radlas.reasons import data_error

_SHOWN_VALUES = 6
_PHANTOM_FILE = "phantom.json"


class NiftiImporter:
    """Reads ``<subject>_<what>.<ending>`` files of NIfTI, NRRD and MHA; see ``file_names``."""

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
        voxels, geometry, metadata = read_image(exam.images[0])
        volume = finite_volume(voxels, geometry)
        drawn = [_drawn(ref, exam.subject, geometry, rules) for ref in exam.masks]
        rois = rois_of(drawn, resolve_roi_map(rules.roi_map), rules.minimum_voxels)
        phantom = beside_phantom(exam.images[0])
        return ExamData(volume, rois, image_facts(metadata, beside_phantom=phantom))


def labelled_voxels(values: NDArray[np.generic], label: int) -> NDArray[np.bool_]:
    """Voxels that hold the label; none, if the mask holds nothing but zeros.

    Raises:
        DataError: ``label_missing``: there are other values, but not this one; lists them with
            their counts.
    """
    inside = values == label
    if inside.any() or not values.any():
        return np.asarray(inside)
    found, counts = np.unique(values, return_counts=True)
    shown = ", ".join(
        f"{value:g} ({count} voxels)"
        for value, count in list(zip(found.tolist(), counts.tolist(), strict=True))[:_SHOWN_VALUES]
    )
    more = f", and {len(found) - _SHOWN_VALUES} more values" if len(found) > _SHOWN_VALUES else ""
    others = [value for value in found.tolist() if value]
    only = others[0] if len(others) == 1 and float(others[0]).is_integer() else None
    hint = f"`--label {only:g}` is the only other value" if only and only >= 1 else ""
    raise data_error("label_missing", f"no voxel is {label}; it holds {shown}{more}", hint=hint)


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


def _drawn(ref: FileRef, subject: str, geometry: Geometry, rules: IngestRules) -> Drawn:
    named = name_mask(ref, [subject])
    name = named.name if named else ""
    return Drawn(name, "image", hollow=False, place=partial(_place, ref, geometry, rules))


def _place(ref: FileRef, geometry: Geometry, rules: IngestRules) -> Placed:
    values, grid, _ = _read_mask(ref)
    return place_on_image(
        labelled_voxels(values, rules.label), grid, geometry, snap_voxels=rules.snap_voxels
    )


def _read_mask(ref: FileRef) -> tuple[NDArray[np.generic], Geometry, Sequence[str]]:
    try:
        values, grid, metadata = read_image(ref)
    except DataError as error:
        raise error.at("mask") from error
    return values, grid, tuple(metadata)
