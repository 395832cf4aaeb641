"""What others say against the primary model: never softer than the numbers behind it."""

from __future__ import annotations

from typing import Any

import pytest

from radlas.report import verdict
from radlas.report.evidence.validation import NOT_IMPUTED, WITHIN
from radlas.report.figures import model as figures_model
from radlas.report.figures import validation as figures_validation

from .fixture import interval


def said(evidence: dict[str, Any]) -> str:
    return " ".join(verdict.warnings(evidence))


def control(name: str, area: float, **more: Any) -> dict[str, Any]:
    row = {"control": name, "meaning": name, "training": interval(0.5, 0.1), "features": 1}
    return {**row, "external": interval(area, 0.1), **more}


def beside(evidence: dict[str, Any], *rows: dict[str, Any]) -> dict[str, Any]:
    return {**evidence, "honesty": {"rows": list(rows), "missing": {}}}


def test_a_model_that_ranks_the_wrong_way_round_is_told_so(brief):
    """An interval from 0.1 to 0.4 does not include chance: it excludes it, on the wrong side."""
    brief["models"]["DLR"]["external"]["auc"] |= {"estimate": 0.25, "low": 0.1, "high": 0.4}
    assert "the wrong way round" in said(brief)
    assert "includes 0.5" not in said(brief)


@pytest.mark.parametrize("turned", [False, True])
def test_a_model_that_beats_the_primary_one_is_a_warning(brief, turned):
    """Whichever of the two comes first in the pair."""
    pair, delta = ("DLR", "Intratumoural"), -0.2
    a, b = reversed(pair) if turned else pair
    numbers = {"low": None, "high": None, "z": 3.0, "p": 0.0004, "p_holm": 0.0004}
    brief["comparisons"] = [{"a": a, "b": b, "delta": -delta if turned else delta, **numbers}]
    assert "Intratumoural has a higher AUC than DLR (p < 0.001 after Holm)." in said(brief)
    brief["comparisons"][0]["delta"] *= -1
    assert "has a higher AUC" not in said(brief)


def test_a_control_above_the_primary_model_does_not_lie_inside_its_interval(brief):
    brief["models"]["DLR"]["external"]["auc"] |= {"estimate": 0.7, "low": 0.6, "high": 0.8}
    found = said(beside(brief, control("volume", 0.95)))
    assert "alone reaches an external AUC of 0.950, no less than the primary model's 0.700" in found
    assert "inside the interval" not in found


@pytest.mark.parametrize(("low", "shown"), [(-0.02, False), (0.02, True)])
def test_the_difference_on_the_same_patients_decides_whether_a_control_is_beaten(brief, low, shown):
    """Not whether the control lies in the primary model's interval: that errs to either side."""
    brief["models"]["DLR"]["external"]["auc"] |= {"estimate": 0.8, "low": 0.7, "high": 0.9}
    for area in (0.65, 0.75):
        gap = {"estimate": 0.8 - area, "low": low, "high": 0.4}
        found = said(beside(brief, control("volume", area, difference=gap)))
        assert ("not shown that the primary model adds anything" not in found) == shown


@pytest.mark.parametrize("reached", [0.45, 0.9])
def test_a_control_of_no_feature_is_not_told_as_what_it_was_to_stand_for(brief, reached):
    """The penalty left the volume out; ranked by it, patients may be told apart all the same."""
    brief["models"]["DLR"]["external"]["auc"] |= {"estimate": reached, "low": 0.4, "high": 0.95}
    found = said(beside(brief, control("volume", 0.5, features=0)))
    assert "The control volume chose no feature and gives every patient the same risk:" in found
    assert "what the tumour's volume alone is worth was not shown." in found
    assert "alone reaches an external AUC" not in found


def test_training_is_warned_of_before_anything_was_validated(brief):
    """A pipeline that leaks on permuted labels leaks whether or not somebody looked outside."""
    for model in brief["models"].values():
        model["external"] = None
    brief["comparisons"] = []
    leaking = control("permuted", 0.8, training=interval(0.8, 0.1), external=None)
    found = said(beside(brief, leaking))
    assert "There is no external validation" in found
    assert "about one permutation in twenty does this" in found, "more than the interval says"
    assert "no number on this page can be trusted" in found


def test_a_model_of_no_feature_is_told_so_in_the_verdict(brief):
    brief["models"]["DLR"]["signature"] = []
    assert "chose no feature at all: every patient gets the same risk" in said(brief)


@pytest.mark.parametrize(("positives", "words"), [(4, "too narrow"), (5, "intervals are wide")])
def test_so_few_patients_that_the_interval_covers_too_little_are_told(brief, positives, words):
    brief["models"]["DLR"]["external"] |= {"n": 40, "positives": positives}
    assert f"{words} and calibration cannot be judged" in said(brief)


def test_no_interval_is_called_too_narrow_that_is_not_there_or_is_exact(brief):
    """An exact bound is never too narrow, and of one class there is none."""
    external = brief["models"]["DLR"]["external"]
    external |= {"n": 40, "positives": 3}
    external["auc"] = {"estimate": 1.0, "low": 0.292, "high": 1.0, "method": "Clopper-Pearson"}
    assert "holds 3 patients: intervals are wide and calibration cannot be judged" in said(brief)
    external |= {"n": 3, "auc": {"estimate": None, "low": None, "high": None, "note": "one class"}}
    assert "holds 0 patients: calibration cannot be judged." in said(brief)


@pytest.mark.parametrize(("imputed", "beyond"), [(24, 0), (1, 12), (0, 13)])
def test_patients_of_whom_the_model_saw_little_are_told(brief, imputed, beyond):
    """A centre that lacks a column is judged on medians: 24 of 24 without a word, once."""
    rows = [
        {"patients": words, "n": 24 - gone, "positives": 5, "auc": None, "note": ""}
        for words, gone in ((NOT_IMPUTED, imputed), (WITHIN, beyond))
    ]
    found = said({**brief, "sensitivity": {"variants": [], "patients": rows, "missing": {}}})
    assert ("the training median stands in its place" in found) == (imputed > 0)
    assert (f"{imputed} of 24 external patients lack" in found) == (imputed > 0)
    assert ("their risks are extrapolated" in found) == (beyond > 12)


def test_treating_all_stays_in_sight_where_it_beats_the_model():
    poor = {"model": {"y": [0.05, -0.3], "high": [0.1, None]}, "all": [0.7, 0.4]}
    assert figures_validation._top([poor]) == 0.7
    sure = {"model": {"y": [0.5], "high": [0.8]}, "all": [0.1]}
    assert figures_validation._top([poor, sure]) == 0.8


def test_an_estimate_without_an_interval_is_not_left_of_the_axis():
    row = {"auc": {"estimate": 0.2, "low": None, "high": None}}
    assert figures_model._left([row, {"auc": None}]) < 0.2


def test_what_cannot_be_estimated_is_said_once(brief):
    area = {"estimate": None, "low": None, "high": None, "note": "not estimable: 9 positives"}
    brief["models"]["DLR"]["external"]["auc"] = area
    assert "The external AUC could not be estimated: 9 positives." in said(brief)
