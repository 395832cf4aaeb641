"""A whole study at size, and whether its statistics keep their promises.

Run: ``python -m pytest tests/bench/test_study.py -s [--json]``. Ratios are of one run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from radlas.learn.elimination import elimination_order
from radlas.learn.fit import fit_fold, fit_model, outer_folds
from radlas.learn.lasso import L1Logistic
from radlas.learn.metrics import brier
from radlas.learn.pipeline import build_pipeline
from radlas.learn.splits import repeated_folds
from radlas.learn.statistics.calibration import calibration
from radlas.learn.statistics.delong import auc
from radlas.learn.statistics.intervals import bootstrap, wilson
from radlas.learn.study import StudyConfig
from radlas.learn.training import training_rows

from .cohorts import STUDY, make_study_store

RADLAS = str(Path(sys.executable).with_name("radlas"))


def run(*words: object) -> float:
    """Seconds of one command, in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([RADLAS, *map(str, words)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - start


def test_a_whole_study(tmp_path, tell):
    """203 patients, 2,312 features, three models and controls, 10 x 5 folds, 200 resamples."""
    make_study_store(tmp_path / "store")
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    here = ("--store", tmp_path / "store")
    run("snapshot", "create", "s", *here)
    page = tmp_path / "report.html"
    told = {
        "train [s]": run("train", study, *here, "--snapshot", "s"),
        "validate [s]": run("validate", "bench", *here),
        "explain, without maps [s]": run("explain", "bench", *here, "--maps", 0),
        "report [s]": run("report", "bench", *here, "--out", page),
    }
    tell(
        "a whole study",
        told | {"all [min]": sum(told.values()) / 60, "page [MB]": page.stat().st_size / 1e6},
    )


def test_rfe_against_scikit_learn(tell):
    """One feature at a time on 129 patients, at a tolerance at which the ranks are the model's."""
    rng = np.random.default_rng(0)
    y = (np.arange(129) % 2).astype(float)
    figures = {}
    with threadpool_limits(1, "blas"):
        elimination_order(rng.normal(size=(20, 5)), y[:20], C=0.1)
        for columns in (200, 600):
            hidden = rng.normal(size=(129, 20))
            X = hidden @ rng.normal(size=(20, columns)) + rng.normal(size=(129, columns))
            X = StandardScaler().fit_transform(X + 0.5 * y[:, None] * rng.random(columns))
            start = time.perf_counter()
            order = elimination_order(X, y, C=0.1)
            ours = time.perf_counter() - start
            start = time.perf_counter()
            model = LogisticRegression(C=0.1, tol=1e-12, max_iter=100_000)
            theirs = RFE(model, n_features_to_select=1, step=1).fit(X, y)
            loose = RFE(LogisticRegression(C=0.1), n_features_to_select=1, step=1).fit(X, y)
            ranks = np.empty(columns, dtype=int)
            ranks[order[::-1]] = np.arange(1, columns + 1)
            figures |= {
                f"{columns} features, scikit-learn / ours": (time.perf_counter() - start)
                / 2
                / ours,
                f"{columns} features, ranks equal at 1e-12": (ranks == theirs.ranking_).mean(),
                f"{columns} features, equal at the default": (ranks == loose.ranking_).mean(),
            }
            assert (ranks == theirs.ranking_).all()
        for rows in (500, 2_000):
            X, many = rng.normal(size=(rows, 300)), (np.arange(rows) % 2).astype(float)
            start = time.perf_counter()
            elimination_order(X, many, C=0.1)
            figures[f"300 features of {rows:,} patients [s]"] = time.perf_counter() - start
    tell("recursive feature elimination", figures)


@pytest.fixture(scope="module")
def noise() -> tuple[StudyConfig, pd.DataFrame]:
    study = StudyConfig.parse(
        {
            "name": "alarm",
            "outcome": {"positive": ["a"], "negative": ["b"]},
            "blocks": {"tumour": {"roi": "tumour"}},
            "models": {"m": ["tumour"]},
            "primary": "m",
            "training_centres": ["a"],
            "splits": {"folds": 5, "inner_folds": 5},
            "selection": {"rfe_features": [10, 20, 40], "c": [0.05, 0.1, 0.2, 0.5, 1.0]},
        }
    )
    values = np.random.default_rng(1).normal(size=(129, 2000))
    columns = [f"tumour__original__glcm_F{n:04d}" for n in range(2000)]
    return study, pd.DataFrame(values, [f"c{n:03d}" for n in range(129)], columns)


def test_the_leak_alarm(noise, tell):
    """Permuted labels end at chance; the same rows with selection before the split do not."""
    study, X = noise
    honest, leaky = [], []
    for draw in range(20):
        y = np.random.default_rng(draw).permutation(np.arange(129) % 2)
        rows = training_rows(X, y, subjects=X.index, centres=["a"] * 129, study=study, model="m")
        honest += [fit_fold(rows, fold, study).auc for fold in outer_folds(rows, study)]
        leaky.append(_select_before_split(rows, study))
    tell(
        "leak alarm, 20 cohorts of 129 x 2,000",
        {"nested AUC, mean": np.mean(honest), "selected before the split": np.mean(leaky)},
    )
    assert 0.45 <= np.mean(honest) <= 0.55
    assert np.mean(leaky) > 0.8


def _select_before_split(rows, study) -> float:
    pipeline = build_pipeline(study.selection).set_params(eliminate__n_features=20)[:-1]
    with threadpool_limits(1, "blas"):
        seen = pipeline.fit(rows.X, rows.y).transform(rows.X).to_numpy()
        risk = np.zeros(len(rows.y))
        for fold in repeated_folds(rows.X.index, rows.y, rows.centres, folds=5):
            model = L1Logistic(1.0).fit(seen[fold.train], rows.y[fold.train])
            risk[fold.test] = model.predict_proba(seen[fold.test])[:, 1]
    return auc(rows.y, risk).auc


def test_intervals_cover_what_they_promise(tell):
    """1,000 external sets of 74 patients: 95 % intervals hold the truth 93 to 97 times in 100."""
    rng = np.random.default_rng(7)
    level, gain = rng.normal(size=2_000_000), 1.5
    truth = rng.random(2_000_000) < expit(gain * level)
    risk = expit(1.2 * level)  # somewhat too timid: calibration does not matter here
    area, score, share = auc(truth[:200_000], risk[:200_000]).auc, brier(truth, risk), None
    share = float((risk[truth] >= 0.5).mean())
    held = {"AUC, DeLong logit": [], "sensitivity, Wilson": [], "Brier, BCa": []}
    held |= {"calibration slope, profile": [], "calibration in the large, profile": []}
    for _ in range(1000):
        rows = rng.integers(0, len(truth), 74)
        y, one = truth[rows], risk[rows]
        low, high = auc(y, one).logit
        held["AUC, DeLong logit"].append(low <= area <= high)
        low, high = wilson(int((one[y] >= 0.5).sum()), int(y.sum()))
        held["sensitivity, Wilson"].append(low <= share <= high)
        low, high = bootstrap(y, one, brier, draws=1000)["interval"]
        held["Brier, BCa"].append(low <= score <= high)
        fit = calibration(y, one)
        low, high = fit.slope_interval
        held["calibration slope, profile"].append(low <= gain / 1.2 <= high)
        low, high = fit.in_the_large_interval
        held["calibration in the large, profile"].append(low <= 0 <= high)  # by symmetry
    tell("coverage of 95 % intervals [1]", {name: np.mean(found) for name, found in held.items()})
    for name, found in held.items():
        assert 0.93 <= np.mean(found) <= 0.97, name


def test_planted_clusters_are_found(tell):
    """Some causes with six near-copies each among 1,900 columns of noise, 129 patients."""
    study = StudyConfig.parse(
        {
            "name": "planted",
            "outcome": {"positive": ["a"], "negative": ["b"]},
            "blocks": {"tumour": {"roi": "tumour"}},
            "models": {"m": ["tumour"]},
            "primary": "m",
            "training_centres": ["a"],
            "selection": {
                "rfe_features": [10, 20, 40],
                "c": [0.2, 0.5, 1.0],
                "one_standard_error": False,
            },
            "splits": {"folds": 5, "inner_folds": 5},
            "stability": {"bootstraps": 0},
        }
    )
    found = {
        f"{causes} causes": np.mean([_share_found(study, causes, seed) for seed in range(3)])
        for causes in (3, 6, 10)
    }
    tell("planted clusters found [1]", found)


def _share_found(study: StudyConfig, causes: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(129, causes))
    y = (cause.sum(axis=1) + 0.5 * rng.normal(size=129) > 0).astype(int)
    planted = 6 * causes
    copies = [cause[:, [n % causes]] + 0.25 * rng.normal(size=(129, 1)) for n in range(planted)]
    X = np.hstack([*copies, rng.normal(size=(129, 1900))])
    names = [f"tumour__original__glcm_F{n:04d}" for n in range(X.shape[1])]
    frame = pd.DataFrame(X, [f"c{n:03d}" for n in range(129)], names)
    model = fit_model(frame, y, frame.index, ["a"] * 129, study, "m")
    chosen = {int(name[-4:]) for name in model.signature["feature"].iloc[:-1]}
    return len({n % causes for n in chosen if n < planted}) / causes
