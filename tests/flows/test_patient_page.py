"""What ``predict --json`` tells of a case, and what its page shows, are the same."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from radlas.report.format import bounds, feature, fixed, short_id, signed, significant

from .conftest import radlas

BANNERS = {
    "The model was trained on this patient": lambda said, row: row["trained_on"],
    "took no part in training": lambda said, row: not row["known_centre"],
    "Synthetic cohort": lambda said, row: said["synthetic"],
    "andom network weights": lambda said, row: any("random" in one for one in said["warnings"]),
}


@pytest.fixture(scope="module")
def told(study_store, tmp_path_factory):
    """Answer and pages: of a case of the training, of one of another centre, and of an odd one."""
    words, out = ("--store", study_store, "--json"), tmp_path_factory.mktemp("pages") / "pages"
    cases = [row["case_id"] for row in radlas("query", "from cases", *words).data]
    rows = radlas("predict", "tiny", *cases, *words).data["rows"]
    wanted = {
        (row["trained_on"], bool(row["out_of_range"] or row["imputed"])): row["case_id"]
        for row in rows
    }
    said = radlas("predict", "tiny", *wanted.values(), *words, "--out", out).data
    return said, {row["case_id"]: (out / f"{row['case_id'][:12]}.html") for row in said["rows"]}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def cells(page: str, section: str) -> list[list[str]]:
    """The rows of a section's table."""
    part = page.partition(f'<section id="{section}">')[2].partition("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part.partition("<tbody>")[2], re.DOTALL)
    return [
        [unescape(one) for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows
    ]


def facts(page: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)<small>", page)
    return dict(found)


def test_the_risk_its_interval_and_the_call_are_the_same(told):
    said, pages = told
    for row in said["rows"]:
        page = text_of(pages[row["case_id"]])
        (risk,) = re.findall(r'<data value="([^"]+)">', page)
        assert float(risk) == row["risk"]
        low, high = row["interval"]
        shown = bounds({"estimate": row["risk"], "low": low, "high": high})
        assert f"{row['resampled']} resampled models: {shown}" in unescape(page)
        assert facts(page)["Called"] == row["call"]  # the study names its classes so
        assert f"model <b>{said['model']}</b>" in page
        assert short_id(row["case_id"]) in page


def test_the_drivers_are_the_same_in_the_same_order(told):
    said, pages = told
    for row in said["rows"]:
        expected = [
            [feature(one["feature"]), signed(one["z"], 2), signed(one["logit"])]
            for one in row["drivers"]
        ]
        assert cells(text_of(pages[row["case_id"]]), "drivers") == expected


def test_what_is_unusual_is_the_same(told):
    said, pages = told
    for row in said["rows"]:
        page = text_of(pages[row["case_id"]])
        expected = [
            [feature(one["feature"]), *(significant(one[key]) for key in ("value", "low", "high"))]
            for one in row["out_of_range"]
        ]
        expected += [
            [feature(one), "missing: the training median was used"] for one in row["imputed"]
        ]
        assert cells(page, "unusual") == expected
        assert facts(page)["Features beyond training"].split()[0] == str(len(row["out_of_range"]))
        assert facts(page)["Features missing"].split()[0] == str(len(row["imputed"]))
    assert any(row["out_of_range"] for row in said["rows"])  # else nothing was compared


def test_the_warnings_are_the_same(told):
    """A synthetic cohort too: who reads the answer with a program would not know."""
    said, pages = told
    for row in said["rows"]:
        page = text_of(pages[row["case_id"]])
        shown = " ".join(re.findall(r'<div class="banner.*?</div>', page, re.DOTALL))
        for words, holds in BANNERS.items():
            assert (words in shown) == holds(said, row), words
        if row["out_of_fold"] is not None:
            assert f"gave a risk of {fixed(row['out_of_fold'])}" in shown
    assert {row["trained_on"] for row in said["rows"]} == {True, False}
