"""Names after BIDS: ``sub-<subject>[_ses-<exam>][_<key>-<value>…]_<what>``. Pure.

Several exams of one patient are one subject there, which no other name of a file can say.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9+]+)")
_TELLS_IMAGES_APART = set(
    "ses sample task acq ce trc rec dir run echo flip inv mt part proc space".split()
)
_TELLS_NOTHING = set("tracksys nuc voi stain mod hemi split recording chunk seg res den".split())
_TELLS_MASKS_APART = ("label", "desc")
#: Names that say of a file that it is a mask, and not of what.
ANY_MASK = {"mask", "seg", "dseg", "roi", "label"}


class BidsName(NamedTuple):
    """A name in its parts.

    Attributes:
        subject: With its ``sub-``.
        entities: Those that tell one image of a subject from another, as ``ses-1``.
        what: All that is no entity; of a mask of any kind, what its label says instead.
    """

    subject: str
    entities: frozenset[str]
    what: str


def read_bids(stem: str) -> BidsName | None:
    """The parts of a file's name without its ending; None if it is none of BIDS."""
    first, *rest = stem.split("_")
    if not re.fullmatch(r"sub-[^_]+", first) or not rest or strange_keys(stem):
        return None
    found = {one: match for one in rest if (match := _ENTITY.fullmatch(one))}
    told = {match[1]: match[2] for match in found.values()}
    words = [one for one in rest if one not in found]
    label = next((told[key] for key in _TELLS_MASKS_APART if key in told), "")
    if words and words[-1].lower() in ANY_MASK:
        words[-1] = label or words[-1].lower().removeprefix("d")
    entities = frozenset(one for one in found if found[one][1] in _TELLS_IMAGES_APART)
    return BidsName(first, entities, "_".join(words))


def strange_keys(stem: str) -> bool:
    """True if a name begins like one of BIDS, and goes on with a key that BIDS does not know.

    What ``pat-1`` or ``visit-1`` in it tells apart may be patients, or exams of one.
    """
    first, *rest = stem.split("_")
    keys = {match[1] for one in rest if (match := _ENTITY.fullmatch(one))}
    known = _TELLS_IMAGES_APART.union(_TELLS_MASKS_APART, _TELLS_NOTHING)
    return first.startswith("sub-") and not keys <= known


def belongs(mask: frozenset[str], image: frozenset[str], word: str) -> bool:
    """True if a mask of these entities may be of an image of those: of its exam and space at least.

    An image that names no space is in that of its own ``word``.
    """
    own = {"space-orig", f"space-{word}"} - {one.lower() for one in image}
    said = {one for one in mask if one.lower() not in own}
    return said <= image and all(one in said for one in image if one.startswith(("ses-", "space-")))
