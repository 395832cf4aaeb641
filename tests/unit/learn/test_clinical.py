from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from radlas.errors import StudyError
from radlas.learn.clinical import clinical_columns, clinical_features
from radlas.learn.design import parse_column


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age_years": [61.0, np.nan, 33.0],
            "sex": ["F", "M", None],
            "grade_of_risk": ["2", "1", "a__b"],
        },
        index=["c1", "c2", "c3"],
    )


def test_numbers_stay_and_levels_become_columns_a_missing_one_too(people):
    names = clinical_columns(people, ["age_years", "sex"])
    assert names == (
        "clinical__age_years__value",
        "clinical__sex__F",
        "clinical__sex__M",
        "clinical__sex__missing",
    )
    found = clinical_features(people, names)
    assert found["clinical__sex__missing"].tolist() == [0, 0, 1]
    assert found.iloc[:, 1:].sum(axis=1).eq(1).all()
    assert np.isnan(found.loc["c2", "clinical__age_years__value"])


def test_a_level_that_nobody_has_here_is_0_and_not_missing(people):
    found = clinical_features(people, ["clinical__sex__other"])
    assert found["clinical__sex__other"].tolist() == [0, 0, 0]


def test_a_level_that_is_a_number_is_no_deep_feature(people):
    for name in clinical_columns(people, ["grade_of_risk"]):
        column = parse_column(name)
        assert column.clinical
        assert not column.deep


def test_an_unknown_variable_is_named(people):
    with pytest.raises(StudyError, match="'stage' is not in the clinical records"):
        clinical_columns(people, ["stage"])
