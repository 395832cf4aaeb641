from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radlas.errors import StudyError
from radlas.learn.splits import fewest_training, repeated_folds
from radlas.learn.study import StudyConfig
from radlas.learn.training import training_rows


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.str_]]:
    people = draw(st.integers(12, 40))
    seed = draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    label, centre = rng.integers(0, 2, people), rng.choice(["a", "b", "c"], people)
    label[:10] = np.arange(10) % 2  # five of each class at least
    rows = rng.permutation(np.concatenate([np.arange(people), rng.integers(0, people, 15)]))
    return np.array([f"s{i}" for i in rows]), label[rows], centre[rows]


@given(cohorts(), st.integers(2, 5))
@settings(max_examples=25)
def test_folds_divide_subjects_evenly_in_every_stratum(cohort, folds: int):
    subjects, y, centres = cohort
    divisions = repeated_folds(subjects, y, centres, folds=folds, seed=1)
    sizes: dict[object, list[int]] = {}
    for one in divisions:
        assert not set(subjects[one.train]) & set(subjects[one.test])
        held = {
            (s, f"{c}{label}")
            for s, label, c in zip(subjects[one.test], y[one.test], centres[one.test], strict=True)
        }
        counts = Counter(stratum for _, stratum in held)
        for stratum in {f"{c}{label}" for label, c in zip(y, centres, strict=True)}:
            sizes.setdefault(stratum, []).append(counts[stratum])
        sizes.setdefault("all", []).append(len(held))
    tested = np.sort(np.concatenate([one.test for one in divisions]))
    np.testing.assert_array_equal(tested, np.arange(len(y)))
    assert all(max(found) - min(found) <= 1 for found in sizes.values())


@given(cohorts(), st.integers(0, 99))
@settings(max_examples=15)
def test_row_order_does_not_move_a_subject(cohort, seed: int):
    subjects, y, centres = cohort
    order = np.random.default_rng(seed).permutation(len(y))
    here = repeated_folds(subjects, y, centres, folds=3, repeats=2, seed=4)
    there = repeated_folds(subjects[order], y[order], centres[order], folds=3, repeats=2, seed=4)
    for one, other in zip(here, there, strict=True):
        assert set(subjects[one.test]) == set(subjects[order][other.test])


def test_repeats_and_seeds_divide_differently():
    subjects, y = np.array([f"s{i}" for i in range(40)]), np.arange(40) % 2
    centres = np.full(40, "a")
    first, second = repeated_folds(subjects, y, centres, folds=2, repeats=2, seed=0)[::2]
    (other, _) = repeated_folds(subjects, y, centres, folds=2, seed=1)
    assert set(first.test) != set(second.test)
    assert set(first.test) != set(other.test)


def test_a_class_with_fewer_subjects_than_folds_is_named():
    with pytest.raises(StudyError, match="2 positive subjects cannot fill 3 folds"):
        repeated_folds(list("abcdeff"), [1, 1, 0, 0, 0, 0, 0], ["x"] * 7, folds=3)


def test_a_subject_cannot_have_two_outcomes():
    with pytest.raises(StudyError, match="contradicting labels or centres, as a"):
        repeated_folds(list("aabbcc"), [0, 1, 0, 0, 1, 1], ["x"] * 6, folds=2)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 99), st.integers(2, 5))
@settings(max_examples=15)
def test_no_inner_fold_fits_on_fewer_of_a_centre_than_is_promised(positive, negative, seed, folds):
    counts = {"a": (positive, negative), "b": (25, 25)}
    y, where = [], []
    for centre, both in counts.items():
        for label, count in zip((1, 0), both, strict=True):
            y += [label] * count
            where += [centre] * count
    y, where = np.array(y), np.array(where)
    who = np.array([f"s{i}" for i in range(len(y))])
    promised = fewest_training(counts["a"], [folds, 3])
    for outer in repeated_folds(who, y, where, folds=folds, seed=seed):
        at = outer.train
        for inner in repeated_folds(who[at], y[at], where[at], folds=3, seed=seed):
            assert (where[at][inner.train] == "a").sum() >= promised


@given(st.integers(1, 24), st.integers(2, 8), st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=80)
def test_a_class_is_refused_before_any_fit_just_where_folds_in_folds_would_lack_it(
    few: int, outer: int, inner: int, seed: int
):
    names = [f"s{number:02d}" for number in range(few + 30)]
    y, here = np.arange(few + 30) < few, np.full(few + 30, "a")
    protocol = StudyConfig.parse(
        {
            "name": "s",
            "training_centres": ["a"],
            "outcome": {"column": "grade", "positive": ["1"], "negative": ["0"]},
            "blocks": {"b": {"roi": "tumour"}},
            "models": {"m": ["b"]},
            "primary": "m",
            "splits": {"folds": outer, "repeats": 1, "inner_folds": inner},
        }
    )
    X = pd.DataFrame({"tumour__original__glcm_F": np.ones(few + 30)}, index=names)

    def divided() -> None:
        for fold in repeated_folds(names, y, here, folds=outer, seed=seed):
            at = fold.train
            repeated_folds(np.array(names)[at], y[at], here[at], folds=inner, seed=seed)

    def refused(what: Callable[[], object]) -> bool:
        try:
            what()
        except StudyError:
            return True
        return False

    early = partial(
        training_rows, X, y.astype(int), subjects=names, centres=here, study=protocol, model="m"
    )
    assert refused(early) == refused(divided)
