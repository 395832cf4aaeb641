"""The page keeps its promises: same bytes, no network, nothing hidden, nothing dressed up."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from radlas.digests import digest_of
from radlas.errors import StudyError
from radlas.report.render import _no_formula, compose, render

from .fixture import make_evidence, make_images
from .reader import by_id, everything, parse


def test_the_same_evidence_gives_the_same_bytes(page: str):
    """Neither a second rendering nor somebody's matplotlib settings move a byte."""
    evidence = make_evidence()
    with mpl.rc_context({"font.size": 21, "axes.grid": True, "svg.hashsalt": "other"}):
        again = render(json.loads(json.dumps(evidence)), make_images(evidence))
    assert again == page


def test_another_process_gives_the_same_bytes(page: str):
    """Hash randomisation and import order of a fresh process move no byte."""
    folder = Path(__file__).parent
    script = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from fixture import *; from radlas.report.render import render\n"
        "e = make_evidence(); print(hashlib.sha256(render(e, make_images(e)).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert done.stdout.strip() == hashlib.sha256(page.encode()).hexdigest()


def test_rendering_leaves_the_evidence_and_the_settings_alone():
    evidence = make_evidence()
    before, settings = copy.deepcopy(evidence), dict(mpl.rcParams)
    render(evidence)
    assert evidence == before
    assert dict(mpl.rcParams) == settings


def test_nothing_is_fetched_and_nothing_runs(page: str):
    """No address, no script, no frame, no handler; pictures are inside the page."""
    assert not re.search(r"https?:|[\"'(]//|@import|url\((?!#)", page)
    root = parse(page)
    tags = {one.tag for one in everything(root)}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form"}
    for one in everything(root):
        assert not [name for name in one.attributes if name.startswith("on")]
        assert one.attributes.get("src", "data:").startswith("data:")
        for name in ("href", "xlink:href"):
            assert one.attributes.get(name, "#").startswith(("#", "data:image/png"))


def test_the_page_is_small_enough_to_mail(page: str):
    assert len(page.encode()) < 3_000_000


def test_every_name_on_the_page_is_used_once_and_every_link_arrives(page: str):
    """Ids of markers and clips may repeat between drawings only with the same content."""
    root = parse(page)
    inside = {id(node) for svg in root.all("svg") for node in everything(svg)}
    names = [
        one.attributes["id"]
        for one in everything(root)
        if "id" in one.attributes and id(one) not in inside
    ]
    assert len(names) == len(set(names))
    for link in root.all("a"):
        assert link.attributes["href"][1:] in names
    for one in everything(root):
        for name in one.attributes.get("aria-labelledby", "").split():
            assert name in names


def test_a_name_inside_one_drawing_never_reaches_into_another(page: str):
    contents: dict[str, set[str]] = {}
    for svg in parse(page).all("svg"):
        for one in everything(svg):
            if "id" in one.attributes:
                shape = json.dumps([(n.tag, n.attributes) for n in [one, *everything(one)]])
                contents.setdefault(one.attributes["id"], set()).add(shape)
    assert all(len(shapes) == 1 for shapes in contents.values())


def test_every_figure_has_words_a_caption_and_its_data(page: str):
    figures = parse(page).all("figure")
    assert len(figures) == 10
    for figure in figures:
        pictures = [one for one in everything(figure) if one.attributes.get("class") == "plot"]
        words = [one.attributes.get("alt") or one.attributes.get("aria-label") for one in pictures]
        if not pictures:  # the flow of cases is made of boxes
            words = [
                one.attributes["aria-label"]
                for one in figure.all("div")
                if "aria-label" in one.attributes
            ]
        assert all(len(word or "") > 20 for word in words)
        assert words
        assert len(figure.all("figcaption")[0].words()) > 40
        assert figure.all("details")[0].all("tr")


def test_nothing_moves_for_who_wants_no_motion(page: str):
    css = re.sub(
        r"@media \(prefers-reduced-motion: no-preference\) \{[^{}]*\{[^{}]*\} \}", "", page
    )
    assert css != page
    assert not re.search(r"scroll-behavior|transition|animation", css.partition("</style>")[0])


def test_on_paper_no_caption_is_torn_from_its_table_or_figure(page: str):
    """Half of one at the foot of a page leaves a table without what it shows."""
    printed = page.partition("@media print {")[2].partition("</style>")[0]
    whole = re.search(r"([^{}]*)\{ break-inside: avoid; \}", printed)
    assert whole
    assert {"caption", "figcaption", "tr"} <= set(whole[1].strip().split(", "))


def test_figures_and_tables_are_numbered_in_order(page: str):
    root = parse(page)
    for tag, word in (("figcaption", "Figure"), ("caption", "Table")):
        titles = [one.words() for one in root.all(tag)]
        numbers = [
            int(found[1]) for title in titles if (found := re.search(rf"{word} (\d+)\.", title))
        ]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 10


def test_hostile_names_are_shown_and_never_obeyed():
    """In headings, tables, drawings and text alternatives; a dollar is no formula either."""
    evil = '<script>alert("x")</script> $\\bad{ <b>&'
    evidence = make_evidence()
    evidence["title"] = evidence["banners"][0]["text"] = evil
    evidence["classes"][0]["centre"] = evidence["table1"][0]["centre"] = evil
    evidence["models"] = {
        evil if name == "DLR" else name: m for name, m in evidence["models"].items()
    }
    evidence["primary"] = evidence["shap"]["model"] = evidence["cam"]["model"] = evil
    for row in evidence["subgroups"]:
        row["model"] = row["variable"] = row["level"] = evil
    for row in evidence["shap"]["features"]:
        row["feature"] = row["block"] = evil
    evidence["shap"]["values"]["features"] = [evil] * len(evidence["shap"]["features"])
    for case in evidence["cam"]["cases"]:
        case["note"] = case["mass"][0]["region"] = evil
    evidence["study"] = {evil: evil}
    root = parse(render(evidence, make_images(evidence)))
    assert not root.all("script")
    assert not [one for one in root.all("b") if one.words().strip() == "&"]
    assert evil in root.all("h1")[0].words()
    assert any(evil[:12] in text.words() for text in root.all("text"))


def test_no_name_turns_a_sentence_around_or_hides_what_it_holds(brief):
    """A mark of direction in a class would say the rest of its sentence backwards."""
    brief["outcome"]["positive"] = "high\u202egrade"
    brief["table1"][0]["sites"]["trunk\u200b"] = 1
    models = brief["models"]
    brief["models"] = {f"{name}\x1b": one for name, one in models.items()}
    brief["primary"] = "DLR\x1b"
    brief["comparisons"] = []
    page = render(brief)
    assert not re.search("[\u202e\u200b\x1b]", page)
    texts = [text.words() for text in parse(page).all("text")]
    assert "high\\u202egrade" in parse(page).all("main")[0].words()
    assert "Site: trunk\\u200b" in page
    assert "DLR\\x1b" in texts


@pytest.mark.parametrize(
    "evil", ["=HYPERLINK(1)", "@SUM(1)", "+ring", "-deep", "+1+cmd|' /C calc'!A0"]
)
def test_no_cell_beside_a_figure_is_a_formula(evil: str):
    """A model may be called like one, and a spreadsheet would run it; numbers keep their signs."""
    evidence = make_evidence()
    models = evidence["models"]
    evidence["models"] = {evil if name == "DLR" else name: one for name, one in models.items()}
    evidence["primary"] = evidence["shap"]["model"] = evidence["cam"]["model"] = evil
    for row in evidence["subgroups"]:
        row["model"] = evil
    tables = compose(evidence, make_images(evidence)).tables
    cells = [
        cell for table in tables.values() for row in csv.reader(io.StringIO(table)) for cell in row
    ]
    assert f"'{evil}" in cells
    assert evil not in cells
    assert any(re.fullmatch(r"[+][0-9.]+", cell) for cell in cells)


@pytest.mark.parametrize("number", ["-0.5", "+1", "-.5", "-1.2e-05", "+3E+7", "-inf", "+nan"])
def test_a_signed_number_is_no_formula(number: str):
    assert _no_formula(number) == number


def test_a_validation_on_one_class_is_not_told_as_none(brief: dict[str, Any]):
    """Decision curves need both classes: what is absent is these, not the validation."""
    brief["missing"] = {"decisions": "All external patients are of one class."}
    said = by_id(parse(render(brief)), "decisions").words()
    assert "All external patients are of one class." in said
    assert "no model was validated" not in said
    for model in brief["models"].values():
        model["external"] = None
    brief["missing"] = {"external": "radlas validate was not run"}
    assert "radlas validate was not run" in by_id(parse(render(brief)), "decisions").words()


def test_of_one_row_feature_or_model_the_page_speaks_in_the_singular(brief: dict[str, Any]):
    brief["flow"] |= {
        "quarantined": 2,
        "failed": 0,
        "ok": 69,
        "reasons": brief["flow"]["reasons"][:1],
    }
    brief["models"] = {"DLR": brief["models"]["DLR"], "Other": brief["models"]["Intratumoural"]}
    brief["models"]["Other"]["signature"] = brief["models"]["Other"]["signature"][:1]
    words = parse(render({**brief, "comparisons": [], "scored": 1})).words()
    assert "and what to do (1 row)" in words
    assert "Signature of Other (1 feature)" in words
    assert "this look scored 1 model:" in words
    assert not re.search(r"\b1 (rows|features|models)\b", words)


def test_names_of_classes_and_of_sites_keep_their_capitals(brief: dict[str, Any]):
    """HER2 is not Her2; a row begins with a capital all the same."""
    brief["outcome"] |= {"positive": "HER2-positive", "negative": "not IDH-mutant"}
    brief["balance"] = [{"characteristic": "site: L5 or S1", "smd": 0.1}]
    root = parse(render(brief))
    heads = {one.words().strip() for one in by_id(root, "classes").all("th")}
    assert {"HER2-positive", "Not IDH-mutant"} <= heads
    assert "Site: L5 or S1" in by_id(root, "patients").words()


def test_blocks_and_centres_that_differ_by_a_capital_alone_are_not_taken_together(brief):
    """``T`` may be the tumour and ``t`` the thigh; sites that merged may both be called a or A."""
    model = brief["models"][brief["primary"]]
    model["blocks"] = ["T", "t"]
    for row in model["signature"]:
        row["block"] = "T" if row["block"] == "deep" else "t"
    case = {"label": "high grade", "number": None, "slices": None, "remarks": []}
    centres = ("site", "Site", "Site")
    cases = [case | {"case": f"{i}", "centre": name} for i, name in enumerate(centres)]
    root = parse(render({**brief, "gallery": {"cases": cases, "total": 3}}))
    groups = [row.words().strip() for row in by_id(root, "signature").all("tr")]
    assert [group for group in groups if group[:2] in {"T,", "t,"}] == [
        "T, 7 features",
        "t, 7 features",
    ]
    told = [one.words() for one in by_id(root, "gallery").all("summary")]
    assert told == ["Site: 2 without a remark", "site: 1 without a remark"]


@pytest.mark.parametrize(
    ("key", "empty", "words"),
    [
        ("cam", None, "Grad-CAM was not computed."),
        ("shap", None, "SHAP values were not computed."),
        ("subgroups", [], "No subgroup was examined."),
        ("comparisons", [], "The models were not compared."),
        ("table1", [], "Patients are not described."),
        ("acquisition", [], "The acquisition is not described."),
    ],
)
def test_a_missing_section_is_said_with_its_reason(
    brief: dict[str, Any], key: str, empty: Any, words: str
):
    brief[key] = empty
    brief["missing"] = {key: "It was switched off in the study."}
    said = by_id(parse(render(brief)), f"absent-{key}").words()
    assert words in said
    assert "It was switched off in the study." in said


def test_a_missing_section_without_a_reason_says_that_too(brief: dict[str, Any]):
    brief["cam"] = None
    assert "No reason was recorded." in by_id(parse(render(brief)), "absent-cam").words()


def test_maps_without_slices_keep_their_numbers_and_say_so(evidence: dict[str, Any]):
    evidence["shap"] = None
    root = parse(render(evidence, {}))
    assert "There are no slices to show." in by_id(root, "absent-cam_images").words()
    assert by_id(root, "figure-cam-mass")


def test_what_holds_of_some_maps_is_said_once_below_and_pointed_to(evidence: dict[str, Any]):
    for number, case in enumerate(evidence["cam"]["cases"]):
        case["note"] = ("", "rings are finer", "rings are finer", "cut off")[number % 4]
    root = parse(render(evidence))
    notes = [one.text for one in by_id(root, "cam-notes").all("li")]
    assert notes == ["rings are finer", "cut off"]
    marks = [one.text for one in by_id(root, "cam").all("sup")]
    assert marks == ["1", "1", "2", "1"]


def test_regions_stand_in_one_order_in_figure_and_table(evidence: dict[str, Any]):
    """The first map may not tell of all: a region is not moved behind those it does tell of."""
    cases = evidence["cam"]["cases"]
    cases[0]["mass"][1] |= {"share": None, "enrichment": None}
    regions = list(dict.fromkeys(one["region"] for one in cases[0]["mass"]))
    picture = by_id(parse(render(evidence)), "figure-cam-mass").all("svg")[0]
    assert picture.attributes["aria-label"].endswith(f"regions: {', '.join(regions)}.")


def test_a_study_without_external_validation_says_so(brief: dict[str, Any]):
    for model in brief["models"].values():
        model["external"] = None
    brief["subgroups"], brief["comparisons"] = [], []
    text = parse(render(brief)).words()
    assert "There is no external validation yet." in text
    assert "training numbers are no evidence of use" in text


def test_an_empty_signature_is_said(evidence: dict[str, Any]):
    evidence["models"]["DLR"]["signature"] = []
    evidence["shap"]["values"] = {"features": [], "cases": [], "phi": [], "x": [], "labels": []}
    evidence["shap"]["features"], evidence["shap"]["blocks"] = [], []
    text = parse(render(evidence)).words()
    assert "no feature survived selection" in text
    assert "no feature drives its score" in text


def test_captions_say_how_intervals_were_made(brief: dict[str, Any]):
    words = parse(render(brief)).words()
    assert "95 % CI: of AUC DeLong or DeLong, logit, of F1 bootstrap." in words
    assert "below each its 95 % CI (Wilson)" in words
    for model in brief["models"].values():
        model["external"] = None
    assert "95 % CI: of AUC DeLong. F1" in parse(render(brief)).words()


def test_where_no_model_has_an_roc_curve_the_page_says_why_and_draws_no_empty_plot(
    brief: dict[str, Any],
):
    """Of patients of one class there is none, and the caption told of curves."""
    brief["missing"] = {"roc": "All external patients are of one class."}
    models = [model for model in brief["models"].values() if model["external"]]
    for model in models[1:]:
        model["external"]["roc"] = []
    assert "Left: ROC curves" in by_id(parse(render(brief)), "models").words()
    models[0]["external"]["roc"] = []
    page = parse(render(brief))
    assert by_id(page, "absent-roc").words().split() == (
        "All external patients are of one class. There are no ROC curves.".split()
    )
    said = by_id(page, "models").words()
    assert "Left: ROC curves" not in said
    assert "Predicted risk by true class" in by_id(page, "risks").words()


def test_a_caption_says_how_intervals_were_made_though_nobody_is_positive(brief: dict[str, Any]):
    """Of an external centre of one class sensitivity has no interval, and others have."""
    for model in brief["models"].values():
        none = {"estimate": None, "low": None, "high": None, "note": "no trials"}
        model["external"]["sensitivity"] = none
    assert "below each its 95 % CI (Wilson)" in parse(render(brief)).words()


def test_numbers_that_cannot_be_estimated_are_said_never_drawn_as_nan(brief: dict[str, Any]):
    external = brief["models"]["DLR"]["external"]
    none = {"estimate": None, "low": None, "high": None}
    for key in ("auc", "f1", "sensitivity", "specificity", "ppv", "npv", "accuracy"):
        external[key] = {**none, "note": "one class only"}
    external["brier"] = None
    external["calibration"] = {
        "intercept": None,
        "slope": None,
        "intercept_interval": {**none},
        "slope_interval": {**none},
    }
    text = parse(render(brief)).words()
    assert "could not be estimated: one class only" in text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)


def test_random_weights_stand_in_banner_ribbon_card_print_and_blocks(page: str):
    root = parse(page)
    classes = [one for one in everything(root) if "Random network weights" in one.words()]
    assert {"ribbon", "card", "stamp"} <= {one.attributes.get("class") for one in classes}
    assert "RANDOM NETWORK WEIGHTS" in root.all("style")[0].text
    assert "SYNTHETIC COHORT" in root.all("style")[0].text
    assert "deep (random weights)" in by_id(root, "figure-shap-blocks").words()
    assert not re.search(r"pre-?\s?trained", page, re.IGNORECASE)


def test_a_deep_block_of_any_name_says_that_its_weights_are_random(brief: dict[str, Any]):
    """The protocol says which blocks are deep; their names are free."""
    brief["study"]["blocks"] = {"network": {"deep": True}, "tumour": {"deep": False}}
    brief["models"]["DLR"]["blocks"] = ["tumour", "network"]
    text = " ".join(by_id(parse(render(brief)), "models").words().split())
    assert "chosen: tumour 4, network (random weights) 0" in text
    assert "tumour (random weights)" not in text


def test_an_f1_without_an_interval_says_so(brief: dict[str, Any]):
    f1 = brief["models"]["DLR"]["external"]["f1"]
    f1["low"] = f1["high"] = None
    assert "no interval" in by_id(parse(render(brief)), "verdict-f1").words()


def test_usable_cases_outside_the_study_are_counted(brief: dict[str, Any]):
    """Usable = analysed + excluded + unlabelled + outside."""
    brief["flow"]["inputs"] += 7
    brief["flow"]["ok"] += 7
    text = " ".join(by_id(parse(render(brief)), "figure-flow").words().split())
    assert re.search(r"outside this study's centres or snapshot 7", text)


def test_without_banners_there_is_no_stamp(brief: dict[str, Any]):
    brief["banners"] = []
    brief["provenance"]["feature_sets"] = ["resnet18-medicalnet-a1b2c3d4"]
    text = parse(render(brief)).words().lower()
    assert "synthetic cohort" not in text
    assert "random" not in text


@pytest.mark.parametrize("claim", ["a pre-trained network", "Pretrained ResNet18"])
def test_random_weights_are_never_called_trained(brief: dict[str, Any], claim: str):
    brief["limits"].append(claim)
    with pytest.raises(StudyError, match="weights are random"):
        render(brief)
    brief["banners"] = []
    brief["provenance"]["feature_sets"] = ["resnet18-medicalnet-a1b2c3d4"]
    assert claim in render(brief)


def test_random_weights_without_their_banner_are_refused(evidence: dict[str, Any]):
    evidence["banners"] = evidence["banners"][:1]
    with pytest.raises(StudyError, match=r"rand0.*no banner says so"):
        render(evidence)


def test_the_kind_of_a_banner_is_read_from_its_words(brief: dict[str, Any]):
    for banner in brief["banners"]:
        banner.pop("kind", None)
    assert "SYNTHETIC COHORT · RANDOM NETWORK WEIGHTS" in render(brief)


def test_the_digest_on_the_page_is_that_of_the_evidence(page: str):
    """A reader can check the page against the `results.json` beside it."""
    assert by_id(parse(page), "digest").text == digest_of(make_evidence())


def test_nan_is_refused(evidence: dict[str, Any]):
    evidence["models"]["DLR"]["intercept"] = float("nan")
    with pytest.raises(StudyError, match="not plain JSON"):
        render(evidence)


def test_cases_that_vanish_from_the_flow_are_refused(evidence: dict[str, Any]):
    evidence["flow"]["quarantined"] -= 1
    with pytest.raises(StudyError, match="71 inputs, but 70 ended"):
        render(evidence)


def test_an_absent_key_is_named(evidence: dict[str, Any]):
    del evidence["cam"], evidence["looks"]
    with pytest.raises(StudyError, match="lacks cam, looks"):
        render(evidence)


def test_an_unknown_primary_model_is_refused(evidence: dict[str, Any]):
    evidence["primary"] = "best"
    with pytest.raises(StudyError, match="choose one of: Intratumoural"):
        render(evidence)


def test_slices_on_different_grids_are_refused(evidence: dict[str, Any]):
    images = make_images(evidence)
    first = next(iter(images.values()))
    first["ring"] = first["ring"][:-1]
    with pytest.raises(StudyError, match="slices of shapes"):
        render(evidence, images)


def test_reasons_that_do_not_add_up_are_said(brief: dict[str, Any]):
    brief["flow"]["reasons"] = brief["flow"]["reasons"][:2]
    assert "add up to 4 cases, but 6 were quarantined or failed" in render(brief)


def test_no_table_of_patients_is_wider_than_paper_however_many_centres_there_are(brief):
    """Of fifteen the last six were cut off in print."""
    centres = [f"hospital-{number}" for number in range(15)]
    brief["table1"] = [{**brief["table1"][0], "centre": name} for name in centres]
    tables = by_id(parse(render(brief)), "patients").all("table")
    heads = [[head.words().strip() for head in one.all("thead")[0].all("th")] for one in tables]
    assert [name for one in heads for name in one[1:]] == centres
    assert max(map(len, heads)) <= 7
    assert [len(one.all("tr")) for one in tables] == [7] * 3
    assert [", continued" in one.all("caption")[0].words() for one in tables] == [False, True, True]


def test_every_exclusion_is_on_the_page_with_its_remedy(page: str):
    text = by_id(parse(page), "figure-flow").words()
    for row in make_evidence()["flow"]["reasons"]:
        assert row["reason"].replace("_", " ") in text
        assert row["meaning"] in text
        assert row["remedy"] in text
