from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from threadpoolctl import threadpool_limits

from radlas.errors import StudyError
from radlas.learn.fit import fit_model, outer_folds
from radlas.learn.metrics import choose_threshold
from radlas.learn.pipeline import rad_score
from radlas.learn.settings import Threshold


def fit(cohort, study, model="intratumoral", **change):
    values = {"subjects": cohort.subjects, "centres": cohort.centres, **change}
    return fit_model(values.pop("X", cohort.X), cohort.y, study=study, model=model, **values)


@pytest.fixture(scope="module")
def small(study):
    """The same study with one repeat: enough for laws of identity."""
    return study.model_copy(update={"splits": study.splits.model_copy(update={"repeats": 1})})


def test_planted_signal_is_found_out_of_fold(fitted):
    assert fitted.folds["auc"].mean() > 0.75
    assert len(fitted.signature) > 2


def test_every_subject_is_predicted_once_per_repeat_by_a_model_that_did_not_see_it(
    fitted, cohort, study
):
    assert (fitted.oof.groupby("subject").size() == 2).all()
    rows = cohort.rows(study)
    held = {(f.repeat, f.fold): set(rows.subjects[f.test]) for f in outer_folds(rows, study)}
    for key, part in fitted.oof.groupby(["repeat", "fold"]):
        assert set(part["subject"]) == held[key]


def test_the_threshold_comes_from_out_of_fold_risks_alone(fitted):
    pooled = fitted.out_of_fold()
    assert len(pooled) == 72
    assert fitted.threshold == choose_threshold(pooled["label"], pooled["probability"], Threshold())


def test_the_signature_reproduces_the_models_logit(fitted, cohort, external):
    """A spreadsheet's arithmetic, gaps filled with the table's medians."""
    for X in (cohort.X, external.X):
        score = rad_score(fitted.signature, X[reversed(X.columns)])
        np.testing.assert_allclose(score, logit(fitted.risk(X)), atol=1e-12)


def test_a_model_that_does_not_harmonise_leaves_out_every_centre_and_moves_none(fitted, cohort):
    assert [row["centre"] for row in fitted.centres] == ["centre1", "tcia"]
    assert all(row["auc"]["auc"] > 0.5 for row in fitted.centres)
    assert fitted.centre_transforms(cohort.X, cohort.centres) == {}


def test_native_weights_give_the_same_score_from_raw_values(fitted, cohort):
    full = cohort.X.dropna(subset=[c for c in cohort.X if c.startswith("ring")])
    table = fitted.signature.set_index("feature")["native_weight"]
    raw = full[table.index[:-1]] @ table.iloc[:-1] + table["(intercept)"]
    np.testing.assert_allclose(raw, rad_score(fitted.signature, full), atol=1e-10)


def test_selection_frequencies_are_shares_of_the_outer_folds(fitted):
    assert fitted.frequency["selected"].between(1 / 6, 1).all()
    assert np.allclose((fitted.frequency["selected"] * 6) % 1, 0)
    assert fitted.frequency["selected"].sum() * 6 == pytest.approx(fitted.folds["features"].sum())


def test_shuffled_rows_and_columns_give_the_same_digest_and_risks(cohort, small):
    order = np.random.default_rng(0).permutation(len(cohort.y))
    shuffled = cohort.take(order)
    columns = np.random.default_rng(1).permutation(cohort.X.columns)
    here, there = fit(cohort, small), fit(shuffled, small, X=shuffled.X[columns])
    assert here.digest() == there.digest()
    pd.testing.assert_frame_equal(here.oof, there.oof)
    assert here.risk(cohort.X).equals(there.risk(cohort.X))


def test_how_the_table_lies_in_memory_changes_no_bit(cohort, small):
    digests = set()
    for order in ("C", "F"):
        values = np.array(cohort.X.to_numpy(), order=order)
        X = pd.DataFrame(values, cohort.X.index, cohort.X.columns, copy=False)
        digests.add(fit(cohort, small, X=X).digest())
    assert len(digests) == 1


def test_one_and_two_threads_give_the_same_digest(cohort, small):
    digests = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            digests.append(fit(cohort, small, "dlr").digest())
    assert digests[0] == digests[1]


def test_another_seed_or_training_value_gives_another_digest(cohort, small):
    here = fit(cohort, small).digest()
    moved = cohort.X.copy()
    moved.loc["case-s003", "tumour__original__glcm_F05"] *= 1.5
    assert fit(cohort, small, X=moved).digest() != here
    assert fit(cohort, small.model_copy(update={"seed": 9})).digest() != here


def test_all_models_of_a_study_share_their_outer_folds(cohort, small):
    one, two = fit(cohort, small), fit(cohort, small, "intra-peritumoral")
    keys = ["repeat", "fold", "case"]
    pd.testing.assert_frame_equal(one.oof[keys], two.oof[keys])


def test_rows_of_another_centre_are_never_fitted_on(cohort, study):
    centres = np.where(np.arange(72) == 5, "centre2", cohort.centres)
    with pytest.raises(StudyError, match="rows of centre2 must not be fitted on"):
        fit(cohort, study, centres=centres)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e155, -1e300])
def test_an_infinite_value_is_located(cohort, study, value):
    """One that can be squared no more, too: it would end in a solver, and name no case."""
    X = cohort.X.copy()
    X.loc["case-s004", "tumour__original__glcm_F03"] = value
    with pytest.raises(StudyError, match="1 feature values are infinite") as caught:
        fit(cohort, study, X=X)
    assert caught.value.where == "case case-s004, tumour__original__glcm_F03"


def test_a_table_of_objects_is_read_as_its_numbers(fitted, cohort):
    """Where a value is missing as much as elsewhere, whatever stands for it."""
    objects = cohort.X.astype(object).where(cohort.X.notna(), pd.NA)
    assert fitted.risk(objects).equals(fitted.risk(cohort.X))


def test_a_value_that_is_no_number_is_located(fitted, cohort):
    X = cohort.X.astype(object)
    X.iloc[3, X.columns.get_loc("tumour__original__glcm_F03")] = "high"
    with pytest.raises(StudyError, match="a value is no number") as caught:
        fitted.risk(X)
    assert caught.value.where == "tumour__original__glcm_F03"


def test_a_column_that_is_there_twice_is_named(fitted, cohort, study):
    X = pd.concat([cohort.X, cohort.X[["ring_0_10__original__glcm_F01"]]], axis=1)
    for use in (lambda: fit(cohort, study, "dlr", X=X), lambda: fitted.risk(X)):
        with pytest.raises(StudyError, match="1 columns are there twice") as caught:
            use()
        assert caught.value.where == "ring_0_10__original__glcm_F01"


def test_an_absent_column_is_named_at_prediction(fitted, cohort):
    with pytest.raises(StudyError, match="1 of 73 columns are absent") as caught:
        fitted.risk(cohort.X.drop(columns="whole__layer4__000"))
    assert caught.value.where == "whole__layer4__000"


def test_several_cases_of_a_subject_are_refused(cohort, small):
    """Noise would tell the centre of a patient who is known from another image."""
    subjects = cohort.subjects.copy()
    subjects[5] = subjects[3]
    with pytest.raises(StudyError, match="several rows of 1 subject") as caught:
        fit(cohort, small, subjects=subjects)
    assert caught.value.where == "s003"
