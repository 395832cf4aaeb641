"""The contours of an RTSTRUCT as they stand in the file, checked against what it says of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from radlas.ingest.dicom.enhanced import referenced
from radlas.reasons import data_error

PLAIN, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
OPEN = {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"}  # no area: ignored, and flagged
_FRAME = "ReferencedFrameOfReferenceUID"
_UNDEFINED = 0xFFFFFFFF  # length of an element
_ITEMS = 0xFFFE  # group of the tags between which items lie
_FARTHEST = 1e5  # from the origin of a patient's frame [mm]
Planes = Mapping[str, Collection[int]]  # slices of every image and frame, by ``referenced``
CLOSED = {PLAIN, XOR, "CLOSEDPLANAR"}


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour as drawn.

    Attributes:
        points: Vertices, shape ``(point, 3)``, LPS [mm].
        kind: ContourGeometricType, upper case.
        images: Images, or frames of one, that it was drawn on, by ``referenced``; empty if it does
            not say.
    """

    points: NDArray[np.float64]
    kind: str = PLAIN
    images: frozenset[str] = frozenset()

    @property
    def encloses(self) -> bool:
        """True if it can hold voxels: closed, of three points at least."""
        return self.kind in CLOSED and len(self.points) >= 3


@dataclass(frozen=True, eq=False)
class Outline:
    """One ROI of a structure set: its name, its contours, and its frame of reference, if told."""

    name: str
    contours: list[Contour]
    frame_of_reference: str


def read_contours(dataset: Dataset) -> list[Outline]:
    """Every ROI with its contours, in the order of the file; some may have none.

    Raises:
        DataError: ``bad_contour``: coordinates are no triples of finite numbers, are fewer than
            the file says, are of an unknown kind, or belong to no ROI; ``ambiguous_roi``: two ROIs
            carry one number.
    """
    rois = list(dataset.get("StructureSetROISequence") or ())
    numbers = Counter(int(roi.ROINumber) for roi in rois)
    if twice := sorted(number for number, count in numbers.items() if count > 1):
        raise data_error("ambiguous_roi", f"several ROIs carry the number {twice[0]}", "RTSTRUCT")
    drawn: dict[int, list[Contour]] = defaultdict(list)  # an ROI may be spread over several items
    for item in dataset.get("ROIContourSequence") or ():
        _check_item(item)
        contours = [_contour(one) for one in item.get("ContourSequence") or ()]
        drawn[int(item.ReferencedROINumber)] += contours
    strays = sorted(number for number, found in drawn.items() if found and number not in numbers)
    if strays:
        what = f"{len(drawn[strays[0]])} contours carry the number {strays[0]}, which no ROI has"
        raise data_error("bad_contour", what, "RTSTRUCT")
    return [
        Outline(_text(roi, "ROIName"), drawn.get(int(roi.ROINumber), []), _text(roi, _FRAME))
        for roi in rois
    ]


def _text(item: Dataset, keyword: str) -> str:
    return str(item.get(keyword) or "").strip()


def names_any(named: Iterable[frozenset[str]], planes: Planes) -> bool:
    """True if a contour or a frame names an image of the series.

    A file that names none of them is of another export of the series, and proves nothing.
    """
    return any(not planes.keys().isdisjoint(images) for images in named)


def is_elsewhere(roi: Outline, planes: Planes) -> bool:
    """True if all that an ROI's contours name are images of another series.

    Args:
        roi: With its contours.
        planes: Slices of every image of the series; empty if the file names none of them.
    """
    named = [one.images for one in roi.contours if one.encloses and one.images]
    return bool(planes and named) and not names_any(named, planes)


def check_references(
    named: Sequence[frozenset[str]],
    planes: Planes,
    slices: Sequence[int],
    drawings: str = "contours",
) -> None:
    """Check the images that contours, or a segment's frames, name against those they lie on.

    Args:
        named: What each drawing of one ROI names; empty if it does not say.
        planes: Slices of every image of the series; empty if nothing is known.
        slices: Slice on which each drawing lies.
        drawings: What messages call them.

    Raises:
        DataError: ``contour_conflict``: drawings name images of another series, or lie on other
            slices than they name.
    """
    telling = [(images, place) for images, place in zip(named, slices, strict=True) if images]
    if not planes:
        return
    foreign = sum(not images & planes.keys() for images, _ in telling)
    if foreign:
        what = f"{foreign} of {len(telling)} {drawings} name images that are not of this series"
        raise data_error("contour_conflict", what)
    off = [
        min(abs(plane - place) for one in images & planes.keys() for plane in planes[one])
        for images, place in telling
    ]
    if wrong := sum(distance > 0 for distance in off):
        what = f"{wrong} of {len(off)} {drawings} lie up to {max(off)} slices off the one they name"
        raise data_error("contour_conflict", what)


def _check_item(item: Dataset) -> None:
    """Refuse an item with a damaged length, behind whose end pydicom reads on without a word.

    What follows it, as the next contour, is then an element of this one, and lost.
    """
    for tag in item.keys():  # noqa: SIM118 - iterating over the values would decode them
        element = item.get_item(tag)
        if not isinstance(element, RawDataElement):
            continue
        cut = element.length not in {_UNDEFINED, len(element.value or b"")}
        if cut or tag.group == _ITEMS:
            what = "an item of contours is damaged: it ends elsewhere than it says"
            raise data_error("bad_contour", what, "RTSTRUCT")


def _contour(item: Dataset) -> Contour:
    _check_item(item)
    try:
        points = _numbers(item).reshape(-1, 3)
    except (ValueError, TypeError, AttributeError) as error:
        what = "contour data is not made of coordinate triples"
        raise data_error("bad_contour", what, "RTSTRUCT") from error
    if not (np.abs(points) < _FARTHEST).all():  # NaN is not below it either
        raise data_error("bad_contour", "contour data is not finite, or not of a body", "RTSTRUCT")
    stated = str(item.get("NumberOfContourPoints") or "")
    closing = len(points) > 1 and np.array_equal(points[0], points[-1])
    if closing and stated == str(len(points) - 1):  # the first point again, and not counted
        points = points[:-1]
    if stated.isdigit() and int(stated) != len(points):
        what = f"a contour of {stated} points holds {len(points)}"
        raise data_error("bad_contour", what, "RTSTRUCT")
    kind = str(item.get("ContourGeometricType") or PLAIN).strip().upper()
    if kind not in CLOSED | OPEN:
        raise data_error("bad_contour", "a contour of an unknown geometric type", "RTSTRUCT")
    images = (referenced(one) for one in item.get("ContourImageSequence") or ())
    return Contour(points, kind, frozenset[str]().union(*images))


def _numbers(item: Dataset) -> NDArray[np.float64]:
    """ContourData, from its bytes: pydicom makes an object of each of thousands of numbers.

    A value beyond 64 KiB may be stored as UN (PS3.5, 6.2.2); its bytes are the same.
    """
    if "ContourData" not in item:
        return np.zeros(0)
    element = item.get_item("ContourData")
    value = element.value
    if not isinstance(element, RawDataElement) and not isinstance(value, bytes):
        value = "\\".join(map(str, value or ())).encode()
    kept = [part for part in (value or b"").split(b"\\") if part.strip(b" \0")]
    numbers: NDArray[np.float64] = np.array(kept, dtype=bytes).astype(np.float64)
    return numbers
