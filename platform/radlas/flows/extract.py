"""Extract: every feature row the store does not hold yet, by declared recipes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import Field, NonNegativeInt

from radlas.config import read_yaml
from radlas.digests import canonical_json, digest_of
from radlas.engine.base import Bundle, Done, measure
from radlas.errors import ConfigError, DataError, StoreError, WorkerError
from radlas.features import EXTRACTORS
from radlas.features.base import (
    Extractor,
    PreparingExtractor,
    checked,
    feature_set_name,
    make_extractor,
    recipe,
)
from radlas.features.params import is_parameter_file, recipe_of
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.flows.batch import commit_batches, unsettled
from radlas.flows.drawn import drawn_rois, not_drawn
from radlas.flows.networks import unsaid
from radlas.flows.seen import Seen
from radlas.model import TUMOUR, Description, FeatureRow, Roi, Row, Volume
from radlas.place import Place
from radlas.store import delta
from radlas.store.layout import Store, open_store
from radlas.store.recipes import save_recipe, twins
from radlas.store.travel import merged_cases
from radlas.volumes.zarr import input_digests, read_record, read_rois, read_volume


class ExtractConfig(StoreConfig):
    """Which features to compute, with which settings."""

    extractors: Mapping[str, Mapping[str, Any]] = Field(
        min_length=1, description="Extractor to its settings; each makes one feature set."
    )
    tolerated: NonNegativeInt = Field(default=0, description="Troubled cases before exit code 1.")

    @classmethod
    def read(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a recipe, or a PyRadiomics parameter file as it is.

        Raises:
            ConfigError: The file is missing, is not a YAML mapping, or does not validate.
        """
        values = read_yaml(path)
        if is_parameter_file(values):
            values = {"extractors": {"radiomics": recipe_of(values, str(path))}}
        return cls.parse({**values, **(overrides or {})}, str(path))


@dataclass(frozen=True)
class ExtractTask:
    """One case to describe by one extractor: addresses and settings, no voxels."""

    key: str
    centre: str
    case_id: str
    subject_id: str
    place: Place
    extractor: str
    settings: str  # canonical JSON: hashable, so that a worker keeps the extractor
    feature_set: str
    input_digest: str


def plan(config: ExtractConfig) -> Plan[ExtractTask]:
    """One task per case and extractor, biggest tumours first; what is settled is not planned.

    Raises:
        ConfigError: An extractor is unknown, its settings are wrong, or there are no cases.
    """
    store = open_store(config.store)
    cases = _cases(store)
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
        text = canonical_json(extractor.settings.model_dump(mode="json"))
        tasks += [_task(store.place, name, text, feature_set, case) for case in cases]
        notes += [*_announce(name, feature_set, extractor), *not_drawn(store, extractor)]
        notes += unsaid(store, recipes[feature_set])
        notes += [
            f"  {twin} is of the same recipe, named by an older radlas: its rows stay as they are"
            for twin in twins(store, feature_set, recipes[feature_set])
        ]
        gpu |= {feature_set} if extractor.gpu else set()
    open_tasks, known = unsettled(store, "extract", tasks)
    return Plan(
        tasks=tuple(task for task in open_tasks if task.feature_set not in gpu),
        gpu_tasks=tuple(task for task in open_tasks if task.feature_set in gpu),
        known=known,
        notes=tuple(notes),
        extra=recipes,
    )


def work(task: ExtractTask) -> dict[str, tuple[Row, ...]]:
    """Describe one case.

    Raises:
        DataError: The case cannot be described.
        StoreError: Its volume is missing or damaged.
    """
    extractor = _extractor(task.extractor, task.settings)
    try:
        description = extractor.describe(*_read(task))
    except DataError as error:
        raise _placed(error, task) from error
    return _rows(task, extractor.table, description)


def _read(task: ExtractTask) -> tuple[Volume, dict[str, Roi]]:
    stored = digest_of(input_digests(read_record(task.place, task.case_id)))
    if stored != task.input_digest:
        raise StoreError(
            "the volume is not the one the tables speak of", f"case {task.case_id}", "radlas verify"
        )
    rois = read_rois(task.place, task.case_id)
    extractor = _extractor(task.extractor, task.settings)
    return read_volume(task.place, task.case_id), drawn_rois(rois, extractor)


def work_many(bundle: Bundle[ExtractTask]) -> list[Done[ExtractTask, Any]]:
    """Describe several cases of one feature set: while one is described the next are read."""
    extractors = {_extractor(task.extractor, task.settings) for task in bundle.tasks}
    if len(extractors) > 1 or not all(isinstance(one, PreparingExtractor) for one in extractors):
        return [measure(work, task) for task in bundle.tasks]
    preparing: Any = extractors.pop()
    readers, together = preparing.appetite
    with ThreadPoolExecutor(readers) as pool:
        waiting = deque(pool.submit(measure, _prepared, task) for task in bundle.tasks)
        found: list[Done[ExtractTask, Any]] = []
        while waiting:
            group = [waiting.popleft().result() for _ in range(min(len(waiting), together))]
            found += _described(preparing, group)
    return found


def _prepared(task: ExtractTask) -> Any:
    extractor: Any = _extractor(task.extractor, task.settings)
    try:
        return extractor.prepare(*_read(task))
    except DataError as error:
        raise _placed(error, task) from error


def _described(
    extractor: Any, group: Sequence[Done[ExtractTask, Any]]
) -> Iterator[Done[ExtractTask, Any]]:
    """Outcomes of cases that are ready, described together; the time is shared among them."""
    ready = [done for done in group if done.error is None]
    inputs = [done.result for done in ready]
    together: Done[Any, list[Description]] = measure(extractor.describe_prepared, inputs)
    if isinstance(together.error, WorkerError) and together.error.reason == "device":
        raise together.error  # of no case: another process may try them all
    if together.error is not None and len(ready) > 1:  # whose fault it is shows one by one
        for done in group:
            yield from _described(extractor, [done])
        return
    described = iter(together.result or ())
    for done in group:
        if done.error is None and together.error is None:
            rows = _rows(done.task, extractor.table, next(described))
            seconds = done.seconds + together.seconds / len(ready)
            yield replace(done, result=rows, seconds=seconds, peak_rss_mib=together.peak_rss_mib)
        else:
            yield replace(done, result=None, error=done.error or together.error)


def commit(
    config: ExtractConfig,
    plan: Plan[ExtractTask],
    done: Iterator[Done[ExtractTask, Mapping[str, tuple[Row, ...]]]],
) -> Report:
    """Store every outcome; the only writer."""
    store = open_store(config.store)
    for feature_set, definition in plan.extra.items():
        save_recipe(store, feature_set, definition)
    seen = Seen()
    report = commit_batches(store, "extract", plan, seen.passing(done), tolerated=config.tolerated)
    return replace(
        report,
        lines=(*report.lines, *seen.warnings()),
        data={**report.data, "warnings": list(seen.warnings())},
    )


@lru_cache(maxsize=8)
def _extractor(name: str, settings: str) -> Extractor:
    """The extractor, kept per process: a network is loaded once."""
    return make_extractor(EXTRACTORS, name, json.loads(settings))


def _cases(store: Store) -> list[Row]:
    """Every case of this site with the digest of its voxels and drawn masks, biggest first.

    Cases are read before masks, since an ingest beside this stores them after theirs.
    """
    columns = ["case_id", "centre", "subject_id", "voxel_digest"]
    found = delta.read(store, "cases", columns).to_pylist()
    columns = ["case_id", "roi", "reader", "feature_set", "voxels", "mask_digest"]
    masks: dict[str, list[Any]] = {}
    size: dict[str, int] = {}
    for row in delta.read(store, "rois", columns).to_pylist():
        if not row["feature_set"]:
            drawn = [row["roi"], row["reader"], row["mask_digest"]]
            masks.setdefault(row["case_id"], []).append(drawn)
            if row["roi"] == TUMOUR:
                size[row["case_id"]] = row["voxels"] or 0
    elsewhere = merged_cases(store)
    cases = [case for case in found if case["case_id"] not in elsewhere]
    for case in cases:
        drawn = sorted(masks.get(case["case_id"], []))
        case["input_digest"] = digest_of([case["voxel_digest"], drawn])
    return sorted(cases, key=lambda case: (-size.get(case["case_id"], 0), case["case_id"]))


def _task(place: Place, name: str, settings: str, feature_set: str, case: Row) -> ExtractTask:
    return ExtractTask(
        key=digest_of([case["case_id"], case["input_digest"], feature_set]),
        centre=case["centre"],
        case_id=case["case_id"],
        subject_id=case["subject_id"],
        place=place,
        extractor=name,
        settings=settings,
        feature_set=feature_set,
        input_digest=case["input_digest"],
    )


def _announce(name: str, feature_set: str, extractor: Extractor) -> list[str]:
    lines = [f"{name}: feature set {feature_set}"]
    banner = getattr(extractor, "banner", "")
    return [*lines, f"  !! {banner}"] if banner else lines


def _rows(task: ExtractTask, table: str, description: Description) -> dict[str, tuple[Row, ...]]:
    names = {
        "case_id": task.case_id,
        "centre": task.centre,
        "subject_id": task.subject_id,
        "feature_set": task.feature_set,
    }
    digest = {"input_digest": task.input_digest}
    rows = tuple(names | digest | _row(table, row) for row in checked(description).rows)
    generated = tuple(facts | names for facts in description.rois)
    return {table: rows, "rois": generated} if generated else {table: rows}


def _row(table: str, row: FeatureRow) -> Row:
    common = {"roi": row.roi, "reason": row.reason}
    if table == "deep":
        vector = list(row.vector)
        return common | {"layer": row.image_type, "vector": vector, "device": row.device}
    told = {name: getattr(row, name) for name in ("perturbation", "aggregation", "grey_levels")}
    return common | {"image_type": row.image_type, **told, **row.values}


def _placed(error: DataError, task: ExtractTask) -> DataError:
    return error.at(f"case {task.case_id[:8]}, feature set {task.feature_set}")


extract = Flow("extract", ExtractConfig, plan, work, commit, work_many=work_many)
