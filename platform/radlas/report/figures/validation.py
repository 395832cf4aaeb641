"""Figures of what makes a number believable: controls, calibration, decisions, precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from radlas.report import format as fmt
from radlas.report.evidence.page import External, Model
from radlas.report.evidence.validation import Band, Decision, Honesty, Interval
from radlas.report.figures import ground as base
from radlas.report.figures.ground import Panel

_STEP = 4  # every fourth point of a curve stands in the table beside it


def controls(models: Mapping[str, Model], honesty: Honesty, primary: str) -> Panel:
    """Areas of the models and of what they must beat, in training and outside."""
    rows: list[tuple[str, Interval, Interval | None, bool]] = [
        (name, m["training"]["auc_pooled"], m["external"]["auc"] if m["external"] else None, True)
        for name, m in models.items()
    ]
    rows += [(c["control"], c["training"], c["external"], False) for c in honesty["rows"]]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0.5, color=base.QUIET, lw=0.8, ls=":", zorder=0)
        for y, (_, training, external, own) in enumerate(rows):
            colour = base.SERIES[0] if own else base.SERIES[5]
            _bar(axes, y + 0.16, training, colour, hollow=True)
            _bar(axes, y - 0.12, external, colour, hollow=False)
        names = [fmt.shorten(name.replace("_", " "), 30) for name, *_ in rows]
        axes.set_yticks(range(len(rows)), names)
        for label, (name, *_, own) in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_color(base.INK if own else base.QUIET)
            label.set_fontweight("bold" if name == primary else "normal")
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="AUC [1]")
        axes.set_xlim(min(0.3, axes.get_xlim()[0]), 1.01)
        axes.tick_params(axis="y", length=0)

    looked = any(model["external"] for model in models.values())
    without = "no meaning there" if looked else "not validated"
    lacking = {c["control"]: "not judged" for c in honesty["rows"] if c.get("note")}
    table = tuple(
        (
            name,
            "model" if own else "control",
            fmt.estimate(training),
            fmt.estimate(external) if external else lacking.get(name, without),
        )
        for name, training, external, own in rows
    )
    words = "; ".join(f"{name}: external {outside}" for name, _, _, outside in table)
    return Panel(
        "controls",
        "Models beside what they must beat",
        base.svg("controls", (7.4, 0.9 + 0.36 * len(rows)), paint, f"AUC with 95 % CI. {words}."),
        "AUC with 95 % CI: filled, external centre; hollow, training centres, pooled out-of-fold."
        " In blue the study's models, in grey the controls; dotted, chance.",
        ("Model", "Kind", "Training (95 % CI) [1]", "External (95 % CI) [1]"),
        table,
        "honesty.rows",
    )


def calibration(models: Mapping[str, Model], primary: str) -> Panel | None:
    """The smooth calibration curve of every model, the primary's with its band."""
    curves = {
        name: (model["external"], curve)
        for name, model in models.items()
        if model["external"] and (curve := model["external"].get("curve"))
    }
    if not curves:
        return None

    def paint(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, height_ratios=[5, 1], sharex=True)
        axes.plot([0, 1], [0, 1], color=base.QUIET, lw=0.8, ls=":")
        _curves(axes, {name: curve for name, (_, curve) in curves.items()}, primary)
        axes.set(ylim=(-0.02, 1.02), ylabel="share of events [1]")
        base.legend_above(axes)
        if told := models[primary]["external"]:
            _spikes(below, told)
        below.set(xlim=(-0.02, 1.02), xlabel="predicted risk [1]")

    rows = _table({name: curve for name, (_, curve) in curves.items()})
    gaps = {
        name: errors["ici"]["estimate"]
        for name, (external, _) in curves.items()
        if (errors := external.get("errors"))
    }
    words = "; ".join(f"{name}: mean distance {fmt.fixed(gap)}" for name, gap in gaps.items())
    return Panel(
        "calibration",
        "Calibration in the external centre",
        base.svg("calibration", (7.4, 5.2), paint, f"Calibration curves. {words}."),
        "Smooth share of events against predicted risk, the primary model's with its 95 % band;"
        " on the dotted line they agree. Below, the primary model's patients: up with, down"
        f" without the event.{'' if primary in curves else ' It has one risk for all: no curve.'}",
        ("Model", "Risk [1]", "Share of events [1]", "95 % band [1]"),
        rows,
        "models.*.external.curve",
    )


def decisions(models: Mapping[str, Model], primary: str) -> Panel | None:
    """Net benefit of every model over the range of thresholds, against all and nobody."""
    found = {
        name: decision
        for name, model in models.items()
        if model["external"] and (decision := model["external"].get("decision"))
    }
    if not found:
        return None
    first = next(iter(found.values()))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=base.QUIET, lw=1, ls=(0, (4, 2)), label="treat nobody")
        axes.plot(first["model"]["x"], first["all"], color=base.QUIET, lw=1, label="treat all")
        _curves(axes, {name: one["model"] for name, one in found.items()}, primary)
        axes.set(ylim=(-0.12, max(0.1, 1.05 * _top(found.values()))), xlabel="threshold [risk]")
        axes.set_ylabel("net benefit [1 per patient]")
        base.legend_above(axes)

    words = "; ".join(f"{name} {_worth(one)}" for name, one in found.items())
    return Panel(
        "decisions",
        "Decision curves in the external centre",
        base.svg("decisions", (7.4, 4.0), paint, f"Net benefit over thresholds. {words}."),
        "Net benefit of acting on the model's risk, the primary model's with its 95 % band. A model"
        " is worth something where it lies above both grey lines; risks were not recalibrated. What"
        " lies below −0.12 is not drawn.",
        ("Model", "Threshold [risk]", "Net benefit [1]", "95 % band [1]"),
        (
            *_table({name: one["model"] for name, one in found.items()}),
            *(
                ("treat all", fmt.fixed(x), fmt.fixed(y), "")
                for x, y in list(zip(first["model"]["x"], first["all"], strict=True))[::_STEP]
            ),
        ),
        "models.*.external.decision",
    )


def precision(models: Mapping[str, Model], primary: str) -> Panel | None:
    """Precision against recall of every model; the prevalence is what chance reaches."""
    found = {
        name: external
        for name, model in models.items()
        if (external := model["external"]) and external.get("precision_recall")
    }
    if not found:
        return None
    one = next(iter(found.values()))
    prevalence = one["positives"] / one["n"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(prevalence, color=base.QUIET, lw=0.8, ls=":")
        for i, (name, external) in enumerate(found.items()):
            recall, value = np.asarray(external["precision_recall"], dtype=float).T
            axes.step(
                recall,
                value,
                where="pre",  # as the average precision counts it
                label=fmt.shorten(name, 30),
                **_line(i, name == primary),
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel="recall [1]", ylabel="precision [1]")
        base.legend_above(axes)

    areas = tuple(
        (name, fmt.estimate(external["average_precision"])) for name, external in found.items()
    )
    words = "; ".join(f"{name} {area}" for name, area in areas)
    return Panel(
        "precision",
        "Precision and recall in the external centre",
        base.svg("precision", (7.4, 4.0), paint, f"Average precision: {words}."),
        f"Average precision: {words}. Dotted, the prevalence ({fmt.fixed(prevalence)}): the"
        " precision of calling patients at random.",
        ("Model", "Recall [1]", "Precision [1]"),
        tuple(
            (name, fmt.fixed(recall), fmt.fixed(value))
            for name, external in found.items()
            for recall, value in external["precision_recall"]
        ),
        "models.*.external.precision_recall",
    )


def _top(found: Iterable[Decision]) -> float:
    """The highest net benefit that must be seen, the band's end and treating all among them."""
    known = ((*one["model"]["y"], *one["model"]["high"], *one["all"]) for one in found)
    return max(value for values in known for value in values if value is not None)


def _worth(one: Decision) -> str:
    """In words: over which thresholds a model is better than treating all and than nobody."""
    pairs = zip(one["model"]["x"], one["model"]["y"], one["all"], strict=True)
    better = [x for x, mine, every in pairs if mine > max(every, 0.0)]
    if not better:
        return "is nowhere above both"
    return (
        f"is above both at {len(better)} of {len(one['all'])} thresholds, first at"
        f" {fmt.fixed(better[0], 2)}, last at {fmt.fixed(better[-1], 2)}"
    )


def _bar(axes: Any, y: float, area: Interval | None, colour: str, *, hollow: bool) -> None:
    if area is None or area["estimate"] is None:
        return
    if area["low"] is not None and area["high"] is not None:
        axes.plot([area["low"], area["high"]], [y, y], color=colour, lw=1 if hollow else 2)
    face = "white" if hollow else colour
    axes.plot(area["estimate"], y, "o", color=colour, mfc=face, ms=5.5)


def _line(place: int, main: bool) -> dict[str, Any]:
    dash = "-" if main else base.DASHES[1 + place % 5]
    return {"color": base.SERIES[place % 6], "ls": dash, "lw": 2.4 if main else 1.4}


def _curves(axes: Any, curves: Mapping[str, Band], primary: str) -> None:
    for i, (name, curve) in enumerate(curves.items()):
        main = name == primary
        line = _line(i, main)
        axes.plot(curve["x"], curve["y"], label=fmt.shorten(name, 30), zorder=3 + main, **line)
        if main:
            low, high = (np.array(curve[end], dtype=float) for end in ("low", "high"))
            axes.fill_between(curve["x"], low, high, color=line["color"], alpha=0.15, lw=0)


def _spikes(axes: Any, external: External) -> None:
    for label, sign, colour in ((1, 1, base.POSITIVE), (0, -1, base.NEGATIVE)):
        risks = [one["risk"] for one in external["risks"] if one["label"] == label]
        counts, edges = np.histogram(risks, bins=40, range=(0, 1))
        middle = (edges[:-1] + edges[1:]) / 2
        axes.vlines(middle, 0, sign * counts, color=colour, lw=2)
    axes.axhline(0, color=base.QUIET, lw=0.6)
    axes.set(yticks=[])
    axes.spines["left"].set_visible(False)


def _table(curves: Mapping[str, Band]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, fmt.fixed(x), fmt.fixed(y), fmt.bounds({"low": low, "high": high}))
        for name, curve in curves.items()
        for x, y, low, high in list(
            zip(curve["x"], curve["y"], curve["low"], curve["high"], strict=True)
        )[::_STEP]
    )
