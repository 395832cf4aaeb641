"""What makes a number believable, gathered for the report: controls, curves, stability, support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radlas.flows.pages.intervals import (
    interval,
    of_area,
    of_bootstrap,
    of_gap,
    of_pair,
    of_rate,
)
from radlas.flows.study.controls import MEANING, UNHARMONISED
from radlas.flows.study.sensitivity import changes
from radlas.learn.fitted import FittedModel
from radlas.learn.study import CONTROL, VARIANT, StudyConfig

Json = dict[str, Any]


def support(card: Mapping[str, Any]) -> Json:
    """What the patients carry, as it was told before training."""
    found = card["support"]
    return {
        "training": found["training"]["n"],
        "events": found["training"]["events"],
        "candidates": found["candidates"],
        "parameters": found["training"]["parameters"],
        "external": found["external"]["n"],
        "auc": found["external"]["auc"],
        "halves": found["external"]["halves"],
    }


def honesty(
    controls: Mapping[str, FittedModel], card: Mapping[str, Any], validated: Json | None
) -> Json:
    """Every control with its area, in training and outside."""
    told = validated["controls"] if validated else {}
    outside = {name: one for name, one in told.items() if "missing" not in one}
    why = {name: {"note": one["missing"]} for name, one in told.items() if "missing" in one}
    rows = [
        {
            "control": name.removeprefix(CONTROL),
            "meaning": MEANING.get(name.removeprefix(CONTROL), "a control of another radlas"),
            "training": of_area(card["controls"][name]["auc"]),
            "external": of_area(outside[name]["auc"]) if name in outside else None,
            "difference": of_gap(outside.get(name, {}).get("difference")),
            "folds_mean": card["controls"][name]["folds"]["mean"],
            "features": len(model.signature) - 1,
            **why.get(name, {}),
        }
        for name, model in controls.items()
    ]
    return {"rows": rows, "missing": dict(card["controls_missing"])}


def harmonising(model: Json | None, controls: Mapping[str, Json], study: StudyConfig) -> list[Json]:
    """The locked model with and without harmonising, on the external centre; empty without."""
    unharmonised = controls.get(f"{CONTROL}{UNHARMONISED}")
    if model is None or unharmonised is None or "missing" in unharmonised:
        return []
    told = (("none", unharmonised), (study.harmonise.method, model))
    return [{"method": method, **_travelled(found)} for method, found in told]


def _travelled(found: Json) -> Json:
    """What shifts when a scanner does: the threshold's worth, and the fit of the risks."""
    rates = [found["decision"][name]["value"] for name in ("sensitivity", "specificity")]
    fit = found["calibration"]
    return {
        "auc": of_area(found["auc"]),
        "youden": None if None in rates else sum(rates) - 1,
        "intercept": fit["in_the_large"],
        "slope": fit["slope"],
        "brier": found["brier"],
    }


def sensitivity(
    models: Mapping[str, FittedModel],
    card: Mapping[str, Any],
    study: StudyConfig,
    validated: Json | None,
) -> Json:
    """The primary model made otherwise, and judged on fewer patients."""
    found = (validated or {}).get("sensitivity", {"variants": {}, "patients": []})
    words = changes(study)
    return {
        "variants": [
            {
                "name": name.removeprefix(VARIANT),
                "change": words.get(name, "not told by its study"),
                "threshold": float(models[name].threshold),
                "features": len(models[name].signature) - 1,
                "training": of_area(trained["auc"]),
                **_variant(found["variants"].get(name)),
            }
            for name, trained in card.get("sensitivity", {}).items()
        ],
        "patients": [
            {**row, "auc": of_area(row["auc"]) if row["auc"] else None} for row in found["patients"]
        ],
        "missing": card.get("sensitivity_missing", {})
        | {
            name.removeprefix(VARIANT): one["missing"]
            for name, one in found["variants"].items()
            if "missing" in one
        },
    }


def _variant(found: Json | None) -> Json:
    if found is None or "missing" in found:
        return dict.fromkeys(("n", "positives", "auc", "difference", "sensitivity", "specificity"))
    return {
        "n": found["n"],
        "positives": found["positives"],
        "auc": of_area(found["auc"]),
        "difference": of_gap(found["difference"]),
        **{name: found["decision"][name]["value"] for name in ("sensitivity", "specificity")},
    }


def left_out(card: Mapping[str, Any]) -> list[Json]:
    """Training centres judged by models of the others."""
    return [
        {
            "model": model,
            **{key: row[key] for key in ("centre", "n", "positives", "note")},
            "auc": of_area(row["auc"]) if row["auc"] else None,
        }
        for model, trained in card["training"].items()
        for row in trained["centres"]
    ]


def folds(card: Mapping[str, Any]) -> list[Json]:
    """Models compared over the outer folds they share."""
    return [
        {
            **of_pair(row),
            "p": row["p"],
            "p_holm": row["p_holm"],
        }
        for row in card["folds_compared"]
    ]


def details(found: Json) -> Json:
    """Of one external result what resampling and smooth curves add."""
    if "intervals" not in found:
        return {}
    curve, decision = found["calibration_curve"], found["decision_curve"]
    points = found["precision_recall"]
    return {
        "f1": of_bootstrap(found["intervals"]["f1"]),
        "brier_interval": of_bootstrap(found["intervals"]["brier"]),
        "average_precision": of_bootstrap(found["intervals"]["average_precision"]),
        "precision_recall": [
            list(pair) for pair in zip(points["recall"], points["precision"], strict=True)
        ],
        "elsewhere": [
            {
                "prevalence": row["prevalence"],
                **{name: of_rate(row[name]) for name in ("ppv", "npv")},
            }
            for row in found["elsewhere"]
        ],
        "errors": _errors(found["calibration_errors"]),
        "curve": _band(curve, "risk", "events") if curve else None,
        "decision": {"model": _band(decision, "threshold", "model"), "all": decision["all"]},
    }


def differences(found: Mapping[str, Json]) -> list[Json]:
    """Levels of subgroups compared, of every model."""
    same = ("variable", "p", "p_holm", "p_fdr", "detectable", "alike", "note")
    return [
        {
            "model": model,
            **of_pair(row),
            **{key: row[key] for key in same},
        }
        for model, groups in found.items()
        for row in groups["differences"]
    ]


def interactions(found: Mapping[str, Json]) -> list[Json]:
    """Score x subgroup, of every model."""
    return [
        {"model": model, **row} for model, groups in found.items() for row in groups["interactions"]
    ]


def stability(model: FittedModel) -> Json | None:
    """The signature over resampled patients."""
    found = model.stability
    if found is None:
        return None
    index = found["nogueira"]
    return {
        "samples": found["samples"],
        "index": interval(index["index"], index["interval"], note=index["note"]),
        **{key: found[key] for key in ("size", "blocks", "families", "features")},
    }


def _errors(found: Json | None) -> Json | None:
    if found is None:
        return None
    ici = interval(found["ici"], found["ici_interval"], method="range of resamples")
    return {"ici": ici, **{key: found[key] for key in ("e50", "e90", "emax")}}


def _band(found: Json, x: str, y: str) -> Json:
    return {"x": found[x], "y": found[y], "low": found["low"], "high": found["high"]}
