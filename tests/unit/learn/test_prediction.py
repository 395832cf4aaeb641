"""What is said of one patient, held to tables by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from radlas.learn.explain import Explanation
from radlas.learn.prediction import adapted_by, drivers, predictions

PLACES = ("centre2", "tcia")


@pytest.fixture(scope="module")
def told(fitted, cohort, external):
    """Of a model whose resamples are signatures without features: each has one risk for all.

    Its threshold is the risk of one of the patients, who is called positive.
    """
    threshold = fitted.risk(external.X).iloc[5]
    middle = logit(threshold)
    draws = [
        fitted.signature.iloc[-1:].assign(draw=draw, coefficient=middle + (draw - 29.5) / 20)
        for draw in np.random.default_rng(0).permutation(41)
    ]
    model = replace(fitted, threshold=threshold, resamples=pd.concat(draws))
    X = external.X.copy()
    first, second = fitted.signature["feature"].iloc[:2]
    X.loc[X.index[0], [first, second]] = [np.nan, 2 * cohort.X[second].abs().max() + 1]
    X.loc[X.index[1], [first, second]] = [2 * cohort.X[first].min() - cohort.X[first].max(), np.nan]
    centres = pd.Series(np.resize(PLACES, len(X)), X.index)
    trained_at = pd.Series(cohort.centres, cohort.X.index)

    def say(alpha=0.05):
        return predictions(model, X, centres, cohort.X, trained_at, alpha=alpha)

    return SimpleNamespace(X=X, say=say, found=say(), model=model, names=(first, second))


def test_what_drove_a_risk_adds_up_to_it_the_strongest_first(told):
    for row in told.found.values():
        moved = [one["logit"] for one in row["drivers"]]
        assert row["base"] + sum(moved) == pytest.approx(logit(row["risk"]), abs=1e-9)
        assert [abs(one) for one in moved] == sorted(map(abs, moved), reverse=True)


def test_what_did_not_move_a_risk_is_no_driver():
    values = pd.DataFrame([[0.2, 0.0, -0.5]], index=["p"], columns=["a", "b", "c"])
    found = drivers(Explanation(values, 2 * values, 0.0, values["a"], {}), "p")
    assert found == [
        {"feature": "c", "logit": -0.5, "z": -1.0},
        {"feature": "a", "logit": 0.2, "z": 0.4},
    ]


def test_a_risk_is_called_by_the_locked_threshold(told):
    risks = told.model.risk(told.X)
    for case, row in told.found.items():
        assert row["risk"] == risks[case]
        assert row["call"] == ("positive" if risks[case] >= told.model.threshold else "negative")
    assert len({row["call"] for row in told.found.values()}) == 2


@pytest.mark.parametrize(("alpha", "beyond"), [(0.05, 1), (0.2, 4)])
def test_an_interval_leaves_out_as_many_resampled_risks_on_either_side(told, alpha, beyond):
    """41 of them a twentieth logit apart, of which 11 reach the threshold."""
    drawn = expit(logit(told.model.threshold) + (np.arange(41) - 29.5) / 20)
    for row in told.say(alpha).values():
        assert row["interval"] == pytest.approx([drawn[beyond], drawn[-1 - beyond]])
        assert row["resampled"] == 41
        assert row["otherwise"] == (11 if row["call"] == "negative" else 30)


def test_without_resamples_there_is_no_interval(told, cohort):
    model = replace(told.model, resamples=told.model.resamples.iloc[:0])
    there = pd.Series("tcia", cohort.X.index)
    found = predictions(model, cohort.X[:3], there[:3], cohort.X, there, alpha=0.05)
    for row in found.values():
        assert (row["interval"], row["resampled"], row["otherwise"]) == (None, 0, 0)
        assert row["out_of_range"] == []  # they are of those that were trained on


def test_what_is_missing_or_beyond_training_is_named_with_what_training_saw(told, cohort):
    first, second = told.names
    rows = [told.found[case] for case in told.X.index[:2]]
    assert [name for name in told.names for row in rows[:1] if name in row["imputed"]] == [first]
    assert [name for name in told.names for row in rows[1:] if name in row["imputed"]] == [second]
    for row, name, case in zip(rows, (second, first), told.X.index, strict=False):
        (one,) = (one for one in row["out_of_range"] if one["feature"] in told.names)
        assert one == {
            "feature": name,
            "value": told.X.loc[case, name],
            "low": cohort.X[name].min(),
            "high": cohort.X[name].max(),
        }


def test_a_case_is_adapted_by_the_cases_of_its_centre_if_that_is_new(told):
    centres = pd.Series(["new", "new", "a", "new"], list("pqrs"))

    def counts(step):
        model = SimpleNamespace(pipeline=SimpleNamespace(named_steps=step))
        return [adapted_by(model, centres, case) for case in centres.index]

    def step(policy):
        return {"harmonise": SimpleNamespace(on_unseen=policy, centres_=["a", "b"])}

    assert counts(step("adapt")) == [3, 3, 0, 3]
    assert counts(step("raw")) == counts({}) == [0, 0, 0, 0]
    assert {row["adapted_by"] for row in told.found.values()} == {0}
