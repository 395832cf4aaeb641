"""How patients of two parts of a study differ, in the words of the page."""

from __future__ import annotations

import pandas as pd
import pytest

from radlas.flows.pages.evidence import _balance
from radlas.learn.study import StudyConfig

STUDY = StudyConfig.parse(
    {
        "name": "s",
        "outcome": {"positive": ["high"], "negative": ["low"]},
        "blocks": {"tumour": {"roi": "tumour"}},
        "models": {"m": ["tumour"]},
        "primary": "m",
        "training_centres": ["a"],
        "external_centre": "b",
    }
)


def people(sexes):
    return pd.DataFrame(
        {
            "centre": ["a"] * 3 + ["b"] * 3,
            "age_years": [50.0, 60.0, 70.0] * 2,
            "sex": sexes,
            "site_group": ["thigh"] * 6,
        }
    )


def test_all_against_none_is_called_total_and_no_difference_is_not():
    rows = {row["characteristic"]: row for row in _balance(people(list("FFFMMM")), STUDY)}
    assert rows["female"] == {
        "characteristic": "female",
        "smd": None,
        "note": "total: nothing varies within either group",
    }
    assert rows["site: thigh"] == {"characteristic": "site: thigh", "smd": None}
    assert rows["age"] == {"characteristic": "age", "smd": 0.0}


def test_what_nobody_knows_is_no_total_difference():
    rows = {row["characteristic"]: row for row in _balance(people([None] * 6), STUDY)}
    assert rows["female"] == {"characteristic": "female", "smd": None}


def test_a_difference_is_external_minus_training_in_standard_deviations():
    """Austin 2009: of means by their deviations, of shares by those of coins."""
    given = people(list("FMM") + list("FFM"))
    given["age_years"] = [50.0, 60.0, 70.0, 60.0, 70.0, 80.0]
    rows = {row["characteristic"]: row["smd"] for row in _balance(given, STUDY)}
    assert rows["age"] == pytest.approx(1)
    assert rows["female"] == pytest.approx((2 / 3 - 1 / 3) / (2 / 9) ** 0.5)
    assert _balance(given[given["centre"] == "a"], STUDY) == []
