"""Which image series a mask file was drawn on: by identifiers, and by words only at the last. Pure.

A mask that names a series is never given to another one: contours drawn on T1 lie in the frame of
reference of T2 as well, and would fit it without being its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from radlas.errors import DataError
from radlas.ingest.dicom.header_records import MaskFile, same_patient
from radlas.ingest.dicom.people import contradiction
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.roi_names import RoiMap, match_name
from radlas.ingest.sequences import OTHER, classify, names_derived
from radlas.model import TUMOUR
from radlas.reasons import data_error
from radlas.words import counted


@dataclass(frozen=True)
class Link:
    """One mask file and its series.

    Attributes:
        series: Key of the image series, None if it is not in the source or not told.
        told_by: ``series UID``, ``image UIDs``, ``frame of reference`` or ``description``; of
            rivals one of the latter two, or nothing. Of files outside DICOM see ``mask_images``.
        rivals: Keys of images between which nothing in the mask decides.
        absent: Slices of its series that the mask names and the source lacks.
        fault: Why the mask cannot be taken for the series it names, or for any; None if it can.
        remedy: What makes one of rivals its own; empty for what does so in DICOM.
    """

    mask: MaskFile
    series: str | None
    told_by: str = ""
    rivals: tuple[str, ...] = ()
    absent: int = 0
    fault: DataError | None = None
    remedy: str = ""


def link_masks(
    masks: Sequence[MaskFile], series: Sequence[ImageSeries], roi_map: RoiMap
) -> tuple[Link, ...]:
    """Link every mask, in the order given.

    Args:
        masks: Of the whole source.
        series: Likewise.
        roi_map: Resolved; tells which of a mask's drawings are the tumour.
    """
    index = _Index(series, roi_map)
    return tuple(_link(mask, index) for mask in masks)


class _Index:
    """Series by what masks call them: each mask asks for a few among thousands."""

    def __init__(self, series: Sequence[ImageSeries], roi_map: RoiMap) -> None:
        self._series = series
        self._roi_map = roi_map
        self._by_uid: dict[str, list[int]] = defaultdict(list)
        self._by_instance: dict[str, list[int]] = defaultdict(list)
        self._by_subject: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(series):
            self._by_uid[one.first.series].append(number)
            self._by_subject[one.first.subject].append(number)
            for instance in one.instances:
                self._by_instance[instance].append(number)

    @property
    def instances(self) -> Collection[str]:
        """SOPInstanceUIDs of all images."""
        return self._by_instance.keys()

    def of_series(self, uid: str) -> Collection[str]:
        """SOPInstanceUIDs of a series, of all its parts."""
        return frozenset[str]().union(*(one.instances for one in self.named([uid])))

    def named(self, uids: Iterable[str]) -> list[ImageSeries]:
        """Series, and parts of series, of these SeriesInstanceUIDs."""
        return self._found(self._by_uid, uids)

    def holding(self, instances: Iterable[str]) -> list[ImageSeries]:
        """Series that hold any of these images."""
        return self._found(self._by_instance, instances)

    def of_subject(self, subject: str) -> list[ImageSeries]:
        """All series of one subject."""
        return self._found(self._by_subject, [subject])

    def tumour_of(self, mask: MaskFile) -> frozenset[str]:
        """SOPInstanceUIDs of the images, and their frames, that contours of the tumour name."""
        drawn = (images for name, images in mask.drawn_by.items() if self._is_tumour(name))
        return frozenset[str]().union(*drawn)

    def _is_tumour(self, name: str) -> bool:
        try:
            target = match_name(name, self._roi_map)
        except DataError:  # of two meanings: the exam is refused when it is read
            return False
        return target is not None and target[0] == TUMOUR

    def _found(self, index: Mapping[str, list[int]], names: Iterable[str]) -> list[ImageSeries]:
        numbers = {number for name in names for number in index.get(name, ())}
        return [self._series[number] for number in sorted(numbers)]


def _link(mask: MaskFile, index: _Index) -> Link:
    named, drawn = index.named(mask.listed), index.holding(mask.drawn)
    if named and drawn and not any(one in named for one in drawn):
        return Link(mask, None, rivals=tuple(one.key for one in (*named, *drawn)))
    by_image = drawn or index.holding(mask.instances)
    for candidates, told_by in ((named, "series UID"), (by_image, "image UIDs")):
        if candidates:
            return _most_referenced(mask, candidates, told_by, index)
    if mask.listed or mask.instances:
        return Link(mask, None)
    return _by_frame_or_words(mask, index.of_subject(mask.subject))


def _most_referenced(
    mask: MaskFile, candidates: Sequence[ImageSeries], told_by: str, index: _Index
) -> Link:
    """The candidate that most contours of the tumour name, or most of all contours do.

    Of one series' parts, it is the most complete one.
    """
    tumour = index.tumour_of(mask)
    uids = {one.first.series for one in candidates}
    if len(uids) > 1 and not any(mask.drawn & one.instances for one in candidates):
        return Link(mask, None, rivals=tuple(one.key for one in candidates))

    def rank(one: ImageSeries) -> tuple[int, ...]:
        drawn, listed = mask.drawn & one.instances, mask.instances & one.instances
        framed = mask.frames & one.frame_names if mask.frames else frozenset()
        own = tumour & (one.instances | framed)
        return len(own), len(drawn), len(listed), len(framed), one.slices

    best = max(map(rank, candidates))
    first, *others = [one for one in candidates if rank(one) == best]
    if others:
        return Link(mask, None, rivals=tuple(one.key for one in (first, *others)))
    absent = _absent(mask, first, index)
    fault = _fault(mask, first, by_images=True)
    return Link(mask, first.key, told_by, absent=absent, fault=fault)


def _fault(mask: MaskFile, series: ImageSeries, *, by_images: bool) -> DataError | None:
    image = series.first
    if not same_patient(mask.subject, image.subject):
        what = f"{mask.modality} and image carry the identifiers of two patients"
        return data_error("identity_conflict", what)
    # Systems that draw have issuers of their own: told by its images, a mask needs no other proof.
    if conflict := contradiction({mask.person, image.person}, of_issuers=not by_images):
        return conflict
    frames = mask.frames_of_reference
    if frames and image.frame_of_reference and image.frame_of_reference not in frames:
        named = counted(len(frames), "frame of reference", "frames of reference")
        what = f"{mask.modality} names {named}, and not the image's"
        return data_error("frame_conflict", what)
    return None


def _absent(mask: MaskFile, series: ImageSeries, index: _Index) -> int:
    """Slices that the mask names as those of this series, where it names some that are there.

    A slice that is there under another series is lost to this one; not so where the mask does not
    say of which series it is.
    """
    uid = series.first.series
    told = mask.listed.get(uid) or mask.drawn
    if not told & series.instances:
        return 0
    there = index.of_series(uid) if mask.listed.get(uid) else index.instances
    return sum(one not in there for one in told)


def _by_frame_or_words(mask: MaskFile, series: Sequence[ImageSeries]) -> Link:
    framed = [one for one in series if one.first.frame_of_reference in mask.frames_of_reference]
    if len(framed) == 1:
        return _told_by_words(mask, framed[0], "frame of reference")
    if mask.frames_of_reference and not framed:
        return Link(mask, None)
    worded = [one for one in framed or series if _same_words(mask, one)]
    if len(worded) == 1:
        return _told_by_words(mask, worded[0], "description")
    told_by = "description" if worded else "frame of reference"
    return Link(mask, None, told_by, rivals=tuple(one.key for one in worded or framed))


def _told_by_words(mask: MaskFile, series: ImageSeries, told_by: str) -> Link:
    return Link(mask, series.key, told_by, fault=_fault(mask, series, by_images=False))


def _same_words(mask: MaskFile, series: ImageSeries) -> bool:
    sequence, _ = classify(mask.description)
    derived = names_derived(mask.description)
    return sequence not in {"", OTHER} and (sequence, derived) == (series.sequence, series.derived)
