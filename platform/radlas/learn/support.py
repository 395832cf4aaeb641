"""What a number of patients can and cannot support, before anything is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

SHRINKAGE = 0.9  # least acceptable: coefficients lose at most a tenth elsewhere
POWER = 0.8
EXPLAINED = (0.15, 0.5)  # shares of what can be explained: little known, and a strong signal
AREAS = (0.7, 0.8, 0.9)
FEWEST = 4  # of a class, from which two halves of the patients can be compared


def auc_spread(area: float, positives: int, negatives: int) -> float:
    """Standard error that an AUC will have, before there are scores [1].

    Source:
        Hanley & McNeil 1982, Radiology 143:29: negative exponential scores.
    """
    pair = area / (2 - area) - area**2
    other = 2 * area**2 / (1 + area) - area**2
    own = area * (1 - area)
    total = own + (positives - 1) * pair + (negatives - 1) * other
    return float(np.sqrt(total / (positives * negatives)))


def detectable_difference(*spreads: float, alpha: float = 0.05, power: float = POWER) -> float:
    """Smallest difference of independent estimates that would be seen with the given power."""
    reach = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    return reach * float(np.sqrt(np.sum(np.square(spreads))))


def supported_parameters(n: int, events: int, explained: float) -> int:
    """Fitted parameters that ``n`` patients carry without losing more than a tenth elsewhere.

    Args:
        n: Patients.
        events: Positives among them.
        explained: Share of the explainable that the model will explain (Nagelkerke's R2) [1].

    Source:
        Riley et al. 2019, Stat Med 38:1276, criterion of a uniform shrinkage of 0.9.
    """
    share = events / n
    if share in (0.0, 1.0):
        return 0
    most = 1 - float(np.exp(2 * (share * np.log(share) + (1 - share) * np.log(1 - share))))
    r2 = explained * most
    return int(n * (SHRINKAGE - 1) * np.log1p(-r2 / SHRINKAGE))


def training_support(positives: int, negatives: int, candidates: dict[str, int]) -> dict[str, Any]:
    """What the training subjects carry.

    Args:
        positives: Subjects with the outcome.
        negatives: Subjects without.
        candidates: Columns each model may choose from.

    Returns:
        ``n``, ``events`` (the smaller class), ``per_candidate`` (model to events per column),
        ``parameters`` (share explained, as text, to parameters that can be fitted).
    """
    n, events = positives + negatives, min(positives, negatives)
    return {
        "n": n,
        "events": events,
        "per_candidate": {
            model: events / columns if columns else None for model, columns in candidates.items()
        },
        "parameters": {
            f"{share:g}": supported_parameters(n, positives, share) for share in EXPLAINED
        },
    }


def external_support(positives: int, negatives: int, *, alpha: float = 0.05) -> dict[str, Any]:
    """How exactly the external subjects will tell an AUC, and what they can tell apart.

    Returns:
        ``n``; ``auc``: list of ``auc half_width``, for AUCs that may turn out; ``halves``: list of
        ``auc detectable``, the smallest difference of AUC between two equal halves that would be
        seen four times out of five. ``auc`` and ``halves`` are empty where a class is too small.
    """
    if min(positives, negatives) < FEWEST:
        return {"n": positives + negatives, "auc": [], "halves": []}
    z = float(stats.norm.isf(alpha / 2))
    half = positives // 2, negatives // 2
    return {
        "n": positives + negatives,
        "auc": [
            {"auc": area, "half_width": z * auc_spread(area, positives, negatives)}
            for area in AREAS
        ],
        "halves": [
            {
                "auc": area,
                "detectable": detectable_difference(*[auc_spread(area, *half)] * 2, alpha=alpha),
            }
            for area in AREAS
        ],
    }
