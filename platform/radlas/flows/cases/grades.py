"""What the grades of a store mean: by a declared mapping, kept with the store, told by centre.

Papers differ: FNCLCC II and III are often pooled as high grade. Where a collection writes
"intermediate", the side it is counted on decides how many negatives there are, and at one centre
there may be none left. So the class table is shown before anything is trained.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from radlas.learn.settings import OutcomeMapping
from radlas.model import Row
from radlas.store.clinical import newest_records
from radlas.store.layout import Store
from radlas.tables import CLINICAL

if TYPE_CHECKING:
    from radlas.learn.design import ClassTable


def check_grades(known: Mapping[str, Row], new: Iterable[Row], outcome: OutcomeMapping) -> None:
    """See before anything is read that a mapping declares every grade the store would hold.

    A run of hours would else end with that error in place of its report.

    Args:
        known: Newest stored record by subject.
        new: Revisions to be stored.
        outcome: The declared mapping.

    Raises:
        StudyError: A value is not declared by the mapping.
    """
    empty = dict.fromkeys(column.name for column in CLINICAL.columns)
    newest = {**known, **{row["subject_id"]: row for row in new}}
    if records := [empty | row for row in newest.values()]:
        _classes(records, outcome, set())


def tell_grades(
    store: Store, outcome: OutcomeMapping | None, met: Set[str]
) -> tuple[list[str], dict[str, Any]]:
    """Grades by centre; with a mapping, the class table, and the mapping is kept in the store.

    Args:
        store: The caller holds its write lock.
        met: Subjects with a stored exam; the classes are theirs alone.
        outcome: The declared mapping, None if there is none.

    Returns:
        Lines for a person, and the same as data.

    Raises:
        StudyError: A value that came since ``check_grades`` is not declared by the mapping.
    """
    records = list(newest_records(store).values())
    lines, counts = _grades(records)
    facts: dict[str, Any] = {"grades": counts}
    if outcome is not None:
        tables = _classes(records, outcome, met)
        path = keep_mapping(store, outcome)
        facts |= {"classes": [table._asdict() for table in tables], "grade_map": path}
        lines.append(f"  classes by the mapping kept as {path}, of patients with a stored exam:")
        lines += [
            f"    {table.centre}: {table.positive} {outcome.positive_name},"
            f" {table.negative} {outcome.negative_name}, {table.excluded} excluded"
            for table in tables
        ]
        lines += [
            f"    !! centre {table.centre} has one class only: centre and class are confounded"
            for table in tables
            if bool(table.positive) != bool(table.negative)
        ]
    return lines, facts


def keep_mapping(store: Store, outcome: OutcomeMapping) -> str:
    """Write a mapping once under its digest; its place in the store."""
    name = f"labels/{outcome.digest()[:12]}.json"
    text = json.dumps(outcome.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    with suppress(FileExistsError):
        store.place.create(name, text.encode())
    return name


def _classes(
    records: list[dict[str, Any]], outcome: OutcomeMapping, met: Set[str]
) -> Sequence[ClassTable]:
    import pandas as pd  # noqa: PLC0415 - who ingests without a mapping need not wait

    from radlas.learn.design import class_tables  # noqa: PLC0415

    frame = pd.DataFrame(records)
    class_tables(frame, outcome)  # a grade without a meaning is told before its exam is there
    frame = frame[frame["subject_id"].isin(met)]
    return class_tables(frame, outcome) if len(frame) else ()


def _grades(records: list[dict[str, Any]]) -> tuple[list[str], dict[str, dict[str, int]]]:
    centres: dict[str, Counter[str]] = {}
    for record in records:
        centres.setdefault(record["centre"], Counter())[record.get("grade") or "missing"] += 1
    lines = [
        f"  grades of {centre}: " + ", ".join(f"{n} {grade}" for grade, n in found.most_common())
        for centre, found in sorted(centres.items())
    ]
    return lines, {centre: dict(found) for centre, found in centres.items()}
