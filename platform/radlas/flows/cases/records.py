"""A source's clinical records: what they would change, and what a run says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radlas.errors import StudyError
from radlas.flows.cases.grades import check_grades, tell_grades
from radlas.learn.settings import OutcomeMapping
from radlas.model import Row
from radlas.store import delta
from radlas.store.clinical import kept, newest_records, revisions
from radlas.store.layout import Store
from radlas.words import counted


def plan_records(
    store: Store, records: Sequence[Row], outcome: OutcomeMapping | None, *, mapping: str
) -> tuple[list[str], str]:
    """What records would do to those that are stored, before anything is read.

    Args:
        store: As it is.
        records: Of a source, one for each subject.
        outcome: The declared meaning of grades, if there is one.
        mapping: Where that stands.

    Returns:
        Lines on values that stay, and how many records are new; both empty without records.

    Raises:
        StudyError: A value is not declared by the mapping.
    """
    if not records:
        return [], ""
    known = newest_records(store)
    new = revisions(known, records)
    if outcome is not None:
        try:
            check_grades(known, new, outcome)
        except StudyError as error:
            raise error.at(mapping) from error
    number = counted(len(records), "clinical record")
    told = f"{number} to store, {len(new)} of them new or changed"
    return _kept_lines(kept(known, records)), told


def tell_records(
    store: Store, centre: str, records: Sequence[Row], outcome: OutcomeMapping | None, new: int
) -> tuple[list[str], dict[str, Any]]:
    """The records that a run has stored, as lines and as data.

    Args:
        store: It holds them.
        centre: Whose they are.
        records: Of the source, one for each subject.
        outcome: The declared meaning of grades, if there is one.
        new: How many were new or changed.
    """
    if not records:
        return [], {}
    known = set(delta.read(store, "cases", ["subject_id"]).column("subject_id").to_pylist())
    told, facts = tell_grades(store, outcome, known)
    met = sum(record["subject_id"] in known for record in records)
    number = counted(len(records), "clinical record")
    line = f"  {number} of centre {centre}, {new} new or changed; {met} of patients with an exam"
    if not met:
        line += ": if those are stored, see that --centre and the identifiers are theirs"
    counts = {"clinical": len(records), "clinical_new": new, "clinical_met": met}
    return [line, *told], {**counts, **facts}


def _kept_lines(stays: Mapping[str, int]) -> list[str]:
    told = ", ".join(f"{number} of {field}" for field, number in stays.items())
    what = "stored values stay, where these records have none"
    return [f"  {what}: {told}; no cell takes back what an earlier table told"] if told else []
