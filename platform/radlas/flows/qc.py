"""Quality control: one page on which a radiologist looks at every case of the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, PositiveInt

from radlas.engine.base import Done
from radlas.errors import ConfigError
from radlas.flows.base import Flow, Plan, Report, StoreConfig, check_page
from radlas.flows.thumbnails import case_thumbnail
from radlas.model import TUMOUR, Row
from radlas.place import Place
from radlas.report.qc import Card, Trouble, render_qc
from radlas.report.qc_concerns import concerns_of
from radlas.report.thumbnail import Thumbnail
from radlas.stages import whole
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.store.ledger import case_standings
from radlas.store.travel import merged_cases
from radlas.words import counted


class QcConfig(StoreConfig):
    """Where the page goes, and how large its pictures are."""

    out: Path = Field(default=Path("qc.html"), description="File to write.")
    centre: str | None = Field(default=None, description="Only this centre's cases.")
    pixels: PositiveInt = Field(default=256, description="Longest side of a picture [pixel].")


@dataclass(frozen=True)
class QcTask:
    """One case to draw."""

    place: Place
    case_id: str
    pixels: int


@dataclass(frozen=True)
class _Found:
    cases: dict[str, Row]
    rois: dict[str, list[Row]]
    trouble: tuple[Trouble, ...]
    elsewhere: int


def plan(config: QcConfig) -> Plan[QcTask]:
    """One task per case whose image is here.

    Raises:
        ConfigError: ``out`` cannot be written, or the store holds nothing of the centre.
    """
    store = open_store(config.store)
    check_page(config.out)

    def wanted(centre: str) -> bool:
        return config.centre in (None, centre)

    cases = [row for row in delta.read(store, "cases").to_pylist() if wanted(row["centre"])]
    rois: dict[str, list[Row]] = {}
    for row in delta.read(store, "rois").to_pylist():
        if not row["feature_set"]:
            rois.setdefault(row["case_id"], []).append(row)
    trouble = tuple(
        Trouble(one.centre, one.case_id, one.state, one.reason, one.message)
        for one in case_standings(store, stage="ingest")
        if one.state != "ok" and wanted(one.centre)
    )
    if not cases and not trouble:
        what = f"nothing of centre {config.centre}" if config.centre else "the store holds no case"
        raise ConfigError(
            what, str(config.store), "radlas ingest first; radlas status lists centres"
        )
    elsewhere = merged_cases(store)
    here = [row for row in cases if row["case_id"] not in elsewhere]
    tasks = tuple(QcTask(store.place, row["case_id"], config.pixels) for row in here)
    found = _Found({row["case_id"]: row for row in here}, rois, trouble, len(cases) - len(here))
    return Plan(tasks, extra=found)


def work(task: QcTask) -> Thumbnail:
    """The slice of a case with most of its tumour, with all outlines.

    Raises:
        StoreError: The volume is damaged.
    """
    return case_thumbnail(task.place, task.case_id, task.pixels)


def commit(config: QcConfig, plan: Plan[QcTask], done: Iterator[Done[QcTask, Thumbnail]]) -> Report:
    """Write the page. A case whose volume cannot be read stands first on it."""
    found: _Found = plan.extra
    cards = [_card(one, found) for one in done]
    synthetic = any(card.case["synthetic"] for card in cards)
    page = render_qc(cards, found.trouble, synthetic=synthetic)
    with whole(config.out) as file:
        file.write_text(page, encoding="utf-8")
    damaged = sum(bool(card.damage) for card in cards)
    looks = sum(bool(card.weight) for card in cards)
    line = (
        f"qc: {counted(len(cards), 'case')} on {config.out}, {looks} of them with remarks;"
        f" {len(found.trouble)} not stored, {damaged} damaged"
        + (f"; the images of {found.elsewhere} more are at another site" if found.elsewhere else "")
    )
    data = {
        "out": str(config.out),
        "cases": len(cards),
        "remarked": looks,
        "not_stored": len(found.trouble),
        "damaged": damaged,
        "elsewhere": found.elsewhere,
    }
    return Report((line,), data, exit_code=int(damaged > 0))


def _card(done: Done[QcTask, Thumbnail], found: _Found) -> Card:
    case = found.cases[done.task.case_id]
    rois = sorted(
        found.rois.get(done.task.case_id, []), key=lambda roi: (roi["roi"] != TUMOUR, roi["roi"])
    )
    damage = str(done.error) if done.error else ""
    return Card(case, rois, concerns_of(case, rois), done.result, damage)


qc = Flow("qc", QcConfig, plan, work, commit, writes=False)
