"""The images of a study as its report shows them: one slice a case, those with remarks first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radlas.errors import RadlasError
from radlas.flows.pages.thumbnails import case_thumbnail
from radlas.flows.study.blocks import block_sets
from radlas.flows.study.dataset import load_people
from radlas.learn.design import labels
from radlas.learn.study import StudyConfig
from radlas.model import Row
from radlas.report.qc_concerns import Concern, concerns_of, sided
from radlas.report.thumbnail import Thumbnail
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe
from radlas.store.snapshots import open_snapshot
from radlas.store.travel import merged_cases

MOST, PIXELS, QUALITY = 240, 128, 70  # a page of some megabytes; `radlas qc` shows all, larger
Json = dict[str, Any]


def gallery(
    store: Store, snapshot: Snapshot, study: StudyConfig, *, validated: bool
) -> tuple[Json, dict[str, Thumbnail]]:
    """The analysed cases, and the pictures of those whose images are here.

    Args:
        store: The store.
        snapshot: Its snapshot.
        study: The protocol.
        validated: Whether the external centre was looked at; before that nobody sees its labels.

    Returns:
        Shaped as ``radlas.report.evidence.cohort.Gallery``; case to picture.
    """
    people = load_people(store, snapshot)
    centres = [*study.training_centres, *([study.external_centre] if validated else [])]
    people = people[people["centre"].isin(centres)]
    known = labels(people.reset_index(), study.outcome)
    words = {1: study.outcome.positive_name, 0: study.outcome.negative_name}
    people = people[people["subject_id"].isin(known.index)]
    found = remarks(store, snapshot, study, people.index)
    rows = [
        {
            "case": str(case),
            "centre": person["centre"],
            "label": words[int(known[person["subject_id"]])],
            "weight": sum(one.weight for one in found[str(case)]),
            "remarks": [one.text for one in found[str(case)]],
        }
        for case, person in people.iterrows()
    ]
    shown, pictures = chosen(rows, MOST), {}
    elsewhere, flags = merged_cases(store), people["flags"].fillna("")
    for row in shown:
        row |= {"number": None, "slices": None}
        if row["case"] in elsewhere:
            row["note"] = "the image is at another site"
            continue
        try:
            picture = case_thumbnail(
                store.place,
                row["case"],
                PIXELS,
                sided=sided({"flags": flags[row["case"]]}),
                quality=QUALITY,
            )
        except RadlasError as error:  # one damaged volume takes no report away
            row["note"] = error.what
            continue
        pictures[row["case"]] = picture
        row |= {"number": picture.number, "slices": picture.slices}
    return {"cases": shown, "total": len(rows)}, pictures


def remarks(
    store: Store, snapshot: Snapshot, study: StudyConfig, asked: Iterable[str]
) -> dict[str, tuple[Concern, ...]]:
    """What a careful reader would look at first, of some cases of the snapshot.

    In Arrow until they are chosen: a study asks of a few of a hundred thousand. Of masks those that
    the study's recipes describe: another reader's say nothing of its numbers.
    """
    readers = _readers(store, snapshot, study)
    drawn: dict[str, list[Row]] = defaultdict(list)
    wanted = pa.array([str(case) for case in asked], pa.string())
    with open_snapshot(store, snapshot) as connection:
        sql = "select * from rois where feature_set = '' order by roi <> 'tumour', roi, reader"
        tables = [connection.sql(one).to_arrow_table() for one in (sql, "select * from cases")]
    rois, cases = (
        one.filter(pc.is_in(one.column("case_id"), value_set=wanted)).to_pylist() for one in tables
    )
    for row in rois:
        if not readers or row["reader"] in readers:
            drawn[row["case_id"]].append(row)
    return {case["case_id"]: concerns_of(case, drawn[case["case_id"]]) for case in cases}


def _readers(store: Store, snapshot: Snapshot, study: StudyConfig) -> set[str]:
    """Whose masks a study takes; of none by name, whatever was drawn."""
    sets = set(block_sets(store, snapshot.feature_sets, study).values())
    recipes = [load_recipe(store, name) for name in sorted(sets)]
    named = {(one["table"], one["settings"].get("reader") or "") for one in recipes}
    if ("radiomics", "") in named:  # what a network shows of the whole image wants no name
        return set()
    return {reader for _, reader in named if reader}


def chosen(rows: list[Json], most: int) -> list[Json]:
    """At most so many cases: half of them the heaviest remarks, the others evenly by case id.

    Returns:
        The heaviest first, then by case id; without their weight.
    """
    ordered = sorted(rows, key=lambda row: (-row["weight"], row["case"]))
    if len(rows) > most:
        heavy = [row for row in ordered if row["weight"]][: most // 2]
        others = sorted(ordered[len(heavy) :], key=lambda row: row["case"])
        places = np.linspace(0, len(others) - 1, most - len(heavy)).round().astype(int)
        ordered = heavy + [others[place] for place in places]
        ordered.sort(key=lambda row: (-row["weight"], row["case"]))
    return [{name: row[name] for name in row if name != "weight"} for row in ordered]
