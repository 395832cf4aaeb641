"""The training matrix is what its rows say, laid side by side one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from radlas.errors import ConfigError
from radlas.store import delta
from radlas.store.matrix import feature_matrix
from radlas.store.query import connect

from .conftest import case_row, feature_row, here

FEATURES = ("firstorder_Mean", "shape_Sphericity")


@pytest.fixture
def lake(store):
    """Of ten cases some rows of either kind, with holes, and what was appended; in no order."""
    rng = np.random.default_rng(0)
    cases = [f"c{n}" for n in rng.permutation(10)]
    delta.append(store, "cases", [case_row(case) for case in cases], run_id="r")
    kinds = itertools.product(cases, ["tumour", "ring"], ["original", "wavelet"], ["", "rot+4"])
    radiomics = [
        feature_row(case, roi, kind, perturbation=change or rng.choice(["", None]))
        | {name: rng.normal() for name in FEATURES if rng.random() < 0.7}
        for case, roi, kind, change in kinds
        if rng.random() < 0.7
    ]
    for row in radiomics:
        if (row["roi"], row["image_type"]) == ("ring", "wavelet"):
            row.pop(FEATURES[0], None)  # it is of no case, and no column
    deep = [
        feature_row(case, "whole", feature_set="d-1", layer=layer, vector=vector)
        for case, layer in itertools.product(cases, ["layer3", "layer4"])
        for vector in [[0.5, float(rng.integers(9))] if rng.random() < 0.7 else None]
        if rng.random() < 0.8
    ]
    for row in deep:
        del row["image_type"]
    for name, rows in (("radiomics", radiomics), ("deep", deep)):
        rng.shuffle(rows)
        delta.append(store, name, rows[::2], run_id="r")
        delta.append(store, name, rows[1::2], run_id="r")
    return store, sorted(cases), radiomics, deep


def by_hand(cases, radiomics, deep, asked) -> pd.DataFrame:
    fits = {name: asked.get(name) for name in ("roi", "image_type")}
    every = fits if asked.get("deep") is None else {"roi": None, "image_type": None}
    columns: dict[str, dict[str, float]] = {}

    def put(row: dict[str, Any], kind: str, wanted: dict[str, Any], values: dict[str, Any]) -> None:
        if wanted["roi"] in (None, row["roi"]) and wanted["image_type"] in (None, kind):
            for name, value in values.items():
                if value is not None:
                    of = columns.setdefault(f"{row['roi']}__{kind}__{name}", {})
                    of[row["case_id"]] = value

    for row in radiomics:
        if (row["perturbation"] or "") == asked.get("perturbation", ""):
            put(row, row["image_type"], fits, {name: row.get(name) for name in FEATURES})
    for row in deep if asked.get("deep") is not False else ():
        vector = enumerate(row["vector"] or ())
        put(row, row["layer"], every, {f"{number:03}": value for number, value in vector})
    index = pd.Index(cases, name="case_id")
    found = {name: [of.get(case, np.nan) for case in cases] for name, of in columns.items()}
    return pd.DataFrame(found, index, sorted(found), dtype=float)


ASKED: list[dict[str, Any]] = [
    {},
    {"roi": "tumour", "deep": True},
    {"roi": "ring", "image_type": "wavelet", "deep": False},
    {"roi": "whole", "image_type": "layer4"},
    {"image_type": "original", "deep": True, "perturbation": "rot+4"},
    {"roi": "tumour", "deep": False, "perturbation": "rot+4"},
    {"roi": "whole", "deep": False},
]


@here
def test_the_matrix_is_that_of_its_rows_whatever_is_asked_for(lake):
    store, *told = lake
    with connect(store) as connection:
        for asked in ASKED:
            found = feature_matrix(connection, ["p-1", "d-1"], **asked)
            expected = by_hand(*told, asked)
            pd.testing.assert_frame_equal(
                found, expected, check_exact=True, check_column_type=False
            )


@here
def test_columns_of_one_name_from_two_feature_sets_are_refused_and_not_chosen_from(filled):
    """Two recipes of one extractor: which of them a model would be made of, nobody could tell."""
    again = feature_row("a", feature_set="p-2", firstorder_Mean=9.0, shape_Sphericity=1.0)
    delta.append(filled, "radiomics", [again], run_id="r")
    with connect(filled) as connection:
        with pytest.raises(ConfigError, match=r"1 columns .* as tumour__original__firstorder_Mean"):
            feature_matrix(connection, ["p-1", "p-2"])
        found = feature_matrix(connection, ["p-2"])
    assert found.notna().sum().to_list() == [1, 1]
