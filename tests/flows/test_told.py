"""What the page tells of patients, images, limits and looks, from rows made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from radlas.errors import ConfigError, StudyError
from radlas.flows.explain import _validated as _needed
from radlas.flows.maps.activation import in_words
from radlas.flows.pages import evidence, evidence_origin
from radlas.flows.report import _missing, _scored
from radlas.flows.train import _told
from radlas.flows.validate import ModelTask
from radlas.flows.validate import _told as _validated
from radlas.learn.settings import Stability
from radlas.learn.statistics.delong import auc

from .test_balance import STUDY


def people(**changed):
    rows = {
        "subject_id": list("tuvwxyz"),
        "centre": ["a"] * 4 + ["b"] * 3,
        "grade": ["high", "low", "low", "odd", "high", "low", None],
        "age_years": [50.0, 60.0, None, 99.0, 50.0, 60.0, 70.0],
        "sex": ["F", None, None, "F", "F", "M", "F"],
        "site_group": ["thigh"] * 6 + [None],
        "spacing_x_mm": [0.5] * 7,
        "spacing_y_mm": [0.5] * 7,
        "spacing_z_mm": [4.0] * 7,
        "field_strength_t": [1.5, 3.0, None, 1.5, 1.5, 1.494, 1.5],
        "manufacturer": ["SIEMENS", "GE", "GE", "SIEMENS", None, None, None],
    }
    return pd.DataFrame(rows | changed, index=[f"case-{i}" for i in range(7)])


@pytest.fixture
def cohort(monkeypatch):
    """The evidence of seven people, of whom one of each centre leaves by the protocol."""
    outcome = STUDY.outcome.model_copy(update={"excluded": ("odd", "missing")})
    study = STUDY.model_copy(update={"outcome": outcome})
    classes = [
        {"centre": "a", "positive": 1, "negative": 2, "excluded": 1},
        {"centre": "b", "positive": 1, "negative": 1, "excluded": 1},
    ]

    def made(**changed):
        monkeypatch.setattr(evidence, "load_people", lambda *_: people(**changed))
        monkeypatch.setattr(evidence, "_ingested", lambda *_: [])
        return evidence.cohort(SimpleNamespace(), SimpleNamespace(), study, {"classes": classes})

    return made


def test_patients_described_are_those_analysed(cohort):
    """Else the table holds others than every number below it, here one of 99 years."""
    found = cohort()
    assert [row["subjects"] for row in found["table1"]] == [3, 2]
    assert sum(row["subjects"] for row in found["table1"]) == found["flow"]["analysed"]
    assert found["table1"][0]["age_median"] == 55.0
    assert sum(row["cases"] for row in found["acquisition"]) == found["flow"]["analysed"]


def test_a_sex_that_nobody_recorded_is_not_told_as_no_women(cohort):
    a, b = cohort()["table1"]
    assert (a["female"], a["unrecorded"]) == (1, {"age": 1, "sex": 2, "site": 0})
    assert (b["female"], b["unrecorded"]["sex"]) == (1, 0)
    assert cohort(sex=[None] * 7)["table1"][0]["female"] is None


def test_every_scanner_of_a_centre_is_told_with_its_cases(cohort):
    """Of cases of one spacing the first one's maker is not the maker of all."""
    found = [
        (row["centre"], row["cases"], row["field_strength_t"], row["manufacturer"])
        for row in cohort()["acquisition"]
    ]
    assert sorted(found, key=str) == [
        ("a", 1, 1.5, "SIEMENS"),
        ("a", 1, 3.0, "GE"),
        ("a", 1, None, "GE"),
        ("b", 2, 1.5, None),
    ]


def test_limits_speak_of_no_centre_that_is_not_there():
    alone = STUDY.model_copy(update={"external_centre": None})
    card, part = {"feature_sets": []}, {"classes": []}
    assert evidence_origin.limits(alone, card, part, 0, [], explained={})[0].startswith(
        "No external centre"
    )
    rows = {"classes": [{"positive": 900, "negative": 800, "role": "external"}]}
    first = evidence_origin.limits(STUDY, card, rows, 1, [], explained={})[0]
    assert "1700 labelled subjects" in first
    one = {"classes": [{"positive": 1, "negative": 0, "role": "external"}]}
    assert (
        "with 1 labelled subject:"
        in evidence_origin.limits(STUDY, card, one, 1, [], explained={})[0]
    )
    assert "wide" not in first


def test_limits_speak_of_no_images_and_no_maps_where_there_are_none():
    """A model of records alone has no ring, and one without a network no map."""
    rows = {"classes": [{"positive": 9, "negative": 8, "role": "external"}]}
    sets = {"feature_sets": ["pyradiomics-1a2b"]}
    for card, explained, told in (
        ({"feature_sets": []}, {}, ["rule of the threshold is"]),
        (sets, {"shap": {"model": "m"}, "cam": None}, ["Rings", "SHAP says"]),
        (sets, {"shap": {"model": "m"}, "cam": {"cases": 3}}, ["Rings", "SHAP and Grad-CAM say"]),
    ):
        found = evidence_origin.limits(STUDY, card, rows, 1, [], explained=explained)[1:]
        assert len(found) == len(told)
        assert all(words in said for words, said in zip(told, found, strict=True))


def test_who_has_no_external_centre_is_not_sent_to_explain():
    """It would refuse: the cases of the external centre are those that are explained."""
    found = {"comparisons": [], "subgroups": [], "sensitivity": {}, "honesty": {}, "cam": None}
    found["models"] = {"m": {"external": None}}
    alone = STUDY.model_copy(update={"external_centre": None})
    for key in ("shap", "cam"):
        assert _missing(STUDY, None, {}, found)[key] == "radlas explain was not run"
        assert _missing(alone, None, {}, found)[key].startswith("The study names no external")


def test_why_a_section_is_empty_is_the_study_s_own_reason():
    alone = STUDY.model_copy(update={"external_centre": None})
    found = {"comparisons": [], "subgroups": [], "sensitivity": {}, "honesty": {}, "cam": None}
    found["models"] = {"m": {"external": None}}
    assert _missing(alone, None, {}, found)["external"] == "The study names no external centre."
    assert _missing(STUDY, None, {}, found)["subgroups"] == "radlas validate was not run"
    assert _missing(STUDY, {}, {}, found)["comparisons"] == "The study has one model."
    assert "subgroups" not in _missing(STUDY, {}, {}, found | {"subgroups": ["rows"]})
    assert _missing(STUDY, None, {}, found)["honesty"] == "The study declares none."
    assert "stability" not in _missing(STUDY, None, {}, found)
    once = STUDY.model_copy(update={"stability": Stability(bootstraps=0)})
    assert "asks for no resamples" in _missing(once, None, {}, found)["stability"]
    assert "decisions" not in _missing(STUDY, None, {}, found)
    judged = found | {"models": {"m": {"external": {"n": 8, "roc": []}}}}
    for section in ("roc", "decisions"):
        why = "All external patients are of one class."
        assert _missing(STUDY, {}, {}, judged)[section] == why
    judged["models"]["m"]["external"] |= {"decision": "curve", "roc": [{"threshold": 0.5}]}
    assert not {"roc", "decisions"} & set(_missing(STUDY, {}, {}, judged))
    fitted = {"rows": ["volume"], "missing": {}}
    assert "honesty" not in _missing(STUDY, None, {}, found | {"honesty": fitted})


def test_a_variant_that_could_not_be_judged_is_no_scored_model():
    made = {"variants": {"one": {"n": 3}, "other": {"missing": "no case is left"}}}
    assert _scored({"models": {"m": {}}, "controls": {"c": {}}, "sensitivity": made}) == 3


def test_one_fold_has_no_spread():
    model = SimpleNamespace(model="m", signature=[0, 0], columns=[0] * 9, threshold=0.5)
    said = _told(model, {"folds": {"count": 1, "mean": 0.7, "sd": None}})
    assert "mean AUC of 1 fold 0.700, threshold" in said
    assert "SD" not in said


def test_a_small_p_is_not_printed_as_nothing():
    row = {"region": "tumour", "median_positive": 3.0, "median_negative": 1.0, "p_holm": 2e-5}
    cam = {"cell_mm": [1.0, 1.0, 1.0], "cases": [], "layer": "layer4", "region": "whole"}
    (said,) = [
        line
        for line in in_words(cam | {"comparison": [row], "sanity": []}, "here")
        if "enrichment" in line
    ]
    assert said.endswith("p < 0.001 after Holm")


def test_what_the_maps_cannot_tell_is_told_with_the_number_of_cases():
    """Cells differ by patient, so notes that differ in a ring stood there as if each was of all."""
    notes = ["fine: ring_0_5", "fine: ring_0_5, ring_5_10", "", "fine: ring_0_5"]
    cam = {"cell_mm": [1.0, 1.0, 1.0], "layer": "layer4", "region": "whole", "comparison": []}
    said = in_words(cam | {"cases": [{"note": one} for one in notes], "sanity": []}, "here")
    assert said[-2:] == ["  2 cases: fine: ring_0_5", "  1 case: fine: ring_0_5, ring_5_10"]


def test_what_a_validation_cannot_estimate_is_said_once():
    found = {"auc": auc([1, 1], [0.4, 0.6]).as_dict(), "decision": {}}
    assert _validated("m", found) == "  m: AUC not estimable: 2 positives, 0 negatives"


def test_who_has_no_external_centre_is_not_sent_to_validate(monkeypatch):
    """Which would refuse as well."""
    monkeypatch.setattr("radlas.flows.explain.find_beside", lambda *_: None)
    alone = STUDY.model_copy(update={"external_centre": None})
    with pytest.raises(StudyError, match="the study names no external centre"):
        _needed(None, ModelTask("s", "m", 1), alone)
    with pytest.raises(ConfigError, match="not validated yet"):
        _needed(None, ModelTask("s", "m", 1), STUDY)
