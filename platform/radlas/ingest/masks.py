"""Drawn masks of one exam, whatever format they came in, as ROIs under their proper names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radlas.ingest.checks import check_rois
from radlas.ingest.roi_names import RoiMap, Target, assign_names, match_name, safe_name
from radlas.model import TUMOUR, Roi
from radlas.reasons import data_error

Mask = NDArray[np.bool_]
_ONE_NAME = (
    "keep the drawing, or the revision of its file, that counts: no map tells one name apart"
)


@dataclass(frozen=True)
class Placed:
    """A mask on the image's grid.

    Attributes:
        mask: Shape ``(z, y, x)``.
        misalignment_mm: Worst corner displacement that was snapped or resampled away [mm].
        misalignment_voxels: The same in voxels of the image [1].
        values: Values found in the file, with their counts.
    """

    mask: Mask
    flags: tuple[str, ...] = ()
    misalignment_mm: float = 0.0
    misalignment_voxels: float = 0.0
    values: str = ""


@dataclass(frozen=True)
class Drawn:
    """One drawing under the name its author gave it.

    Attributes:
        origin: ``rtstruct``, ``seg`` or ``image``.
        hollow: True if it is known to hold nothing: an ROI that was named and never drawn.
        place: Puts it on the image's grid; only called for names that the map knows.
        elsewhere: True if it was drawn on another series of the same file.
    """

    name: str
    origin: str
    hollow: bool
    place: Callable[[], Placed]
    elsewhere: bool = False


def rois_of(drawn: Sequence[Drawn], roi_map: RoiMap, minimum_voxels: int) -> tuple[Roi, ...]:
    """The ROIs among the drawings, checked, sorted by name and reader.

    What was drawn on another series belongs to that one, and every tumour here says so in a flag,
    as ``elsewhere_edema``.

    Raises:
        DataError: ``ambiguous_roi``, ``no_tumour``, ``empty_mask``, ``roi_too_small``, or what
            placing one of them raises.
    """
    drawn, absent = _without_those_elsewhere(drawn, roi_map)
    solid = {match_name(one.name, roi_map) for one in drawn if not one.hollow}
    # A name without contours does not compete with a drawing of the same ROI.
    rivals = [one for one in drawn if not one.hollow or match_name(one.name, roi_map) not in solid]
    found: dict[Target, list[tuple[Drawn, Placed]]] = {}
    for one, target in assign_names([(one, one.name) for one in rivals], roi_map):
        found.setdefault(target, []).append((one, one.place()))
    rois = [_roi(target, drawings) for target, drawings in found.items()]
    checked = check_rois(rois, minimum_voxels)
    flags = tuple(f"elsewhere_{name}" for name in absent)
    return tuple(
        replace(roi, flags=(*roi.flags, *flags)) if roi.name == TUMOUR else roi for roi in checked
    )


def _without_those_elsewhere(
    drawn: Sequence[Drawn], roi_map: RoiMap
) -> tuple[Sequence[Drawn], list[str]]:
    """What is drawn here, and the names of known ROIs that are drawn elsewhere.

    Where no tumour is here all stay, and placing them says what they name.
    """
    known = [(one, target[0]) for one in drawn if (target := match_name(one.name, roi_map))]
    if not any(name == TUMOUR and not (one.elsewhere or one.hollow) for one, name in known):
        return drawn, []
    absent = sorted({name for one, name in known if one.elsewhere})
    return [one for one in drawn if not one.elsewhere], absent


def _roi(target: Target, drawings: Sequence[tuple[Drawn, Placed]]) -> Roi:
    """One ROI of one or more drawings, which must be the same."""
    filled = [pair for pair in drawings if pair[1].mask.any()] or drawings[:1]
    (one, placed), *others = filled
    if any(not np.array_equal(other.mask, placed.mask) for _, other in others):
        sizes = " and ".join(str(int(np.count_nonzero(drawing.mask))) for _, drawing in filled)
        names = " and ".join(sorted({repr(safe_name(drawing.name)) for drawing, _ in filled}))
        what = f"{len(filled)} drawings named {names} mean {target[0]}, of {sizes} voxels"
        alike = len({drawing.name for drawing, _ in filled}) == 1
        raise data_error("ambiguous_roi", what, hint=_ONE_NAME * alike)
    name, reader = target
    return Roi(
        name,
        placed.mask,
        one.origin,
        reader,
        misalignment_mm=placed.misalignment_mm,
        misalignment_voxels=placed.misalignment_voxels,
        flags=(*placed.flags, *(("drawn_twice",) if others else ())),
        values=placed.values,
    )
