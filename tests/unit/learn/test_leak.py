"""Fitting never sees a held-out row: by structure, by noise, and by a leak that must be caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from radlas.flows.study.controls import permuted
from radlas.learn.fit import fit_fold, outer_folds
from radlas.learn.lasso import L1Logistic
from radlas.learn.pipeline import build_pipeline
from radlas.learn.splits import repeated_folds
from radlas.learn.statistics.delong import auc
from radlas.learn.study import StudyConfig
from radlas.learn.training import training_rows


@pytest.mark.parametrize("poison", [1e9, np.nan])
def test_poisoned_held_out_rows_leave_every_fitted_parameter_unchanged(
    cohort, study: StudyConfig, poison: float
):
    rows = cohort.rows(study)
    fold = outer_folds(rows, study)[0]
    X = rows.X.copy()
    X.iloc[fold.test] = poison
    poisoned = replace(rows, X=X)
    assert fit_fold(poisoned, fold, study).digest() == fit_fold(rows, fold, study).digest()


def test_poisoned_training_rows_change_the_parameters(cohort, study: StudyConfig):
    """The digest above can change: the same poison on one training row moves it."""
    rows = cohort.rows(study)
    fold = outer_folds(rows, study)[0]
    X = rows.X.copy()
    X.iloc[fold.train[:1]] = 1e9
    poisoned = replace(rows, X=X)
    assert fit_fold(poisoned, fold, study).digest() != fit_fold(rows, fold, study).digest()


@pytest.fixture(scope="module")
def noise() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(11)
    columns = [f"tumour__original__glcm_N{i:03d}" for i in range(400)]
    X = pd.DataFrame(rng.normal(size=(80, 400)), columns=columns)
    X.index = [f"c{i:02d}" for i in X.index]
    return X, np.arange(80) % 2


def test_permuted_labels_give_out_of_fold_aucs_around_one_half(noise, study: StudyConfig):
    X, y = noise
    once = study.splits.model_copy(update={"repeats": 1})
    study = study.model_copy(update={"splits": once})
    areas = []
    for draw in range(4):
        label = np.random.default_rng(draw).permutation(y)
        rows = training_rows(
            X, label, subjects=X.index, centres=["tcia"] * 80, study=study, model="intratumoral"
        )
        areas += [fit_fold(rows, fold, study).auc for fold in outer_folds(rows, study)]
    assert 0.4 < np.mean(areas) < 0.6


def test_selecting_before_splitting_looks_excellent_on_the_same_noise(noise, study: StudyConfig):
    """The mistake the law forbids: RFE and scaling see all rows, only the last step is split."""
    X, y = noise
    leaky = build_pipeline(study.selection).set_params(eliminate__n_features=12)[:-1]
    seen = leaky.fit(X, y).transform(X).to_numpy()
    risk = np.zeros(len(y))
    for fold in repeated_folds(X.index, y, ["tcia"] * 80, folds=5):
        model = L1Logistic(1.0).fit(seen[fold.train], y[fold.train])
        risk[fold.test] = model.predict_proba(seen[fold.test])[:, 1]
    area = auc(y, risk).auc
    assert area is not None
    assert area > 0.8


def test_permuted_labels_keep_the_classes_and_a_model_of_nothing_ends_at_chance(
    cohort, study: StudyConfig
):
    """Even risks that only know the training share of positives: folds balance the dealt labels."""
    rows = cohort.rows(study)
    areas = []
    for seed in range(20):
        dealt = permuted(rows, seed)
        assert np.bincount(dealt.y).tolist() == np.bincount(rows.y).tolist()
        folds = [fold for fold in outer_folds(dealt, study) if fold.repeat == 0]
        risk = np.empty(len(dealt.y))
        for fold in folds:
            risk[fold.test] = dealt.y[fold.train].mean()
        areas.append(auc(dealt.y, risk).auc)
    assert 0.45 < np.mean(areas) < 0.55
