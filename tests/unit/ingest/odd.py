"""A corpus of odd and broken exams: each class is one function, with what must come of it.

A class is either ``EXACT``: the volume comes out voxel for voxel on its true grid, with its tumour;
or a reason code: the case is refused under it. Nothing else may happen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK
from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_sequence
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    generate_uid,
)

from .dicom.corpus import (
    Series,
    grid,
    make_series,
    tumour_on,
)

EXACT = "exact"


@dataclass(frozen=True)
class Odd:
    """One class: its name, what must come of it, and the function that writes it to a folder.

    The function returns the true voxels and grid.
    """

    name: str
    expected: str
    write: Callable[[Path], Series]
    sequence: str | None = None


ODD: dict[str, Odd] = {}
Change = Callable[[Series], Any]


def odd(expected: str, *, references: str = "all", sequence: str | None = None):
    """Register a class that changes a sound series; its RTSTRUCT is drawn before the change."""

    def register(change: Change) -> Change:
        def write(folder: Path) -> Series:
            series = sound(references)
            structures = series.structures
            changed = change(series) or series
            for number, dataset in enumerate(changed.datasets):
                save(dataset, folder / f"IM{number:04d}")
            if structures is not None:
                save(structures, folder / "RS")
            return changed

        ODD[change.__name__] = Odd(change.__name__, expected, write, sequence)
        return change

    return register


def odd_folder(expected: str, *, sequence: str | None = None):
    """Register a class that writes its folder by itself."""

    def register(write: Callable[[Path], Series]) -> Callable[[Path], Series]:
        ODD[write.__name__] = Odd(write.__name__, expected, write, sequence)
        return write

    return register


def save(dataset: Dataset, path: Path) -> None:
    """Write one file in the encoding that its file meta names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
        dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        dcmwrite(path, dataset, enforce_file_format=True)


@dataclass
class Drawn(Series):
    """A series with the structure set that was drawn on it."""

    structures: Dataset | None = None


def sound(references: str = "all", plane: str = "oblique", **kwargs: Any) -> Drawn:
    """A regular series and its tumour; ``references``: all, series, images, or none (no mask)."""
    made = make_series(grid(plane), **kwargs)
    series = Drawn(made.datasets, made.geometry, made.voxels)
    if references != "none":
        kind = "series" if references == "all" else references
        series.structures = tumour_on(series, references=kind)
        if references == "all":
            list_images(series.structures, series)
    return series


def list_images(structures: Dataset, series: Series) -> None:
    """Name every image of the series in the structure set, as planning systems do."""
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    images = []
    for dataset in series.datasets:
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        images.append(item)
    study.RTReferencedSeriesSequence[0].ContourImageSequence = Sequence(images)


def fresh(dataset: Dataset, **tags: Any) -> Dataset:
    """A copy under a new SOPInstanceUID, with other tags."""
    copy = deepcopy(dataset)
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in tags.items():
        setattr(copy, keyword, value)
    return copy


def as_unknown(dataset: Dataset, keyword: str) -> None:
    """Store a sequence as an archive does that does not know it: UN, its items in implicit VR."""
    held = DicomBytesIO()
    held.is_little_endian = held.is_implicit_VR = True
    write_sequence(held, dataset[keyword], [default_encoding])
    assert held.tell() > 0xFFFF, "shorter ones are read by pydicom alone"
    dataset[keyword] = DataElement(dataset[keyword].tag, "UN", held.getvalue())


def for_all(**tags: Any) -> Change:
    """A change that sets tags in every slice; a value may be a function of the slice's index."""

    def change(series: Series) -> None:
        for index, dataset in enumerate(series.datasets):
            for keyword, value in tags.items():
                setattr(dataset, keyword, value(index) if callable(value) else value)

    return change


def without(*keywords: str, only: int | None = None) -> Change:
    """A change that deletes tags in every slice, or in one."""

    def change(series: Series) -> None:
        for dataset in series.datasets if only is None else [series.datasets[only]]:
            for keyword in keywords:
                delattr(dataset, keyword)

    return change


def move(dataset: Dataset, *, along: float = 0.0, aside: float = 0.0) -> None:
    """Move a slice along its normal, or along its columns [mm]."""
    axes = np.array(dataset.ImageOrientationPatient, dtype=float)
    step = along * np.cross(axes[:3], axes[3:]) + aside * axes[3:]
    place = np.array(dataset.ImagePositionPatient, dtype=float) + step
    dataset.ImagePositionPatient = [round(float(number), 9) for number in place]


def name(text: str, change: Change) -> Change:
    """The change under a name, for the corpus."""
    change.__name__ = text
    return change


def itk_encoded(voxels: np.ndarray, compressor: str, kind: Any = np.uint16) -> Dataset:
    """One slice as SimpleITK compresses it, in encodings that pydicom only reads."""
    writer = SimpleITK.ImageFileWriter()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.dcm")
        writer.SetFileName(str(path))
        writer.Execute(SimpleITK.GetImageFromArray(voxels.astype(kind)[None]))
        return pydicom.dcmread(path)
