"""DICOM-SEG segments on the image's own grid, placed frame by frame.

Each frame goes where its own position says. Libraries that make one volume of all frames first rely
on SpacingBetweenSlices, which writers leave out, round, or take for the thickness of a slice; and
some refuse files for want of elements that say nothing of any voxel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radlas.geometry import Affine, Geometry, world_to_index
from radlas.ingest.dicom.contours import Planes, check_references, names_any
from radlas.ingest.dicom.enhanced import referenced
from radlas.ingest.dicom.parsing import parsing
from radlas.ingest.dicom.pixel_data import of_frames
from radlas.ingest.dicom.pixels import check_syntax, decode, fill_in, read_dataset
from radlas.ingest.masks import Drawn, Placed
from radlas.ingest.placing import Bounds, Mask, place_voxels
from radlas.ingest.roi_names import RoiMap, match_name
from radlas.reasons import data_error

_OFF_LATTICE = 0.1  # of a slice step: frames that lie farther off are not planes of the image
_PARALLEL = 0.9  # cosine: frames that run along the image's slices, and not across them
_HALF = 0.5  # fractional segments hold a voxel by half or more
_KINDS = {"BINARY", "FRACTIONAL", "LABELMAP"}
_AS_VOXELS = "export its segments as a DICOM-SEG of voxels, or as an RTSTRUCT"


def read_segments(
    stream: BinaryIO,
    geometry: Geometry,
    roi_map: RoiMap,
    bounds: Bounds,
    planes: Planes | None = None,
) -> list[Drawn]:
    """Every segment of a file, named by its label, or by its description if only that is known.

    Args:
        stream: The whole file.
        geometry: Grid of the image.
        roi_map: Resolved map of names.
        bounds: How far the segments may lie off the image.
        planes: Slices of every image of the series, to check references against.

    Raises:
        DataError: ``unreadable_file``; ``ambiguous_roi``: two segments carry one number;
            ``bad_pixels``: the file holds more or fewer frames or segments than it describes, or
            values that its kind has not; ``unsupported_format``: it holds surfaces.
            Placing a segment raises ``mask_off_grid``, or ``contour_conflict``: its frames name
            other slices than they lie on.
    """
    with parsing("a segmentation"):
        dataset = read_dataset(stream)
        if "SurfaceSequence" in dataset:
            what = "a segmentation of surfaces, and not of voxels"
            raise data_error("unsupported_format", what, "SEG", hint=_AS_VOXELS)
        _check_frames(dataset)
        segments = _segments(dataset)
        frames = _Frames(dataset, frozenset(segments))
        names = [(number, _name(item, roi_map)) for number, item in segments.items()]
        known = planes if planes and names_any(frames.named, planes) else {}
    return [
        Drawn(
            name,
            "seg",
            hollow=False,
            place=partial(_place_segment, frames, number, geometry, bounds, known),
        )
        for number, name in names
    ]


def _check_frames(dataset: Dataset) -> None:
    """A wrong number of frames would lose some, or ask for any memory."""
    count = int(dataset.NumberOfFrames)
    described = len(dataset.PerFrameFunctionalGroupsSequence)
    if count != described:
        what = f"a segmentation of {count} frames describes {described}"
        raise data_error("bad_pixels", what)


def _kind_of(dataset: Dataset) -> str:
    kind = str(dataset.SegmentationType).strip().upper()
    if kind not in _KINDS:
        what = "a segmentation that is said to be neither binary, nor fractional, nor a labelmap"
        raise data_error("bad_pixels", what, "SEG")
    return kind


def _check_binary(pixels: NDArray[Any]) -> None:
    """Refuse fractions or labels under the name of a binary one: any of them would be inside."""
    most = pixels.max(initial=0)
    if most > 1 and not np.isin(pixels, (0, most)).all():
        what = f"a binary segmentation holds several values, up to {most}"
        raise data_error("bad_pixels", what, "SEG")


def _segments(dataset: Dataset) -> dict[int, Dataset]:
    """The items of SegmentSequence by their numbers, without the background of a labelmap."""
    items = [(int(item.SegmentNumber), item) for item in dataset.SegmentSequence]
    numbers = Counter(number for number, _ in items)
    if twice := sorted(number for number, count in numbers.items() if count > 1):
        raise data_error("ambiguous_roi", f"several segments carry the number {twice[0]}", "SEG")
    background = dataset.get("PixelPaddingValue")
    return {number: item for number, item in items if number != background}


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where one frame lies, and what it was drawn on.

    Attributes:
        plane: Index ``(x, y, 0)`` to LPS [mm]; its third axis is the unit normal.
        images: The images, or frames of them, that it names.
    """

    plane: Affine
    images: frozenset[str]


class _Frames:
    """Frames of a segmentation with their segments and places; pixels are decoded once.

    Args:
        dataset: The file.
        known: Numbers of the segments that it describes.
    """

    def __init__(self, dataset: Dataset, known: frozenset[int]) -> None:
        self._file, self._kind = dataset, _kind_of(dataset)
        self._groups = list(dataset.PerFrameFunctionalGroupsSequence)
        self._shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
        self._known = known

    @cached_property
    def named(self) -> list[frozenset[str]]:
        """The images, or frames of them, that each frame names."""
        return [
            frozenset[str]().union(*(referenced(source) for source in _sources(group)))
            for group in self._groups
        ]

    def of(self, number: int) -> tuple[NDArray[np.bool_], list[_Frame]]:
        """A segment's frames that hold any of its voxels, shape ``(frame, y, x)``."""
        if strays := sorted(set(self._found) - self._known):
            what = f"voxels of segment {strays[0]}, which the file does not describe"
            raise data_error("bad_pixels", what)
        chosen = [
            index
            for index in range(len(self._groups))
            if self._kind == "LABELMAP" or self._found[index] == number
        ]
        pixels = self._pixels[chosen]
        full = self._full if self._kind == "FRACTIONAL" else 1.0
        inside = pixels == number if self._kind == "LABELMAP" else pixels >= _HALF * full
        drawn = np.flatnonzero(inside.any(axis=(1, 2)))
        frames = [_Frame(self._plane(chosen[one]), self.named[chosen[one]]) for one in drawn]
        return inside[drawn], frames

    @cached_property
    def _found(self) -> list[int]:
        """Numbers of segments: of a labelmap's voxels, else of every frame in its turn."""
        if self._kind == "LABELMAP":
            background = {0, self._file.get("PixelPaddingValue")}
            return [one for one in np.unique(self._pixels).tolist() if one not in background]
        return [self._segment(index) for index in range(len(self._groups))]

    @cached_property
    def _pixels(self) -> NDArray[Any]:
        fill_in(self._file)
        check_syntax(self._file)
        count = len(self._groups)
        pixels = decode(of_frames(self._file, count, range(count), ""))
        if self._kind == "BINARY":
            _check_binary(pixels)
        return pixels[None] if pixels.ndim == 2 else pixels

    @property
    def _full(self) -> float:
        """What a voxel of a fractional segment holds that lies wholly inside."""
        full, most = float(self._file.MaximumFractionalValue), float(self._pixels.max())
        if full <= 0 or most > full:
            what = f"fractions up to {most:g}, where {full:g} is said to be the whole"
            raise data_error("bad_pixels", what)
        return full

    def _group(self, index: int, name: str) -> Any:
        for groups in (self._groups[index], self._shared):
            if name in groups:
                return groups[name].value[0]
        raise KeyError(name)

    def _segment(self, index: int) -> int:
        return int(self._group(index, "SegmentIdentificationSequence").ReferencedSegmentNumber)

    def _plane(self, index: int) -> Affine:
        """See ``_Frame``."""
        row, column = np.reshape(
            self._group(index, "PlaneOrientationSequence").ImageOrientationPatient, (2, 3)
        ).astype(np.float64)
        spacing = self._group(index, "PixelMeasuresSequence").PixelSpacing
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = row * float(spacing[1]), column * float(spacing[0])
        affine[:3, 2] = np.cross(row, column)
        affine[:3, 3] = self._group(index, "PlanePositionSequence").ImagePositionPatient
        return affine


def _name(description: Any, roi_map: RoiMap) -> str:
    label = str(description.get("SegmentLabel") or "").strip()
    longer = str(description.get("SegmentDescription") or "").strip()
    if match_name(label, roi_map) is None and match_name(longer, roi_map) is not None:
        return longer
    return label


def _sources(group: Any) -> Iterator[Any]:
    for derivation in group.get("DerivationImageSequence") or ():
        yield from derivation.get("SourceImageSequence") or ()


def _place_segment(
    segments: _Frames, number: int, geometry: Geometry, bounds: Bounds, known: Planes
) -> Placed:
    with parsing("a segment"):
        pixels, frames = segments.of(number)
    if not frames:
        return Placed(np.zeros(geometry.shape, dtype=bool))
    mask, affine = _stack(pixels, [one.plane for one in frames], geometry)
    placed = place_voxels(mask, affine, geometry, bounds)
    if abs(geometry.direction[:, 2] @ affine[:3, 2]) > _PARALLEL * np.linalg.norm(affine[:3, 2]):
        depths = world_to_index(geometry, np.array([one.plane[:3, 3] for one in frames]))[:, 2]
        slices = np.round(depths).astype(int).tolist()
        check_references([one.images for one in frames], known, slices, "frames")
    gaps = ("undrawn_slices",) if len(frames) < len(mask) else ()
    return replace(placed, flags=(*placed.flags, *gaps))


def _stack(
    pixels: NDArray[np.bool_], planes: list[Affine], geometry: Geometry
) -> tuple[Mask, Affine]:
    """Frames as one mask with the image's step between slices, empty where no frame lies.

    Raises:
        DataError: ``mask_off_grid``: frames are turned against one another, lie between the
            image's slices or beside one another, or two lie on one slice.
    """
    first = planes[0]
    if any(not np.allclose(one[:3, :3], first[:3, :3], atol=1e-4) for one in planes):
        raise data_error("mask_off_grid", "the segment's frames are not parallel")
    step = _step_along(first[:3, 2], geometry)
    shifts = np.array([one[:3, 3] - first[:3, 3] for one in planes])
    depths = shifts @ step / (step @ step)
    slices = np.round(depths).astype(np.int64)
    off = np.linalg.norm(shifts - slices[:, None] * step, axis=1).max() / np.linalg.norm(step)
    if off > _OFF_LATTICE:
        what = f"the segment's frames lie {off:.2f} slices off those of the image"
        raise data_error("mask_off_grid", what)
    if len(set(slices.tolist())) < len(slices):
        raise data_error("mask_off_grid", "two frames of one segment lie on one slice")
    lowest = int(slices.argmin())
    mask = np.zeros((int(np.ptp(slices)) + 1, *pixels.shape[1:]), dtype=bool)
    mask[slices - slices[lowest]] = pixels
    affine = planes[lowest].copy()
    affine[:3, 2] = step
    return mask, affine


def _step_along(normal: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
    unit = normal / np.linalg.norm(normal)
    axis = int(np.abs(geometry.direction.T @ unit).argmax())
    return unit * geometry.spacing[axis]
