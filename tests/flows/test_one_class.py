"""What a report says of an external centre whose patients are all of one class."""

from __future__ import annotations

import json

import pytest

from radlas.learn.evaluate import evaluate

from .conftest import radlas


@pytest.fixture
def positives_alone(own_store, monkeypatch):
    """The study's store, validated as if every external patient were positive."""

    def positive(model, X, y, **settings):
        return evaluate(model, X, y * 0 + 1, **settings)

    for path in (own_store / "models" / "tiny" / "1").glob("validation.json"):
        path.unlink()
    monkeypatch.setattr("radlas.flows.study.sensitivity.evaluate", positive)
    assert radlas("validate", "tiny", "--store", own_store).code == 0
    assert radlas("report", "tiny", "--store", own_store).code == 0
    return own_store / "models" / "tiny" / "1"


def test_a_page_of_one_class_says_why_it_has_no_curves(positives_alone):
    results = json.loads((positives_alone / "results.json").read_text())
    why = "All external patients are of one class."
    assert (results["missing"]["roc"], results["missing"]["decisions"]) == (why, why)
    page = (positives_alone / "report.html").read_text()
    assert "Discrimination in the external centre" not in page
    assert page.count(why) == 2
