"""Figures of what drives a score: SHAP by block and by feature."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radlas.report import format as fmt
from radlas.report.evidence.explanation import Shap
from radlas.report.figures import ground as base
from radlas.report.figures.ground import Panel
from radlas.words import counted

_ROUNDING = 1e-9  # of a value: what varies by less has no direction
TOP = 12  # features in a figure; the rest is summed, and said
_LOW_TO_HIGH = LinearSegmentedColormap.from_list(
    "low_to_high", [base.NEGATIVE, "#b9c0c7", base.POSITIVE]
)


def blocks(shap: Shap) -> Panel:
    """Each block's share of what moves the score."""
    shares = shap["blocks"]
    colour = base.colours([one["block"] for one in shares])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for y, one in enumerate(shares):
            axes.barh(y, one["share"], height=0.62, color=colour[one["block"]])
            axes.text(one["share"] + 0.01, y, f"{fmt.percent(one['share'], 1)} %", va="center")
        axes.set_yticks(range(len(shares)), [fmt.shorten(one["block"], 30) for one in shares])
        axes.set(xlim=(0, 1.08), ylim=(len(shares) - 0.5, -0.5))
        axes.set(xlabel="share of the sum of mean |SHAP| of the blocks [1]")
        axes.tick_params(axis="y", length=0)

    rows = tuple((one["block"], fmt.fixed(one["share"])) for one in shares)
    words = "; ".join(f"{block} {share}" for block, share in rows)
    return Panel(
        "shap-blocks",
        "Share of each block",
        base.svg("shap-blocks", (7.4, 0.75 + 0.36 * len(shares)), paint, f"Shares: {words}."),
        "How far each block moves the score: contributions are summed inside a block first, so"
        " those that cancel each other there do not count. The shares sum to 1.",
        ("Block", "Share [1]"),
        rows,
        "shap.blocks",
    )


def features(shap: Shap) -> Panel:
    """Mean absolute SHAP value of the strongest features."""
    ranked = sorted(shap["features"], key=lambda one: (-one["mean_abs"], one["feature"]))
    top = ranked[:TOP]
    colour = base.colours([one["block"] for one in shap["blocks"]])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for y, one in enumerate(top):
            axes.barh(y, one["mean_abs"], height=0.66, color=colour.get(one["block"], base.QUIET))
        axes.set_yticks(range(len(top)), [fmt.two_lines(one["feature"]) for one in top])
        axes.set(ylim=(len(top) - 0.5, -0.5), xlabel="mean |SHAP| [logit]")
        axes.tick_params(axis="y", length=0)
        _block_legend(axes, {one["block"]: colour.get(one["block"], base.QUIET) for one in top})

    words = "; ".join(
        f"{fmt.feature(one['feature'])} {fmt.significant(one['mean_abs'])}" for one in top[:5]
    )
    return Panel(
        "shap-features",
        "Strongest features",
        base.svg("shap-features", (7.4, 1.2 + 0.31 * len(top)), paint, f"Strongest: {words}."),
        f"Mean absolute SHAP value of the {len(top)} strongest of"
        f" {counted(len(ranked), 'feature')}, coloured by block.",
        ("Feature", "Block", "Mean |SHAP| [logit]"),
        tuple(
            (fmt.feature(one["feature"]), one["block"], fmt.significant(one["mean_abs"]))
            for one in ranked
        ),
        "shap.features",
    )


def beeswarm(shap: Shap) -> Panel:
    """Every patient's SHAP value of the strongest features, coloured by the feature's value."""
    phi, x, names = matrices(shap)
    order = _by_strength(phi, names)[:TOP]
    reach = float(np.abs(phi[:, order]).max(initial=0)) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        norm = Normalize(-2, 2)
        axes.axvline(0, color=base.QUIET, lw=0.8)
        for y, column in enumerate(order):
            offsets = base.swarm(phi[:, column], span=(-reach, reach), bins=90)
            step = min(0.12, 0.4 / max(np.abs(offsets).max(initial=0), 1))
            style: dict[str, Any] = {"c": x[:, column], "cmap": _LOW_TO_HIGH, "norm": norm, "s": 11}
            axes.scatter(phi[:, column], y + step * offsets, **style, rasterized=len(phi) > 500)
        axes.set_yticks(range(len(order)), [fmt.two_lines(names[column]) for column in order])
        axes.set(ylim=(len(order) - 0.5, -0.5), xlabel="SHAP value [logit]: lower risk ← → higher")
        axes.tick_params(axis="y", length=0)
        bar = figure.colorbar(ScalarMappable(norm, _LOW_TO_HIGH), ax=axes, aspect=30, pad=0.02)
        bar.set_ticks([-2, 0, 2], labels=["≤ −2", "0", "≥ 2"])
        bar.set_label("feature value [training SD]")
        bar.outline.set_visible(False)

    rows = tuple(_swarm_row(names[column], phi[:, column], x[:, column]) for column in order)
    words = "; ".join(f"{row[0]} {row[1]} to {row[3]}" for row in rows[:5])
    return Panel(
        "shap-swarm",
        "SHAP values of every patient",
        base.svg("shap-swarm", (7.4, 1.0 + 0.33 * len(order)), paint, f"Ranges [logit]: {words}."),
        f"Each dot is one of {len(phi)} patients. Right of zero the feature raises that patient's"
        " risk; the colour is the feature's own value in training standard deviations.",
        ("Feature", "Lowest [logit]", "Median [logit]", "Highest [logit]", "Direction"),
        rows,
        "shap.values",
    )


def matrices(shap: Shap) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """SHAP values [logit] and feature values [training SD], ``(case, feature)``, and the names."""
    values = shap["values"]
    shape = (len(values["cases"]), len(values["features"]))
    phi, x = (np.asarray(values[key], dtype=float).reshape(shape) for key in ("phi", "x"))
    return phi, x, values["features"]


def _by_strength(phi: NDArray[np.float64], names: list[str]) -> list[int]:
    strength = np.abs(phi).mean(axis=0)
    return sorted(range(len(names)), key=lambda column: (-strength[column], names[column]))


def _block_legend(axes: Any, colour: dict[str, str]) -> None:
    for block, one in colour.items():
        axes.barh(0, 0, color=one, label=fmt.shorten(block, 30))
    base.legend_above(axes)


def _swarm_row(name: str, phi: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[str, ...]:
    trend = float(np.sum((phi - phi.mean()) * (x - x.mean())))
    direction = "higher raises risk" if trend > 0 else "higher lowers risk"
    if np.ptp(x) <= _ROUNDING * np.abs(x).max() or trend == 0:  # as if all were imputed
        direction = "none: one value for all"
    ends = (fmt.signed(float(edge)) for edge in (phi.min(), np.median(phi), phi.max()))
    return (fmt.feature(name), *ends, direction)
