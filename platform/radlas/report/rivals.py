"""What others say against the primary model: other models, controls, and itself made otherwise."""

from __future__ import annotations

from radlas.report import format as fmt
from radlas.report.evidence.page import Comparison, Evidence, External
from radlas.report.evidence.validation import Control, Interval

SIGNIFICANT = 0.05  # after Holm
_RIVALS = {
    "volume": "The tumour's volume alone",
    "clinical": "The clinical record alone",
    "random_weights": "The same model on a network that was never trained",
    "shuffled": "A model of ROIs whose voxels were shuffled",
}


def models(evidence: Evidence) -> list[str]:
    """Models of the study that the primary one is not known to beat, or that beat it."""
    primary = evidence["primary"]
    return [
        _comparison(one, primary)
        for one in evidence["comparisons"]
        if primary in {one["a"], one["b"]}
    ]


def _comparison(one: Comparison, primary: str) -> str:
    p = one["p"] if one["p_holm"] is None else one["p_holm"]
    pair = f"{one['a']} and {one['b']}"
    if p is None:
        return f"The AUCs of {pair} could not be compared."
    if p >= SIGNIFICANT:
        return f"No difference in AUC was shown between {pair} (p {fmt.p_equals(p)} after Holm)."
    better = one["a"] if (one["delta"] or 0.0) > 0 else one["b"]
    if better == primary:
        return ""
    return f"{better} has a higher AUC than {primary} (p {fmt.p_equals(p)} after Holm)."


def controls(evidence: Evidence, external: External | None) -> list[str]:
    """What the controls say against the primary model; of permuted labels, against the pipeline."""
    rows = evidence["honesty"]["rows"] if "honesty" in evidence else []
    auc = external["auc"] if external else None
    return [
        sentence
        for row in rows
        if (sentence := _training_control(row) or (_rival(row, auc) if auc else ""))
    ]


def _training_control(row: Control) -> str:
    """A control that beats chance where it should not.

    DeLong's interval knows nothing of folds that share their training rows, so it is too narrow
    here: of permuted labels of 100 and 130 made patients, of 12 and 40 features, it lay above 0.5
    in 29 of 564 draws, and not in one of forty.
    """
    name, training = row["control"], row["training"]
    beats_chance = training["low"] is not None and training["low"] > 0.5
    if name == "permuted" and beats_chance:
        return (
            "On permuted labels the pipeline reaches an out-of-fold AUC of"
            f" {fmt.estimate(training)}. By chance about one permutation in twenty does this;"
            " otherwise information leaks into training. Until it is known which, no number on this"
            " page can be trusted."
        )
    if name == "centre" and beats_chance:
        return (
            "The centre alone tells the classes apart in training (AUC"
            f" {fmt.estimate(training)}): what the model learned may be the centre."
        )
    return ""


def _rival(row: Control, reached: Interval) -> str:
    """A control that the primary model is not known to beat on the same patients.

    By the paired difference, or where there is none, by the primary model's own interval. One of no
    feature is beaten by whoever beats 0.5, and its AUC says nothing of what it was to stand for.
    """
    outside, gap = row["external"], row.get("difference")
    area = outside["estimate"] if outside else None
    if row["control"] not in _RIVALS or area is None or reached["estimate"] is None:
        return ""
    if not row["features"]:
        name, what = row["control"].replace("_", " "), _RIVALS[row["control"]]
        return (
            f"The control {name} chose no feature and gives every patient the same risk: what"
            f" {what[0].lower()}{what[1:]} is worth was not shown."
        )
    told = f"{_RIVALS[row['control']]} reaches an external AUC of {fmt.fixed(area)}"
    if area >= reached["estimate"]:
        beaten = False
        beside = f", no less than the primary model's {fmt.fixed(reached['estimate'])}"
    elif gap and gap["low"] is not None:
        beaten = gap["low"] > 0
        beside = f", and the interval of the difference includes 0 ({fmt.bounds(gap)})"
    else:
        beaten = reached["low"] is None or area < reached["low"]
        beside = ", inside the interval of the primary model"
    unshown = "it was not shown that the primary model adds anything"
    return "" if beaten else f"{told}{beside}: {unshown}."


def otherwise(evidence: Evidence, external: External) -> list[str]:
    """Choices without which the external AUC would lie outside the primary model's interval."""
    auc = external["auc"]
    if auc["low"] is None or auc["high"] is None or "sensitivity" not in evidence:
        return []
    found = evidence["sensitivity"]
    rows = [(f"fitted with {row['change']}", row["auc"]) for row in found["variants"]]
    rows += [
        (f"judged on patients with {row['patients']}", row["auc"]) for row in found["patients"]
    ]
    return [
        f"The result hangs on one choice: {words}, the model reaches an external AUC of"
        f" {fmt.estimate(area)}, outside the interval of the primary model."
        for words, area in rows
        if area and area["estimate"] is not None
        if not auc["low"] <= area["estimate"] <= auc["high"]
    ]
