"""Does a model work as well for the old, the young, each sex and each tumour site?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from radlas.errors import StudyError
from radlas.learn.clinical import in_words
from radlas.learn.evaluate import with_holm
from radlas.learn.metrics import benjamini_hochberg
from radlas.learn.settings import MISSING
from radlas.learn.statistics.calibration import logistic
from radlas.learn.statistics.delong import AucDifference, Floats, auc, checked, unpaired
from radlas.learn.support import detectable_difference
from radlas.words import counted

Json = dict[str, Any]


def subgroups(
    risk: pd.Series,
    y: ArrayLike,
    clinical: pd.DataFrame,
    groups: Mapping[str, Sequence[float] | None],
    *,
    minimum_per_class: int = 10,
    margin: float = 0.1,
    alpha: float = 0.05,
) -> Json:
    """AUC in every level of every subgroup, and differences between levels of one variable.

    Args:
        risk: Risks; the index names the cases.
        y: Labels 0 or 1 in that order.
        clinical: Same index values, in any order; a column per variable.
        groups: Variable to cut points, or ``None`` for the values as they are. A missing value
            is a level of its own, never dropped.
        minimum_per_class: Levels with fewer of a class are listed as not estimable, and left out
            of the interaction.
        margin: Difference of AUC within which two levels are alike.
        alpha: One minus the confidence level.

    Returns:
        ``levels``: list of ``variable level n positives negatives auc note`` (``auc`` is
        ``None`` where not estimable); ``differences``: list of ``variable first second
        difference statistic df p p_holm p_fdr interval error note detectable p_alike alike``,
        Holm and Benjamini-Hochberg over all of them; ``interactions``: list of ``variable
        statistic df p note``; ``notes``.

    Raises:
        StudyError: A variable or a case is not in the clinical data.
    """
    label = pd.Series(np.asarray(y), index=risk.index)
    levels: list[Json] = []
    differences: list[Json] = []
    interactions: list[Json] = []
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
                **_compared(unpaired(*found[a], *found[b], alpha=alpha), margin, alpha),
            }
            for a, b in combinations(estimable, 2)
        ]
        kept = level_of.isin(estimable)
        told = interaction(label[kept], _logit(risk[kept]), level_of[kept])
        others = sorted(set(found) - set(estimable)) if estimable else []
        apart = f"without {', '.join(others)}" if others else ""
        if not estimable:  # not that there is one group: none has enough of both classes
            told["note"] = f"not estimable: no group holds {minimum_per_class} of each class"
        told["note"] = "; ".join(filter(None, (told["note"], apart)))
        interactions.append({"variable": variable, **told})
    note = "no significant difference is not equivalence: read the intervals"
    return {
        "levels": levels,
        "differences": _with_fdr(with_holm(differences)),
        "interactions": interactions,
        "notes": [note],
    }


def interaction(y: ArrayLike, score: ArrayLike, groups: ArrayLike) -> Json:
    """Whether a score means the same in every group: likelihood ratio of score x group.

    Args:
        y: Labels 0 or 1, shape ``(row,)``.
        score: Finite numbers in that order.
        groups: Level of every row.

    Returns:
        ``statistic df p note``; ``None`` where a model separates the classes or there is one group.
    """
    label, value = checked(y, score)
    level = np.asarray(groups).astype(str)
    names = sorted(set(level))
    nothing = {"statistic": None, "df": max(0, len(names) - 1), "p": None}
    if len(names) < 2:
        return {**nothing, "note": "one group only"}
    if any(np.ptp(value[level == name]) == 0 for name in names):
        return {**nothing, "note": "not estimable: the scores of a group are all the same"}
    dummies = np.stack([level == name for name in names[1:]], axis=1).astype(np.float64)
    alike = np.column_stack([np.ones(len(value)), value, dummies])
    apart = np.column_stack([alike, dummies * value[:, None]])
    fits = [(design, logistic(design, label)) for design in (alike, apart)]
    losses = [_loss(design, beta, label) for design, beta in fits if beta is not None]
    if len(losses) < 2:
        return {**nothing, "note": "not estimable: a group's classes are separated or missing"}
    statistic = max(0.0, 2 * (losses[0] - losses[1]))
    df = len(names) - 1
    return {"statistic": statistic, "df": df, "p": float(stats.chi2.sf(statistic, df)), "note": ""}


def _logit(risk: pd.Series) -> Floats:
    """Risks on the scale on which a model is linear; 0 and 1 stay finite."""
    score: Floats = special.logit(np.clip(risk.to_numpy(), 1e-12, 1 - 1e-12))
    return score


def _loss(design: Floats, beta: Floats, label: NDArray[np.bool_]) -> float:
    score = design @ beta
    return float((np.logaddexp(0, score) - label * score).sum())


def _compared(gap: AucDifference, margin: float, alpha: float) -> Json:
    """A difference with what it could have shown, and whether it shows likeness.

    Likeness is two one-sided tests against the margin (Schuirmann 1987).
    """
    if gap.difference is None or gap.error is None or gap.df is None:
        return {**gap.as_dict(), "detectable": None, "p_alike": None, "alike": None}
    p = max(
        float(stats.t.sf((gap.difference + margin) / gap.error, gap.df)),
        float(stats.t.cdf((gap.difference - margin) / gap.error, gap.df)),
    )
    detectable = detectable_difference(gap.error, alpha=alpha)
    return {**gap.as_dict(), "detectable": detectable, "p_alike": p, "alike": p < alpha}


def _with_fdr(rows: list[Json]) -> list[Json]:
    adjusted = benjamini_hochberg([row["p"] for row in rows])
    return [{**row, "p_fdr": p} for row, p in zip(rows, adjusted, strict=True)]


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
        raise StudyError(f"no clinical row of {counted(len(absent), 'case')}", str(absent[0]))
    values = clinical[variable].reindex(cases)
    texts = in_words(values)
    if cuts is None:
        return texts
    names = np.array([*_cut_names(cuts), MISSING])
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)  # "unknown" is missing
    place = np.where(np.isnan(numbers), len(names) - 1, np.digitize(numbers, cuts))
    return pd.Series(names[place], index=cases)


def _cut_names(cuts: Sequence[float]) -> list[str]:
    between = [f"{low:g} to <{high:g}" for low, high in pairwise(cuts)]
    return [f"<{cuts[0]:g}", *between, f">={cuts[-1]:g}"]


def _ordered(level_of: pd.Series, cuts: Sequence[float] | None) -> list[str]:
    present = set(level_of)
    names = sorted(present - {MISSING}) if cuts is None else _cut_names(cuts)
    return [name for name in (*names, MISSING) if name in present]
