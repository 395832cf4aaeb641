"""Quality control: one page on which a radiologist looks at the cases of the store, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pydantic import Field, PositiveInt

from radlas.engine.base import Done
from radlas.errors import ConfigError
from radlas.flows.base import Flow, Plan, Report, StoreConfig, check_page
from radlas.flows.pages.thumbnails import case_thumbnail
from radlas.model import TUMOUR, Row
from radlas.places.place import Place
from radlas.places.stages import whole
from radlas.report.qc import Card, Trouble, render_qc, urgency
from radlas.report.qc_concerns import concerns_of, sided
from radlas.report.thumbnail import Thumbnail
from radlas.store import delta
from radlas.store.layout import Store, open_store
from radlas.store.ledger import case_standings
from radlas.store.travel import merged_cases
from radlas.words import counted

_CASE = (
    *("case_id", "centre", "flags", "synthetic", "sequence", "columns", "rows", "slices"),
    *("spacing_x_mm", "spacing_y_mm", "spacing_z_mm"),
    *("manufacturer", "scanner_model", "field_strength_t"),
)
_ROI = (
    *("case_id", "centre", "feature_set", "roi", "reader", "flags", "voxels", "volume_mm3"),
    *("slices", "components", "touches_border", "misalignment_mm", "misalignment_voxels"),
)


class QcConfig(StoreConfig):
    """Where the page goes, and how many and how large its pictures are."""

    out: Path = Field(default=Path("qc.html"), description="File to write.")
    centre: str | None = Field(default=None, description="Only this centre's cases.")
    pictures: PositiveInt = Field(
        default=500, description="Cases that are drawn, the worst first; others are rows."
    )
    pixels: PositiveInt = Field(default=256, description="Longest side of a picture [pixel].")


@dataclass(frozen=True)
class QcTask:
    """One case to draw."""

    place: Place
    case_id: str
    pixels: int
    sided: bool


@dataclass(frozen=True)
class _Found:
    drawn: dict[str, Card]
    listed: tuple[Card, ...]
    trouble: tuple[Trouble, ...]
    elsewhere: int


def plan(config: QcConfig) -> Plan[QcTask]:
    """One task per case that is drawn: of those whose image is here, the worst.

    Raises:
        ConfigError: ``out`` cannot be written, or the store holds nothing of the centre.
    """
    store = open_store(config.store)
    check_page(config.out)
    cases = _rows(store, "cases", _CASE, config.centre).to_pylist()
    trouble = tuple(
        Trouble(one.centre, one.case_id, one.state, one.reason, one.message)
        for one in case_standings(store, stage="ingest")
        if one.state != "ok" and config.centre in (None, one.centre)
    )
    if not cases and not trouble:
        asked = config.centre
        what = "the store holds no case" if asked is None else f"nothing of centre {asked!r}"
        raise ConfigError(
            what, str(config.store), "radlas ingest first; radlas status lists centres"
        )
    elsewhere = merged_cases(store)
    here = [row for row in cases if row["case_id"] not in elsewhere]
    drawn = _drawn_rois(store, config.centre) if here else {}
    cards = sorted((_card(row, drawn.get(row["case_id"], [])) for row in here), key=urgency)
    first = {card.case["case_id"]: card for card in cards[: config.pictures]}
    tasks = tuple(
        QcTask(store.place, case, config.pixels, sided(card.case)) for case, card in first.items()
    )
    listed = tuple(cards[config.pictures :])
    return Plan(tasks, extra=_Found(first, listed, trouble, len(cases) - len(here)))


def _rows(store: Store, name: str, columns: Sequence[str], centre: str | None) -> Any:
    table = delta.read(store, name, columns)
    return table if centre is None else table.filter(pc.equal(table.column("centre"), centre))


def _drawn_rois(store: Store, centre: str | None) -> dict[str, list[Row]]:
    """What was drawn of every case, the tumour first."""
    table = _rows(store, "rois", _ROI, centre)
    found: dict[str, list[Row]] = {}
    for row in table.filter(pc.equal(table.column("feature_set"), "")).to_pylist():
        found.setdefault(row["case_id"], []).append(row)
    return found


def _card(case: Row, rois: list[Row]) -> Card:
    """A case by its rows, before it is drawn."""
    rois = sorted(rois, key=lambda roi: (roi["roi"] != TUMOUR, roi["roi"]))
    return Card(case, rois, concerns_of(case, rois), None)


def work(task: QcTask) -> Thumbnail:
    """The slice of a case with most of its tumour, with all outlines.

    Raises:
        StoreError: The volume is damaged.
    """
    return case_thumbnail(task.place, task.case_id, task.pixels, sided=task.sided)


def commit(config: QcConfig, plan: Plan[QcTask], done: Iterator[Done[QcTask, Thumbnail]]) -> Report:
    """Write the page. A case whose volume cannot be read stands first on it."""
    found: _Found = plan.extra
    cards = [
        replace(
            found.drawn[one.task.case_id],
            thumbnail=one.result,
            damage=str(one.error) if one.error else "",
        )
        for one in done
    ]
    every = [*cards, *found.listed]
    synthetic = any(card.case["synthetic"] for card in every)
    page = render_qc(every, found.trouble, synthetic=synthetic)
    with whole(config.out) as file:
        file.write_text(page, encoding="utf-8")
    damaged = sum(bool(card.damage) for card in cards)
    looks = sum(bool(card.weight) for card in every)
    line = (
        f"qc: {counted(len(every), 'case')} on {config.out}, {looks} of them with remarks;"
        f" {len(found.trouble)} not stored, {damaged} damaged"
        + (f"; the images of {found.elsewhere} more are at another site" if found.elsewhere else "")
    )
    data = {
        "out": str(config.out),
        "cases": len(every),
        "pictures": len(cards),
        "remarked": looks,
        "not_stored": len(found.trouble),
        "damaged": damaged,
        "elsewhere": found.elsewhere,
    }
    return Report((line, *_told(found)), data, exit_code=int(damaged > 0))


def _told(found: _Found) -> list[str]:
    """What the page does not show, and how to see it."""
    if not found.listed:
        return []
    remarked = sum(bool(card.weight) for card in found.listed)
    return [
        f"  the worst {len(found.drawn)} are drawn; {len(found.listed)} are rows,"
        f" {remarked} of them with remarks, and their images were not read:"
        f" --pictures {len(found.drawn) + len(found.listed)} draws all, --centre one hospital's"
    ]


qc = Flow("qc", QcConfig, plan, work, commit, writes=False)
