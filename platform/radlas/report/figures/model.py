"""Figures of discrimination, risks and subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from radlas.report import format as fmt
from radlas.report.evidence.cohort import Outcome
from radlas.report.evidence.page import External, Model, Subgroup
from radlas.report.evidence.validation import Interval, Sensitivity
from radlas.report.figures import ground as base
from radlas.report.figures.ground import Panel

Validated = Mapping[str, External]
_INSIDE = 6  # names that find a place below the curves of models that are worth something


def validated(models: Mapping[str, Model]) -> dict[str, External]:
    """The external results of the models that have some."""
    return {name: model["external"] for name, model in models.items() if model["external"]}


def roc(models: Mapping[str, Model], primary: str) -> Panel | None:
    """Curves in the external centre, and each AUC with its interval beside its training value.

    None where patients are of one class: there is no curve of any model.
    """
    results = validated(models)
    if not any(one["roc"] for one in results.values()):
        return None

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        _curves(left, models, primary)
        _intervals(right, models, primary)

    words = "; ".join(f"{name} {fmt.estimate(one['auc'])}" for name, one in results.items())
    alt = f"ROC curves in the external centre. AUC with 95 % CI: {words}."
    return Panel(
        "roc",
        "Discrimination in the external centre",
        base.svg("roc", (7.4, max(3.7, 0.6 + 0.75 * len(models))), paint, alt),
        "Left: ROC curves; the large marker is each model at its locked threshold, the dotted line"
        " is chance. Right: AUC with 95 % CI; filled, external centre; hollow, training centres,"
        " pooled out-of-fold predictions.",
        ("Model", "1 − specificity [1]", "Sensitivity [1]"),
        tuple(
            (name, fmt.fixed(x), fmt.fixed(y))
            for name, one in results.items()
            for x, y in one["roc"]
        ),
        "models.*.external.roc",
    )


def risks(models: Mapping[str, Model], outcome: Outcome) -> Panel:
    """Every external patient's risk, by true class and model."""
    results = validated(models)
    classes = ((0, outcome["negative"]), (1, outcome["positive"]))
    columns = min(3, len(results))
    rows = -(-len(results) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes in grid.flat[len(results) :]:
            axes.set_axis_off()
        for axes, (name, one) in zip(grid.flat, results.items(), strict=False):
            _risk_columns(axes, one, [label for _, label in classes])
            axes.axhline(models[name]["threshold"], color=base.INK, lw=1, ls=(0, (4, 2)))
            axes.set_title(fmt.shorten(name, 26))
        for axes in grid[:, 0]:
            axes.set_ylabel("predicted risk [1]")

    summary = _risk_summary(results, classes)
    words = "; ".join(
        f"{name}, {label}: median {middle} (quartiles {quartiles})"
        for name, label, _, middle, quartiles in summary
    )
    return Panel(
        "risks",
        "Predicted risk by true class",
        base.svg("risks", (7.4, 3.2 * rows), paint, f"Risks by class. {words}."),
        "Each dot is one patient of the external centre; the bar is the median, the dashed line"
        " the locked threshold. Overlap of the columns is what the model cannot tell apart.",
        ("Model", "Patient", "True class", "Risk [1]"),
        tuple(
            (
                name,
                fmt.short_id(row.get("case", "")),
                dict(classes)[row["label"]],
                fmt.fixed(row["risk"]),
            )
            for name, one in results.items()
            for row in sorted(one["risks"], key=lambda row: -row["risk"])
        ),
        "models.*.external.risks",
    )


def forest(subgroups: Sequence[Subgroup], primary: str, overall: Interval | None) -> Panel:
    """The primary model's AUC in each subgroup, as a forest plot."""
    rows = [row for row in subgroups if row["model"] == primary]
    return _forest(
        "forest",
        f"Subgroups of the external centre, {primary}",
        "AUC with 95 % CI per subgroup; dashed, all patients; dotted, chance; + / −, patients"
        " of each class. A wide interval means few patients, not a poor model.",
        rows,
        overall,
        ("Variable", "Level"),
        "subgroups",
    )


def sensitivity(found: Sensitivity, primary: str, overall: Interval | None) -> Panel | None:
    """The AUC of the model made otherwise, and of fewer patients; None if there is neither."""
    made = [
        ("refitted", one["name"].replace("_", " "), one["n"], one["positives"], one["auc"])
        for one in found["variants"]
    ]
    fewer = [
        ("fewer", one["patients"], one["n"], one["positives"], one["auc"])
        for one in found["patients"]
    ]
    rows = [
        Subgroup(
            model=primary, variable=kind, level=name, n=n or 0, positives=positives or 0, auc=auc
        )
        for kind, name, n, positives, auc in (*made, *fewer)
        if auc is not None
    ]
    if not rows:
        return None
    return _forest(
        "sensitivity",
        f"Sensitivity of the external AUC of {primary}",
        "AUC with 95 % CI of the primary model fitted again with one choice changed, and of the"
        " locked model on the patients about whom there is least to doubt; dashed, the primary"
        " model on all patients; dotted, chance; + / −, patients of each class.",
        rows,
        overall,
        ("What is changed", "How"),
        "sensitivity",
    )


def _forest(  # noqa: PLR0917 - the words of a figure, and its rows
    key: str,
    title: str,
    caption: str,
    rows: Sequence[Subgroup],
    overall: Interval | None,
    columns: tuple[str, str],
    source: str,
) -> Panel:
    left = _left(rows)

    def paint(figure: Figure) -> None:
        axes, beside = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
        if overall and overall["estimate"] is not None:
            axes.axvline(overall["estimate"], color=base.NEGATIVE, lw=1, ls=(0, (4, 2)))
        axes.axvline(0.5, color=base.QUIET, lw=0.8, ls=":", zorder=0)
        for y, row in enumerate(rows):
            _interval(axes, y, row["auc"], color=base.INK, marker="s", lw=1.5)
        names = [fmt.shorten(f"{row['variable']}: {row['level']}", 40) for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set(xlim=(left, 1.01), ylim=(len(rows) - 0.4, -1.4), xlabel="AUC, external centre [1]")
        axes.tick_params(axis="y", length=0)
        _forest_numbers(beside, rows)

    table = tuple(_subgroup_row(row) for row in rows)
    words = "; ".join(f"{row[0]} {row[1]}: {row[4]}" for row in table)
    return Panel(
        key,
        title,
        base.svg(key, (7.4, 1.1 + 0.3 * len(rows)), paint, f"{title}: AUC. {words}."),
        caption,
        (*columns, "Patients", "Positive", "AUC (95 % CI) [1]", "Note"),
        table,
        source,
    )


def _left(rows: Sequence[Subgroup]) -> float:
    """Where the axis begins: no interval is cut, and no estimate without one is hidden."""
    ends = [(auc["low"], auc["estimate"]) for row in rows if (auc := row["auc"])]
    known = [end for pair in ends for end in pair if end is not None]
    return min([0.45, *(end - 0.03 for end in known)])


def _curves(axes: Any, models: Mapping[str, Model], primary: str) -> None:
    axes.plot([0, 1], [0, 1], color=base.QUIET, lw=0.8, ls=":")
    for i, (name, model) in enumerate(models.items()):
        one = model["external"]
        if one is None:
            continue
        colour, main = base.SERIES[i % 6], name == primary
        fpr, tpr = np.asarray(one["roc"], dtype=float).reshape(-1, 2).T
        line = {
            "color": colour,
            "ls": "-" if main else base.DASHES[1 + i % 5],
            "lw": 2.4 if main else 1.4,
        }
        axes.plot(fpr, tpr, label=fmt.shorten(name, 30), zorder=4 if main else 3, **line)
        if point := _operating_point(one):
            axes.plot(*point, base.MARKERS[i % 6], color=colour, mec="white", ms=8, zorder=5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set(xlabel="1 − specificity [1]", ylabel="sensitivity [1]")
    axes.set_anchor("N")
    below = {"loc": "upper left", "bbox_to_anchor": (0, -0.15)}  # many names would lie on curves
    few = len(validated(models)) <= _INSIDE
    axes.legend(**({"loc": "lower right"} if few else below)).set_in_layout(few)


def _operating_point(one: External) -> tuple[float, float] | None:
    sensitivity, specificity = one["sensitivity"]["estimate"], one["specificity"]["estimate"]
    if sensitivity is None or specificity is None:
        return None
    return 1 - specificity, sensitivity


def _intervals(axes: Any, models: Mapping[str, Model], primary: str) -> None:
    for i, (name, model) in enumerate(models.items()):
        external = model["external"]
        style = {"color": base.SERIES[i % 6], "marker": base.MARKERS[i % 6]}
        _interval(axes, i + 0.18, model["training"]["auc_pooled"], mfc="white", lw=1, **style)
        auc = external["auc"] if external else None
        _interval(axes, i - 0.12, auc, lw=2.2 if name == primary else 1.4, **style)
        words = f"{fmt.shorten(name, 24)}: {fmt.estimate(auc)}"
        axes.text(0.01, i - 0.36, words, size=7.5, transform=axes.get_yaxis_transform())
    axes.set(ylim=(len(models) - 0.5, -0.65), yticks=[], xlabel="AUC [1]")
    axes.set_xlim(min(0.48, axes.get_xlim()[0]), 1.01)
    axes.axvline(0.5, color=base.QUIET, lw=0.8, ls=":")
    axes.spines["left"].set_visible(False)


def _interval(axes: Any, y: float, auc: Interval | None, **style: Any) -> None:
    if auc is None or auc["estimate"] is None:
        return
    width = style.pop("lw")
    if auc["low"] is not None and auc["high"] is not None:
        axes.plot([auc["low"], auc["high"]], [y, y], color=style["color"], lw=width)
    axes.plot(auc["estimate"], y, ls="", ms=6, **style)


def _risk_columns(axes: Any, one: External, labels: Sequence[str]) -> None:
    for column, colour, marker in ((0, base.NEGATIVE, "o"), (1, base.POSITIVE, "D")):
        values = [risk["risk"] for risk in one["risks"] if risk["label"] == column]
        offsets = base.swarm(values, span=(0, 1), bins=32)
        step = 0.075 * min(1, 5 / max(np.abs(offsets), default=1)) if np.any(offsets) else 0
        style = {"s": 17, "color": colour, "alpha": 0.85, "linewidths": 0, "marker": marker}
        axes.scatter(column + step * offsets, values, **style)
        if values:
            axes.plot([column - 0.28, column + 0.28], [np.median(values)] * 2, color=base.INK, lw=2)
    axes.set(xlim=(-0.55, 1.55), ylim=(-0.03, 1.03))
    axes.set_xticks([0, 1], [fmt.shorten(label, 14) for label in labels])


def _risk_summary(
    results: Validated, classes: Sequence[tuple[int, str]]
) -> tuple[tuple[str, ...], ...]:
    rows = []
    for name, one in results.items():
        for code, label in classes:
            values = [risk["risk"] for risk in one["risks"] if risk["label"] == code]
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]) if values else [None] * 3
            quartiles = fmt.bounds({"low": low, "high": high})
            rows.append((name, label, str(len(values)), fmt.fixed(middle), quartiles))
    return tuple(rows)


def _forest_numbers(axes: Any, rows: Sequence[Subgroup]) -> None:
    cells = [
        (y, fmt.estimate(row["auc"]), f"{row['positives']} / {row['n'] - row['positives']}")
        for y, row in enumerate(rows)
    ]
    for y, left, right in [(-1, "AUC (95 % CI)", "+ / −"), *cells]:
        weight = "bold" if y < 0 else "normal"
        axes.text(0, y, left, weight=weight, va="center", size=8)
        axes.text(1, y, right, weight=weight, va="center", size=8, ha="right")
    axes.set_axis_off()


def _subgroup_row(row: Subgroup) -> tuple[str, ...]:
    auc = row["auc"]
    note = row.get("note") or (auc.get("note", "") if auc else "")
    numbers = (str(row["n"]), str(row["positives"]))
    return (row["variable"], row["level"], *numbers, fmt.estimate(auc), note)
