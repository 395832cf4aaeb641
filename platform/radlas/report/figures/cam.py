"""Figures of where the network looked: the Grad-CAM montage and the regions' enrichment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from radlas.report import format as fmt
from radlas.report.evidence.cohort import Outcome
from radlas.report.evidence.explanation import Cam, CamCase, CamImage
from radlas.report.figures import ground as base
from radlas.report.figures.ground import Panel
from radlas.words import counted

SHOWN = 8  # patients in the montage: the page stays small enough to mail
SCALE_BAR_MM = 20.0
_TUMOUR, _RING = "#ffffff", "#56d1ff"  # both stand out on grey and on the map's purple to yellow
_MAP = "inferno"
_CLASSES = ((1, -0.14, base.POSITIVE, "D"), (0, 0.14, base.NEGATIVE, "o"))


def montage(cam: Cam, images: Mapping[str, CamImage], outcome: Outcome) -> Panel:
    """Slice and map of each patient, side by side, under one colour scale."""
    cases = [case for case in cam["cases"] if case["case_id"] in images][:SHOWN]
    scale = max(float(images[case["case_id"]]["scale_max"]) for case in cases) or 1.0

    def paint(figure: Figure) -> None:
        columns = 2 if len(cases) > 1 else 1
        grid = figure.subplots(-(-len(cases) // columns), 2 * columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for pair, case in zip(grid.reshape(-1, 2), cases, strict=False):
            _pair(pair, case, images[case["case_id"]], scale, outcome)
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, scale), _MAP), ax=grid, shrink=0.6, aspect=30, pad=0.01
        )
        bar.set_label("Grad-CAM, raw [arbitrary units]")
        bar.outline.set_visible(False)
        _legend(figure)

    names = ", ".join(_title(case, outcome) for case in cases)
    letters = {side for case in cases for side in images[case["case_id"]].get("sides", ())}
    left_out = len(cam["cases"]) - len(cases)
    more = f" {left_out} further patients are in the table only." if left_out else ""
    return Panel(
        "cam",
        "Where the deep part of the score comes from",
        _picture(
            cases, images, paint, f"Grad-CAM overlays of {counted(len(cases), 'patient')}: {names}."
        ),
        f"{_colours(len(cases))} White, tumour; light blue dashed, peritumoral ring; bar, 2 cm."
        f"{_sides(letters)} Interpolated from cells of {_cell(cam)} mm at {cam['layer']}: nothing"
        " smaller can be told apart." + more,
        ("Patient", "True class", "Risk [1]", "Note"),
        tuple(_case_row(case, outcome) for case in cam["cases"]),
        "cam.cases",
    )


def _colours(patients: int) -> str:
    if patients == 1:
        return (
            "Left the slice, right the same slice under the map; the colours span this patient's"
            " map alone, and tell nothing beside another page's."
        )
    return (
        "Left of each pair the slice, right the same slice under the map; one colour scale for all"
        " patients."
    )


def _sides(letters: set[str]) -> str:
    names = {"R": "right", "A": "front", "H": "head"}
    found = [letter for letter in names if letter in letters]
    told = ", ".join(names[letter] for letter in found)
    return f" {', '.join(found)}: the patient's {told}." if found else ""


def enrichment(cam: Cam, outcome: Outcome) -> Panel:
    """How much denser the map is in each region than in the body as a whole."""
    mass = [one for case in cam["cases"] for one in case["mass"]]
    told = {one["region"] for one in mass if one["enrichment"] is not None}
    regions = [one for one in dict.fromkeys(one["region"] for one in mass) if one in told]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(1, color=base.QUIET, lw=0.9, ls=":")
        for label, shift, colour, marker in _CLASSES:
            points = _points(cam, regions, label)
            style: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "s": 20,
                "alpha": 0.85,
                "lw": 0,
            }
            name = outcome["positive" if label else "negative"]
            axes.scatter(points[:, 0], points[:, 1] + shift, label=name, **style)
        axes.set_yticks(
            range(len(regions)), [fmt.shorten(fmt.feature(region), 30) for region in regions]
        )
        axes.set(ylim=(len(regions) - 0.5, -0.5), xlabel="enrichment: share of map / of volume [1]")
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper right", ncols=2)  # the points may lie anywhere inside

    words = ", ".join(map(fmt.feature, regions))
    return Panel(
        "cam-mass",
        "Enrichment by region",
        base.svg(
            "cam-mass",
            (7.4, 1.0 + 0.4 * len(regions)),
            paint,
            f"Enrichment of the map in {len(regions)} regions: {words}.",
        ),
        "Each mark is one patient. Above 1 (dotted) the map is denser in a region than in the body"
        " as a whole; below 1, thinner.",
        ("Patient", "Region", "Share of map [1]", "Enrichment [1]"),
        _mass_rows(cam),
        "cam.cases.*.mass",
    )


def _picture(
    cases: Sequence[CamCase], images: Mapping[str, CamImage], paint: base.Paint, alt: str
) -> Markup:
    """A picture whose height fits the tallest slice of the montage."""
    columns = 2 if len(cases) > 1 else 1
    tallest = max(_height_over_width(images[case["case_id"]]) for case in cases)
    tile = 6.5 / (2 * columns)
    rows = -(-len(cases) // columns)
    return base.png((7.4, rows * (tile * tallest + 0.32) + 0.35), paint, alt)


def _height_over_width(image: CamImage) -> float:
    rows, columns = np.shape(image["image"])
    return float(rows * image["spacing_mm"][0] / (columns * image["spacing_mm"][1]))


def _pair(pair: Any, case: CamCase, image: CamImage, scale: float, outcome: Outcome) -> None:
    rows, columns = np.shape(image["image"])
    extent = (0, columns * image["spacing_mm"][1], rows * image["spacing_mm"][0], 0)
    darkest, brightest = np.percentile(image["image"], [1, 99.5])
    grey = {"cmap": "gray", "vmin": darkest, "vmax": max(brightest, darkest + 1e-9)}
    heat = np.clip(np.asarray(image["map"], dtype=float) / scale, 0, 1)
    for axes in pair:
        axes.imshow(image["image"], extent=extent, interpolation="nearest", **grey)
    # Opacity follows the map: where it is silent, the anatomy stays readable.
    style = {"cmap": _MAP, "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    pair[1].imshow(heat, extent=extent, alpha=0.75 * np.sqrt(heat), **style)
    for axes in pair:
        _contours(axes, image, extent)
    _scale_bar(pair[0], extent)
    _letters(pair[0], image.get("sides", ()))
    pair[0].set_title(_title(case, outcome), size=7.5)


def _contours(axes: Any, image: CamImage, extent: tuple[float, ...]) -> None:
    dy, dx = image["spacing_mm"]
    rows, columns = np.shape(image["image"])
    at_x, at_y = (np.arange(columns) + 0.5) * dx, (np.arange(rows) + 0.5) * dy
    masks = ((image["ring"], _RING, "dashed", 0.9), (image["tumour"], _TUMOUR, "solid", 1.2))
    for mask, colour, dash, width in masks:
        if np.any(mask) and not np.all(mask):
            level = np.asarray(mask, dtype=float)
            style = {"colors": colour, "linestyles": dash, "linewidths": width}
            drawn = axes.contour(at_x, at_y, level, [0.5], **style)
            drawn.set_path_effects([withStroke(linewidth=width + 0.8, foreground="black")])
    axes.set(xlim=extent[:2], ylim=extent[2:])


def _scale_bar(axes: Any, extent: tuple[float, ...]) -> None:
    left, bottom = 0.05 * extent[1], 0.95 * extent[2]
    line = {"color": "white", "lw": 2.5, "solid_capstyle": "butt"}
    axes.plot([left, left + SCALE_BAR_MM], [bottom, bottom], **line)
    axes.text(left, bottom - 0.03 * extent[2], "2 cm", color="white", size=7)


def _letters(axes: Any, sides: Sequence[str]) -> None:
    """The patient's sides at the left and the top edge."""
    rim = [withStroke(linewidth=1.5, foreground="black")]
    places = ((0.02, 0.5, "left", "center"), (0.5, 0.98, "center", "top"))
    for side, (x, y, ha, va) in zip(sides, places, strict=False):
        style = {"color": "white", "size": 8, "weight": "bold", "path_effects": rim}
        axes.text(x, y, side, ha=ha, va=va, transform=axes.transAxes, **style)


def _legend(figure: Figure) -> None:
    lines = [
        Line2D([], [], color=colour, ls=dash, lw=1.6, label=name)
        for colour, dash, name in ((_TUMOUR, "-", "tumour"), (_RING, "--", "peritumoral ring"))
    ]
    box = {"facecolor": "#333333", "frameon": True, "labelcolor": "white", "ncols": 2}
    figure.legend(handles=lines, loc="outside lower left", framealpha=1, edgecolor="none", **box)


def _points(cam: Cam, regions: Sequence[str], label: int) -> Any:
    found = [
        (one["enrichment"], regions.index(one["region"]))
        for case in cam["cases"]
        if case["label"] == label
        for one in case["mass"]
        if one["enrichment"] is not None
    ]
    return np.asarray(found, dtype=float).reshape(-1, 2)


def _mass_rows(cam: Cam) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            fmt.short_id(case["case_id"]),
            fmt.feature(one["region"]),
            fmt.fixed(one["share"]),
            fmt.fixed(one["enrichment"], 2),
        )
        for case in cam["cases"]
        for one in case["mass"]
    )


def _title(case: CamCase, outcome: Outcome) -> str:
    risk = "" if case["risk"] is None else f", risk {fmt.fixed(case['risk'], 2)}"
    return f"{fmt.short_id(case['case_id'])}: {_truth(case, outcome)}{risk}"


def _truth(case: CamCase, outcome: Outcome) -> str:
    if case["label"] is None:
        return "label unknown"
    return outcome["positive" if case["label"] else "negative"]


def _case_row(case: CamCase, outcome: Outcome) -> tuple[str, ...]:
    truth, risk = _truth(case, outcome), fmt.fixed(case["risk"])
    return (fmt.short_id(case["case_id"]), truth, risk, case.get("note", ""))


def _cell(cam: Cam) -> str:
    return " × ".join(fmt.significant(side) for side in cam["cell_mm"]) + " (z, y, x)"
