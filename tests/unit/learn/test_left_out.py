"""Held to each statistic of the rows that stay, row by row."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radlas.learn import performance
from radlas.learn.metrics import average_precision, brier, f1_score
from radlas.learn.statistics.intervals import bootstrap
from radlas.learn.statistics.left_out import average_precision_without, brier_without, f1_without
from radlas.learn.study import StudyConfig

PAIRS = {
    "brier": (brier, brier_without),
    "f1": (partial(f1_score, threshold=0.5), partial(f1_without, threshold=0.5)),
    "average precision": (average_precision, average_precision_without),
}
STUDY = StudyConfig.parse(
    {
        "name": "one",
        "outcome": {"positive": ["a"], "negative": ["b"]},
        "blocks": {"tumour": {"roi": "tumour"}},
        "models": {"m": ["tumour"]},
        "primary": "m",
        "training_centres": ["a"],
    }
)
each = pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
patients = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=40)


@each
@given(rows=patients)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_leaving_one_out_is_the_statistic_of_the_others(pair, rows):
    """Ties, one class and a class that loses its last included."""
    statistic, without = pair
    y, score = np.array(rows, dtype=float).T / [[1], [20]]
    left = [statistic(np.delete(y, i), np.delete(score, i)) for i in range(len(y))]
    np.testing.assert_allclose(without(y, score), left, rtol=0, atol=1e-12)


@each
@given(rows=patients)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_intervals_are_those_of_leaving_out_one_by_one(pair, rows):
    statistic, without = pair
    y, score = np.array(rows, dtype=float).T / [[1], [20]]
    assume(0 < y.sum() < len(y))
    plain = bootstrap(y, score, statistic, draws=40)
    found = bootstrap(y, score, statistic, draws=40, without=without)
    assert found | {"interval": None} == plain | {"interval": None}
    bounds = [one["interval"] or [] for one in (found, plain)]
    np.testing.assert_allclose(*bounds, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["brier", "f1_score", "average_precision"])
def test_a_statistic_is_asked_as_often_of_many_patients_as_of_few(name, monkeypatch):
    """Asked without each patient in turn it took the square of their number."""
    asked = []
    plain = getattr(performance, name)
    monkeypatch.setattr(performance, name, lambda *a, **b: asked.append(1) or plain(*a, **b))
    counts = []
    for rows in (50, 400):
        rng = np.random.default_rng(0)
        risk = rng.random(rows)
        performance.full_performance((rng.random(rows) < risk).astype(int), risk, 0.5, STUDY)
        counts.append(len(asked))
        asked.clear()
    assert counts[0] == counts[1]
