"""Does a model work as well for the old, the young, each sex and each tumour site?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from radlas.errors import StudyError
from radlas.learn.delong import auc, unpaired
from radlas.learn.evaluate import with_holm
from radlas.learn.study import MISSING

Json = dict[str, Any]


def subgroups(
    risk: pd.Series,
    y: ArrayLike,
    clinical: pd.DataFrame,
    groups: Mapping[str, Sequence[float] | None],
    *,
    minimum_per_class: int = 10,
    alpha: float = 0.05,
) -> Json:
    """AUC in every level of every subgroup, and differences between levels of one variable.

    Args:
        risk: Risks; the index names the cases.
        y: Labels 0 or 1 in that order.
        clinical: Same index values, in any order; a column per variable.
        groups: Variable to cut points, or ``None`` for the values as they are. A missing value
            is a level of its own, never dropped.
        minimum_per_class: Levels with fewer of a class are listed as not estimable.
        alpha: One minus the confidence level.

    Returns:
        ``levels``: list of ``variable level n positives negatives auc note`` (``auc`` is
        ``None`` where not estimable); ``differences``: list of ``variable first second
        difference statistic df p p_holm interval note``, Holm over all of them; ``notes``.

    Raises:
        StudyError: A variable or a case is not in the clinical data.
    """
    label = pd.Series(np.asarray(y), index=risk.index)
    levels: list[Json] = []
    differences: list[Json] = []
    for variable, cuts in groups.items():
        level_of = _levels(clinical, risk.index, variable, cuts)
        found = {
            level: (label[level_of == level], risk[level_of == level])
            for level in _ordered(level_of, cuts)
        }
        described = [
            {"variable": variable, "level": level, **_describe(*part, minimum_per_class, alpha)}
            for level, part in found.items()
        ]
        levels += described
        estimable = [row["level"] for row in described if row["auc"] is not None]
        differences += [
            {
                "variable": variable,
                "first": a,
                "second": b,
                **unpaired(*found[a], *found[b], alpha=alpha).as_dict(),
            }
            for a, b in combinations(estimable, 2)
        ]
    note = "no significant difference is not equivalence: read the intervals"
    return {"levels": levels, "differences": with_holm(differences), "notes": [note]}


def _describe(label: pd.Series, risk: pd.Series, minimum: int, alpha: float) -> Json:
    positives = int(label.sum())
    negatives = len(label) - positives
    enough = min(positives, negatives) >= minimum
    estimate = auc(label, risk, alpha=alpha) if enough else None
    note = estimate.note if estimate else f"not estimable: fewer than {minimum} of a class"
    return {
        "n": len(label),
        "positives": positives,
        "negatives": negatives,
        "auc": estimate.as_dict() if estimate else None,
        "note": note,
    }


def _levels(
    clinical: pd.DataFrame, cases: pd.Index, variable: str, cuts: Sequence[float] | None
) -> pd.Series:
    if variable not in clinical.columns:
        hint = f"columns are: {', '.join(map(str, clinical.columns))}"
        raise StudyError(f"subgroup {variable!r} is not a clinical column", hint=hint)
    absent = cases.difference(clinical.index)
    if len(absent):
        raise StudyError(f"{len(absent)} cases have no clinical row", str(absent[0]))
    values = clinical[variable].reindex(cases)
    if cuts is None:
        return values.astype("object").where(values.notna(), MISSING).astype(str)
    names = np.array([*_cut_names(cuts), MISSING])
    numbers = values.astype(np.float64).to_numpy()
    place = np.where(np.isnan(numbers), len(names) - 1, np.digitize(numbers, cuts))
    return pd.Series(names[place], index=cases)


def _cut_names(cuts: Sequence[float]) -> list[str]:
    between = [f"{low:g} to <{high:g}" for low, high in pairwise(cuts)]
    return [f"<{cuts[0]:g}", *between, f">={cuts[-1]:g}"]


def _ordered(level_of: pd.Series, cuts: Sequence[float] | None) -> list[str]:
    present = set(level_of)
    names = sorted(present - {MISSING}) if cuts is None else _cut_names(cuts)
    return [name for name in (*names, MISSING) if name in present]
