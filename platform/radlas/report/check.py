"""What an evidence must hold before a page is made of it; each refusal says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from radlas.errors import StudyError
from radlas.report.evidence.cohort import Banner, Flow
from radlas.report.evidence.explanation import CamImage
from radlas.report.evidence.page import Evidence

_RANDOM_SET = re.compile(r"(^|[-_])rand(om)?s?\d*([-_]|$)")


def check_evidence(evidence: Mapping[str, Any]) -> Evidence:
    """The same mapping, once it is known to hold together.

    Raises:
        StudyError: A section is absent, cases vanish from the flow, the primary model is not
            among the models, or a random network comes without its banner.
    """
    absent = sorted(Evidence.__required_keys__ - evidence.keys())
    if absent:
        raise StudyError(
            f"the evidence lacks {', '.join(absent)}",
            "report",
            "a section without results is None: the page then says why",
        )
    checked = cast(Evidence, evidence)
    _check_flow(checked["flow"])
    if checked["primary"] not in checked["models"]:
        raise StudyError(
            f"the primary model {checked['primary']!r} is not among the models",
            "report",
            f"choose one of: {', '.join(checked['models'])}",
        )
    _check_random_weights(checked)
    return checked


def check_images(images: Mapping[str, CamImage]) -> None:
    """Hold the slices of a montage to one grid each.

    Raises:
        StudyError: The arrays of a case differ in shape, or are not two-dimensional.
    """
    for case, image in images.items():
        shapes = {np.shape(image[name]) for name in ("image", "map", "tumour", "ring")}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise StudyError(
                f"slices of shapes {sorted(shapes)}", f"Grad-CAM of {case}", "give one (y, x) grid"
            )


def kind_of(banner: Banner) -> str:
    """``synthetic``, ``random_weights`` or ``other``: as declared, else by its words."""
    text = banner["text"].lower()
    if "kind" in banner:
        return banner["kind"]
    if "random" in text and "weight" in text:
        return "random_weights"
    return "synthetic" if "synthetic" in text else "other"


def _check_flow(flow: Flow) -> None:
    ended = flow["ok"] + flow["quarantined"] + flow["failed"]
    if flow["inputs"] != ended:
        raise StudyError(
            f"{flow['inputs']} inputs, but {ended} ended as ok, quarantined or failed",
            "report, flow of cases",
            "count the outcomes again: no case may vanish",
        )


def _check_random_weights(evidence: Evidence) -> None:
    random_sets = [
        name for name in evidence["provenance"]["feature_sets"] if _RANDOM_SET.search(name)
    ]
    if random_sets and "random_weights" not in map(kind_of, evidence["banners"]):
        raise StudyError(
            f"{', '.join(random_sets)} comes from random weights, but no banner says so",
            "report",
            "add a banner of kind `random_weights`",
        )


def name_random_blocks(evidence: Evidence) -> Evidence:
    """A copy whose deep blocks say that their weights are random, wherever they are named."""
    if "random_weights" not in map(kind_of, evidence["banners"]):
        return evidence
    # Through JSON: a list the caller uses twice must not be renamed in both places.
    named: Evidence = json.loads(json.dumps(evidence))
    deep = _deep_blocks(evidence)
    for holder, key in _block_names(named):
        holder[key] = _random(holder[key], deep)
    if held := named.get("stability"):
        for kind in ("blocks", "families"):
            held[kind] = {_random(name, deep): share for name, share in held[kind].items()}
    return named


def _block_names(evidence: Evidence) -> Iterator[tuple[Any, Any]]:
    """Every place that names a block, as a container and the key in it."""
    for model in evidence["models"].values():
        yield from ((model["blocks"], i) for i in range(len(model["blocks"])))
        yield from ((row, "block") for row in model["signature"])
    if shap := evidence["shap"]:
        yield from ((row, "block") for row in (*shap["features"], *shap["blocks"]))
        if groups := shap.get("groups"):
            yield from ((row, "group") for row in (*groups["blocks"], *groups["families"]))


def _deep_blocks(evidence: Evidence) -> set[str]:
    """Blocks that the study's protocol declares to be deep."""
    blocks = evidence["study"].get("blocks", {})
    return {name for name, block in blocks.items() if block.get("deep")}


def _random(block: str, deep: set[str]) -> str:
    return f"{block} (random weights)" if block in deep or block.startswith("deep") else block
