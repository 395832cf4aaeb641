"""The page of quality control: cases with slice and outlines, the worst first, others as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from radlas.reasons import REASONS
from radlas.report.pages import fill
from radlas.report.qc_concerns import Concern
from radlas.report.thumbnail import Thumbnail, outline_colours


@dataclass(frozen=True)
class Card:
    """One stored case.

    Attributes:
        case: Row of ``cases``.
        rois: Its drawn rows of ``rois``.
        concerns: What to look at, heaviest first.
        thumbnail: None if the volume was not read, or could not be.
        damage: Why not; empty if it could, or was left for a row of the table.
    """

    case: Mapping[str, Any]
    rois: Sequence[Mapping[str, Any]]
    concerns: Sequence[Concern]
    thumbnail: Thumbnail | None
    damage: str = ""

    @property
    def weight(self) -> int:
        """How urgently it wants a look."""
        return sum(one.weight for one in self.concerns) + (100 if self.damage else 0)


@dataclass(frozen=True)
class Trouble:
    """One case that is not stored: where it stands, and why."""

    centre: str
    case_id: str
    state: str
    reason: str
    message: str


def urgency(card: Card) -> tuple[int, str]:
    """Sorts the worst first; those that are alike by their pseudonyms, and so by chance."""
    return -card.weight, card.case["case_id"]


def render_qc(cards: Sequence[Card], trouble: Sequence[Trouble], *, synthetic: bool) -> str:
    """The page as one HTML text: no script, no network, the same bytes for the same rows."""
    ordered = sorted(cards, key=urgency)
    colours = outline_colours(str(roi["roi"]) for card in cards for roi in card.rois)
    centres = Counter(str(card.case["centre"]) for card in cards)
    values = {
        "cards": [card for card in ordered if card.thumbnail or card.damage],
        "listed": [card for card in ordered if not (card.thumbnail or card.damage)],
        "colours": colours,
        "centres": dict(sorted(centres.items())),
        "clean": sum(not card.weight for card in cards),
        "trouble": _grouped(trouble),
        "troubled": len(trouble),
        "reasons": REASONS,
        "synthetic": synthetic,
        "styles": files("radlas.report").joinpath("qc.css").read_text(encoding="utf-8"),
    }
    return fill("qc.html.j2", values)


def _grouped(trouble: Sequence[Trouble]) -> list[tuple[str, list[Trouble]]]:
    groups: dict[str, list[Trouble]] = {}
    for one in sorted(trouble, key=lambda one: (one.reason, one.centre, one.case_id)):
        groups.setdefault(one.reason, []).append(one)
    return sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
