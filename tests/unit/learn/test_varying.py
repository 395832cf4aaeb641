"""What a plan lets through, no fold refuses for want of a column that varies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import StudyError
from radlas.learn.fit import fit_model
from radlas.learn.settings import Stability
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training
from radlas.learn.varying import check_varying

STUDY = StudyConfig.model_validate(
    {
        "name": "few",
        "outcome": {"positive": ["high"], "negative": ["low"]},
        "blocks": {"tumour": {"roi": "tumour"}},
        "models": {"one": ["tumour"]},
        "primary": "one",
        "training_centres": ["a"],
        "splits": {"folds": 3, "inner_folds": 2},
        "selection": {"near_constant": 0.8, "rfe_features": [1], "c": [1.0]},
        "stability": {"bootstraps": 0},
    }
)


def rows_of(*columns: np.ndarray) -> Training:
    n = len(columns[0])
    names = [f"tumour__original__firstorder_F{i}" for i in range(len(columns))]
    X = pd.DataFrame(dict(zip(names, columns, strict=True)), [f"c{i:03d}" for i in range(n)])
    who = np.array([f"s{i:03d}" for i in range(n)])
    return Training(X, np.arange(n) % 2, who, np.full(n, "a"), dict.fromkeys(names, "tumour"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12), st.integers(0, 99), st.sampled_from([0, 10]))
def test_the_plan_refuses_just_what_some_fold_or_resample_would(others, seed, bootstraps):
    values = np.zeros(36)
    values[np.random.default_rng(seed).permutation(36)[:others]] = 1.0
    rows = rows_of(values)
    study = STUDY.model_copy(update={"stability": Stability(bootstraps=bootstraps)})
    try:
        fit_model(rows.X, rows.y, rows.subjects, rows.centres, study, "one")
    except StudyError as error:
        if "varies over" not in error.what:
            raise
        with pytest.raises(StudyError, match="of model one varies over"):
            check_varying(rows, study, "one")
    else:
        check_varying(rows, study, "one")


def test_one_column_of_many_that_varies_is_enough():
    flat, own = np.zeros(36), np.random.default_rng(1).normal(size=36)
    check_varying(rows_of(*[flat] * 150, own), STUDY, "one")
    with pytest.raises(StudyError, match="none of 150 columns of model one varies over 36"):
        check_varying(rows_of(*[flat] * 150), STUDY, "one")


def test_folds_are_not_gone_through_where_a_column_varies_anyhow(monkeypatch):
    """A plan that would divide rows five hundred times for each model would be slow."""
    monkeypatch.setattr("radlas.learn.varying.outer_folds", None)
    rows = rows_of(np.random.default_rng(1).normal(size=36))
    check_varying(rows, STUDY, "one")
