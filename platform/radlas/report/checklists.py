"""Reporting checklists, prefilled from what a study stored: never a yes without an artefact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from radlas.report.evidence.validation import Checklist, Item
from radlas.report.method import pipeline_words

AUTHOR = "author"


class Proof(NamedTuple):
    """What answers an item.

    Attributes:
        where: Section of the page.
        there: Whether the evidence holds it.
        otherwise: Why it does not count as met if it is not.
    """

    where: str
    there: Callable[[Mapping[str, Any]], bool]
    otherwise: str


def _external(evidence: Mapping[str, Any]) -> bool:
    return evidence["models"][evidence["primary"]]["external"] is not None


def _calibrated(evidence: Mapping[str, Any]) -> bool:
    external = evidence["models"][evidence["primary"]]["external"]
    return external is not None and external["calibration"]["intercept"] is not None


def _clinical(evidence: Mapping[str, Any]) -> bool:
    """A block of clinical records in a model that was fitted, or the control of them."""
    named = _clinical_blocks(evidence)
    used = {block for model in evidence["models"].values() for block in model["blocks"]}
    return bool(named & used) or _fitted(evidence, {"clinical"})


def _without_radiomics(evidence: Mapping[str, Any]) -> bool:
    """A model of clinical records alone: a block of them beside others compares nothing."""
    named = _clinical_blocks(evidence)
    alone = any(set(model["blocks"]) <= named for model in evidence["models"].values())
    return alone or _fitted(evidence, {"clinical"})


def _clinical_blocks(evidence: Mapping[str, Any]) -> set[str]:
    blocks = evidence["study"].get("blocks", {})
    return {name for name, block in blocks.items() if block.get("clinical")}


def _centres(evidence: Mapping[str, Any]) -> int:
    """Of how many centres patients are analysed: one whose labels are all excluded is none."""
    return sum(row["positive"] + row["negative"] > 0 for row in evidence["classes"])


def _fitted(evidence: Mapping[str, Any], controls: set[str]) -> bool:
    rows = evidence["honesty"]["rows"] if "honesty" in evidence else []
    return any(row["control"] in controls for row in rows)


def _grouped(evidence: Mapping[str, Any]) -> bool:
    return any(row["auc"] for row in evidence["subgroups"])


def _mask(evidence: Mapping[str, Any]) -> bool:
    return bool(evidence["study"].get("stability", {}).get("mask"))


PROOFS: dict[str, Proof] = {
    "acquisition": Proof("acquisition", lambda e: bool(e["acquisition"]), "no header facts"),
    "balance": Proof("patients", lambda e: bool(e.get("balance")), "no external patients"),
    "by_group": Proof(
        "subgroups", lambda e: _external(e) and _grouped(e), "no group was estimated"
    ),
    "calibration": Proof("calibration", _calibrated, "it could not be estimated outside"),
    "centres": Proof("classes", lambda e: _centres(e) > 1, "patients of one centre"),
    "checklists": Proof("checklists", lambda e: True, ""),
    "classes": Proof("classes", lambda e: bool(e["classes"]), "no classes"),
    "clinical": Proof("models", _clinical, "no clinical predictor or control"),
    "comparisons": Proof(
        "comparisons", lambda e: any(row["p"] is not None for row in e["comparisons"]), "no test"
    ),
    "confounders": Proof(
        "honesty", lambda e: _fitted(e, {"volume", "clinical", "centre"}), "no control of one"
    ),
    "external": Proof("models", _external, "not validated outside"),
    "flow": Proof("cases", lambda e: bool(e["flow"]["inputs"]), "the ledger holds no case"),
    "limits": Proof("limits", lambda e: bool(e["limits"]), "none stated"),
    "mask": Proof("signature", _mask, "no mask of stable features: radlas stability makes one"),
    "patients": Proof("patients", lambda e: bool(e["table1"]), "patients are not described"),
    "recipes": Proof("provenance", lambda e: bool(e["provenance"].get("recipes")), "no recipe"),
    "settings": Proof("provenance", lambda e: bool(pipeline_words(e["study"])), "no protocol"),
    "shap": Proof("shap", lambda e: e["shap"] is not None, "radlas explain was not run"),
    "signature": Proof(
        "signature", lambda e: bool(e["models"][e["primary"]]["signature"]), "it is empty"
    ),
    "simple": Proof(
        "honesty",
        lambda e: _fitted(e, {"volume", "clinical"}),
        "neither the volume nor the clinical record alone was fitted",
    ),
    "splits": Proof("provenance", lambda e: bool(e["study"].get("splits")), "no splits declared"),
    "stability": Proof("stability", lambda e: bool(e.get("stability")), "nothing was resampled"),
    "subgroups": Proof("subgroups", _grouped, "none was estimated"),
    "support": Proof("support", lambda e: bool(e.get("support")), "not told"),
    "threshold": Proof("confusion", _external, "not validated outside"),
    "without_radiomics": Proof("honesty", _without_radiomics, "no model of clinical records alone"),
}


def fill(evidence: Mapping[str, Any]) -> list[Checklist]:
    """Every checklist with the state of its items.

    Args:
        evidence: As ``radlas.report.evidence.page.Evidence``; only what is stored there counts.

    Returns:
        Items ``evidence`` (``where`` names the section that holds it), ``needs author`` or
        ``not met`` (``why`` says what is lacking).
    """
    return [
        {
            "name": one["name"],
            "source": one["source"],
            "items": [_item(evidence, *entry) for entry in one["items"]],
        }
        for one in _lists()
    ]


def _item(evidence: Mapping[str, Any], number: str, text: str, proof: str) -> Item:
    found: Item = {"number": number, "item": text, "state": "needs author", "where": "", "why": ""}
    if proof == AUTHOR:
        return found
    where, there, otherwise = PROOFS[proof]
    if there(evidence):
        return {**found, "state": "evidence", "where": where}
    return {**found, "state": "not met", "why": otherwise}


@cache
def _lists() -> list[dict[str, Any]]:
    text = files("radlas.report").joinpath("checklists.yaml").read_text(encoding="utf-8")
    lists: list[dict[str, Any]] = yaml.safe_load(text)
    return lists
