"""A small two-centre cohort with planted signal, its study, and one model fitted on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from threadpoolctl import threadpool_limits

from radlas.learn.fit import fit_model
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig
from radlas.learn.training import Training, training_rows


@dataclass(frozen=True, eq=False)
class Cohort:
    X: pd.DataFrame
    y: NDArray[np.int64]
    subjects: NDArray[np.str_]
    centres: NDArray[np.str_]

    def take(self, rows: NDArray[np.int64]) -> Cohort:
        return Cohort(self.X.iloc[rows], self.y[rows], self.subjects[rows], self.centres[rows])

    def rows(self, study: StudyConfig, model: str = "dlr") -> Training:
        """The rows as a model is fitted on them."""
        return training_rows(
            self.X,
            self.y,
            subjects=self.subjects,
            centres=self.centres,
            study=study,
            model=model,
        )


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Small products on a shared machine: more threads only wait for each other."""
    with threadpool_limits(1, "blas"):
        yield


def planted_cohort(rows: int = 72, seed: int = 5, prefix: str = "s") -> Cohort:
    """Three blocks that each know a part of the outcome; gaps, a constant, a duplicate."""
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) % 2).astype(np.int64)
    hidden = rng.normal(size=(rows, 6)) + y[:, None] * np.array([1.4, 0, 1.0, 0, 0.8, 0])
    mixing = np.random.default_rng(99)  # the same features in every cohort
    columns = {}
    for roi, part, count in (("tumour", 0, 20), ("ring_0_10", 2, 20), ("whole", 4, 30)):
        for i in range(count):
            weights = mixing.normal(size=2)
            name = f"layer4__{i:03d}" if roi == "whole" else f"original__glcm_F{i:02d}"
            scale = 10.0 ** mixing.integers(-2, 3)
            signal = hidden[:, part : part + 2] @ weights + 0.8 * rng.normal(size=rows)
            columns[f"{roi}__{name}"] = scale * (signal + 3)
    X = pd.DataFrame(columns, index=[f"case-{prefix}{i:03d}" for i in range(rows)])
    X.loc[X.index[::9], [c for c in X if c.startswith("ring")]] = np.nan
    X["tumour__original__glcm_Constant"] = 7.0
    X["tumour__original__glcm_Never"] = np.nan
    X["tumour__original__glcm_F00copy"] = 2 * X["tumour__original__glcm_F00"]
    subjects = np.array([f"{prefix}{i:03d}" for i in range(rows)])
    return Cohort(X, y, subjects, np.where(np.arange(rows) % 3 == 0, "tcia", "centre1"))


@pytest.fixture(scope="session")
def make_cohort() -> Callable[..., Cohort]:
    return planted_cohort


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return planted_cohort()


@pytest.fixture(scope="session")
def external() -> Cohort:
    return planted_cohort(60, seed=6, prefix="x")


@pytest.fixture(scope="session")
def protocol() -> dict[str, object]:
    """Values of a complete study, as YAML would give them."""
    return {
        "name": "sts-grade",
        "outcome": {"positive": ["high"], "negative": ["low"], "excluded": ["n/a"]},
        "blocks": {
            "tumour": {"roi": "tumour"},
            "ring": {"roi": "ring_0_10"},
            "deep": {"deep": True},
        },
        "models": {
            "intratumoral": ["tumour"],
            "intra-peritumoral": ["tumour", "ring"],
            "dlr": ["tumour", "ring", "deep"],
        },
        "primary": "dlr",
        "training_centres": ["tcia", "centre1"],
        "external_centre": "centre2",
        "splits": {"folds": 3, "repeats": 2, "inner_folds": 2},
        "selection": {"rfe_features": [6, 12], "c": [0.1, 0.3]},
        "stability": {"bootstraps": 0},
        "seed": 3,
    }


@pytest.fixture(scope="session")
def study(protocol: dict[str, object]) -> StudyConfig:
    return StudyConfig.parse(protocol)


@pytest.fixture(scope="session")
def fitted(cohort: Cohort, study: StudyConfig) -> FittedModel:
    return fit_model(
        cohort.X,
        cohort.y,
        subjects=cohort.subjects,
        centres=cohort.centres,
        study=study,
        model="dlr",
    )


@pytest.fixture(scope="session")
def breast() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The reference data: 203 rows, 106 positive; columns 0 radius, 1 texture, 4 smoothness."""
    data = load_breast_cancer()
    return data.data[:203], 1 - data.target[:203]


@pytest.fixture
def risk(breast) -> NDArray[np.float64]:
    """Of the reference data, by texture alone."""
    return expit((breast[0][:, 1] - 19) / 2)
