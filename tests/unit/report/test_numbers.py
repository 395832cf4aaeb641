"""Numbers on the page are the evidence's, said under one rule."""

from __future__ import annotations

import doctest
import re
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.features.settings import RadiomicsSettings, image_type_names
from radlas.report import format as fmt
from radlas.report import verdict
from radlas.report.figures import ground as figures
from radlas.report.figures.patients import _three_patients
from radlas.report.render import render

from .fixture import make_evidence
from .reader import by_id, parse


def test_every_number_of_the_verdict_equals_the_evidence(page: str):
    evidence = make_evidence()
    model = evidence["models"]["DLR"]
    external = model["external"]
    expected = {
        "verdict-auc": [external["auc"]["estimate"]],
        "verdict-f1": [external["f1"][key] for key in ("estimate", "low", "high")],
        "verdict-f1-all": [external["f1_all_positive"]],
        "verdict-n": [external["n"], external["positives"]],
        "verdict-threshold": [model["threshold"]],
        "verdict-sensitivity": [external["sensitivity"][k] for k in ("estimate", "low", "high")],
        "verdict-specificity": [external["specificity"][k] for k in ("estimate", "low", "high")],
    }
    root = parse(page)
    for name, numbers in expected.items():
        said = by_id(root, name).all("data")
        assert [float(one.attributes["value"]) for one in said] == numbers
        for one, number in zip(said, numbers, strict=True):
            places = 0.5 if isinstance(number, int) else 0.0005
            assert abs(float(one.text) - number) <= places + 1e-12


def test_every_number_of_the_card_is_one_of_the_marked_ones(page: str):
    """No number is typed beside the marked ones, but for the confidence level and the scale."""
    root = parse(page)
    headline = next(one for one in root.all("div") if one.attributes.get("class") == "headline")
    marked = " ".join(one.text for one in headline.all("data"))
    loose = set(re.findall(r"\d+(?:\.\d+)?", headline.words())) - set(marked.split())
    negatives = "10"
    assert loose <= {"95", "0", "0.5", "1", negatives}


def test_f1_stands_next_to_the_f1_of_calling_everyone_positive(page: str):
    """Where p of n are positive, that is 2p / (n + p)."""
    said = by_id(parse(page), "verdict-f1-all").all("data")[0]
    assert float(said.attributes["value"]) == pytest.approx(2 * 14 / (24 + 14), abs=0)


def test_an_f1_no_better_than_calling_everyone_positive_is_warned_of(evidence: dict[str, Any]):
    external = evidence["models"]["DLR"]["external"]
    trivial = external["f1_all_positive"]
    for estimate, low, words in (
        (trivial, 0.5, "gives an F1 at least as high"),
        (trivial + 0.1, trivial, "interval of F1 includes"),
        (trivial + 0.1, trivial + 0.01, ""),
        (None, None, "F1 could not be estimated"),
    ):
        external["f1"] = {"estimate": estimate, "low": low, "high": 0.99}
        told = [sentence for sentence in verdict.warnings(evidence) if "F1" in sentence]
        assert len(told) == bool(words)
        assert all(words in sentence for sentence in told)


def test_an_interval_that_includes_chance_is_warned_of(evidence: dict[str, Any]):
    auc = evidence["models"]["DLR"]["external"]["auc"]
    auc["low"] = 0.51
    assert not any("chance" in sentence for sentence in verdict.warnings(evidence))
    auc["low"] = 0.5
    assert any("chance is not excluded" in sentence for sentence in verdict.warnings(evidence))


def test_a_second_look_at_the_external_centre_is_warned_of(evidence: dict[str, Any]):
    evidence["looks"] = 1
    assert not any("looked at" in sentence for sentence in verdict.warnings(evidence))
    evidence["looks"] = 3
    assert any("looked at 3 times" in sentence for sentence in verdict.warnings(evidence))


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({}, False),
        ({"method": "none", "on_unseen": "adapt"}, False),
        ({"method": "combat", "on_unseen": "raw"}, False),
        ({"method": "combat", "on_unseen": "adapt"}, True),
    ],
)
def test_that_external_images_took_part_in_harmonising_is_warned_of(
    evidence: dict[str, Any], policy: dict[str, str], told: bool
):
    """Who comes alone has no centre whose distribution could be harmonised."""
    evidence["study"]["harmonise"] = policy
    evidence["models"]["DLR"]["external"]["n"] = 24
    evidence["classes"][-1] |= {"positive": 6, "negative": 18}
    found = [one for one in verdict.warnings(evidence) if "not for one who comes alone" in one]
    assert len(found) == told
    assert all("of all 24 external patients" in one for one in found)
    assert all("unlike that in training (58 %, here 25 %) is taken for" in one for one in found)
    for model in evidence["models"].values():
        model["external"] = None
    assert not any("comes alone" in one for one in verdict.warnings(evidence))


def test_fewer_than_a_hundred_events_cannot_support_calibration(evidence: dict[str, Any]):
    external = evidence["models"]["DLR"]["external"]
    for n, positives, enough in ((24, 14, False), (300, 201, False), (300, 200, True)):
        external["n"], external["positives"] = n, positives
        sentence = verdict.calibration_sentence(external)
        assert ("cannot support" not in sentence) == enough


def test_the_page_says_that_a_large_p_is_not_equivalence(page: str):
    assert "is not equivalence" in by_id(parse(page), "subgroups").words()


def test_the_table_of_classes_adds_up(page: str):
    rows = by_id(parse(page), "classes").all("tr")[1:]
    counts = [[int(cell.text) for cell in row.all("td")[1:]] for row in rows]
    *centres, total = np.array(counts)
    added = np.sum(centres, axis=0)
    np.testing.assert_array_equal(added[[0, 1, 3, 4]], total[[0, 1, 3, 4]])
    assert total[2] == round(100 * total[0] / (total[0] + total[1]))


def test_the_confusion_counts_every_external_patient_once(page: str):
    root = by_id(parse(page), "confusion")
    matrices = [one for one in root.all("table") if one.attributes.get("class") == "matrix"]
    assert len(matrices) == 3
    for matrix in matrices:
        cells = [c for c in matrix.all("td") if c.attributes.get("class") in {"right", "wrong"}]
        assert sum(int(cell.text) for cell in cells) == 24


@given(st.floats(-1e5, 1e5))
def test_a_fixed_number_reads_back_within_half_its_last_digit(value: float):
    assert abs(float(fmt.fixed(value).replace("−", "-")) - value) <= 0.0005 + 1e-9


@given(st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12))
def test_a_significant_number_reads_back_within_half_its_third_digit(value: float):
    text = fmt.significant(value).replace("−", "-")
    assert float(text) == pytest.approx(value, rel=5.001e-3)


@given(st.floats(0, 1))
def test_p_is_never_shown_as_zero(p: float):
    text = fmt.p_value(p)
    assert float(text.removeprefix("< ")) > 0
    assert text.startswith("<") == (p < 0.001)


def test_the_examples_of_the_formats_hold():
    result = doctest.testmod(fmt)
    assert result.attempted > 5
    assert result.failed == 0


@given(st.floats(0, 1), st.integers(0, 4))
def test_a_share_reads_as_none_or_all_only_if_it_is(value: float, decimals: int):
    """A risk of 0.0004 is not one of 0, nor is one of 0.9996 one of 1."""
    said = float(fmt.fixed(value, decimals))
    assert (said == 0) == (value == 0 or value < 5.1e-7)
    assert (said == 1) == (value == 1 or value > 1 - 5.1e-7)


def test_minus_zero_has_no_sign():
    assert fmt.fixed(-0.0001) == "0.000"
    assert fmt.signed(0.0001) == "0.000"


def test_what_is_none_is_said():
    interval = {"estimate": None, "low": None, "high": None}
    said = {fmt.fixed(None), fmt.significant(None), fmt.signed(None), fmt.p_value(None)}
    assert said | {fmt.estimate(None), fmt.estimate(interval), fmt.bounds(interval)} == {
        "not estimable"
    }


@given(st.text(st.characters(exclude_characters="…"), max_size=200), st.integers(3, 60))
def test_a_shortened_name_fits_and_keeps_both_ends(text: str, length: int):
    short = fmt.shorten(text, length)
    assert len(short) <= length
    if len(text) > length:
        head, tail = short.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
    else:
        assert short == text


@given(st.lists(st.floats(0, 1), max_size=60))
def test_swarmed_points_of_one_bin_never_share_a_place(values: list[float]):
    offsets = figures.swarm(values, span=(0, 1), bins=10)
    places = list(zip(np.floor(np.array(values) / 0.1), offsets, strict=True))
    assert len(set(places)) == len(values)


@pytest.mark.parametrize("name", ["log", "wavelet", "original"])
def test_every_name_of_a_filtered_image_is_told_in_one_way(name: str):
    """LoG images have names with and without their dimension, by the extractor."""
    settings = {"log": {"sigma": [2, 3.5]}, "wavelet": {}, "original": {}}
    for image in image_type_names(RadiomicsSettings(image_types={name: settings[name]})):
        told = fmt.feature(f"tumour__{image}__glcm_Idn")
        assert ("-" in told, "LoG" in told and "mm" in told) == (False, name == "log"), told


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=6), st.floats(0.01, 0.99, exclude_max=True))
def test_every_patient_of_the_waterfalls_is_told_all_it_was_chosen_for(logits, threshold):
    """One may be highest and nearest to the threshold at once."""
    edge = np.log(threshold / (1 - threshold))
    chosen = [(logits[row], why) for row, why in _three_patients(np.array(logits), threshold)]
    for why, value, extreme in (
        ("highest risk", float, max),
        ("lowest risk", float, min),
        ("nearest to the threshold", lambda logit: abs(logit - edge), min),
    ):
        (told,) = (logit for logit, words in chosen if why in words.split(" and "))
        assert value(told) == extreme(map(value, logits))


def test_the_swarm_depends_on_values_not_on_their_order():
    values = np.random.default_rng(3).uniform(size=50)
    turned = figures.swarm(values[::-1], span=(0, 1))[::-1]
    np.testing.assert_array_equal(figures.swarm(values, span=(0, 1)), turned)


def test_colours_of_text_hold_the_contrast_of_wcag_aa():
    """Relative luminance by its definition in WCAG 2; 4.5 to 1 for text."""
    css = files("radlas.report").joinpath("style.css").read_text(encoding="utf-8")
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))
    pairs = [
        *((text, ground) for text in ("ink", "quiet", "accent") for ground in ("ground", "wash")),
        *((text, "accent-wash") for text in ("ink", "quiet", "accent")),
        ("on-danger", "danger"),
        ("danger", "ground"),
        ("on-warning", "warning"),
        ("ground", "accent"),
        ("ink", "rule"),
        ("ink", "wrong"),
        ("ink", "right"),
    ]
    for text, ground in pairs:
        assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)


def test_colours_of_marks_hold_the_contrast_of_wcag_for_graphics():
    for colour in figures.SERIES:
        assert contrast(colour, "#ffffff") >= 3


def test_a_large_cohort_still_makes_a_small_page(evidence: dict[str, Any]):
    """Points of many patients become one picture inside the drawing."""
    evidence["cam"], values = None, evidence["shap"]["values"]
    for key in ("cases", "phi", "x", "labels"):
        values[key] = values[key] * 50
    assert len(render(evidence).encode()) < 3_000_000


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
