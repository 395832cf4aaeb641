"""How every model was made, in one paragraph, from the settings of its study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radlas.words import counted


def pipeline_words(study: Mapping[str, Any]) -> str:
    """The steps of ``learn/pipeline.py`` in their order, with the numbers that this study sets.

    Args:
        study: The protocol with every setting resolved.

    Returns:
        One paragraph; empty if the protocol does not hold the settings.
    """
    selection, splits = study.get("selection", {}), study.get("splits", {})
    if not {"near_constant", "correlation", "rfe_c", "lasso"} <= selection.keys():
        return ""
    steps = [
        f"columns dropped in which one value fills {100 * selection['near_constant']:g} % of the"
        " rows",
        *_harmonised(study.get("harmonise", {})),
        "missing values replaced by the training median",
        "z-scores",
        f"of columns whose |Spearman| is {selection['correlation']:g} or more only the first kept:"
        " blocks as declared, then by name",
        f"recursive elimination by an L2 logistic model (C = {selection['rfe_c']:g}),"
        f" {_at_once(selection.get('rfe_step', 1))} in each round, to k columns",
        _last(selection),
    ]
    rule = (
        "the sparsest within one standard error of the best"
        if selection.get("one_standard_error")
        else "the best"
    )
    return (
        "Fitted anew in every fold, in this order: "
        + "; ".join(steps)
        + f". k and C chosen by the mean AUC of {splits.get('inner_folds')} inner folds: {rule}."
        f" Out-of-fold risks of {splits.get('folds')} outer folds of patients, stratified by class"
        f" and centre, {_repeats(splits.get('repeats', 1))}."
    )


def threshold_words(study: Mapping[str, Any]) -> str:
    """The rule of ``learn.metrics.choose_threshold``; empty if the protocol does not hold it."""
    rule = study.get("threshold", {})
    if rule.get("rule") == "sensitivity":
        return f"the highest that reaches a sensitivity of {rule['value']:g}"
    if rule.get("rule") == "youden":
        return "the lowest with the largest sensitivity plus specificity (Youden)"
    return ""


def _harmonised(policy: Mapping[str, Any]) -> list[str]:
    method = policy.get("method", "none")
    return [] if method == "none" else [f"centres harmonised by {method}, without labels"]


def _at_once(step: float) -> str:
    if step < 1:
        return f"{100 * step:g} % of the arriving columns"
    return counted(int(step), "column")


def _last(selection: Mapping[str, Any]) -> str:
    first = "an L1 logistic model" if selection["lasso"] == "logistic" else "a least-squares LASSO"
    if selection.get("refit") is None:
        return first
    return f"{first}, and an L2 logistic model (C = {selection['refit']:g}) of what it chose"


def _repeats(number: int) -> str:
    return "divided once" if number == 1 else f"averaged over {number} divisions"
