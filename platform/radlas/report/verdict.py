"""What the report says in words from its numbers: the verdict's warnings, and fixed sentences."""

from __future__ import annotations

from collections.abc import Sequence

from radlas.report import format as fmt
from radlas.report import rivals
from radlas.report.check import kind_of
from radlas.report.evidence.cohort import Banner
from radlas.report.evidence.page import Evidence, External
from radlas.report.evidence.validation import NOT_IMPUTED, WITHIN, CentreTold, Interval
from radlas.words import counted

FEW = 5  # per class, below which DeLong's interval covers less than it says
EVENTS_FOR_CALIBRATION = 100  # per class, a lower bound [Snell 2021]
_STABLE = 0.4  # below it Nogueira's index is called poor (Nogueira et al. 2018)
_STAMPS = {"synthetic": "Synthetic cohort", "random_weights": "Random network weights"}


def stamps(banners: Sequence[Banner]) -> tuple[str, ...]:
    """Short words for the banners that must stay in sight on every screen and printed page."""
    kinds = {kind_of(banner) for banner in banners}
    return tuple(words for kind, words in _STAMPS.items() if kind in kinds)


def warnings(evidence: Evidence) -> tuple[str, ...]:
    """Why the primary model's numbers should be read with care; computed, never chosen."""
    external = evidence["models"][evidence["primary"]]["external"]
    found = (
        *_outside(evidence, external),
        _empty(evidence),
        _unchosen(evidence),
        *rivals.controls(evidence, external),
        _unstable(evidence),
        _centres(evidence),
        *(rivals.otherwise(evidence, external) if external else ()),
        *(_filled(evidence, external) if external else ()),
        _adapted(evidence, external) if external else "",
        _looks(evidence["looks"]),
        _losses(evidence),
    )
    return tuple(sentence for sentence in found if sentence)


def _outside(evidence: Evidence, external: External | None) -> tuple[str, ...]:
    if external is None:
        return ("There is no external validation: training numbers are no evidence of use.",)
    return (
        _few_patients(external),
        _chance(external),
        _f1(external),
        *rivals.models(evidence),
    )


def calibration_sentence(external: External) -> str:
    """What the number of events allows to say about calibration."""
    smaller = _smaller_class(external)
    if smaller >= EVENTS_FOR_CALIBRATION:
        return (
            f"The smaller class holds {counted(smaller, 'patient')}. At least"
            f" {EVENTS_FOR_CALIBRATION} per class is a lower bound for claims about calibration."
        )
    return (
        f"The smaller class holds {counted(smaller, 'patient')}. Fewer than"
        f" {EVENTS_FOR_CALIBRATION} events or non-events cannot support a claim about calibration:"
        " read these numbers as a check for gross error only."
    )


def _smaller_class(external: External) -> int:
    return min(external["positives"], external["n"] - external["positives"])


def _few_patients(external: External) -> str:
    smaller = _smaller_class(external)
    if smaller >= EVENTS_FOR_CALIBRATION:
        return ""
    return (
        f"The smaller class of the external centre holds {counted(smaller, 'patient')}:"
        f" {_width(external['auc'], smaller)}calibration cannot be judged."
    )


def _width(auc: Interval, smaller: int) -> str:
    """What few patients do to the interval of the AUC, if it has one: an exact one errs safely."""
    if auc["low"] is None:
        return ""
    narrow = smaller < FEW and auc.get("method", "").startswith("DeLong")
    return f"{'the interval of the AUC is too narrow' if narrow else 'intervals are wide'} and "


def _chance(external: External) -> str:
    auc = external["auc"]
    if auc["estimate"] is None:
        note = auc.get("note", "").removeprefix("not estimable: ") or "no reason was given"
        return f"The external AUC could not be estimated: {note}."
    if auc["low"] is None:
        return "The external AUC has no confidence interval."
    if auc["high"] is not None and auc["high"] < 0.5:
        return (
            "The whole interval of the AUC lies below 0.5: the model ranks these patients the wrong"
            " way round."
        )
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


def _filled(evidence: Evidence, external: External) -> tuple[str, ...]:
    """External patients of whom the model did not see what it was made for."""
    rows = evidence["sensitivity"]["patients"] if "sensitivity" in evidence else []
    left = {row["patients"]: external["n"] - row["n"] for row in rows}
    imputed, beyond = left.get(NOT_IMPUTED, 0), left.get(WITHIN, 0)
    whole = fmt.count(external["n"])
    return (
        f"{fmt.count(imputed)} of {whole} external patients lack a feature of the signature: the"
        " training median stands in its place."
        if imputed
        else "",
        f"{fmt.count(beyond)} of {whole} external patients have a feature of the signature beyond"
        " what training saw: their risks are extrapolated."
        if 2 * beyond > external["n"]
        else "",
    )


def _adapted(evidence: Evidence, external: External) -> str:
    """That the external patients were brought to training as a whole, by their own images.

    Of 120 made patients, half of them positive, and 200 of a new centre, 5 of 20 features by one
    standard deviation higher in positives: with 10, 50 and 90 % positive there, the mean risk was
    0.48, 0.52 and 0.54, and specificity at 0.5 was 0.58, 0.82 and 0.96.
    """
    policy = evidence["study"].get("harmonise", {})
    if policy.get("method", "none") == "none" or policy.get("on_unseen") != "adapt":
        return ""
    return (
        "External features were harmonised to the training centres by the images, without labels,"
        f" of all {counted(external['n'], 'external patient')}: these numbers hold where as many"
        " come together, not for one who comes alone. A share of positives unlike that in training"
        f" ({_positive(evidence, 'training')} %, here {_positive(evidence, 'external')} %) is taken"
        " for the scanner: where fewer are positive risks are too high, where more are, too low."
    )


def _positive(evidence: Evidence, role: str) -> str:
    """The share of labelled patients of a role who are positive, in percent."""
    rows = [row for row in evidence["classes"] if row["role"] == role]
    positive = sum(row["positive"] for row in rows)
    return fmt.percent(positive, positive + sum(row["negative"] for row in rows))


def _empty(evidence: Evidence) -> str:
    """Folds in which the primary model had nothing to go by, and what its threshold is then."""
    training = evidence["models"][evidence["primary"]]["training"]
    empty, folds = training.get("empty_folds", 0), training.get("folds", 0)
    if not empty:
        return ""
    told = f"In {empty} of {folds} outer folds the pipeline chose no feature at all"
    if empty == folds and not training.get("tied"):
        return (
            f"{told}: out of fold a patient's risk is the share of positives among those of the"
            " other folds, and the locked threshold lies among these shares: it is not a cut that"
            " was chosen."
        )
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
    if not model["signature"]:
        return "The primary model chose no feature at all: every patient gets the same risk."
    if not unused:
        return ""
    return (
        f"The primary model chose no feature of {' and '.join(unused)}: in use it is a model of"
        f" {' and '.join(block for block in model['blocks'] if block in chosen)} alone."
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
