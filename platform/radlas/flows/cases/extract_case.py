"""What a worker does of ``extract``: read a case, describe it, make rows.

Apart from the plan and the commit, so that no worker loads what only these need of the lake.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from radlas.digests import digest_of
from radlas.engine.base import Bundle, Done, measure
from radlas.errors import ConfigError, DataError, StoreError, WorkerError
from radlas.features import EXTRACTORS
from radlas.features.base import Extractor, PreparingExtractor, make_extractor
from radlas.features.promises import check_description, check_together
from radlas.flows.alike import ALIKE, OTHER, check_alike
from radlas.flows.cases.drawn import drawn_rois
from radlas.model import Description, FeatureRow, Roi, Row, Volume
from radlas.places.place import Place
from radlas.store.layout import check_here
from radlas.volumes.zarr import input_digests, read_record, read_rois, read_volume


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
    versions: str  # the same, of all that can move a value; a worker of others is refused
    feature_set: str
    input_digest: str
    store_id: str


def work(task: ExtractTask) -> dict[str, tuple[Row, ...]]:
    """Describe one case.

    Raises:
        DataError: The case cannot be described.
        StoreError: Its volume is missing or damaged.
        WorkerError: ``other_software``, see ``_extractor``; ``other_store``, see ``check_here``.
    """
    extractor = _extractor(task.extractor, task.settings, task.versions)
    try:
        description = extractor.describe(*_read(task))
    except DataError as error:
        raise _placed(error, task) from error
    return _rows(task, extractor.table, description)


def _read(task: ExtractTask) -> tuple[Volume, dict[str, Roi]]:
    try:
        record = read_record(task.place, task.case_id)
    except StoreError:
        check_here(task.place, task.store_id)  # where it is not mounted nothing is damaged
        raise
    stored = digest_of(input_digests(record))
    if stored != task.input_digest:
        raise StoreError(
            "the volume is not the one the tables speak of", f"case {task.case_id}", "radlas verify"
        )
    extractor = _extractor(task.extractor, task.settings, task.versions)
    looks = getattr(extractor, "drawn", None) != ()  # at masks, or does not tell
    rois = read_rois(task.place, task.case_id) if looks else ()
    return read_volume(task.place, task.case_id), drawn_rois(rois, extractor)


def work_many(bundle: Bundle[ExtractTask]) -> list[Done[ExtractTask, Any]]:
    """Describe several cases of one feature set: while one is described the next are read."""
    extractors = {_extractor(task.extractor, task.settings, task.versions) for task in bundle.tasks}
    if len(extractors) > 1 or not all(isinstance(one, PreparingExtractor) for one in extractors):
        return [measure(work, task) for task in bundle.tasks]
    preparing: Any = extractors.pop()
    readers, together = preparing.concurrency
    with ThreadPoolExecutor(readers) as pool:
        waiting = deque(pool.submit(measure, _prepared, task) for task in bundle.tasks)
        found: list[Done[ExtractTask, Any]] = []
        while waiting:
            group = [waiting.popleft().result() for _ in range(min(len(waiting), together))]
            found += _described(preparing, group)
    return found


def _prepared(task: ExtractTask) -> Any:
    extractor: Any = _extractor(task.extractor, task.settings, task.versions)
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
    together: Done[Any, list[Description]] = measure(partial(_together, extractor), inputs)
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


def _together(extractor: Any, cases: Sequence[Any]) -> list[Description]:
    return check_together(extractor.describe_prepared(cases), len(cases))


@lru_cache(maxsize=8)
def _extractor(name: str, settings: str, versions: str) -> Extractor:
    """The extractor, kept per process: a network is loaded once.

    Raises:
        WorkerError: ``other_software``: here it cannot be made, or what it gives would stand under
            a recipe that tells of other weights or libraries.
    """
    try:
        extractor = make_extractor(EXTRACTORS, name, json.loads(settings))
    except ConfigError as error:  # where it happened is a path, and the ledger travels
        what = f"not on this worker: {error.what}"
        raise WorkerError(what, hint=ALIKE, reason=OTHER) from error
    check_alike(extractor.versions, json.loads(versions), "features")
    return extractor


def _rows(task: ExtractTask, table: str, description: Description) -> dict[str, tuple[Row, ...]]:
    names = {
        "case_id": task.case_id,
        "centre": task.centre,
        "subject_id": task.subject_id,
        "feature_set": task.feature_set,
    }
    told = names | {"input_digest": task.input_digest}
    stored = stored_rows(table, check_description(description, table))
    rows = {table: tuple(told | row for row in stored[table])}
    generated = tuple(facts | names for facts in stored["rois"])
    return rows | ({"rois": generated} if generated else {})


def stored_rows(table: str, description: Description) -> dict[str, tuple[Row, ...]]:
    """Rows by table as the lake has them, without what says whose they are."""
    rows = tuple(_row(table, row) for row in description.rows)
    return {table: rows, "rois": tuple(map(dict, description.rois))}


def _row(table: str, row: FeatureRow) -> Row:
    common = {"roi": row.roi, "reason": row.reason}
    if table == "deep":
        vector = list(row.vector)
        return common | {"layer": row.image_type, "vector": vector, "device": row.device}
    told = {name: getattr(row, name) for name in ("perturbation", "aggregation", "grey_levels")}
    return common | {"image_type": row.image_type, **told, **row.values}


def _placed(error: DataError, task: ExtractTask) -> DataError:
    return error.at(f"case {task.case_id[:8]}, feature set {task.feature_set}")
