"""The ground of every figure: palette, deterministic SVG and PNG, and the panel around them.

Nothing here touches pyplot or leaves a setting behind: matplotlib's own defaults plus ``STYLE``
hold while one figure is drawn, so neither the machine's matplotlibrc nor the order of drawing can
change a byte.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

INK, QUIET = "#1b2733", "#5a6672"
# Okabe and Ito's blue, vermilion and green: told apart with every common colour vision deficiency.
POSITIVE, NEGATIVE = "#d55e00", "#0072b2"
SERIES = ("#0072b2", "#d55e00", "#00795a", "#7a4b9a", "#8a6d00", "#5a6672")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "D", "^", "v", "P")

STYLE: dict[str, Any] = {
    "axes.edgecolor": QUIET,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # the widest: no reader's font can overflow its place
    "font.size": 8.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}

Paint = Callable[[Figure], None]


@dataclass(frozen=True)
class Panel:
    """A figure with everything that must go with it.

    Attributes:
        key: Unique name on the page.
        picture: Inline SVG or PNG, carrying its own text alternative.
        caption: What is seen and how to read it.
        columns: Header of the data beside the figure, units included.
        rows: The data, formatted.
        source: Where the full-precision numbers stand in ``results.json``.
    """

    key: str
    title: str
    picture: Markup
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str


def svg(key: str, size: tuple[float, float], paint: Paint, alt: str) -> Markup:
    """An inline SVG without addresses, styles or ids that could meet those of another.

    Args:
        key: Salt of the ids, unique per page.
        size: Width and height [inch]; the page scales the drawing to its column.
        paint: Draws on the empty figure.
        alt: Text alternative.
    """
    buffer = io.StringIO()
    with _style(key):
        figure = Figure(figsize=size, dpi=200)
        paint(figure)
        # Not by `savefig`, which lays out and draws everything once more, into nothing.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), size, alt)


def png(size: tuple[float, float], paint: Paint, alt: str, *, dots_per_inch: int = 150) -> Markup:
    """An inline PNG, for what is made of voxels; ``size`` in inch."""
    buffer = io.BytesIO()
    with _style("png"):
        figure = Figure(figsize=size, dpi=dots_per_inch)
        paint(figure)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(buffer, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    width, height = (round(side * dots_per_inch) for side in size)
    return Markup(
        '<img class="plot" width="{}" height="{}" alt="{}" src="data:image/png;base64,{}">'
    ).format(width, height, alt, data)


def swarm(values: ArrayLike, *, span: tuple[float, float], bins: int = 40) -> NDArray[np.float64]:
    """Offsets that set points of similar value side by side; no random jitter.

    Points that share a bin sit at 0, +1, -1, +2 ... in order of value, then of position.

    Args:
        values: Shape ``(point,)``.
        span: Lowest and highest value that can occur.
        bins: Cells into which ``span`` is divided.

    Returns:
        Offsets in point widths, shape ``(point,)``.
    """
    points = np.asarray(values, dtype=float)
    width = (span[1] - span[0]) / bins or 1.0
    cells = np.floor((points - span[0]) / width).astype(int)
    offsets = np.zeros(len(points))
    seen: dict[int, int] = {}
    for index in np.argsort(points, kind="stable"):
        rank = seen.get(cells[index], 0)
        seen[cells[index]] = rank + 1
        offsets[index] = (rank + 1) // 2 * (1 if rank % 2 else -1)
    return offsets


def colours(names: Sequence[str]) -> dict[str, str]:
    """One colour per name, in order; more names than colours share the last."""
    return {name: SERIES[min(i, len(SERIES) - 1)] for i, name in enumerate(dict.fromkeys(names))}


def legend_above(axes: Any, columns: int = 3) -> None:
    """Off the drawing, since inside the axes it would lie on some; none where nothing is drawn."""
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        axes.legend(**place, ncols=min(len(handles), columns))


@contextmanager
def _style(key: str) -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the browser has it
        mpl.rcdefaults()
        settings: Any = {**STYLE, "svg.hashsalt": f"radlas-{key}"}
        mpl.rcParams.update(settings)
        yield


def _inline(text: str, size: tuple[float, float], alt: str) -> Markup:
    body = text[text.index("<defs>") :]  # leaves prologue, root element and metadata behind
    body = re.sub(r"<style type=.*?</style>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'(<text style="[^"]*?)font-family: [^;"]*;? ?', r"\1", body)
    width, height = (72 * side for side in size)
    head = f'<svg class="plot" role="img" aria-label="{escape(alt)}"'
    box = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{size[0]:g}in"'
    return Markup(f"{head} {box}>{body.rstrip()}")  # noqa: S704
