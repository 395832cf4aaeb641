"""What a careful reader would look at first in a stored case, from its rows alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from radlas.model import TUMOUR
from radlas.words import counted

Row = Mapping[str, Any]
#: Flags of cases and ROIs: what they mean to a reader, and how much they weigh.
FLAGS: dict[str, tuple[str, int]] = {
    "covers_most": ("the mask covers more than half of the image", 8),
    "resampled": ("the mask was resampled onto the image", 5),
    "outside_image": ("part of the drawing lies outside the image", 5),
    "off_plane_contours": ("contours lie off their slice", 4),
    "ambiguous_contours": ("contours overlap in part and were united", 4),
    "thin_ring": ("a contour just inside another leaves a thin ring: drawn twice?", 5),
    "other_labels": ("the mask's file holds other values as well", 2),
    "undrawn_slices": ("slices inside the drawing are not drawn", 4),
    "ignored_contours": ("points or open lines were ignored", 3),
    "drawn_twice": ("the same drawing was found twice", 1),
    "empty_edema": ("an edema was named and not drawn", 1),
    "elsewhere_edema": ("the edema was drawn on another series, and is not of this case", 2),
    "elsewhere_tumour": ("a tumour was drawn on another series as well", 2),
    "fewer_than_stated": ("headers speak of more slices than there are", 4),
    "birth_dates_differ": ("series of this patient state several dates of birth", 4),
    "names_differ": ("series of this patient state names without a word in common", 4),
    "numbering_gap": ("the numbers of the slices leave some out", 3),
    "blank_slices": ("a slice holds nothing", 5),
    "repeated_slices": ("a slice is a copy of its neighbour", 5),
    "padded": ("voxels hold a padding value far from all that was measured", 6),
    "axes_reordered": ("the file's first axis did not run through the slices; here it does", 1),
    "no_orientation": ("the file does not say where the image lies in the patient", 2),
}
_FEW_SLICES, _FEW_VOXELS = 3, 64
_THICK = 10.0  # slice spacing over pixel edge
_SNAPPED = 0.02  # voxels: less is rounding


class Concern(NamedTuple):
    """Something to look at: in words, and how much it weighs."""

    text: str
    weight: int


def concerns_of(case: Row, rois: Sequence[Row]) -> tuple[Concern, ...]:
    """All concerns of a case, the heaviest first.

    Args:
        case: Row of the table ``cases``.
        rois: Its rows of ``rois`` that were drawn.
    """
    found = [_flag(flag, "") for flag in _split(case.get("flags"))]
    spacing = [case[f"spacing_{axis}_mm"] for axis in "xyz"]
    if None not in spacing:  # rows of another program may lack it
        edge, apart = max(1e-9, min(spacing[:2])), spacing[2]
        if apart > _THICK * edge:
            found.append(Concern(f"slices {apart:.1f} mm apart, pixels of {edge:.2f} mm", 1))
    for roi in rois:
        found += _of_roi(roi)
    return tuple(sorted(found, key=lambda one: (-one.weight, one.text)))


def sided(case: Row) -> bool:
    """Whether the case's file says how the patient lay, so that sides have names.

    Args:
        case: Row of the table ``cases``.
    """
    return "no_orientation" not in _split(case.get("flags"))


def _of_roi(roi: Row) -> list[Concern]:
    reader = roi.get("reader")
    name = f"{roi['roi']} of reader {reader}" if reader else roi["roi"]
    found = [_flag(flag, f"{name}: ") for flag in _split(roi.get("flags"))]
    if roi["touches_border"]:
        found.append(Concern(f"{name} touches the border of the image", 3))
    off = roi.get("misalignment_voxels") or 0.0
    if off > _SNAPPED:
        told = f"{name} lay {off:.2f} voxels ({roi['misalignment_mm']:.2f} mm) off the image"
        found.append(Concern(told, 2))
    if roi["roi"] != TUMOUR:
        return found
    if roi["components"] > 1:
        found.append(Concern(f"{name} in {roi['components']} pieces", 2))
    if roi["slices"] < _FEW_SLICES:
        found.append(Concern(f"{name} on {counted(roi['slices'], 'slice')} only", 3))
    if roi["voxels"] < _FEW_VOXELS:
        found.append(Concern(f"{name} of {counted(roi['voxels'], 'voxel')} only", 4))
    return found


def _flag(flag: str, owner: str) -> Concern:
    text, weight = FLAGS.get(flag, (flag.replace("_", " "), 2))
    return Concern(owner + text, weight)


def _split(flags: str | None) -> list[str]:
    return [flag for flag in (flags or "").split(",") if flag]
