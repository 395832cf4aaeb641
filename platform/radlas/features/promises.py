"""What every extractor promises of its rows, ours and third parties': held before any is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from radlas.errors import WorkerError
from radlas.features.base import DEFECT
from radlas.model import Description, FeatureRow
from radlas.reasons import REASONS
from radlas.tables import DEEP, RADIOMICS_FACTS
from radlas.words import counted

# A part of the lake without one of these is taken for damaged, with all that others put beside it.
_ROW_TEXTS = ("reason", "perturbation")
_ROI_TEXTS = ("roi", "reader")


def check_description(description: Any, table: str) -> Description:
    """Refuse what ``describe`` should not have returned.

    Args:
        description: What it returned.
        table: The extractor's.

    Raises:
        WorkerError: It is no ``Description``, its rows are no tuple or no ``FeatureRow``, or what
            it tells of ROIs is no mapping; values have no names, or a vector is none; a text is not
            there that every row of the table has; a row holds what the table has no place for, None
            without a reason, or a reason that is none of ``radlas.reasons``; a value is called like
            a column that says whose row it is; or a name could not be told from its neighbours in
            ``roi__image_type__feature``.
    """
    for fault in _faults(description, table):
        raise WorkerError(fault, hint=DEFECT, reason="bug")
    kept: Description = description
    return kept


def check_together(described: Any, cases: int) -> list[Description]:
    """Refuse what ``describe_prepared`` should not have returned; its rows are checked apart.

    Answers are told apart by their order alone: were there one more or one less, a case would have
    another's rows.

    Args:
        described: What it returned.
        cases: How many cases it was given.

    Raises:
        WorkerError: It is no list, or not of one description for each case.
    """
    if not isinstance(described, tuple | list):
        fault = f"`describe_prepared` returned {type(described).__name__}, not list"
        raise WorkerError(fault, hint=DEFECT, reason="bug")
    if len(described) != cases:
        told = f"{counted(len(described), 'description')} of {counted(cases, 'case')}"
        raise WorkerError(f"`describe_prepared` returned {told}", hint=DEFECT, reason="bug")
    return list(described)


def _faults(description: Any, table: str) -> Iterator[str]:
    """Broken promises; of the first ones nothing that comes after could be asked."""
    if not isinstance(description, Description):
        yield f"`describe` returned {type(description).__name__}, not Description"
    for what, told in (("rows", description.rows), ("rois", description.rois)):
        if not isinstance(told, tuple | list):  # a generator would be used up here, and lost
            yield f"the {what} of a Description are {type(told).__name__}, not tuple"
    for row in description.rows:
        yield from _of_row(row, table)
    for facts in description.rois:
        yield from _of_roi(facts)


def _of_row(row: Any, table: str) -> Iterator[str]:
    if not isinstance(row, FeatureRow):
        yield f"a row of `describe` is {type(row).__name__}, not FeatureRow"
    if not isinstance(row.values, Mapping):
        yield f"the values of a row are {type(row.values).__name__}, not names with values"
    vector = row.vector.tolist() if hasattr(row.vector, "tolist") else row.vector  # of numpy, torch
    if not isinstance(vector, tuple | list):
        yield f"the vector of a row is {type(vector).__name__}, not tuple; without one, it is empty"
    if unnamed := [name for name in row.values if not isinstance(name, str)]:
        yield f"{unnamed[0]!r} is no text, and so names no value"
    held, what = (row.values, "values") if table == DEEP.name else (vector, "a vector")
    if held:  # it would be lost without a word
        yield f"a row holds {what}, and the table {table} has no place for that"
    if taken := sorted(RADIOMICS_FACTS.intersection(row.values)):
        yield f"a value is called {taken[0]}, which says something of its row"
    called = (row.roi, row.image_type, *row.values)
    if parted := [name for name in called if not name or "__" in f"_{name}_"]:
        yield f"{parted[0]!r} in a column's name, whose parts are joined by `__`"
    if absent := [name for name in _ROW_TEXTS if not isinstance(getattr(row, name), str)]:
        yield f"the {absent[0]} of a row is no text; where there is none, it is empty"
    if not row.reason and (undefined := [n for n, value in row.values.items() if value is None]):
        yield f"{undefined[0]} is None, and no `reason` of the row says why"
    if strange := _strange(row.reason):
        yield f"no reason of radlas.reasons: {', '.join(strange)}"


@lru_cache
def _strange(reason: str) -> tuple[str, ...]:
    """What of a reason is no code, alone or after the name of what it is of: nobody looks it up."""
    return tuple(one for one in reason.split() if one.rpartition(":")[2] not in REASONS)


def _of_roi(facts: Any) -> Iterator[str]:
    if not isinstance(facts, Mapping):
        yield f"what is told of a ROI is {type(facts).__name__}, not columns of `rois`"
    if unnamed := [name for name in facts if not isinstance(name, str)]:
        yield f"{unnamed[0]!r} is no text, and so no column of `rois`"
    if absent := [name for name in _ROI_TEXTS if not isinstance(facts.get(name), str)]:
        yield f"what is told of a ROI has no {absent[0]}, a text; a reader may be empty"
