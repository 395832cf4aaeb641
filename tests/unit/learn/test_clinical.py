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


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_numbers_beside_gaps_are_numbers_though_the_column_is_of_objects(people, gap):
    people["age_years"] = pd.Series([61, gap, 33.5], people.index, dtype=object)
    names = clinical_columns(people, ["age_years"])
    assert names == ("clinical__age_years__value",)
    np.testing.assert_array_equal(clinical_features(people, names).iloc[:, 0], [61, np.nan, 33.5])


@pytest.mark.parametrize("values", [[None, None, None], [True, None, False], [1, "2", None]])
def test_a_column_of_objects_that_are_not_all_numbers_has_levels(people, values):
    people["stage"] = pd.Series(values, people.index, dtype=object)
    assert "clinical__stage__missing" in clinical_columns(people, ["stage"])


def test_a_level_that_nobody_has_here_is_0_and_not_missing(people):
    known = [f"clinical__sex__{level}" for level in ("F", "M", "missing", "other")]
    found = clinical_features(people, known)
    assert found["clinical__sex__other"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [None, "unknown to all others"])
def test_who_has_no_level_that_is_known_is_missing_and_not_of_the_other_one(people, value):
    """Of F and M one column is kept, in which 0 says the other: that was told of no record, too."""
    people.loc["c3", "sex"] = value
    found = clinical_features(people, ["clinical__sex__F", "clinical__sex__M"])
    assert found.loc[["c1", "c2"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    assert found.loc["c3"].isna().all()


def test_a_level_that_is_a_number_is_no_deep_feature(people):
    for name in clinical_columns(people, ["grade_of_risk"]):
        column = parse_column(name)
        assert column.clinical
        assert not column.deep


def test_a_level_that_is_called_value_is_no_number():
    people = pd.DataFrame({"coding": ["value", "code", "value"]}, index=list("abc"))
    columns = clinical_columns(people, ["coding"])
    assert columns == ("clinical__coding__code", "clinical__coding__value_")
    assert clinical_features(people, columns).to_numpy().tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize("level", ["a__b", "a___b", "a____b", "_____", "__a__", "a___"])
def test_any_text_is_a_level_of_a_name_in_three_parts(people, level):
    people["histology"] = [level, "other", "other"]
    for name in (names := clinical_columns(people, ["histology"])):
        assert parse_column(name).image_type == "histology"
    assert clinical_features(people, names).sum(axis=1).eq(1).all()


def test_an_unknown_variable_is_named(people):
    with pytest.raises(StudyError, match="'stage' is not in the clinical records"):
        clinical_columns(people, ["stage"])
