"""Extract: every feature row the store does not hold yet, by declared recipes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, NonNegativeInt

from radlas.digests import canonical_json, digest_of
from radlas.engine.base import Done
from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import (
    Extractor,
    feature_set_name,
    make_extractor,
    recipe,
)
from radlas.features.params import is_parameter_file, settings_of
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.batch import commit_batches, unsettled
from radlas.flows.cases.extract_case import ExtractTask, work, work_many
from radlas.flows.cases.row_warnings import RowWarnings
from radlas.flows.study.networks import unsaid
from radlas.model import TUMOUR, Row
from radlas.store import delta
from radlas.store.known import drawn_masks
from radlas.store.layout import Store, open_store
from radlas.store.ledger import standings
from radlas.store.recipes import save_recipe, twins
from radlas.store.travel import merged_cases
from radlas.words import counted
from radlas.yaml_text import read_yaml


class ExtractConfig(StoreConfig):
    """Which features to compute, with which settings."""

    extractors: Mapping[str, Mapping[str, Any]] = Field(
        min_length=1, description="Extractor to its settings; each makes one feature set."
    )
    tolerated: NonNegativeInt = Field(
        default=0, description="Quarantined or failed cases before exit code 1."
    )

    @classmethod
    def read(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a recipe, or a PyRadiomics parameter file as it is.

        Raises:
            ConfigError: The file is missing, is not a YAML mapping, or does not validate; or
                neither it nor ``overrides`` names the store.
        """
        values, remedy = read_yaml(path), "give --store, set RADLAS_STORE, or add `store:`"
        if is_parameter_file(values):  # whose keys are PyRadiomics'
            values = {"extractors": {"radiomics": settings_of(values, str(path))}}
            remedy = "give --store, or set RADLAS_STORE"
        values = {**values, **(overrides or {})}
        if "store" not in values:
            raise ConfigError("no store is named", str(path), remedy)
        return cls.parse(values, str(path))


def plan(config: ExtractConfig) -> Plan[ExtractTask]:
    """One task per case and extractor, biggest tumours first; what is settled is not planned.

    Raises:
        ConfigError: An extractor is unknown, its settings are wrong, or there are no cases.
    """
    store = open_store(config.store)
    cases, drawn = _cases(store)
    if not cases:
        what = "the store holds no case whose images are here"
        raise ConfigError(what, str(config.store), "radlas ingest first")
    tasks: list[ExtractTask] = []
    gpu: set[str] = set()
    recipes: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for name, settings in sorted(config.extractors.items()):
        extractor = make_extractor(EXTRACTORS, name, settings)
        feature_set = feature_set_name(name, extractor)
        recipes[feature_set] = recipe(name, extractor)
        made_by = (
            name,
            canonical_json(extractor.settings.model_dump(mode="json")),
            canonical_json(dict(extractor.versions)),
        )
        tasks += [_task(store, made_by, feature_set, case) for case in cases]
        notes += [*_announce(name, feature_set, extractor), *_not_drawn(drawn, extractor)]
        notes += _drawn_by_others(drawn, extractor, {case["case_id"] for case in cases})
        notes += unsaid(store, recipes[feature_set])
        notes += [
            f"  {twin} is of the same recipe, named by an older radlas: its rows stay as they are"
            for twin in twins(store, feature_set, recipes[feature_set])
        ]
        gpu |= {feature_set} if extractor.gpu else set()
    ended = standings(store, "extract", {task.key for task in tasks})
    open_tasks, known = unsettled(ended, tasks)
    return Plan(
        tasks=tuple(task for task in open_tasks if task.feature_set not in gpu),
        gpu_tasks=tuple(task for task in open_tasks if task.feature_set in gpu),
        known=known,
        notes=tuple(notes),
        extra=recipes,
    )


def commit(
    config: ExtractConfig,
    plan: Plan[ExtractTask],
    done: Iterator[Done[ExtractTask, Mapping[str, tuple[Row, ...]]]],
) -> Report:
    """Store every outcome; the only writer."""
    store = open_store(config.store)
    for feature_set, definition in plan.extra.items():
        save_recipe(store, feature_set, definition)
    seen = RowWarnings()
    report = commit_batches(
        store, "extract", plan, done, tolerated=config.tolerated, look=seen.look
    )
    return replace(
        report,
        lines=(*report.lines, *seen.warnings()),
        data={**report.data, "warnings": list(seen.warnings())},
    )


def _cases(store: Store) -> tuple[list[Row], list[Row]]:
    """Every case of this site with the digest of its voxels and drawn masks, biggest first.

    And all drawn masks. Cases are read before these, since an ingest beside this stores them after
    theirs.
    """
    columns = ["case_id", "centre", "subject_id", "voxel_digest"]
    found = delta.read(store, "cases", columns).to_pylist()
    drawn = drawn_masks(store, ["case_id", "roi", "reader", "voxels", "mask_digest"]).to_pylist()
    masks: dict[str, list[Any]] = {}
    size: dict[str, int] = {}
    for row in drawn:
        masks.setdefault(row["case_id"], []).append([row["roi"], row["reader"], row["mask_digest"]])
        if row["roi"] == TUMOUR:
            size[row["case_id"]] = row["voxels"] or 0
    elsewhere = merged_cases(store)
    cases = [case for case in found if case["case_id"] not in elsewhere]
    for case in cases:
        of_case = sorted(masks.get(case["case_id"], []))
        case["input_digest"] = digest_of([case["voxel_digest"], of_case])
    cases.sort(key=lambda case: (-size.get(case["case_id"], 0), case["case_id"]))
    return cases, drawn


def _task(store: Store, made_by: tuple[str, str, str], feature_set: str, case: Row) -> ExtractTask:
    extractor, settings, versions = made_by
    return ExtractTask(
        key=digest_of([case["case_id"], case["input_digest"], feature_set]),
        centre=case["centre"],
        case_id=case["case_id"],
        subject_id=case["subject_id"],
        place=store.place,
        extractor=extractor,
        settings=settings,
        versions=versions,
        feature_set=feature_set,
        input_digest=case["input_digest"],
        store_id=store.store_id,
    )


def _announce(name: str, feature_set: str, extractor: Extractor) -> list[str]:
    lines = [f"{name}: feature set {feature_set}"]
    banner = getattr(extractor, "banner", "")
    return [*lines, f"  !! {banner}"] if banner else lines


def _not_drawn(drawn: Sequence[Row], extractor: Any) -> list[str]:
    """What a recipe names and nobody drew: a slip of the pen would only leave rows out.

    Raises:
        ConfigError: None of the ROIs that it is to describe was drawn in any case.
    """
    there = {row["roi"] for row in drawn}
    told = f"there are: {', '.join(sorted(there)) or 'none'}"
    described = set(getattr(extractor.settings, "rois", ()))
    if described and not described & there:
        what = f"no case has a ROI {' or '.join(sorted(described))}"
        raise ConfigError(what, extractor.label, told)
    absent = sorted({*described, *getattr(extractor, "drawn", ())} - there)
    return [f"  !! no case has a ROI {name}; {told}" for name in absent]


def _drawn_by_others(drawn: Sequence[Row], extractor: Any, cases: Collection[str]) -> list[str]:
    """ROIs that are there, but not of the reader whom a recipe names: nothing else tells of them.

    A case of which that reader drew no tumour is told by its own outcome.
    """
    reader, wanted = getattr(extractor.settings, "reader", ""), getattr(extractor, "drawn", None)
    if not reader:
        return []
    rows = [row for row in drawn if row["case_id"] in cases]
    there = {(row["roi"], row["case_id"]) for row in rows}
    own = {(row["roi"], row["case_id"]) for row in rows if row["reader"] == reader}
    passed = Counter(roi for roi, _ in there - own if wanted is None or roi in wanted)
    return [
        f"  !! {name} of {counted(number, 'case')} is passed over: not drawn by reader {reader}"
        for name, number in sorted(passed.items())
        if name != TUMOUR
    ]


extract = Flow("extract", ExtractConfig, plan, work, commit, work_many=work_many)
