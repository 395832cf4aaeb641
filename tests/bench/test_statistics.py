"""The statistics of a study against R on random cohorts: pROC, rms, glmnet, sva, stats.

Run: python -m pytest tests/bench/test_statistics.py -s, where Rscript has these packages.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import special

from radlas.learn.combat import combat
from radlas.learn.lasso import L1Logistic
from radlas.learn.metrics import benjamini_hochberg, brier, holm, rank_difference
from radlas.learn.selectors import spearman
from radlas.learn.statistics.calibration import calibration, distances
from radlas.learn.statistics.delong import auc, paired, unpaired
from radlas.learn.statistics.intervals import clopper_pearson, wilson
from radlas.learn.statistics.lowess import smooth
from radlas.learn.subgroups import interaction

COHORTS, FEATURES = 12, 30
STRENGTHS = (0.02, 0.05, 0.1, 0.3, 1.0)  # C of the L1 path
# glmnet stops by its own bound; MASS puts a spline through the profile and reads bounds from it.
WITHIN = {"l1_path": 1e-6, "profile": 1e-3}
ROUNDING = 1e-9


class Cohort(NamedTuple):
    """Patients with labels, risks, groups and centres, and features, one row for each."""

    rows: pd.DataFrame
    features: np.ndarray


def cohort(seed: int) -> Cohort:
    """Of 60 to 260 patients of three centres that differ; every second one has ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 260))
    y = (rng.random(n) < rng.uniform(0.25, 0.6)).astype(int)
    signal = rng.normal(size=n) + y * rng.uniform(0.5, 1.5)
    risk = special.expit(signal * rng.uniform(0.5, 2) - rng.uniform(-0.5, 1))
    centre = np.array(["A", "B", "C"])[rng.integers(0, 3, n)]
    columns = {
        "y": y,
        "risk": np.clip(np.round(risk, 2), 0.01, 0.99) if seed % 2 else risk,
        "other": special.expit(rng.normal(size=n) + 0.7 * signal),
        "group": rng.integers(0, 2, n),
        "p": rng.random(n) ** 2,
        "centre": centre,
        "age": rng.normal(60, 10, n),
    }
    features = rng.normal(size=(n, FEATURES)) * rng.lognormal(size=FEATURES)
    features += np.outer(centre == "B", rng.normal(size=FEATURES))
    features += np.outer(y, rng.normal(size=FEATURES)) * 0.3
    features[:, 1] = np.round(features[:, 1], 1)
    return Cohort(pd.DataFrame(columns), features)


def of_curves(one: Cohort) -> dict[str, Any]:
    rows, here = one.rows, one.rows["group"] == 1
    area, both = auc(rows["y"], rows["risk"]), paired(rows["y"], rows["risk"], rows["other"])
    sides = (rows[here], rows[~here])
    apart = unpaired(*(side[name] for side in sides for name in ("y", "risk")))
    return {
        "auc": [area.auc, area.variance, *area.wald],
        "paired": [both.statistic, both.p],
        "unpaired": [apart.statistic, apart.df, apart.p],
        "ranks": rank_difference(rows["risk"], rows["y"])["p"],
    }


def of_calibration(one: Cohort) -> dict[str, Any]:
    y, risk = one.rows["y"].to_numpy(), one.rows["risk"].to_numpy()
    found, share = calibration(y, risk), smooth(risk, y.astype(np.float64))
    gaps = distances(risk, share)  # as rms has them: where the line leaves [0, 1] ours is cut
    test = interaction(y, special.logit(risk), one.rows["group"])
    return {
        "calibration": [brier(y, risk), found.intercept, found.slope, found.in_the_large],
        "distances": [gaps["emax"], gaps["e90"], gaps["ici"]],
        "lowess": share[np.argsort(risk, kind="stable")],
        "profile": [*found.in_the_large_interval, *found.slope_interval],
        "interaction": [test["statistic"], test["df"], test["p"]],
    }


def of_counts(one: Cohort) -> dict[str, Any]:
    values, events, n = list(one.rows["p"][:8]), int(one.rows["y"].sum()), len(one.rows)
    return {
        "holm": holm(values),
        "benjamini_hochberg": benjamini_hochberg(values),
        "wilson": wilson(events, n),
        "clopper_pearson": clopper_pearson(events, n),
    }


def of_paths(one: Cohort) -> dict[str, Any]:
    scores = (one.features - one.features.mean(axis=0)) / one.features.std(axis=0)
    path = L1Logistic().path(scores, one.rows["y"], STRENGTHS)
    found = [np.concatenate([model.intercept_, model.coef_[0]]) for model in path]
    return {"l1_path": found, "spearman": spearman(one.features[:, :6])}


def of_harmonising(one: Cohort) -> dict[str, Any]:
    X, centres, age = one.features, one.rows["centre"], one.rows[["age"]]
    return {
        "combat": combat(X, centres),
        "combat_means": combat(X, centres, mean_only=True),
        "combat_reference": combat(X, centres, reference="B"),
        "combat_covariate": combat(X, centres, covariates=age),
    }


PARTS: tuple[Callable[[Cohort], dict[str, Any]], ...] = (
    of_curves,
    of_calibration,
    of_counts,
    of_paths,
    of_harmonising,
)


def by_r(folder: Path, cohorts: list[Cohort]) -> list[dict[str, np.ndarray]]:
    """What R says of each cohort: name of a quantity to its values."""
    for k, (rows, features) in enumerate(cohorts):
        rows.to_csv(folder / f"rows_{k}.csv", index=False, float_format="%.17g")
        frame = pd.DataFrame(features)
        frame.to_csv(folder / f"features_{k}.csv", index=False, float_format="%.17g")
    script = Path(__file__).with_name("statistics.R")
    told = subprocess.run(["Rscript", "--vanilla", script, folder], check=False)
    if told.returncode == 3:
        pytest.skip("R is here without pROC, rms, glmnet, sva or MASS")
    told.check_returncode()
    found = []
    for k in range(len(cohorts)):
        lines = [line.split(",") for line in (folder / f"r_{k}.csv").read_text().splitlines()]
        found.append({name: np.array(values, dtype=np.float64) for name, *values in lines})
    return found


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="no R on this machine")
def test_a_studys_statistics_are_rs(tmp_path, tell):
    """Largest distance of each quantity, of its size where that is above 1."""
    cohorts = [cohort(seed) for seed in range(COHORTS)]
    worst: dict[str, float] = {}
    for one, theirs in zip(cohorts, by_r(tmp_path, cohorts), strict=True):
        ours = {name: values for part in PARTS for name, values in part(one).items()}
        assert ours.keys() == theirs.keys()
        for name, expected in theirs.items():
            found = np.asarray(ours[name], dtype=np.float64).ravel()
            gap = np.abs(found - expected) / np.maximum(1, np.abs(expected))
            worst[name] = max(worst.get(name, 0.0), float(gap.max()))
    beyond = {n: gap for n, gap in worst.items() if not gap <= WITHIN.get(n, ROUNDING)}
    tell(
        f"statistics of {COHORTS} random cohorts against R, largest distance [1e-9]",
        {name: gap * 1e9 for name, gap in worst.items()},
    )
    assert not beyond
