"""Mask files other than DICOM as drawings: the ROI of a file's name, or those that are declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radlas.errors import DataError
from radlas.geometry import Geometry
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.labels import ANY, Segment, inventory, labelled_voxels, segments, told
from radlas.ingest.masks import Drawn, Placed
from radlas.ingest.nifti.bids import ANY_MASK
from radlas.ingest.nifti.itk import read_mask
from radlas.ingest.nifti.names import is_slicers
from radlas.ingest.placing import Bounds, place_on_image
from radlas.ingest.roi_names import RoiMap, match_name
from radlas.model import TUMOUR


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


class MaskImage:
    """One mask file, read when it is first needed.

    Args:
        ref: The file.
        geometry: Grid of the image.
        rules: Labels, and how far the mask may lie off.
        roi_map: Resolved map of names.
    """

    def __init__(
        self, ref: FileRef, geometry: Geometry, rules: IngestRules, roi_map: RoiMap
    ) -> None:
        self._ref, self._geometry, self._rules, self._roi_map = ref, geometry, rules, roi_map
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
        """The file's ROI under its own name, or one for each label that counts in it.

        Those of labels that a file of several ROIs does not hold are hollow.
        """
        labels, of_one = self._labels(name)
        if not labels:
            own = self._rules.labels.get(ANY)
            return [Drawn(name, "image", hollow=False, place=partial(self._place, own))]
        found = self._content.found
        return [
            Drawn(
                one.name,
                "image",
                hollow=float(one.value) not in found[one.layer] and not of_one,
                place=partial(self._place, one.value, one.layer, named=True),
            )
            for one in labels
        ]

    def _labels(self, name: str) -> tuple[Sequence[Segment], bool]:
        """The labels that count in the file, and whether its name tells that it is of one ROI.

        In an edema's file 1 is no tumour, whatever is declared for files of several ROIs; and none
        counts in a file of a name that the map does not know. Which of several layers a study's
        label would mean nobody says: there the file's own declaration counts.
        """
        declared = [Segment(*one, 0) for one in self._rules.labels.items() if one[0] != ANY]
        if self._is_slicers:
            own = not declared or len(self._content.voxels) > 1
            return self._content.segments if own else declared, False
        roi, _ = match_name(name, self._roi_map) or ("", "")
        if roi == TUMOUR or name.lower() in ANY_MASK:
            return declared, False
        return [one for one in declared if one.name == roi], True

    def _place(self, label: int | None, layer: int = 0, *, named: bool = False) -> Placed:
        content = self._content
        values, found = content.voxels[layer], content.found[layer]
        inside, flags = labelled_voxels(values, label, found, named=named)
        bounds = Bounds(self._rules.snap_voxels, self._rules.resample_mm)
        placed = place_on_image(inside, content.grid, self._geometry, bounds)
        return replace(placed, flags=(*placed.flags, *flags), values=told(found))


def present(drawn: Sequence[Drawn], roi_map: RoiMap) -> list[Drawn]:
    """Drawings without those of labels that no file holds, but where no tumour would be left.

    There placing them says what the files hold instead.
    """
    tumours = [one for one in drawn if (match_name(one.name, roi_map) or ("",))[0] == TUMOUR]
    missed = tumours if all(one.hollow for one in tumours) else []
    return [one for one in drawn if not one.hollow or one in missed]
