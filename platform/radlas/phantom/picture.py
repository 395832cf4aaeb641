"""A picture of a synthetic cohort, read from its files: one slice per subject, ROIs outlined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.errors import ConfigError
from radlas.phantom.contours import Polygon, slice_contours
from radlas.phantom.describe import MARK_FILE
from radlas.phantom.scanners import SCANNERS
from radlas.phantom.tcia import COLLECTION

_COLOURS = ("tab:red", "tab:cyan")


@dataclass(frozen=True, eq=False)
class _Panel:
    """One slice, shape ``(y, x)``, and the outlines on it in pixels, by ROI."""

    title: str
    image: NDArray[np.float64]
    outlines: tuple[list[Polygon], ...]


def montage(out: Path, png: Path, *, per_centre: int = 6, outlines: bool = True) -> None:
    """Draw the first subjects of every centre, each in the slice with the largest tumour.

    Args:
        out: Folder of a synthetic cohort.
        png: Picture to write.
        per_centre: Subjects per centre; one row each.
        outlines: Draw tumour (red) and edema (cyan).

    Raises:
        ConfigError: ``out`` holds no synthetic cohort.
    """
    if not (out / MARK_FILE).is_file():
        raise ConfigError("no synthetic cohort", str(out), "run `radlas phantom` first")
    readers = (_tcia_panels, _seg_panels, _nifti_panels)
    figure = Figure(figsize=(3 * per_centre, 9.6), facecolor="black", layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots(len(readers), per_centre, squeeze=False)
    for row, scanner, panels in zip(axes, SCANNERS, readers, strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, panel in zip(row, panels(out / scanner.centre), strict=False):
            _draw(axis, panel, outlines=outlines)
    canvas.print_png(png)


def _draw(axis: Any, panel: _Panel, *, outlines: bool) -> None:
    top = float(np.percentile(panel.image, 99.3))
    axis.imshow(panel.image, cmap="gray", vmin=0, vmax=top)
    axis.set_title(panel.title, color="white", fontsize=9)
    for polygons, colour in zip(panel.outlines if outlines else (), _COLOURS, strict=False):
        for polygon in polygons:
            closed = np.r_[polygon, polygon[:1]]
            axis.plot(closed[:, 0], closed[:, 1], color=colour, lw=0.8)


def _tcia_panels(root: Path) -> Iterator[_Panel]:
    for subject in sorted((root / COLLECTION).iterdir()):
        for path in sorted(subject.glob("*/*RTstructT2FS*/*.dcm")):
            structures = pydicom.dcmread(path)
            reference = structures.ReferencedFrameOfReferenceSequence[0]
            series = reference.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
            files = _slices(subject.glob("*/*/1-[0-9][0-9].dcm"))
            slices = {one.SOPInstanceUID: one for one in files}
            used = [slices[image.ReferencedSOPInstanceUID] for image in series.ContourImageSequence]
            yield _contoured(subject.name, structures, used)


def _contoured(name: str, structures: Dataset, slices: list[Dataset]) -> _Panel:
    """The slice with the most contour points of the first ROI."""
    points = [_by_slice(roi) for roi in structures.ROIContourSequence]
    largest = max(points[0], key=lambda uid: sum(map(len, points[0][uid])))
    shown = next(one for one in slices if one.SOPInstanceUID == largest)
    outlines = tuple([_to_pixels(line, shown) for line in roi.get(largest, [])] for roi in points)
    return _Panel(name, shown.pixel_array.astype(np.float64), outlines)


def _by_slice(roi: Dataset) -> dict[str, list[Polygon]]:
    found: dict[str, list[Polygon]] = {}
    for contour in roi.ContourSequence:
        image = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        points = np.asarray(contour.ContourData, dtype=np.float64).reshape(-1, 3)
        found.setdefault(image, []).append(points)
    return found


def _to_pixels(points: Polygon, one: Dataset) -> Polygon:
    offset = points - np.asarray(one.ImagePositionPatient, dtype=np.float64)
    axes = np.asarray(one.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    pixels: Polygon = offset @ axes.T / [float(mm) for mm in one.PixelSpacing[::-1]]
    return pixels


def _seg_panels(root: Path) -> Iterator[_Panel]:
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        seg = pydicom.dcmread(folder / "SEG" / "1-1.dcm")
        masks = _seg_masks(seg)
        largest = max(masks[1], key=lambda uid: masks[1][uid].sum())
        shown = next(
            one for one in _slices((folder / "T2FS").glob("*.dcm")) if one.SOPInstanceUID == largest
        )
        outlines = tuple(_outline(masks[number][largest]) for number in sorted(masks))
        yield _Panel(folder.name, shown.pixel_array.astype(np.float64), outlines)


def _seg_masks(seg: Dataset) -> dict[int, dict[str, NDArray[np.bool_]]]:
    masks: dict[int, dict[str, NDArray[np.bool_]]] = {}
    shared = seg.SharedFunctionalGroupsSequence[0]  # holds the segment if there is only one
    for frame, item in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        owner = item if "SegmentIdentificationSequence" in item else shared
        number = int(owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        source = item.DerivationImageSequence[0].SourceImageSequence[0]
        masks.setdefault(number, {})[source.ReferencedSOPInstanceUID] = frame > 0
    return masks


def _nifti_panels(root: Path) -> Iterator[_Panel]:
    for path in sorted((root / "images").glob("*_image.nii.gz")):
        name = path.name.removesuffix("_image.nii.gz")
        rois = [
            sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
            for kind in ("tumour", "edema")
            if (mask := root / "masks" / f"{name}_{kind}.nii.gz").is_file()
        ]
        index = int(np.argmax(rois[0].sum(axis=(1, 2))))
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        outlines = tuple(_outline(roi[index] > 0) for roi in rois)
        yield _Panel(name, voxels[index].astype(np.float64), outlines)


def _outline(mask: NDArray[np.bool_]) -> list[Polygon]:
    return slice_contours(mask.astype(np.float32) - np.float32(0.5))


def _slices(paths: Iterator[Path]) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(paths)]
