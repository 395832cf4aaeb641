"""Patients whose images' headers and clinical record contradict each other.

A table whose rows slipped by one, or whose numbers are another study's, gives every patient the
grade of somebody else. Its sexes and ages are then those of somebody else, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from radlas.model import Row
from radlas.words import counted

COLUMNS = ["subject_id", "centre", "sex", "age_years"]  # of the table `cases`
_APART = 10.0  # an exam and the diagnosis may lie years apart [a]
_NAMED = 20


def contradicted(exams: Iterable[Row], records: Mapping[str, Row], centre: str) -> list[str]:
    """Subjects of a centre of two sexes, or of ages that no delay explains; sorted. Pure.

    Args:
        exams: Of the table ``cases``.
        records: Newest clinical record by subject.
        centre: Which one was ingested.
    """
    own = (row for row in exams if row["centre"] == centre)
    pairs = ((row, records[row["subject_id"]]) for row in own if row["subject_id"] in records)
    return sorted({row["subject_id"] for row, record in pairs if _differ(row, record)})


def contradicted_lines(subjects: Sequence[str]) -> list[str]:
    """What to do about them."""
    if not subjects:
        return []
    more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
    shown = ", ".join(one[:8] for one in subjects[:_NAMED])
    return [
        f"  !! headers and clinical records of {counted(len(subjects), 'subject')} state two sexes,"
        f" or ages more than {_APART:.0f} years apart: {shown}{more}: see that the rows of the"
        " table are theirs (radlas whois)"
    ]


def _differ(exam: Row, record: Row) -> bool:
    sexes = {exam["sex"], record.get("sex")} & {"F", "M"}
    ages = [row.get("age_years") for row in (exam, record)]
    told = [age for age in ages if age is not None]
    return len(sexes) > 1 or (len(told) > 1 and max(told) - min(told) > _APART)
