"""Predictions in words, as a terminal shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radlas.report.format import digits_apart, fixed
from radlas.words import counted

DRIVERS = 3


def told(
    label: str, card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], warnings: Sequence[str]
) -> list[str]:
    """The lines of all cases, under the model's name and what must not be missed of it."""
    lines = [f"predict: {label}, model {card['study']['primary']}", *warnings]
    if card["synthetic"]:
        lines.append("  !! trained on a synthetic cohort: not for patients")
    for row in rows:
        lines += [_risk(row), *(f"    {remark}" for remark in _remarks(row))]
    return lines


def _risk(row: Mapping[str, Any]) -> str:
    sure = "({} to {}), ".format(*map(fixed, row["interval"])) if row["interval"] else ""
    digits = digits_apart(row["risk"], row["threshold"])
    return (
        f"  case {row['case_id'][:8]} ({row['centre']}): risk {fixed(row['risk'], digits)}"
        f" {sure}{row['call']} at {fixed(row['threshold'], digits)}"
    )


def _remarks(row: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know of one risk: doubts first, then what drove it, then oddities."""
    yield from _doubts(row)
    yield from (f"{one['logit']:+.2f} logit  {one['feature']}" for one in row["drivers"][:DRIVERS])
    yield from (f"missing, the training median is used: {name}" for name in row["imputed"])
    for one in row["out_of_range"]:
        seen = f"seen {one['low']:.4g} to {one['high']:.4g}"
        yield f"beyond training range: {one['feature']} = {one['value']:.4g}, {seen}"


def _doubts(row: Mapping[str, Any]) -> Iterator[str]:
    if row["interval"] and not row["interval"][0] <= row["risk"] <= row["interval"][1]:
        yield "its risk lies outside the interval of the resampled models"
    if row["otherwise"]:
        models = f"{row['otherwise']} of {row['resampled']} resampled models"
        yield f"{models} put it into the other class"
    if row["trained_on"]:
        yield _own(row)
    if row["adapted_by"]:
        by = counted(row["adapted_by"], "case")
        yield (
            f"harmonised with the {by} of its centre that have features now: with others its risk"
            " would differ"
        )
    if not row["known_centre"]:
        yield "centre not seen in training: its patients or its scanner may shift the risk"


def _own(row: Mapping[str, Any]) -> str:
    """What a patient of the training is told; no risk if that was by another exam."""
    if row["trained_as"] is None:
        return "another exam of this patient was trained on: this is not a new patient's risk"
    which = "case" if row["trained_as"] == row["case_id"] else "image"
    name = "" if which == "case" else f", as case {row['trained_as'][:8]}"
    risk = f"models that had not seen it gave {fixed(row['out_of_fold'])}"
    return f"this {which} was trained on{name}: {risk}"
