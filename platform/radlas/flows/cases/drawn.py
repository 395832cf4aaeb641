"""The drawn ROIs of a case as an extractor takes them: one mask of each name, of one reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from radlas.model import Roi
from radlas.reasons import data_error


def drawn_rois(rois: Iterable[Roi], extractor: Any) -> dict[str, Roi]:
    """A case's ROIs by name, of the reader that an extractor's settings name.

    Args:
        rois: All that were drawn.
        extractor: Its ``drawn`` are the names it looks at; one that does not tell looks at all.

    Raises:
        DataError: As ``by_name``.
    """
    reader = getattr(extractor.settings, "reader", "")
    return by_name(rois, reader, getattr(extractor, "drawn", None))


def by_name(
    rois: Iterable[Roi], reader: str, wanted: Collection[str] | None = None
) -> dict[str, Roi]:
    """ROIs by name, of one reader.

    Args:
        rois: All that were drawn.
        reader: Whose; empty for whoever drew them.
        wanted: Names that are looked at; None for all. Of others that several drew there is none.

    Raises:
        DataError: ``ambiguous_roi``: several readers drew a wanted one; ``no_tumour``: the named
            reader drew nothing, and something is wanted.
    """
    of_reader = [roi for roi in rois if reader in ("", roi.reader)]
    needs = wanted is None or bool(wanted)
    if reader and needs and not of_reader:
        raise data_error("no_tumour", f"no mask of reader {reader}")
    counts = Counter(roi.name for roi in of_reader)
    doubled = {name for name, number in counts.items() if number > 1}
    if asked := doubled & (set(wanted) if wanted is not None else doubled):
        readers = sorted({roi.reader for roi in of_reader if roi.name in asked} - {""})
        what, hint = "several readers drew the same ROI; name one: `reader`", ""
        if readers:  # else they have no names yet, which the reason's remedy says
            hint = f"`reader: {readers[0]}` in the recipe; there are: {', '.join(readers)}"
        raise data_error("ambiguous_roi", what, hint=hint)
    return {roi.name: roi for roi in of_reader if roi.name not in doubled}
