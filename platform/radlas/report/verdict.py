"""What the report says in words from its numbers: the verdict's warnings, and fixed sentences."""

from __future__ import annotations

from radlas.report import format as fmt
from radlas.report.check import kind_of
from radlas.report.evidence import Comparison, Evidence, External
from radlas.report.evidence_validation import CentreTold, Control

EVENTS_FOR_CALIBRATION = 100  # per class, a lower bound [Snell 2021]
_STABLE = 0.4  # below it Nogueira's index is called poor (Nogueira et al. 2018)
_RIVALS = {
    "volume": "The tumour's volume alone",
    "clinical": "The clinical record alone",
    "random_weights": "The same model on a network that was never trained",
    "shuffled": "A model of ROIs whose voxels were shuffled",
}
_STAMPS = {"synthetic": "Synthetic cohort", "random_weights": "Random network weights"}


def stamps(evidence: Evidence) -> tuple[str, ...]:
    """Short words for the banners that must stay in sight on every screen and printed page."""
    kinds = {kind_of(banner) for banner in evidence["banners"]}
    return tuple(words for kind, words in _STAMPS.items() if kind in kinds)


def warnings(evidence: Evidence) -> tuple[str, ...]:
    """Why the primary model's numbers should be read with care; computed, never chosen."""
    external = evidence["models"][evidence["primary"]]["external"]
    if external is None:
        return ("There is no external validation: training numbers are no evidence of use.",)
    found = (
        _few_patients(external),
        _chance(external),
        _f1(external),
        *map(_comparison, _primary_comparisons(evidence)),
        _empty(evidence),
        _unchosen(evidence),
        *_controls(evidence, external),
        _unstable(evidence),
        _centres(evidence),
        *_sensitive(evidence, external),
        _looks(evidence["looks"]),
        _losses(evidence),
    )
    return tuple(sentence for sentence in found if sentence)


def calibration_sentence(external: External) -> str:
    """What the number of events allows to say about calibration."""
    smaller = _smaller_class(external)
    if smaller >= EVENTS_FOR_CALIBRATION:
        return (
            f"The smaller class holds {smaller} patients. At least {EVENTS_FOR_CALIBRATION} per"
            " class is a lower bound for claims about calibration."
        )
    return (
        f"The smaller class holds {smaller} patients. Fewer than {EVENTS_FOR_CALIBRATION} events or"
        " non-events cannot support a claim about calibration: read these numbers as a check for"
        " gross error only."
    )


def _smaller_class(external: External) -> int:
    return min(external["positives"], external["n"] - external["positives"])


def _few_patients(external: External) -> str:
    smaller = _smaller_class(external)
    if smaller >= EVENTS_FOR_CALIBRATION:
        return ""
    return (
        f"The smaller class of the external centre holds {smaller} patients: intervals are wide and"
        " calibration cannot be judged."
    )


def _chance(external: External) -> str:
    auc = external["auc"]
    if auc["estimate"] is None:
        note = auc.get("note") or "no reason was given"
        return f"The external AUC could not be estimated: {note}."
    if auc["low"] is None:
        return "The external AUC has no confidence interval."
    return (
        "" if auc["low"] > 0.5 else "The interval of the AUC includes 0.5: chance is not excluded."
    )


def _f1(external: External) -> str:
    f1, trivial = external["f1"], external["f1_all_positive"]
    if f1["estimate"] is None:
        return "F1 could not be estimated."
    if f1["estimate"] <= trivial:
        return "Calling every patient positive gives an F1 at least as high as the model's."
    if f1["low"] is not None and f1["low"] <= trivial:
        return "The interval of F1 includes the value reached by calling every patient positive."
    return ""


def _primary_comparisons(evidence: Evidence) -> list[Comparison]:
    primary = evidence["primary"]
    return [one for one in evidence["comparisons"] if primary in (one["a"], one["b"])]


def _comparison(one: Comparison) -> str:
    p = one["p"] if one["p_holm"] is None else one["p_holm"]
    pair = f"{one['a']} and {one['b']}"
    if p is None:
        return f"The AUCs of {pair} could not be compared."
    if p < 0.05:
        return ""
    return f"No difference in AUC was shown between {pair} (p = {fmt.p_value(p)} after Holm)."


def _empty(evidence: Evidence) -> str:
    """Folds in which the primary model had nothing to go by, and what its threshold is then."""
    training = evidence["models"][evidence["primary"]]["training"]
    empty, folds = training.get("empty_folds", 0), training.get("folds", 0)
    if not empty:
        return ""
    told = f"In {empty} of {folds} outer folds the pipeline chose no feature at all"
    if not training.get("tied"):
        return f"{told}: there every patient has the same risk."
    return (
        f"{told}: out of fold every patient has the same risk, and the locked threshold is the"
        " training share of positives, not a cut that was chosen."
    )


def _unchosen(evidence: Evidence) -> str:
    """Blocks that the primary model was offered and that its signature does without."""
    model = evidence["models"][evidence["primary"]]
    chosen = {row["block"] for row in model["signature"]}
    unused = [block for block in model["blocks"] if block not in chosen]
    if not model["signature"] or not unused:
        return ""
    return (
        f"The primary model chose no feature of {' and '.join(unused)}: in use it is a model of"
        f" {' and '.join(block for block in model['blocks'] if block in chosen)} alone."
    )


def _controls(evidence: Evidence, external: External) -> list[str]:
    """What the controls say against the primary model; of permuted labels, against the pipeline."""
    rows = evidence["honesty"]["rows"] if "honesty" in evidence else []
    return [sentence for row in rows if (sentence := _control(row, external["auc"]["low"]))]


def _control(row: Control, reached: float | None) -> str:
    name, training, outside = row["control"], row["training"], row["external"]
    beats_chance = training["low"] is not None and training["low"] > 0.5
    if name == "permuted" and beats_chance:
        return (
            "On permuted labels the pipeline reaches an out-of-fold AUC of"
            f" {fmt.estimate(training)}: something leaks, and no number here can be believed."
        )
    if name == "centre" and beats_chance:
        return (
            "The centre alone tells the classes apart in training (AUC"
            f" {fmt.estimate(training)}): what the model learned may be the centre."
        )
    area = outside["estimate"] if outside else None
    if name not in _RIVALS or area is None or reached is None or area < reached:
        return ""
    return (
        f"{_RIVALS[name]} reaches an external AUC of {fmt.fixed(area)}, inside the interval of the"
        " primary model: that the primary model adds something was not shown."
    )


def _unstable(evidence: Evidence) -> str:
    found = evidence.get("stability")
    index = found["index"]["estimate"] if found else None
    if found is None or index is None or index >= _STABLE:
        return ""
    return (
        f"The signature is not stable: over {found['samples']} resamples of the training patients"
        f" Nogueira's index is {fmt.fixed(index, 2)}. Other patients would have given other"
        " features."
    )


def _centres(evidence: Evidence) -> str:
    told = {row["features"]: row for row in evidence.get("centres", [])}
    if "raw" not in told or not _tells(told["raw"]):
        return ""
    raw, others = told.pop("raw"), list(told.values())
    numbers = f"{fmt.fixed(raw['balanced_accuracy'], 2)}, by chance {fmt.fixed(raw['chance'], 2)}"
    after = "".join(
        f"; as the model sees them, {row['features']}, {fmt.fixed(row['balanced_accuracy'], 2)}"
        for row in others
    )
    return (
        "The training centres can be told apart by the features alone (balanced accuracy"
        f" {numbers}{after}): risks and thresholds may not travel."
    )


def _tells(row: CentreTold) -> bool:
    return row["balanced_accuracy"] >= (1 + row["chance"]) / 2


def _sensitive(evidence: Evidence, external: External) -> list[str]:
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


def _looks(looks: int) -> str:
    if looks <= 1:
        return ""
    return (
        f"The external centre has been looked at {looks} times; each look after the first makes it"
        " less of an independent test."
    )


def _losses(evidence: Evidence) -> str:
    flow = evidence["flow"]
    lost = flow["quarantined"] + flow["failed"]
    if not lost:
        return ""
    share, inputs = fmt.share(lost, flow["inputs"]), fmt.count(flow["inputs"])
    return f"{share} of {inputs} cases were lost before analysis."
