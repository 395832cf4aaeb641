"""What the report says in words from its numbers: the verdict's warnings, and fixed sentences."""

from __future__ import annotations

from radlas.report import format as fmt
from radlas.report.check import kind_of
from radlas.report.evidence import Comparison, Evidence, External

EVENTS_FOR_CALIBRATION = 100  # per class, a lower bound [Snell 2021]
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
