"""Whether a new version takes the champion's place, and in which words.

Judged on the external patients of both: against the champion, and against those that it replaced.
Else versions, each a little worse than the last but within the margin, would lead away from the
first one step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from radlas.learn.statistics.delong import paired
from radlas.learn.study import StudyConfig
from radlas.report.format import digits_apart
from radlas.store.layout import Store
from radlas.store.models import (
    VALIDATION,
    champions,
    find_beside,
    read_alias,
    read_card,
    versions,
)
from radlas.words import counted


@dataclass(frozen=True)
class Match:
    """Two versions on the same patients.

    Attributes:
        not_worse: By the lower bound of the difference; None if nothing compares them.
        why: In words, with the numbers.
        compared: Patients that were compared, and those that were not; None if one of the two was
            never judged outside, or is gone.
    """

    not_worse: bool | None
    why: str
    compared: dict[str, int] | None = None


def decide(store: Store, study: StudyConfig, number: int, margin: float) -> dict[str, Any]:
    """Promote if there is no champion, or if the external AUC is not worse by more than a margin.

    Not than the champion's, nor than that of one before it which the champion replaced: a chain of
    small losses is refused where it comes to more than the margin. One that was taken back by hand
    counts no longer, nor does one with whom nothing compares any more.

    The test is paired on the external subjects that both versions were validated on, each by what
    it calls its primary model: promote if the lower bound of challenger minus champion (DeLong)
    lies above ``-margin``. Whom the comparison leaves out is counted: a cohort that leaves out who
    was hard to tell flatters its model.
    """
    facts = facts_of(store, study.name, number, margin)
    champion = facts["champion"]
    if champion is None:
        return {**facts, "decision": "promote", "why": "there was no champion"}
    if champion == number:
        return {**facts, "decision": "keep", "why": "it is the champion already"}
    match = _match(store, study, number, champion, margin)
    if match.compared is not None:
        facts["compared"] = match.compared
    if not match.not_worse:
        return {**facts, "decision": "keep", "why": match.why}
    for earlier in _replaced(store, study.name):
        past = _match(store, study, number, earlier, margin)
        if past.not_worse is False:
            why = f"small losses have added up since an earlier champion: {past.why}"
            return {**facts, "decision": "keep", "why": why}
    return {**facts, "decision": "promote", "why": match.why}


def facts_of(store: Store, name: str, number: int, margin: float) -> dict[str, Any]:
    """What a decision was made on, beside the numbers."""
    return {
        "challenger": number,
        "champion": read_alias(store, name),
        "promotions": len(champions(store, name)),
        "margin": margin,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _replaced(store: Store, name: str) -> list[int]:
    """Champions before the one that stands, the last first, without those that were taken back.

    Who makes an earlier version champion again takes back all that came after it.
    """
    line: list[int] = []
    for entry in champions(store, name):
        version = entry["version"]
        line = [*line[: line.index(version)], version] if version in line else [*line, version]
    return line[-2::-1]


def _match(store: Store, study: StudyConfig, number: int, champion: int, margin: float) -> Match:
    ours, theirs = (_risks(store, study.name, one) for one in (number, champion))
    if theirs is None:
        known = champion in versions(store, study.name)
        lacks = "was never judged outside" if known else "is no longer there"
        why = (
            f"version {champion}, the champion, {lacks}, so nothing compares them:"
            f" radlas model promote {study.name}@{number}, or leave it"
        )
        return Match(None, why)
    new, old = _in_common(ours, theirs)
    compared = _counted(ours, theirs, len(new))
    classes = new["label"].value_counts()
    if len(classes) < 2 or classes.min() < study.minimum_per_class:
        why = (
            f"{counted(len(new), 'subject')} validated under both with the same label; each class"
            f" needs {study.minimum_per_class} to compare them"
        )
        return Match(None, why, compared)
    found = paired(new["label"], new["risk"], old["risk"], alpha=study.alpha)
    if found.interval is None and found.difference != 0:
        return Match(None, found.note, compared)
    low, high = found.interval or (0.0, 0.0)  # one curve twice: the difference has no variance
    least = 0.0 - margin  # a margin of 0 is no minus 0
    digits = digits_apart(low, least)
    why = (
        f"external AUC changes by {found.difference:+.3f} ({low:+.{digits}f} to {high:+.3f})"
        f" against version {champion}{_of_whom(compared)}; the lower bound must exceed"
        f" {least:+.{digits}f}"
    )
    return Match(low > -margin, why, compared)


def _in_common(new: Any, old: Any) -> tuple[Any, Any]:
    """The external subjects of both versions whose label did not change, in one order."""
    both = new.index.intersection(old.index)
    both = both[new.loc[both, "label"].to_numpy() == old.loc[both, "label"].to_numpy()]
    return new.loc[both], old.loc[both]


def _counted(new: Any, old: Any, compared: int) -> dict[str, int]:
    """External subjects that were compared, and those that were not, by the reason."""
    both = len(new.index.intersection(old.index))
    return {
        "subjects": compared,
        "relabelled": both - compared,
        "challenger_only": len(new) - both,
        "champion_only": len(old) - both,
    }


def _of_whom(compared: dict[str, int]) -> str:
    words = {
        "relabelled": "with another label since",
        "challenger_only": "that only the challenger was judged on",
        "champion_only": "that only the champion was judged on",
    }
    without = [f"{compared[key]} {told}" for key, told in words.items() if compared[key]]
    told = f", without {' and '.join(without)}" if without else ""
    return f" on {counted(compared['subjects'], 'subject')}{told}"


def _risks(store: Store, name: str, number: int) -> Any:
    """External risks of what the version itself calls its primary model; None: not validated."""
    result = find_beside(store, name, number, VALIDATION)
    if result is None:
        return None
    primary = read_card(store, name, number)["study"]["primary"]
    rows = pd.DataFrame(result["models"][primary]["predictions"])
    return rows.set_index("subject").sort_index()
