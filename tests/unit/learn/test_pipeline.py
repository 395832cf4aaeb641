from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from radlas.errors import StudyError
from radlas.learn.lasso import L1Logistic
from radlas.learn.pipeline import (
    build_pipeline,
    pipeline_parameters,
    rad_score,
    signature_table,
    strict_convergence,
)
from radlas.learn.settings import Selection


def test_every_step_keeps_the_names_of_its_columns(cohort):
    X = cohort.X.drop(columns="tumour__original__glcm_Never")
    fitted = build_pipeline(Selection()).fit(X, cohort.y)
    names = fitted[:-1].get_feature_names_out()
    assert len(names) == 10
    assert set(names) <= set(X.columns)
    assert list(fitted["lasso"].feature_names_in_) == list(names)


def test_a_signature_names_the_features_whose_weight_is_not_zero(cohort):
    fitted = build_pipeline(Selection()).set_params(lasso__C=0.1).fit(cohort.X, cohort.y)
    lasso = fitted["lasso"]
    kept = lasso.feature_names_in_[lasso.coef_[0] != 0]
    assert 0 < len(kept) < len(lasso.feature_names_in_)
    table = signature_table(fitted, dict.fromkeys(cohort.X, "one"))
    assert list(table["feature"]) == [*sorted(kept), "(intercept)"]
    np.testing.assert_allclose(rad_score(table, cohort.X), fitted.decision_function(cohort.X))


def test_a_column_that_is_never_known_is_dropped_and_gaps_get_the_training_median(cohort):
    fitted = build_pipeline(Selection()).fit(cohort.X, cohort.y)
    known = list(fitted["impute"].feature_names_in_)
    assert "tumour__original__glcm_Never" not in known
    medians = cohort.X[known].median()
    np.testing.assert_allclose(fitted["impute"].statistics_, medians, rtol=1e-15)


def test_a_solver_that_gives_up_is_an_error_with_a_hint():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 5)), np.arange(30) % 2
    hasty = L1Logistic(C=1.0, max_iter=1)
    with pytest.raises(StudyError, match="did not converge") as caught, strict_convergence("here"):
        hasty.fit(X, y)
    assert caught.value.where == "here"
    assert "largest C" in caught.value.hint


def test_strictness_ends_with_its_block():
    with strict_convergence("here"):
        pass
    with pytest.warns(ConvergenceWarning):
        warnings.warn("later", ConvergenceWarning, stacklevel=1)


def test_fitting_raises_no_warning_at_all(cohort):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_pipeline(Selection()).fit(cohort.X, cohort.y).predict_proba(cohort.X)


def test_the_digested_parameters_change_with_any_training_value(cohort):
    pipeline = build_pipeline(Selection())
    names = list(cohort.X.columns)
    here = pipeline_parameters(clone(pipeline).fit(cohort.X, cohort.y), names)
    moved = cohort.X.copy()
    moved.iloc[3, 5] *= 1.001
    assert pipeline_parameters(clone(pipeline).fit(moved, cohort.y), names) != here


def test_a_signature_without_its_column_is_refused():
    signature = pd.DataFrame({"feature": ["a__b__c", "(intercept)"], "coefficient": [1.0, 0.0]})
    with pytest.raises(StudyError, match="not there of the signature: 1 feature, as a__b__c"):
        rad_score(signature, pd.DataFrame({"other": [1.0]}))
