"""Which image series a mask file was drawn on: by identifiers, and by words only at the last. Pure.

A mask that names a series is never given to another one: contours drawn on T1 lie in the frame of
reference of T2 as well, and would fit it without being its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radlas.ingest.header_records import MaskFile
from radlas.ingest.sequences import OTHER, classify, names_derived
from radlas.ingest.series import ImageSeries


@dataclass(frozen=True)
class Link:
    """One mask file and its series.

    Attributes:
        series: Key of the image series, None if it is not in the source.
        told_by: ``series UID``, ``image UIDs``, ``frame of reference`` or ``description``.
    """

    mask: MaskFile
    series: str | None
    told_by: str = ""


def link_masks(masks: Sequence[MaskFile], series: Sequence[ImageSeries]) -> tuple[Link, ...]:
    """Link every mask, in the order given."""
    return tuple(_link(mask, series) for mask in masks)


def _link(mask: MaskFile, series: Sequence[ImageSeries]) -> Link:
    named = [one for one in series if one.first.series in mask.series]
    if named:
        return Link(mask, _most_referenced(mask, named).key, "series UID")
    drawn = [one for one in series if mask.instances & one.instances]
    if drawn:
        return Link(mask, _most_referenced(mask, drawn).key, "image UIDs")
    if mask.series or mask.instances:
        return Link(mask, None)
    return _by_frame_or_words(mask, [one for one in series if one.first.subject == mask.subject])


def _most_referenced(mask: MaskFile, series: Sequence[ImageSeries]) -> ImageSeries:
    # Parts of a mixed series come largest first, and max keeps the first of equals.
    return max(series, key=lambda one: len(mask.instances & one.instances))


def _by_frame_or_words(mask: MaskFile, series: Sequence[ImageSeries]) -> Link:
    framed = [one for one in series if one.first.frame_of_reference in mask.frames_of_reference]
    if len(framed) == 1:
        return Link(mask, framed[0].key, "frame of reference")
    worded = [one for one in framed or series if _same_words(mask, one)]
    return Link(mask, worded[0].key, "description") if len(worded) == 1 else Link(mask, None)


def _same_words(mask: MaskFile, series: ImageSeries) -> bool:
    sequence, _ = classify(mask.description)
    derived = names_derived(mask.description)
    return sequence not in {"", OTHER} and (sequence, derived) == (series.sequence, series.derived)
