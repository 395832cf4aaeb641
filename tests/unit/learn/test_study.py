from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from radlas.errors import ConfigError
from radlas.learn.study import StudyConfig

VALUES = {"positive": ["high"], "negative": ["low"]}


def test_a_study_reads_from_yaml_and_digests_the_same(protocol: dict[str, Any], tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(protocol), encoding="utf-8")
    assert StudyConfig.read(path).digest() == StudyConfig.parse(protocol).digest()


def test_declared_values_are_compared_without_case(protocol: dict[str, Any]):
    outcome = {"positive": [" High "], "negative": ["LOW"]}
    assert StudyConfig.parse({**protocol, "outcome": outcome}).outcome.positive == ("high",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"primary": "best"}, "primary model best is not among the models"),
        ({"external_centre": "tcia"}, "centre tcia is both training and external"),
        ({"models": {"dlr": ["tumour", "rim"]}}, "model dlr uses unknown blocks: rim"),
        ({"models": {"dlr": []}}, "model dlr has no blocks"),
        ({"models": {"dlr": ["tumour", "tumour"]}}, "model dlr names a block twice"),
        ({"training_centres": ["tcia", "tcia"]}, "a training centre is named twice"),
        ({"blocks": {"tumour": {}}}, "names its `roi`"),
        ({"blocks": {"deep": {"deep": True, "families": ["glcm"]}}}, "no `families`"),
        ({"outcome": {"positive": ["a"], "negative": ["A "]}}, "declared more than once: a"),
        ({"outcome": VALUES | {"positive_name": " "}}, "are words, and differ"),
        ({"outcome": VALUES | {"negative_name": "positive "}}, "are words, and differ"),
        ({"selection": {"c": [1.0, 0.1]}}, "increasing order"),
        ({"subgroups": {"age_years": [60, 40]}}, "cut points of age_years must increase"),
        ({"threshold": "sensitivity"}, "`value` belongs to the rule `sensitivity`"),
        ({"threshold": {"rule": "youden", "value": 0.9}}, "`value` belongs to"),
        ({"name": "My Study"}, "a-z, 0-9"),
        ({"name": "x" * 241}, "no more than 240"),  # else told when all is fitted
        ({"models": {"ä" * 121: ["tumour"]}}, "is named by more than 240 bytes"),
        ({"models": {"": ["tumour"]}}, "model '' is not named as a folder can be"),
        ({"models": {"..": ["tumour"]}}, "model '..' is not named as a folder can be"),
        ({"models": {"a/b": ["tumour"]}}, "model 'a/b' is not named as a folder can be"),
        ({"seeed": 1}, "unknown key `seeed`"),
    ],
)
def test_a_contradiction_is_named(protocol: dict[str, Any], change: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        StudyConfig.parse({**protocol, **change})


def test_a_threshold_is_a_word_or_a_rule_with_a_value(protocol: dict[str, Any]):
    assert StudyConfig.parse({**protocol, "threshold": "youden"}).threshold.rule == "youden"
    rule = {"rule": "sensitivity", "value": 0.9}
    assert StudyConfig.parse({**protocol, "threshold": rule}).threshold.value == 0.9


def test_a_sensitivity_analysis_changes_what_it_names_and_nothing_else(protocol: dict[str, Any]):
    change = {"selection": {"correlation": 0.7}, "models": {"dlr": ["tumour", "deep"]}}
    study = StudyConfig.parse({**protocol, "sensitivity": {"other": change}})
    varied = study.variant("other")
    assert varied.models == {"variant-other": ("tumour", "deep")}
    assert varied.selection == study.selection.model_copy(update={"correlation": 0.7})
    kept = set(StudyConfig.model_fields) - {
        "models", "selection", "sensitivity", "controls", "stability"
    }  # fmt: skip
    assert {name: getattr(varied, name) for name in kept} == {
        name: getattr(study, name) for name in kept
    }


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"lasso": "linear"}, "gives no probabilities: set `refit`"),
        ({"rfe_step": 1.5}, "a whole number of columns, or a share below 1"),
        ({"c": [0.3, 0.1]}, "positive values in increasing order, each once"),
        ({"c": [0.1, 0.1]}, "positive values in increasing order, each once"),
        ({"rfe_features": [0, 5]}, "positive values in increasing order, each once"),
    ],
)
def test_a_selection_that_cannot_be_made_is_named(
    protocol: dict[str, Any], selection: dict[str, Any], message: str
):
    with pytest.raises(ConfigError, match=message):
        StudyConfig.parse({**protocol, "selection": selection})


@pytest.mark.parametrize(
    ("sensitivity", "message"),
    [
        ({"a": {"seed": 1}}, "changes of some of"),
        ({"a": {}}, "changes of some of"),
        ({"A b": {"threshold": "youden"}}, "a name in a-z"),
        ({"a": {"selection": {"nope": 1}}}, "unknown key `selection.nope`"),
        ({"a": {"training_centres": ["centre2"]}}, "both training and external"),
        ({"a": {"models": {"intratumoral": ["ring"]}}}, "a changes nothing of the primary model"),
        ({"a": {"selection": {"c": [0.1, 0.3]}}}, "a changes nothing of the primary model"),
    ],
)
def test_a_sensitivity_analysis_that_cannot_be_made_is_named(
    protocol: dict[str, Any], sensitivity: dict[str, Any], message: str
):
    with pytest.raises(ConfigError, match=message):
        StudyConfig.parse({**protocol, "sensitivity": sensitivity})
