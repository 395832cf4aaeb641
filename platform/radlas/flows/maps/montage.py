"""Maps of a version's external cases together: which are made, which cannot be, what all tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radlas.flows.maps.activation import compare

Json = dict[str, Any]
NO_PART = "the signature holds no feature of a network, so no part of the score comes from one"


def spread(rows: Sequence[Mapping[str, Any]], number: int | None) -> list[Mapping[str, Any]]:
    """Cases evenly spaced over the order of risks, or all: chosen by rule, not by looks."""
    ordered = sorted(rows, key=lambda row: (row["risk"], row["case"]))
    wanted = len(ordered) if number is None else min(number, len(ordered))
    places = np.linspace(0, len(ordered) - 1, wanted).round().astype(int)
    return [ordered[place] for place in places]


def covers(stored: Mapping[str, Any], wanted: int | None) -> bool:
    """Whether so many maps were asked for before, whatever became of each."""
    before = stored.get("asked_maps")  # None is all of them, as it always was without a number
    return before is None or (wanted is not None and wanted <= before)


def without_map(absent: Mapping[str, str]) -> str:
    """How many cases have no map, and why; empty if all have one."""
    if not absent:
        return ""
    why = "; ".join(f"{number}: {what}" for what, number in Counter(absent.values()).most_common())
    return f"no map of {len(absent)} external cases ({why})"


def montage(model: str, region: str, cases: Sequence[Json], note: str) -> Json | None:
    """What the maps of a region say together; None if there is none.

    Args:
        model: Whose score is mapped.
        region: What the network saw.
        cases: ``case_id label risk`` and what ``case_map`` tells of each.
        note: Whom they leave out.
    """
    if not cases:
        return None
    cells = [case["cell_mm"] for case in cases]  # a grid fitted to the body differs by patient
    names = ("case_id", "label", "risk", "mass", "note")
    return {
        "model": model,
        "region": region,
        "cell_mm": [max(edges) for edges in zip(*cells, strict=True)],
        "layer": cases[0]["layer"],
        "note": note,
        "cases": [{name: case[name] for name in names} for case in cases],
        "comparison": compare(cases),
        "sanity": next((case["sanity"] for case in cases if case["sanity"]), []),
    }
