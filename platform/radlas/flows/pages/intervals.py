"""Estimates with their bounds, as the report wants them, from what the statistics return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def interval(value: Any, bounds: Any, **more: str) -> Json:
    """An estimate with its bounds; what is empty in ``more`` is left out."""
    low, high = bounds if bounds else (None, None)
    return {"estimate": value, "low": low, "high": high, **{k: v for k, v in more.items() if v}}


def of_area(area: Mapping[str, Any]) -> Json:
    """An AUC as ``AucEstimate.as_dict`` gives it."""
    if area["auc"] is None:
        return interval(None, None, note=area["note"])
    bounds, method = auc_interval(area)
    return interval(area["auc"], bounds, method=method, note=area["note"])


def of_bootstrap(found: Mapping[str, Any]) -> Json:
    """A statistic as ``bootstrap`` gives it."""
    return interval(found["value"], found["interval"], method=found["method"], note=found["note"])


def of_rate(part: Mapping[str, Any], method: str = "") -> Json:
    """A proportion with ``value`` and ``interval``."""
    if part["value"] is None:
        return interval(None, None, note="no trials")
    return interval(part["value"], part["interval"], method=method)


def auc_interval(area: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    """The interval to show, and its method: exact at perfect separation, else DeLong's logit."""
    for method in ("exact", "logit", "wald"):
        if area[method] is not None:
            low, high = area[method]
            return (low, high), f"{'Clopper-Pearson' if method == 'exact' else 'DeLong, ' + method}"
    return None, ""


def of_pair(row: Mapping[str, Any]) -> Json:
    """Two AUCs compared: first minus second, with its bounds; no difference is beyond 1."""
    low, high = _reachable(row["interval"]) or (None, None)
    names = {"a": row["first"], "b": row["second"]}
    return {**names, "delta": row["difference"], "low": low, "high": high}


def of_gap(found: Mapping[str, Any] | None) -> Json | None:
    """What ``paired`` says of two AUCs, with its bounds; ``None`` if nothing was compared."""
    if found is None:
        return None
    return interval(found["difference"], _reachable(found["interval"]), note=found["note"])


def _reachable(bounds: Sequence[float] | None) -> list[float]:
    return [max(-1.0, min(1.0, end)) for end in bounds or ()]
