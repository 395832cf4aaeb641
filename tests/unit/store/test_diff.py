"""Rows of two snapshots are compared as one would by hand, and not one by one in Python."""

from __future__ import annotations

import tracemalloc
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from radlas.store.diff import _table

KEY = ("feature_set", "case_id", "roi", "image_type", "perturbation")


def rows_of(seed: int, lacking: str) -> pa.Table:
    """Some of forty rows; one of a key in both has the other digest if anything differs."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            **dict.fromkeys(KEY, "k"),
            "case_id": f"ä{i:02d}",
            "perturbation": None if i % 2 else "",
            "one": rng.choice([0.0, 1.0, None]),
            "above": rng.choice([0.0, 1.0]),
            "vector": [0.5, float(rng.integers(2))],
            "run_id": str(seed),
        }
        for i in range(40)
        if rng.random() < 0.8
    ]
    for row in rows:
        row.pop(lacking)
        row["row_digest"] = hash(str({k: row.get(k) for k in (*KEY, "one", "above", "vector")}))
    return pa.Table.from_pylist(rows)


def by_hand(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Any]:
    was, now = ({tuple(str(row[k]) for k in KEY): row for row in rows} for rows in (old, new))
    changed = sorted(
        key for key in was.keys() & now if was[key]["row_digest"] != now[key]["row_digest"]
    )
    cells = {
        name: sum(was[key].get(name) != now[key].get(name) for key in changed)
        for name in ("one", "above", "vector")
    }
    return {
        "added": len(now.keys() - was),
        "removed": len(was.keys() - now),
        "changed": len(changed),
        "cells": {name: count for name, count in cells.items() if count},
        "changed_rows": [list(key) for key in changed],
    }


def compared(old: pa.Table, new: pa.Table) -> dict[str, Any]:
    with duckdb.connect() as before, duckdb.connect() as after:
        before.register("radiomics", old)
        after.register("radiomics", new)
        return _table("radiomics", before, after)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("lacking", ["one", "vector", "run_id"])
def test_a_difference_is_that_of_rows_laid_side_by_side(seed, lacking):
    old, new = rows_of(seed, "run_id"), rows_of(seed + 100, lacking)
    found = compared(old, new)
    expected = by_hand(old.to_pylist(), new.to_pylist())
    assert {name: found[name] for name in expected} == expected


def test_many_changed_rows_are_no_objects_of_python():
    """42,000 rows of 107 features took a gigabyte."""
    count = 4_000
    names = pa.array([f"{i:05d}" for i in range(count)])
    base = {**dict.fromkeys(KEY, names)}
    tables = [
        pa.table(
            base
            | {f"f{n}": np.full(count, float(side)) for n in range(107)}
            | {"row_digest": np.arange(count) * 2 + side}
        )
        for side in (0, 1)
    ]
    tracemalloc.start()
    try:
        found = compared(*tables)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["cells"] == {f"f{n}": count for n in range(107)}
    assert peak < 10e6
