"""Who is in the cohort."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.phantom.scanners import SCANNERS
from radlas.phantom.subjects import (
    STRENGTHS,
    Subject,
    expected_auc,
    plan_subjects,
    split_over_centres,
)


def by_centre(subjects: tuple[Subject, ...]) -> dict[str, list[Subject]]:
    return {
        scanner.centre: [one for one in subjects if one.centre == scanner.centre]
        for scanner in SCANNERS
    }


def test_the_full_cohort_is_split_as_the_study_was():
    assert split_over_centres(203) == (51, 78, 74)


@given(st.integers(6, 2000))
def test_every_split_adds_up_and_leaves_no_centre_below_two(total: int):
    counts = split_over_centres(total)
    assert sum(counts) == total
    assert min(counts) >= 2


@given(st.integers(0, 2**31))
@settings(max_examples=30)
def test_every_centre_has_both_grades_whatever_the_seed(seed: int):
    for subjects in by_centre(plan_subjects(6, seed=seed)).values():
        assert {one.grade for one in subjects} == {"high", "low"}


def test_prevalence_of_the_full_cohort_is_each_centres_own():
    for scanner, subjects in zip(
        SCANNERS, by_centre(plan_subjects(203, seed=0)).values(), strict=True
    ):
        share = Counter(one.grade for one in subjects)["high"] / len(subjects)
        assert share == pytest.approx(scanner.prevalence, abs=0.06)


def test_a_subject_does_not_depend_on_how_many_others_there_are():
    few, many = by_centre(plan_subjects(20, seed=5)), by_centre(plan_subjects(90, seed=5))
    for centre, subjects in few.items():
        assert subjects == many[centre][: len(subjects)]


def test_another_seed_gives_other_subjects():
    one, other = plan_subjects(12, seed=1), plan_subjects(12, seed=2)
    assert all(here.deep != there.deep for here, there in zip(one, other, strict=True))


def test_names_are_unique():
    names = [one.name for one in plan_subjects(203, seed=0)]
    assert len(set(names)) == len(names)


def test_planted_signals_lie_as_far_apart_as_stated():
    """Over many subjects, the gap between the grades is the stated strength."""
    subjects = plan_subjects(3000, seed=4)
    for name, strength in STRENGTHS.items():
        high, low = (
            np.array([getattr(one, name) for one in subjects if one.grade == grade])
            for grade in ("high", "low")
        )
        assert high.mean() - low.mean() == pytest.approx(strength, abs=0.12)
        assert high.std() == pytest.approx(1.0, abs=0.07)


def test_expected_auc_of_one_signal_is_the_binormal_one():
    distance = STRENGTHS["intratumoral"]
    binormal = 0.5 * (1 + math.erf(distance / 2))
    assert expected_auc("intratumoral") == pytest.approx(binormal)


def test_every_signal_adds_to_the_expected_auc():
    intra = expected_auc("intratumoral")
    both = expected_auc("intratumoral", "ring")
    assert 0.75 < intra < both < expected_auc(*STRENGTHS) < 0.97
