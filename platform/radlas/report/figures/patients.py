"""How single patients come to their risk: one waterfall each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radlas.report import format as fmt
from radlas.report.evidence.cohort import Outcome
from radlas.report.evidence.explanation import Shap
from radlas.report.figures import ground as base
from radlas.report.figures.explain import matrices
from radlas.report.figures.ground import Panel
from radlas.words import counted

STEPS = 9  # features in a waterfall; the rest is one step


def waterfalls(shap: Shap, threshold: float, outcome: Outcome) -> Panel:
    """How three patients come to their risk: highest, nearest to the threshold, lowest."""
    phi, _, names = matrices(shap)
    start = shap["base"]
    chosen = _three_patients(start + phi.sum(axis=1), threshold)
    titles = [_patient(shap, row, why, start, outcome) for row, why in chosen]
    tables = [_steps(phi[row], names) for row, _ in chosen]

    def paint(figure: Figure) -> None:
        heights = [len(table) + 1.5 for table in tables]
        panels = figure.subplots(len(chosen), 1, squeeze=False, sharex=True, height_ratios=heights)
        for axes, title, table in zip(panels[:, 0], titles, tables, strict=True):
            _waterfall(axes, table, start)
            axes.set_title(title, loc="right")  # grows to the left, over the names
        panels[-1, 0].set_xlabel("score [logit]")

    height = 0.6 + sum(0.29 * len(table) + 0.45 for table in tables)
    return Panel(
        "shap-patients",
        "Single patients",
        base.svg("shap-patients", (7.4, height), paint, f"Waterfalls. {'; '.join(titles)}."),
        f"From the mean score of the training patients ({fmt.fixed(start, 2)}, dotted) to the"
        " patient's own, feature by feature; vermilion raises the risk, blue lowers it. Chosen by"
        " rule: highest risk, nearest to the locked threshold, lowest risk.",
        ("Patient", "Feature", "SHAP [logit]"),
        tuple(
            (title, fmt.feature(name), fmt.signed(value))
            for title, table in zip(titles, tables, strict=True)
            for name, value in table
        ),
        "shap.values",
    )


def one(start: float, contributions: Sequence[tuple[str, float]]) -> Panel:
    """How one patient comes to its score.

    Args:
        start: Mean score of the training patients [logit].
        contributions: Features and what they add [logit].
    """
    names, values = [name for name, _ in contributions], [value for _, value in contributions]
    table = _steps(np.array(values, dtype=float), names)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _waterfall(axes, table, start)
        axes.set_xlabel("score [logit]")

    words = "; ".join(f"{fmt.feature(name)} {fmt.signed(value, 2)}" for name, value in table)
    return Panel(
        "waterfall",
        "What drove the risk",
        base.svg(
            "waterfall", (7.4, 0.9 + 0.33 * max(1, len(table))), paint, f"Waterfall: {words}."
        ),
        f"From the mean score of the training patients ({fmt.fixed(start, 2)}, dotted) to this"
        " patient's, feature by feature; vermilion raises the risk, blue lowers it.",
        ("Feature", "SHAP [logit]"),
        tuple((fmt.feature(name), fmt.signed(value)) for name, value in table),
        "drivers",
    )


def _three_patients(logits: NDArray[np.float64], threshold: float) -> list[tuple[int, str]]:
    edge = np.log(threshold / (1 - threshold)) if 0 < threshold < 1 else 0.0
    picks = {
        "highest risk": int(np.argmax(logits)),
        "nearest to the threshold": int(np.argmin(np.abs(logits - edge))),
        "lowest risk": int(np.argmin(logits)),
    }
    whys: dict[int, list[str]] = {}
    for why, row in picks.items():
        whys.setdefault(row, []).append(why)
    return [(row, " and ".join(why)) for row, why in whys.items()]


def _patient(shap: Shap, row: int, why: str, start: float, outcome: Outcome) -> str:
    logit = start + float(np.sum(shap["values"]["phi"][row]))
    label = shap["values"]["labels"][row]
    truth = "label unknown"
    if label is not None:
        truth = f"truly {outcome['positive' if label else 'negative']}"
    case = fmt.short_id(shap["values"]["cases"][row])
    return f"{case}: {why}, risk {fmt.fixed(1 / (1 + float(np.exp(-logit))))}, {truth}"


def _steps(phi: NDArray[np.float64], names: list[str]) -> list[tuple[str, float]]:
    order = sorted(range(len(names)), key=lambda column: (-abs(phi[column]), names[column]))
    steps = [(names[column], float(phi[column])) for column in order[:STEPS]]
    rest = order[STEPS:]
    if rest:
        steps.append((counted(len(rest), "other feature"), float(phi[rest].sum())))
    return steps


def _waterfall(axes: Any, steps: list[tuple[str, float]], start: float) -> None:
    at = start
    axes.axvline(start, color=base.QUIET, lw=0.9, ls=":")
    for y, (_, value) in enumerate(steps):
        axes.barh(
            y, value, left=at, height=0.64, color=base.POSITIVE if value > 0 else base.NEGATIVE
        )
        edge, side = (at + value, 3) if value > 0 else (at + value, -3)
        axes.annotate(
            fmt.signed(value, 2),
            (edge, y),
            (side, 0),
            textcoords="offset points",
            ha="left" if value > 0 else "right",
            va="center",
            size=7.5,
        )
        at += value
        axes.plot([at, at], [y + 0.32, y + 0.68], color=base.QUIET, lw=0.7)
    axes.set_yticks(range(len(steps)), [fmt.two_lines(name) for name, _ in steps])
    axes.set(ylim=(len(steps) - 0.4, -0.6))
    axes.use_sticky_edges = False  # else a bar ends at the frame, its number on the names
    axes.margins(x=0.14)
    axes.tick_params(axis="y", length=0)
