"""What an ingest would do, as a table: every series found, and why it is read or not. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from radlas.flows.base import Cell, Listing
from radlas.ingest.base import Exam, LeftOut, Refusal, Scan
from radlas.ingest.namesakes import namesakes
from radlas.model import Row

COLUMNS = ("subject", "series", "decision", "files", "MB", "why")
DEFAULT_RATE = 20e6  # measured on two cores of a small machine [B/s per worker]
_SPELT_ALIKE = "are spelt alike but for letter case, separators or leading zeros"
_CALLED_ALIKE = "are one patient by OtherPatientIDs in their headers"
_NAMED = 10  # so many cases are told by name
_ORDER = {"read": 0, "stored": 1, "quarantined": 2, "refused": 3, "left out": 4}


def list_scan(
    scan: Scan, standing: Mapping[str, str], pseudonyms: Callable[[str], str], *, cost: str = ""
) -> Listing:
    """One row per series, by subject; subjects under their pseudonyms' first digits.

    Args:
        scan: What the source holds.
        standing: State in the ledger of exams and refusals that are settled, by fingerprint.
        pseudonyms: Hospital identifier to pseudonym.
        cost: See ``estimate``.
    """
    rows = [
        *(_exam(exam, standing.get(exam.fingerprint)) for exam in scan.exams),
        *(_refusal(refusal, standing.get(refusal.fingerprint)) for refusal in scan.refusals),
        *(_left_out(out) for out in scan.left_out),
    ]
    shown = [(pseudonyms(str(who))[:8] if who else "?", *row) for who, *row in rows]
    shown.sort(key=lambda row: (row[0], _ORDER[str(row[2])], row[1]))
    return Listing(COLUMNS, tuple(shown), cost)


def left_out_lines(scan: Scan) -> list[str]:
    """How many series are left out, by reason."""
    counts = Counter(series.why for series in scan.left_out)
    return [f"  {number} series left out: {why}" for why, number in sorted(counts.items())]


def namesake_lines(scan: Scan, pseudonyms: Callable[[str], str]) -> list[str]:
    """Who may be one patient under two names; `whois` tells the hospital whom."""
    subjects = {*(one.subject for one in scan.exams), *(one.subject for one in scan.refusals)}
    subjects -= {""}
    records = {str(one["subject"]) for one in scan.clinical} - subjects
    alike = [
        (sorted(subjects.intersection(group)), sorted(records.intersection(group)))
        for group in namesakes(subjects | records)
    ]
    pairs = [list(pair) for pair in scan.called_alike if subjects.issuperset(pair)]

    def told(names: Iterable[str]) -> str:
        return ", ".join(pseudonyms(one)[:8] for one in names)

    return [
        *(_under_two_names(told(own), _SPELT_ALIKE) for own, _ in alike if len(own) > 1),
        *(_under_two_names(told(pair), _CALLED_ALIKE) for pair in pairs),
        *(_without_exam(told(other), told(own)) for own, other in alike if own and other),
    ]


def _under_two_names(subjects: str, how: str) -> str:
    what = "one patient under two names would be trained on and tested on"
    return f"  !! subjects {subjects} {how}: {what}"


def _without_exam(records: str, subjects: str) -> str:
    what = f"no exam belongs to the clinical record of {records}, but {subjects} has one"
    return f"  !! {what}: they {_SPELT_ALIKE}; spell both as the images do"


def twins(rows: Iterable[Row], centre: str) -> list[str]:
    """Cases of a centre that share their image with another subject's, and those; as told.

    Args:
        rows: Of the table ``cases``.
        centre: Which one was ingested.
    """
    owners: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["voxel_digest"]:
            owners[row["voxel_digest"]].append(row)
    return sorted(
        f"{row['case_id'][:8]} of {row['centre']}"
        for own in owners.values()
        if len({row["subject_id"] for row in own}) > 1 and centre in {row["centre"] for row in own}
        for row in own
    )


def twin_lines(told: Sequence[str]) -> list[str]:
    """What to do about ``twins``, whom `train` would refuse."""
    if not told:
        return []
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    shown = f"{', '.join(told[:_NAMED])}{more}"
    return [
        f"  !! {len(told)} cases share their image with another subject's: {shown}: one patient"
        " under two names would be trained on and tested on; leave all exams of one name out by"
        " radlas snapshot create --cohort"
    ]


def estimate(size: int, history: Sequence[tuple[int, float]]) -> str:
    """How long reading would take, in words.

    Args:
        size: Of the files to read [B].
        history: Size [B] and time [s] of exams that this store has read before.
    """
    seconds = sum(time for _, time in history)
    known = seconds > 0
    rate = sum(bytes_ for bytes_, _ in history) / seconds if known else DEFAULT_RATE
    basis = f"as fast as the {len(history)} before" if known else f"at {rate / 1e6:.0f} MB/s"
    return f"{size / 1e6:.1f} MB to read: about {_spoken(size / rate)} on one worker, {basis}"


def _exam(exam: Exam, state: str | None) -> tuple[Cell, ...]:
    decision = {"ok": "stored", "quarantined": "quarantined"}.get(state or "", "read")
    files = len(exam.images) + len(exam.masks)
    why = "; ".join([exam.rule, *exam.flags])
    return exam.subject, exam.sequence, decision, files, _mb(exam.size), why


def _refusal(refusal: Refusal, state: str | None) -> tuple[Cell, ...]:
    why = f"{refusal.error.reason}: {refusal.error.what}"
    kind = refusal.sequence or "?"
    return refusal.subject, kind, state or "refused", refusal.files, _mb(refusal.size), why


def _left_out(out: LeftOut) -> tuple[Cell, ...]:
    return out.subject, out.sequence or "?", "left out", out.files, _mb(out.size), out.why


def _mb(size: int) -> float:
    return round(size / 1e6, 1)


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
