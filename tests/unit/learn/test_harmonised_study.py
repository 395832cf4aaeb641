"""A study that harmonises, from fit to file: nothing leaks, everything comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from radlas.errors import ConfigError, StudyError
from radlas.learn.evaluate import evaluate
from radlas.learn.explain import deep_head
from radlas.learn.fit import fit_fold, fit_model, outer_folds
from radlas.learn.persist import load, save
from radlas.learn.pipeline import rad_score
from radlas.learn.study import StudyConfig

POLICIES = [
    {"method": "combat", "on_unseen": "raw"},
    {"method": "combat", "on_unseen": "adapt"},
    {"method": "per_centre_z", "on_unseen": "adapt"},
]


@pytest.fixture(scope="module", params=POLICIES, ids=lambda p: "-".join(p.values()))
def harmonising(request, protocol) -> StudyConfig:
    change = {"harmonise": request.param, "splits": {**protocol["splits"], "repeats": 1}}
    return StudyConfig.parse({**protocol, **change})


@pytest.fixture(scope="module")
def shifted(cohort):
    """One training centre has another scanner."""
    X = cohort.X.copy()
    X[cohort.centres == "tcia"] = X[cohort.centres == "tcia"] * 2 + 5
    return X


@pytest.fixture(scope="module")
def model(cohort, shifted, harmonising):
    return fit_model(shifted, cohort.y, cohort.subjects, cohort.centres, harmonising, "dlr")


@pytest.mark.parametrize("poison", [1e9, np.nan])
def test_poisoned_held_out_rows_leave_the_harmoniser_unchanged(
    cohort, shifted, harmonising, poison
):
    rows = replace(cohort, X=shifted).rows(harmonising, "intratumoral")
    fold = outer_folds(rows, harmonising)[0]
    X = rows.X.copy()
    X.iloc[fold.test] = poison
    poisoned = replace(rows, X=X)
    found = [fit_fold(one, fold, harmonising).digest() for one in (rows, poisoned)]
    assert found[0] == found[1]


def test_a_saved_model_predicts_the_same_and_is_the_same(model, cohort, shifted, tmp_path):
    again = load(save(model, tmp_path / "m"))
    assert again.digest() == model.digest()
    here, there = (one.risk(shifted, cohort.centres) for one in (model, again))
    pd.testing.assert_series_equal(here, there)


def test_the_published_tables_reproduce_the_risk(model, cohort, shifted):
    moved, lines = shifted.copy(), model.harmonised.set_index(["centre", "feature"])
    for centre in set(cohort.centres):
        line, rows = lines.loc[centre], cohort.centres == centre
        moved.loc[rows, line.index] *= line["factor"]
        moved.loc[rows, line.index] += line["offset"]
    score = rad_score(model.signature, moved)
    np.testing.assert_allclose(score, logit(model.risk(shifted, cohort.centres)), atol=1e-12)


def test_a_row_whose_centre_is_not_told_has_no_risk(model, shifted):
    with pytest.raises(StudyError, match="the model harmonises centres"):
        model.risk(shifted)


def test_a_new_centre_follows_the_declared_policy(model, external, harmonising):
    found = evaluate(
        model,
        external.X,
        external.y,
        subjects=external.subjects,
        centres=np.full(60, "centre2"),
        study=harmonising,
    )
    assert found["auc"]["auc"] > 0.7


def test_each_training_centre_is_left_out_once(model):
    assert [row["centre"] for row in model.centres] == ["centre1", "tcia"]
    assert sum(row["n"] for row in model.centres) == 72
    assert all(row["auc"] is not None for row in model.centres)


def test_a_study_that_refuses_new_centres_says_why_none_was_left_out(cohort, protocol):
    change = {"harmonise": {"method": "combat"}, "splits": {**protocol["splits"], "repeats": 1}}
    study = StudyConfig.parse({**protocol, **change, "external_centre": None})
    model = fit_model(cohort.X, cohort.y, cohort.subjects, cohort.centres, study, "intratumoral")
    assert {row["note"] for row in model.centres} == {
        "the study refuses to harmonise a centre that was not fitted"
    }


def test_an_external_centre_needs_a_policy_for_it(protocol):
    with pytest.raises(ConfigError, match="centre2 will be new to the harmoniser"):
        StudyConfig.parse({**protocol, "harmonise": {"method": "combat"}})


def test_the_deep_head_of_a_centre_is_the_models_deep_part_on_raw_features(model, external):
    """What a map is made of explains the score that harmonising leads to."""
    (line,) = model.centre_transforms(external.X, np.full(60, "centre2")).values()
    weights, bias = deep_head(model, width=30, transform=line)
    raw = external.X[[f"whole__layer4__{i:03d}" for i in range(30)]].to_numpy()
    seen = model.harmonised_rows(external.X, np.full(60, "centre2"))
    deep = model.signature[model.signature["block"] == "deep"].set_index("feature")
    assert len(deep)
    scaled = (seen[deep.index] - deep["mean"]) / deep["scale"]
    np.testing.assert_allclose(raw @ weights + bias, scaled @ deep["coefficient"], atol=1e-9)


def test_a_head_without_its_centres_line_is_refused(model):
    with pytest.raises(StudyError, match="its head is another for every centre"):
        deep_head(model, width=30)


def test_harmonised_rows_lead_to_the_risk_by_the_signature_alone(model, cohort, shifted):
    """So resampled signatures can be applied to them: an interval for a harmonised risk."""
    seen = model.harmonised_rows(shifted, cohort.centres)
    expected = logit(model.risk(shifted, cohort.centres))
    np.testing.assert_allclose(rad_score(model.signature, seen), expected, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_centre_too_small_for_the_folds_is_refused_before_any_fit(
    cohort, protocol, count, monkeypatch
):
    """Not in the middle of a fold, nor as a centre that was not harmonised."""
    monkeypatch.delattr("radlas.learn.fit.fit_part")
    change = {"harmonise": POLICIES[0], "training_centres": ["tcia", "centre1", "tiny"]}
    study = StudyConfig.parse({**protocol, **change})
    centres = cohort.centres.astype(object)
    centres[:count] = "tiny"
    with pytest.raises(StudyError, match="are needed to harmonise a centre") as caught:
        fit_model(cohort.X, cohort.y, cohort.subjects, centres, study, "dlr")
    assert f"centre tiny has {count // 2} positive and {count - count // 2} negative" in str(
        caught.value
    )
    assert "leave the centre out" in caught.value.hint


def test_the_smallest_centre_that_passes_is_fitted_and_resampled(cohort, protocol):
    change = {
        "harmonise": POLICIES[0],
        "training_centres": ["tcia", "centre1", "small"],
        "splits": {**protocol["splits"], "repeats": 1},
        "stability": {"bootstraps": 20},
    }
    study = StudyConfig.parse({**protocol, **change, "primary": "intratumoral"})
    centres = cohort.centres.astype(object)
    centres[:12] = "small"
    found = fit_model(cohort.X, cohort.y, cohort.subjects, centres, study, "intratumoral")
    assert found.stability["samples"] == 20
