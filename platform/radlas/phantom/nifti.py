"""Centre C: NIfTI images and masks, oblique, and a clinical table."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from radlas.geometry import Geometry
from radlas.phantom.anatomy import Exam
from radlas.phantom.dicom import MARK
from radlas.phantom.scanners import Scanner
from radlas.phantom.subjects import Subject

COLUMNS = ("subject", "age", "sex", "grade", "histology", "site")
DESCRIPTION = "ITK_FileNotes"  # the key SimpleITK writes to, and reads from, `descrip`


def write_subject(subject: Subject, exam: Exam, scanner: Scanner, root: Path) -> None:
    """Write image and masks of one subject below ``root/images`` and ``root/masks``."""
    del scanner  # a NIfTI header has no room for it
    images, masks = root / "images", root / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    grid = exam.volume.geometry
    _write(exam.volume.voxels, grid, images / f"{subject.name}_image.nii.gz")
    _write(exam.tumour > 0, grid, masks / f"{subject.name}_tumour.nii.gz")
    if exam.edema is not None:
        _write(exam.edema > 0, grid, masks / f"{subject.name}_edema.nii.gz")


def write_clinical(subjects: Sequence[Subject], root: Path) -> None:
    """Write ``clinical.csv`` with grades ``high`` and ``low``."""
    with (root / "clinical.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (one.name, one.age, one.sex, one.grade, one.histology, one.site) for one in subjects
        )


def _write(voxels: NDArray[Any], grid: Geometry, path: Path) -> None:
    kind = np.uint8 if voxels.dtype == np.bool_ else voxels.dtype
    image: Any = sitk.GetImageFromArray(voxels.astype(kind))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction.ravel().tolist())
    image.SetMetaData(DESCRIPTION, MARK)
    try:
        sitk.WriteImage(image, str(path), True)  # its gzip header holds neither time nor name
        held = _length(path)
    except (RuntimeError, EOFError):
        held = 0
    if held < voxels.size * np.dtype(kind).itemsize:  # ITK says it to stderr alone, and goes on
        raise OSError(f"{path.name} could not be written whole, as on a full disk")


def _length(path: Path) -> int:
    """How much a file holds, unpacked [byte]; EOFError if it breaks off."""
    with gzip.open(path) as stream:
        return sum(map(len, iter(lambda: stream.read(2**20), b"")))
