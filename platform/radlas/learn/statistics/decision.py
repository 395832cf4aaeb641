"""Decision curves: what acting on a risk is worth, against acting on all or on nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.errors import StudyError
from radlas.learn.statistics.calibration import checked_risks
from radlas.learn.statistics.delong import Floats
from radlas.learn.statistics.intervals import resamples


def net_benefit(y: ArrayLike, risk: ArrayLike, thresholds: ArrayLike) -> Floats:
    """True positives less false positives at the price the threshold sets, per patient [1].

    Args:
        y: Labels 0 or 1, shape ``(row,)``.
        risk: Probabilities; whoever reaches the threshold is treated.
        thresholds: Inside (0, 1), shape ``(threshold,)``.

    Raises:
        StudyError: A threshold does not lie inside (0, 1), or a risk outside [0, 1].

    Source:
        Vickers & Elkin 2006, Med Decis Making 26:565.
    """
    label, value = checked_risks(y, risk)
    at = _inside(thresholds)
    treated = value[None, :] >= at[:, None]
    right, wrong = (treated & label).mean(axis=1), (treated & ~label).mean(axis=1)
    benefit: Floats = right - wrong * at / (1 - at)
    return benefit


def treat_all(y: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Net benefit of treating everyone; that of treating nobody is 0."""
    label, _ = checked_risks(y, np.zeros(np.shape(y)))
    return net_benefit(label.astype(int), np.ones(len(label)), thresholds)


def decision_curve(
    y: ArrayLike,
    risk: ArrayLike,
    thresholds: Sequence[float],
    *,
    alpha: float = 0.05,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """The curve with a pointwise band over resampled subjects.

    Returns:
        Lists of equal length: ``threshold``, ``model`` with ``low`` and ``high`` (percentiles),
        ``all``, ``gain`` (over the better of all and nobody) with ``gain_low`` and ``gain_high``.
    """
    label, value = checked_risks(y, risk)
    at = _inside(thresholds)
    model, everyone = net_benefit(label, value, at), treat_all(label, at)
    drawn, other = np.stack(
        [
            (net_benefit(label[one], value[one], at), treat_all(label[one], at))
            for one in resamples(len(label), draws, seed)
        ],
        axis=1,
    )
    gain, drawn_gain = model - np.maximum(everyone, 0), drawn - np.maximum(other, 0)
    levels = [alpha / 2, 1 - alpha / 2]
    low, high = np.quantile(drawn, levels, axis=0)
    gain_low, gain_high = np.quantile(drawn_gain, levels, axis=0)
    columns = {
        "threshold": at,
        "model": model,
        "low": low,
        "high": high,
        "all": everyone,
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
    }
    return {name: column.tolist() for name, column in columns.items()}


def reclassification(y: ArrayLike, old: ArrayLike, new: ArrayLike) -> dict[str, float]:
    """IDI and category-free NRI of a new risk over an old one.

    Not part of any report: the category-free NRI rewards a model that is merely miscalibrated. It
    is here because reviewers ask.

    Returns:
        ``idi`` [1] and ``nri`` [from -2 to 2].

    Source:
        Pencina et al. 2008, Stat Med 27:157 and 2011, Stat Med 30:11.
    """
    label, before = checked_risks(y, old)
    _, after = checked_risks(y, new)
    moved: NDArray[np.float64] = after - before
    up = np.sign(moved)
    return {
        "idi": float(moved[label].mean() - moved[~label].mean()),
        "nri": float(up[label].mean() - up[~label].mean()),
    }


def _inside(thresholds: ArrayLike) -> Floats:
    at = np.asarray(thresholds, dtype=np.float64)
    if at.size and not (at.min() > 0 and at.max() < 1):
        raise StudyError(
            f"thresholds span {at.min():g} to {at.max():g}",
            hint="decision thresholds are risks inside (0, 1)",
        )
    return at
