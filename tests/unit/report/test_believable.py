"""The parts that make a number believable: shown, warned of, and said where they are absent."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from radlas.errors import StudyError
from radlas.report import checklists, verdict
from radlas.report.figures import validation as figures_validation
from radlas.report.pages import style_sheet
from radlas.report.patient import render_patient
from radlas.report.render import compose, render
from radlas.report.thumbnail import make_thumbnail

from .fixture import case_id, interval, make_image, make_subgroups
from .reader import by_id, parse


def curve(band: bool = True) -> dict[str, Any]:
    x = np.linspace(0.05, 0.95, 21)
    ends = (np.clip(x - 0.1, 0, 1).tolist(), np.clip(x + 0.1, 0, 1).tolist())
    low, high = ends if band else ([None] * 21, [None] * 21)
    return {"x": x.tolist(), "y": x.tolist(), "low": low, "high": high}


@pytest.fixture
def believable(brief: dict[str, Any]) -> dict[str, Any]:
    """A study with all that stands beside its numbers."""
    for model in brief["models"].values():
        model["external"] |= {
            "brier_interval": interval(0.18, 0.03, "bootstrap, BCa"),
            "average_precision": interval(0.8, 0.1, "bootstrap, BCa"),
            "precision_recall": [[0.0, 1.0], [0.5, 0.8], [1.0, 0.6]],
            "elsewhere": [
                {"prevalence": 0.3, "ppv": interval(0.6, 0.1), "npv": interval(0.9, 0.05)}
            ],
            "errors": {"ici": interval(0.06, 0.03), "e50": 0.05, "e90": 0.1, "emax": 0.2},
            "curve": curve(),
            "decision": {"model": curve(), "all": np.linspace(0.5, -0.5, 21).tolist()},
        }
    area = brief["models"][brief["primary"]]["external"]["auc"]
    held = {
        "feature": "tumour__original__glcm_Idn",
        "cluster": "tumour__original__glcm_Idn",
        "size": 4,
        "selected": 0.4,
        "cluster_selected": 0.9,
        "agrees": 1.0,
    }
    return {
        **brief,
        "support": {
            "training": 36,
            "events": 15,
            "candidates": dict.fromkeys(brief["models"], 900),
            "parameters": {"0.15": 1, "0.5": 3},
            "external": 24,
            "auc": [{"auc": 0.8, "half_width": 0.17}],
            "halves": [{"auc": 0.8, "detectable": 0.45}],
        },
        "honesty": {
            "rows": [control("permuted", 0.5), control("volume", 0.6), control("centre", 0.5)],
            "missing": {"shuffled": "extracted without `perturbations: {shuffle: true}`"},
        },
        "left_out": [
            {
                "model": "dlr",
                "centre": "centre_a",
                "n": 20,
                "positives": 12,
                "auc": interval(0.7, 0.1),
                "note": "",
            }
        ],
        "folds": [
            {"a": "x", "b": "y", "delta": 0.02, "low": -0.1, "high": 0.1, "p": 0.4, "p_holm": 0.4}
        ],
        "stability": {
            "samples": 200,
            "index": interval(0.62, 0.05),
            "size": 12.0,
            "blocks": {"tumour": 0.6, "deep": 0.4},
            "families": {"glcm": 0.6, "deep": 0.4},
            "features": [held],
        },
        "centres": [
            {"features": "raw", "balanced_accuracy": 0.55, "chance": 0.5, "differing": 0.1}
        ],
        "harmonising": [
            {"method": name, "auc": interval(area, 0.1), "youden": area - 0.4, "intercept": 0.1}
            | {"slope": 0.8, "brier": 0.2}
            for name, area in (("none", 0.71), ("combat", 0.83))
        ],
        "sensitivity": {
            "variants": [
                variant("no_ring", "models.dlr = tumour, deep", dict(area)),
                variant("g2_is_high", "outcome.positive = high, g2", None),
            ],
            "patients": [fewer("no value imputed", dict(area)), fewer("no remark", None)],
            "missing": {"one_centre": "1 positive subjects cannot fill 5 folds"},
        },
        "gallery": {
            "cases": [shown(0, "edema touches the border"), shown(1), shown(2, note="damaged")],
            "total": 24,
        },
    }


def variant(name, change, auc):
    gap = {"estimate": -0.04, "low": -0.1, "high": 0.02} if auc else None
    judged = {"n": 24, "positives": 14, "auc": auc, "difference": gap}
    return {"name": name, "change": change, "training": interval(0.8, 0.1), **judged}


def fewer(patients, auc):
    return {"patients": patients, "n": 20, "positives": 12, "auc": auc, "note": ""}


def shown(place, *remarks, note=""):
    row = {"case": case_id(place), "centre": "centre_c", "label": "high grade"}
    there = {"note": note} if note else {}
    numbers = {"number": None if note else 3, "slices": None if note else 12}
    return {**row, **numbers, "remarks": list(remarks), **there}


def control(name: str, area: float, half: float = 0.1) -> dict[str, Any]:
    external = None if name == "centre" else interval(area, half)
    return {
        "control": name,
        "meaning": f"what {name} means",
        "training": interval(area, half),
        "external": external,
        "features": 3,
    }


def with_control(evidence: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return {**evidence, "honesty": {"rows": [row], "missing": {}}}


def test_every_part_is_on_the_page_with_its_figure_and_its_data(believable):
    page, tables = compose(believable)
    for key in ("controls", "calibration", "decisions", "precision"):
        assert f'id="figure-{key}"' in page
        assert len(tables[key].splitlines()) > 1
    for words in (
        "carry 1 to 3 fitted parameters",
        "Controls that were not fitted",
        "fitted again on 200 resamples",
        "Centre left out",
        "Balanced accuracy",
    ):
        assert words in page


def test_every_head_of_a_table_has_words_and_says_what_it_heads(believable):
    heads = parse(render(believable)).all("th")
    assert heads
    assert all(one.words().strip() for one in heads)
    assert {one.attributes["scope"] for one in heads} <= {"col", "row", "rowgroup"}


def test_what_stands_in_a_table_names_its_test_and_whether_it_is_adjusted(believable):
    """Likeness is tested pair by pair, and features by the dozen."""
    gap = {"model": believable["primary"], "variable": "sex", "a": "F", "b": "M", "alike": True}
    gap |= dict.fromkeys(("p", "p_holm", "p_fdr"), 0.9) | {"detectable": 0.1, "note": ""}
    believable["subgroups"] = make_subgroups()
    believable["differences"] = [gap | {"delta": 0.01, "low": -0.02, "high": 0.04}]
    page = parse(render(believable))
    told = by_id(page, "subgroups").words()
    assert "two one-sided tests against a margin of 0.1, each at 5 %, not adjusted" in told
    assert "(Kruskal-Wallis), with 5 % false discoveries" in by_id(page, "centres").words()


def test_what_was_not_made_is_said(brief):
    page = render({**brief, "missing": {"honesty": "a model of an older version"}})
    assert "a model of an older version" in page
    for key in ("support", "honesty", "stability", "checklists"):
        assert f'id="absent-{key}"' in page


def test_a_study_without_controls_shows_no_empty_table_of_them(brief):
    """Nor says what was done with labels that nobody permuted."""
    none: dict[str, Any] = {"rows": [], "missing": {}}
    why = {"honesty": "The study declares none."}
    page, tables = compose({**brief, "honesty": none, "missing": why})
    assert "controls" not in tables
    assert "permuted once" not in page
    assert "No control was fitted." in page
    assert why["honesty"] in page


def test_the_page_tells_of_permuted_labels_where_they_are_and_that_their_folds_are_others(brief):
    """They balance the labels as dealt, so they are not those of the models."""
    row = control("permuted", 0.5)
    words = " ".join(by_id(parse(render(with_control(brief, row))), "honesty").words().split())
    assert "on the same folds, but for the one on permuted labels" in words
    assert "permuted once" in words
    row = control("volume", 0.5)
    words = " ".join(by_id(parse(render(with_control(brief, row))), "honesty").words().split())
    assert "on the same folds. A model that does not clearly beat them has" in words
    assert "permuted" not in words


def test_controls_that_could_not_be_fitted_are_named_where_none_could(brief):
    lost = {"volume": "no block of the tumour"}
    page, tables = compose({**brief, "honesty": {"rows": [], "missing": lost}})
    assert "controls" not in tables
    assert lost["volume"] in page


def test_words_of_code_stand_as_code_on_the_page_and_nothing_else_does(brief):
    lost = {"shuffled": "extracted without `{shuffle: true} & <b>`, as <i>said</i>"}
    page, _ = compose({**brief, "honesty": {"rows": [], "missing": lost}})
    code = "<code>{shuffle: true} &amp; &lt;b&gt;</code>"
    assert f"extracted without {code}, as &lt;i&gt;said&lt;/i&gt;. " in page


def test_nothing_is_warned_of_where_controls_end_at_chance(believable):
    said = " ".join(verdict.warnings(believable))
    for word in ("leaks", "learned may be the centre", "not stable", "told apart"):
        assert word not in said


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (control("permuted", 0.8), "otherwise information leaks into training. Until it is known"),
        (control("centre", 0.7), "what the model learned may be the centre"),
        (control("volume", 0.99, 0.005), "The tumour's volume alone reaches an external AUC"),
    ],
)
def test_a_control_that_beats_what_it_may_not_is_a_warning(believable, row, words):
    """Planted: a leak, confounding by centre, and a model that adds nothing to volume."""
    assert words in " ".join(verdict.warnings(with_control(believable, row)))


def test_an_unstable_signature_and_centres_that_can_be_told_are_warnings(believable):
    believable["stability"]["index"] = interval(0.1, 0.05)
    believable["centres"][0]["balanced_accuracy"] = 0.95
    said = " ".join(verdict.warnings(believable))
    assert "Nogueira's index is 0.10" in said
    assert "The training centres can be told apart by the features alone" in said


def test_an_item_without_its_artefact_is_not_met(brief):
    """The same study without validation: no item of external testing counts."""
    before = {i["number"]: i for i in checklists.fill(brief)[1]["items"]}
    models = {n: {**m, "external": None} for n, m in brief["models"].items()}
    after = {i["number"]: i for i in checklists.fill({**brief, "models": models})[1]["items"]}
    assert (before["27"]["state"], after["27"]["state"]) == ("evidence", "not met")
    assert after["27"]["why"] == "not validated outside"
    assert after["3"]["state"] == "needs author"


@pytest.mark.parametrize(
    ("checklist", "number", "without", "why"),
    [
        ("METRICS", "4", {"classes": 1}, "patients of one centre"),
        ("METRICS", "25", {"honesty": 0}, "neither the volume nor the clinical record alone"),
        ("TRIPOD+AI", "16", {"balance": 0}, "no external patients"),
        ("TRIPOD+AI", "23", {"subgroups": 0}, "no group was estimated"),
    ],
)
def test_what_no_part_of_the_page_shows_is_no_evidence(believable, checklist, number, without, why):
    """One centre is not several, and labels permuted once are no classical model."""
    volume, permuted = control("volume", 0.6), control("permuted", 0.5)
    believable["honesty"] = {"rows": [permuted, volume], "missing": {}}
    believable["balance"] = [{"characteristic": "age", "smd": 0.1}]
    believable["subgroups"] = make_subgroups()
    ((part, kept),) = without.items()
    rows = believable["honesty"]["rows"][:1] if part == "honesty" else believable[part][:kept]
    less = {**believable, part: {"rows": rows, "missing": {}} if part == "honesty" else rows}

    def found(evidence):
        lists = {one["name"]: one["items"] for one in checklists.fill(evidence)}
        (item,) = (item for item in lists[checklist] if item["number"] == number)
        return item

    assert found(believable)["state"] == "evidence"
    assert found(less)["state"] == "not met"
    assert why in found(less)["why"]


@pytest.fixture
def patient() -> dict[str, Any]:
    cam = {
        "model": "dlr",
        "region": "whole",
        "cell_mm": [8.0, 8.0, 8.0],
        "layer": "layer4",
        "cases": [
            {"case_id": case_id(0), "label": None, "risk": 0.7, "mass": [], "note": ""},
        ],
    }
    return {
        "case_id": case_id(0),
        "centre": "centre_d",
        "signature": 5,
        "trained_on": False,
        "out_of_fold": None,
        "harmonises": False,
        "resampled": 200,
        "otherwise": 30,
        "known_centre": False,
        "centre_note": "",
        "model": "sts-grade@1",
        "primary": "dlr",
        "outcome": {"name": "grade", "positive": "high grade", "negative": "low grade"},
        "banners": [{"level": "danger", "kind": "synthetic", "text": "Synthetic cohort."}],
        "risk": interval(0.7, 0.1),
        "threshold": 0.5,
        "base": 0.2,
        "drivers": [{"feature": "tumour__original__glcm_Idn", "logit": 0.6, "z": 1.5}],
        "imputed": ["ring_0_10__original__glcm_Idn"],
        "out_of_range": [
            {"feature": "tumour__original__glcm_Idn", "value": 9.0, "low": 1.0, "high": 5.0}
        ],
        "training": {"negative": [0.1, 0.3], "positive": [0.6, 0.9]},
        "cam": cam,
        "provenance": {"Model": "sts-grade@1"},
    }


def test_a_patient_s_page_shows_risk_map_and_what_is_unusual(patient):
    page = render_patient(patient, make_image(np.random.default_rng(0), empty=False))
    assert page == render_patient(patient, make_image(np.random.default_rng(0), empty=False))
    for words in ("took no part in training", "Synthetic cohort", "0.700", "the training median"):
        assert words in page
    assert page.count("<figure") == 3
    assert len(re.findall(r'(?:aria-label|alt)="[^"]{10,}"', page)) >= 3
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?https?:""", page)


def test_no_class_turns_a_sentence_of_a_patient_s_page_around(patient):
    patient["outcome"]["positive"] = "high\u202egrade"
    page = render_patient(patient)
    assert "\u202e" not in page
    assert "<h1>Risk of high\\u202egrade</h1>" in page


def test_a_patient_stands_among_those_of_the_training(patient, painted):
    """With the interval of its risk, and all of them in the row of their class."""
    render_patient(patient)
    (axes,) = painted["place"].axes
    for row, label in enumerate(("negative", "positive")):
        at = axes.collections[row].get_offsets()
        np.testing.assert_allclose(at[:, 0], patient["training"][label])
        assert (np.round(at[:, 1]) == row).all()
    lines = [line.get_xdata()[0] for line in axes.lines]
    assert lines == [patient["threshold"], patient["risk"]["estimate"]]
    (band,) = axes.patches
    low, wide = band.get_x(), band.get_width()
    assert (low, low + wide) == pytest.approx((patient["risk"]["low"], patient["risk"]["high"]))


def test_every_printed_sheet_of_a_patient_says_what_the_page_is(patient):
    head = re.compile(r'@page \{ @top-center \{ content: "([^"]*)"')
    assert head.findall(render_patient(patient)) == ["SYNTHETIC COHORT"]
    random = {"level": "danger", "kind": "random_weights", "text": "Random network weights."}
    both = {**patient, "banners": [*patient["banners"], random]}
    assert head.findall(render_patient(both)) == ["SYNTHETIC COHORT · RANDOM NETWORK WEIGHTS"]
    assert head.findall(render_patient({**patient, "banners": []})) == []


def test_a_patient_s_page_without_a_map_says_why(patient):
    page = render_patient({**patient, "cam": None, "missing": {"cam": "There is no map: x."}})
    assert 'id="absent-cam"' in page
    assert page.count("<figure") == 2


def test_a_patient_s_page_names_what_it_lacks(patient):
    del patient["risk"]
    with pytest.raises(StudyError, match="the patient's page lacks risk"):
        render_patient(patient)


def test_the_evidence_stays_plain_json(believable):
    json.dumps(believable, allow_nan=False)


def test_the_gallery_shows_remarks_first_says_how_many_and_why_one_is_absent(believable):
    mask = np.zeros((30, 40), bool)
    mask[8:20, 10:25] = True
    view = make_thumbnail(
        np.add.outer(np.arange(30), np.arange(40)),
        {"tumour": mask},
        spacing=(1, 1),
        number=3,
        slices=12,
    )
    page = render(believable, None, {case_id(0): view, case_id(1): view})
    section = page[page.index('<section id="gallery"') : page.index('<section id="support"')]
    assert "3 of 24 analysed cases" in section
    pictures = re.findall(r'<svg [^>]*role="img" aria-label="([^"]+)"', section)
    assert [alt.partition(",")[2] for alt in pictures] == [
        " slice 3 of 12, with the outlines of tumour"
    ] * 2
    assert section.index("edema touches the border") < section.index("without a remark")
    assert '<div class="lost">damaged</div>' in section
    assert render({**believable, "gallery": {"cases": [], "total": 0}}).count('class="lost"') == 0


def test_sensitivity_is_shown_with_what_could_not_be_fitted(believable):
    page, tables = compose(believable)
    section = page[page.index('<section id="sensitivity"') : page.index('<section id="signature"')]
    for told in ("no ring", "models.dlr = tumour, deep", "one centre could not be fitted"):
        assert told in section
    rows = tables["sensitivity"].splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["no ring", "no value imputed"]


def test_a_variant_that_was_fitted_is_not_said_to_be_none_where_it_cannot_be_judged(believable):
    found = believable["sensitivity"]
    found["variants"][0]["auc"] = None
    found["missing"][found["variants"][0]["name"]] = "20 rows of the new centre"
    page = render(believable)
    assert "no ring could not be judged on the external centre: 20 rows of the new centre." in page
    assert "no ring could not be fitted" not in page
    assert "one centre could not be fitted" in page


def test_a_difference_that_cannot_be_estimated_is_not_said_to_be_of_others(believable):
    """A control is judged on the same patients; with one of a class nothing is known of it."""
    why = "not estimable: fewer than two rows in a class"
    for row in believable["honesty"]["rows"]:
        row["difference"] = {"estimate": None, "low": None, "high": None, "note": why}
    section = by_id(parse(render(believable)), "honesty").words()
    assert why in section
    assert "not paired" not in section


def test_a_difference_of_a_few_says_that_its_interval_is_too_narrow(believable):
    """Else a control of four patients of a class looks beaten by as much as one of forty."""
    why = "4 in a class: the interval is too narrow"
    for row in believable["honesty"]["rows"]:
        row["difference"] = {"estimate": 0.386, "low": 0.01, "high": 0.763, "note": why}
    section = by_id(parse(render(believable)), "honesty").words()
    assert "+0.386 0.010 to 0.763 4 in a class: the interval is too narrow" in section


def test_an_area_of_a_few_says_that_its_interval_is_too_narrow_wherever_it_stands(believable):
    """That of a control or a variant was told as one of forty, beside a difference that was not."""
    why = "3 in a class: the interval is too narrow"
    few = {"estimate": 0.712, "low": 0.301, "high": 0.953, "note": why}
    believable["models"]["DLR"]["external"]["auc"] = few
    believable["models"]["DLR"]["training"]["auc_pooled"] = few
    for row in believable["honesty"]["rows"]:
        row |= {"training": few, "external": few}
    for row in believable["sensitivity"]["variants"]:
        row |= {"training": few, "auc": few}
    believable["harmonising"][0]["auc"] = few
    root, told = parse(render(believable)), f"0.712 0.301 to 0.953 {why}"
    controls = len(believable["honesty"]["rows"])
    variants = len(believable["sensitivity"]["variants"])
    expected = {"models": 2, "honesty": 2 * controls, "sensitivity": 2 * variants, "centres": 1}
    found = {section: by_id(root, section).words().count(told) for section in expected}
    assert found == expected


def test_of_an_area_without_an_interval_the_reason_stands_below_it(believable):
    tied = {"estimate": 0.5, "low": None, "high": None, "note": "variance not estimable: tied"}
    none = {"estimate": None, "low": None, "high": None, "note": "not estimable: 0 negatives"}
    first, second, *_ = believable["honesty"]["rows"]
    first["external"], second["external"] = tied, none
    section = by_id(parse(render(believable)), "honesty").words()
    assert "0.500 no interval variance not estimable: tied" in section
    assert section.count("not estimable: 0 negatives") == 1
    assert "not estimable not estimable" not in section


def test_folds_that_chose_nothing_are_not_said_to_put_the_pooled_area_below_the_mean(believable):
    """They pull it down; other folds, and repeats that are averaged, may lift it above."""
    row = believable["honesty"]["rows"][0]
    row["training"], row["folds_mean"] = {"estimate": 0.557, "low": 0.38, "high": 0.721}, 0.526
    section = by_id(parse(render(believable)), "honesty").words()
    assert "0.557 0.380 to 0.721 0.526" in section
    assert "lies below the mean" not in section
    assert "that pulls down the pooled AUC, not the mean over folds" in section


def test_a_note_in_a_cell_of_numbers_wraps(believable):
    """Numbers do not, and a reason of their length would push the last columns off the page."""
    why = "not estimable: fewer than two rows in a class"
    for row in believable["honesty"]["rows"]:
        row["difference"] = {"estimate": None, "low": None, "high": None, "note": why}
    believable["honesty"]["rows"][0] |= {"external": None, "note": "one of three was not extracted"}
    told = re.findall(r"<small([^>]*)>(?:not estimable: fewer|one of three)", render(believable))
    assert told == [' class="why"'] * 2, "of what was not judged, and of what was not estimated"
    assert re.search(r"\.why \{ white-space: normal; \}", style_sheet())


def test_resamples_that_chose_nothing_have_no_shares(believable):
    believable["stability"]["blocks"] = dict.fromkeys(believable["stability"]["blocks"], 0.0)
    believable["stability"]["families"] = {}
    section = by_id(parse(render(believable)), "stability").words()
    assert "No resample chose a feature." in section
    assert "by family" not in section


def test_a_result_that_hangs_on_one_choice_is_warned_of(believable):
    assert not any("hangs on one choice" in said for said in verdict.warnings(believable))
    low = believable["models"][believable["primary"]]["external"]["auc"]["low"]
    believable["sensitivity"]["variants"][0]["auc"] = interval(low - 0.05, 0.1)
    (said,) = [said for said in verdict.warnings(believable) if "hangs on one choice" in said]
    assert "fitted with models.dlr = tumour, deep" in said


def test_what_harmonising_changes_is_shown_side_by_side(believable):
    page = render(believable)
    table = page[page.index("made without and with harmonising") :]
    assert table.index("0.710") < table.index("0.830")


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("combat", "taken as it is."),
        ("per_centre_z", "as if it were all training centres together."),
    ],
)
def test_what_becomes_of_a_new_centre_is_told_as_it_is_done(believable, method, told):
    """z-scores by the deviation of all training patients are not the values as they are."""
    believable["study"]["harmonise"] = {"method": method, "on_unseen": "raw"}
    words = " ".join(by_id(parse(render(believable)), "centres").words().split())
    assert f"a centre that was not fitted is taken {told.removeprefix('taken ')}" in words


def test_folds_that_chose_nothing_and_blocks_left_unused_are_warned_of(believable):
    said = " ".join(verdict.warnings(believable))
    assert "outer folds" not in said
    assert "chose no feature of" not in said
    primary = believable["models"][believable["primary"]]
    primary["training"] |= {"empty_folds": 2, "folds": 50, "tied": False}
    primary["signature"] = [row for row in primary["signature"] if row["block"] == "tumour"]
    said = " ".join(verdict.warnings(believable))
    assert "In 2 of 50 outer folds the pipeline chose no feature at all" in said
    assert "chose no feature of ring and deep: in use it is a model of tumour alone" in said
    primary["training"]["tied"] = True
    assert "the training share of positives" in " ".join(verdict.warnings(believable))
    primary["training"] |= {"empty_folds": 50, "tied": False}
    said = " ".join(verdict.warnings(believable))
    assert "the locked threshold lies among these shares" in said, "folds differ by one patient"


def test_the_steps_of_precision_enclose_the_average_precision(believable, monkeypatch):
    """What is drawn is what is counted: steps to the left of each point."""
    drawn = {}

    def step(axes, x, y, *, where, label, **style):
        assert where == "pre"
        drawn[label] = float(np.sum(np.diff(x, prepend=0.0) * y))

    monkeypatch.setattr("matplotlib.axes.Axes.step", step)
    points = [[0.0, 1.0], [0.5, 0.8], [1.0, 0.6]]
    figures_validation.precision(believable["models"], believable["primary"])
    assert drawn == dict.fromkeys(believable["models"], pytest.approx(0.5 * 0.8 + 0.5 * 0.6))
    assert believable["models"]["DLR"]["external"]["precision_recall"] == points


def test_a_patient_beyond_training_is_called_an_extrapolation(patient):
    patient["out_of_range"] = [
        {"feature": patient["drivers"][0]["feature"], "value": 9.0, "low": 0.0, "high": 1.0}
    ]
    moved = [abs(row["logit"]) for row in patient["drivers"]]
    page = render_patient(patient)
    assert ("the risk is an extrapolation" in page) == (moved[0] / sum(moved) > 0.5)
    assert "1 of 5<small>of the signature" in page
    assert "30 of 200 resampled models put it into the other class" in page


def test_most_of_what_moves_a_score_is_not_told_as_all_of_it(patient):
    """The one feature that lies beyond training, and a little of another."""
    patient["drivers"].append({"feature": "whole__layer4__1", "logit": 0.002, "z": 0.1})
    assert "&gt; 99 % of what moves this score" in render_patient(patient)


def test_few_resampled_models_are_no_95_percent(patient):
    assert "95 % of 200 resampled models" in render_patient(patient)
    assert "the span of 6 resampled models" in render_patient(patient | {"resampled": 6})


@pytest.mark.parametrize(("missing", "told"), [(2, False), (3, True)])
def test_a_patient_of_training_medians_is_called_one(patient, missing, told):
    """Four features of five are missing, and the risk stood there like any other."""
    names = [f"ring_0_10__original__glcm_{i}" for i in range(missing)]
    page = render_patient(patient | {"imputed": names})
    assert ("that of a typical training patient" in page) == told


def test_a_risk_just_below_the_threshold_does_not_look_like_it(patient):
    """0.500 called low at 0.500 reads as a fault of the program."""
    near = {"risk": {"estimate": 0.49996, "low": 0.4, "high": 0.6}, "threshold": 0.5}
    page = render_patient(patient | near)
    assert ">0.49996</data>" in page
    assert "threshold 0.50000" in page


def test_a_risk_beyond_what_resampled_models_give_is_not_passed_over(patient):
    assert "lies outside" not in render_patient(patient)
    beyond = {"risk": {"estimate": 0.7, "low": 0.1, "high": 0.6}}
    assert "the risk itself lies outside" in render_patient(patient | beyond)


def test_a_patient_of_the_training_is_told_what_others_said(patient):
    page = render_patient(patient | {"trained_on": True, "out_of_fold": 0.31})
    assert "The model was trained on this patient" in page
    assert "gave a risk of 0.310" in page
    other = render_patient(patient | {"trained_on": True, "out_of_fold": None})
    assert "The model was trained on this patient, by another exam." in other
    assert "was not fitted again" in render_patient(patient | {"harmonises": True})
