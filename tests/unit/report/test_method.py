"""What a checklist is told to find on the page stands there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radlas.learn.pipeline import build_pipeline
from radlas.learn.settings import Harmonise, Selection, Threshold
from radlas.report import checklists
from radlas.report.check import name_random_blocks
from radlas.report.figures.explain import _swarm_row
from radlas.report.method import pipeline_words
from radlas.report.render import render

from .reader import by_id, parse

STEPS = {
    "vary": "fills 90 %",
    "harmonise": "harmonised by combat",
    "impute": "training median",
    "scale": "z-scores",
    "decorrelate": "is 0.8 or more",
    "eliminate": "C = 0.1",
    "lasso": "L1 logistic",
}


def protocol(**selection: Any) -> dict[str, Any]:
    chosen = Selection(near_constant=0.9, correlation=0.8, **selection)
    return {
        "selection": chosen.model_dump(mode="json"),
        "splits": {"folds": 5, "repeats": 3, "inner_folds": 4},
        "harmonise": {"method": "combat", "on_unseen": "raw"},
    }


def states(evidence: dict[str, Any]) -> dict[str, str]:
    return {
        f"{one['name']} {item['number']}": item["state"]
        for one in checklists.fill(evidence)
        for item in one["items"]
    }


def test_the_method_tells_the_steps_of_the_pipeline_in_their_order():
    fitted = build_pipeline(Selection(), Harmonise(method="combat", on_unseen="raw"))
    words = pipeline_words(protocol())
    places = [words.index(STEPS[name]) for name in fitted.named_steps]
    assert places == sorted(places)
    assert "averaged over 3 divisions" in words
    assert "4 inner folds: the sparsest within one standard error" in words


@pytest.mark.parametrize(
    ("step", "told"),
    [(1, ", 1 column in"), (5, ", 5 columns in"), (0.25, ", 25 % of the arriving columns in")],
)
def test_the_method_tells_how_many_columns_leave_at_once(step, told):
    """Another number of them gives another ranking."""
    assert f"(C = 0.1){told} each round, to k columns" in pipeline_words(protocol(rfe_step=step))


def test_the_method_tells_the_settings_that_change_the_last_step():
    words = pipeline_words(protocol(lasso="linear", refit=2.0, one_standard_error=False))
    assert "a least-squares LASSO, and an L2 logistic model (C = 2) of what it chose" in words
    assert "the best" in words.split("inner folds:")[1]
    assert pipeline_words({"selection": {}}) == ""


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Threshold(), ": the lowest with the largest sensitivity plus specificity (Youden); then"),
        (
            Threshold(rule="sensitivity", value=0.95),
            ": the highest that reaches a sensitivity of 0.95; then",
        ),
    ],
)
def test_the_rule_of_the_locked_threshold_stands_beside_what_it_does(brief, rule, told):
    """Sensitivity and specificity of another rule are others; a checklist points to here."""
    brief["study"]["threshold"] = rule.model_dump(mode="json")
    section = by_id(parse(render(brief)), "confusion").words()
    assert f"chosen on training predictions{told} locked." in section


def test_settings_of_the_extraction_are_evidence_only_if_the_page_holds_them(brief):
    """The name of a feature set does not tell a bin width."""
    items = [f"CLEAR {number}" for number in (21, 22, 23, 24, 25, 26, 28, 55)]
    assert {states(brief)[item] for item in items} == {"not met"}
    brief["provenance"]["recipes"] = {"pyradiomics-1a2b": {"settings": {"bin_width": 23.5}}}
    brief["study"] |= protocol()
    assert {states(brief)[item] for item in items} == {"evidence"}
    page = render(brief)
    assert "bin_width: 23.5" in page
    assert pipeline_words(brief["study"])[:40] in page


@pytest.mark.parametrize("item", ["CLEAR 54", "METRICS 28", "METRICS 17"])
def test_what_a_program_cannot_know_is_the_author_s(brief, item):
    assert states(brief)[item] == "needs author"


def test_records_beside_radiomics_are_no_comparison_without_radiomics(brief):
    brief["study"]["blocks"] = {"record": {"clinical": ["age_years"]}}
    brief["models"]["DLR"]["blocks"] = ["tumour", "record"]
    assert (states(brief)["CLEAR 17"], states(brief)["CLEAR 42"]) == ("evidence", "not met")
    brief["models"]["DLR"]["blocks"] = ["record"]
    assert states(brief)["CLEAR 42"] == "evidence"


def test_what_could_not_be_estimated_is_no_evidence(brief):
    brief["models"]["DLR"]["external"]["calibration"]["intercept"] = None
    for row in brief["comparisons"]:
        row["p"] = None
    found = states(brief)
    assert (found["METRICS 22"], found["CLEAR 41"], found["TRIPOD+AI 14"]) == ("not met",) * 3


def test_random_weights_are_told_wherever_a_block_is_named(evidence):
    row = {"group": "deep", "share": 0.1, "low": 0.0, "high": 0.2}
    evidence["shap"]["groups"] = {"blocks": [dict(row)], "families": [dict(row)]}
    evidence["stability"] = {"blocks": {"deep": 0.4}, "families": {"deep": 0.4, "glcm": 0.6}}
    named = name_random_blocks(evidence)
    told = "deep (random weights)"
    assert [r[0]["group"] for r in named["shap"]["groups"].values()] == [told] * 2
    assert list(named["stability"]["families"]) == [told, "glcm"]
    assert list(named["stability"]["blocks"]) == [told]


def test_the_score_of_a_harmonised_model_takes_harmonised_values(brief):
    assert "of values as extracted" in render(brief)
    brief["study"]["harmonise"] = {"method": "combat", "on_unseen": "raw"}
    assert "of values as harmonised, not as extracted" in render(brief)


def test_without_validation_controls_are_not_said_to_have_no_meaning(brief):
    for model in brief["models"].values():
        model["external"] = None
    row = {"control": "volume", "meaning": "", "external": None, "features": 1}
    row["training"] = brief["models"]["DLR"]["training"]["auc_pooled"]
    page = render({**brief, "comparisons": [], "honesty": {"rows": [row], "missing": {}}})
    assert "no meaning there" not in page


@pytest.mark.parametrize("coefficient", [-1.3, 0.7])
def test_a_feature_that_has_one_value_outside_has_no_direction(coefficient):
    """Imputed for all, it differs by the last bit of a mean, which told any direction."""
    x = np.full(11, 0.1) + np.arange(11) % 2 * 1e-16
    assert _swarm_row("a", coefficient * x, x)[-1] == "none: one value for all"
    x = np.linspace(-1, 1, 11)
    said = "higher raises risk" if coefficient > 0 else "higher lowers risk"
    assert _swarm_row("a", coefficient * x, x)[-1] == said
