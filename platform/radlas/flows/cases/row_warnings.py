"""Warnings about feature rows that are sound each by itself."""

from __future__ import annotations

from collections import Counter, defaultdict

from radlas.model import Outcome, Row
from radlas.words import counted

FEW, MANY = 4, 256  # grey levels: with fewer texture is coarse, with more it is noise


class RowWarnings:
    """Gathers them over a run, one feature set apart from the other."""

    def __init__(self) -> None:
        self._levels: Counter[tuple[str, str, str]] = Counter()
        self._aggregations: defaultdict[str, set[str]] = defaultdict(set)

    def look(self, outcome: Outcome) -> None:
        """Look at what one task gave."""
        for row in outcome.rows.get("radiomics", ()):
            self._look(row)

    def _look(self, row: Row) -> None:
        if row.get("aggregation"):
            self._aggregations[row["feature_set"]].add(row["aggregation"])
        levels = row.get("grey_levels")
        if levels is not None and not FEW <= levels <= MANY:
            kind = f"fewer than {FEW}" if levels < FEW else f"more than {MANY}"
            self._levels[row["feature_set"], kind, row["image_type"]] += 1

    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of warning."""
        levels = [
            f"  warning: {counted(number, 'row')} of {image_type} in {feature_set}: {kind} grey"
            " levels; choose other bins for this image"
            for (feature_set, kind, image_type), number in sorted(self._levels.items())
        ]
        aggregations = [
            f"  warning: texture in {feature_set} was aggregated in different ways"
            f" ({', '.join(sorted(names))}), by slice spacing; column `aggregation` tells which,"
            " and the two are not the same feature"
            for feature_set, names in sorted(self._aggregations.items())
            if len(names) > 1
        ]
        return (*levels, *aggregations)
