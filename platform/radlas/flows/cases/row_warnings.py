"""Warnings about feature rows that are sound each by itself."""

from __future__ import annotations

from collections import Counter

from radlas.model import Outcome, Row
from radlas.words import counted

FEW, MANY = 4, 256  # grey levels: with fewer texture is coarse, with more it is noise


class RowWarnings:
    """Gathers them over a run."""

    def __init__(self) -> None:
        self._levels: Counter[tuple[str, str]] = Counter()
        self._rows = 0
        self._aggregations: set[str] = set()

    def look(self, outcome: Outcome) -> None:
        """Look at what one task gave."""
        for row in outcome.rows.get("radiomics", ()):
            self._look(row)

    def _look(self, row: Row) -> None:
        if row.get("aggregation"):
            self._aggregations.add(row["aggregation"])
        levels = row.get("grey_levels")
        if levels is not None:
            self._rows += 1
            if not FEW <= levels <= MANY:
                kind = "fewer than" if levels < FEW else "more than"
                self._levels[f"{kind} {FEW if levels < FEW else MANY}", row["image_type"]] += 1

    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of warning."""
        lines = [
            f"  warning: {counted(number, 'row')} of {image_type}: {kind} grey levels;"
            " choose another `bin_width` for this image"
            for (kind, image_type), number in sorted(self._levels.items())
        ]
        if len(self._aggregations) > 1:
            named = ", ".join(sorted(self._aggregations))
            lines.append(
                f"  warning: texture was aggregated in different ways ({named}), by slice spacing;"
                " column `aggregation` tells which, and the two are not the same feature"
            )
        return tuple(lines)
