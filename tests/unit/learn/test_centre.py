"""How well features tell the centre, and which differ by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal

from radlas.learn.centre import centre_told, centres_told
from radlas.learn.metrics import benjamini_hochberg
from radlas.learn.settings import Harmonise
from radlas.learn.study import StudyConfig


@pytest.mark.parametrize("shift", [0.0, 0.6, 1.0])
def test_centres_are_compared_by_the_values_that_are_known(shift):
    """Medians in the place of gaps would draw a centre's ranks to the middle."""
    centres = np.repeat(["a", "b", "c"], [70, 30, 20])
    values = np.random.default_rng(0).normal(size=(120, 20))
    values[70:] += shift
    values[78:100] = np.nan  # eight patients of b have the ROI
    X = pd.DataFrame(values).add_prefix("ring__original__firstorder_F")
    p = benjamini_hochberg([kruskal(one[:70], one[70:78], one[100:]).pvalue for one in values.T])
    assert centre_told(X, centres)["differing"] == np.mean(np.array(p) < 0.05)


def test_a_centre_is_told_from_what_harmonising_leaves_and_none_leaves_all():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 10))).add_prefix("ring__original__firstorder_F")
    centres = np.repeat(["a", "b"], 40)
    X[centres == "b"] += 3
    raw, none, moved = (
        centre_told(X, centres, harmonise=policy)
        for policy in (None, Harmonise(), Harmonise(method="per_centre_z", on_unseen="adapt"))
    )
    assert raw == none
    assert (raw["balanced_accuracy"], raw["differing"]) == (1.0, 1.0)
    assert moved["balanced_accuracy"] < 0.7
    assert moved["differing"] == 0.0


def test_a_study_is_told_its_centres_before_and_after_its_own_harmonising(cohort, protocol):
    moved = cohort.X.add(np.where(cohort.centres == "tcia", 9.0, 0.0), axis=0)
    kinds = []
    for method in ("none", "combat"):
        change = {"harmonise": {"method": method, "on_unseen": "adapt"}}
        study = StudyConfig.parse({**protocol, **change})
        rows = replace(cohort, X=moved).rows(study)
        told = centres_told(rows, study)
        kinds.append([one["features"] for one in told])
        for one, policy in zip(told, (None, study.harmonise), strict=False):
            alone = centre_told(rows.X, rows.centres, harmonise=policy, seed=study.seed)
            assert one == {"features": one["features"], **alone}
    assert kinds == [["raw"], ["raw", "harmonised"]]
    assert told[1]["balanced_accuracy"] < told[0]["balanced_accuracy"]


@pytest.mark.parametrize("method", ["none", "per_centre_z"])
@pytest.mark.parametrize("others", [0, 1, 5, 30])
def test_of_columns_that_hardly_vary_nothing_is_told_and_no_training_ends(others, method):
    """It is asked beside the model, after all of its fits, by a filter of its own."""
    values = np.zeros((100, 1))
    values[:others] = 1.0
    X = pd.DataFrame(values, columns=["ring__original__firstorder_F"])
    centres = np.repeat(["a", "b"], [50, 50])
    found = centre_told(X, centres, harmonise=Harmonise(method=method))
    assert (found is None) == (others < 30)
