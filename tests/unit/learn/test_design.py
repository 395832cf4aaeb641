from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from radlas.errors import StudyError
from radlas.learn.design import (
    ClassTable,
    block_columns,
    class_tables,
    labels,
    model_columns,
    parse_column,
)
from radlas.learn.settings import Block, OutcomeMapping
from radlas.learn.study import StudyConfig

COLUMNS = (
    "tumour__original__firstorder_Mean",
    "tumour__wavelet-LLH__glcm_Id",
    "ring_0_10__original__glcm_Id",
    "whole__layer4__017",
    "whole__layer3__002",
)


def clinical(*grades: str | None) -> pd.DataFrame:
    names = [f"s{i}" for i in range(len(grades))]
    centres = ["a" if i % 2 == 0 else "b" for i in range(len(grades))]
    return pd.DataFrame({"subject_id": names, "centre": centres, "grade": list(grades)})


def outcome(*excluded: str) -> OutcomeMapping:
    return OutcomeMapping(positive=("high",), negative=("low",), excluded=excluded)


def test_grades_become_labels_without_regard_to_case_and_excluded_ones_leave():
    found = labels(clinical("High", " low", "N/A", "HIGH "), outcome("n/a"))
    assert found.to_dict() == {"s0": 1, "s1": 0, "s3": 1}


def test_an_undeclared_value_is_listed_with_its_centre_and_count():
    with pytest.raises(StudyError) as caught:
        labels(clinical("high", "G2", "g2", "g2", "low", "odd"), outcome())
    assert "'g2' of a: 1; 'g2' of b: 2; 'odd' of b: 1" in str(caught.value)


@pytest.mark.parametrize("empty", [None, float("nan"), "", "  "])
def test_an_empty_grade_must_be_declared_as_missing(empty: str | None):
    with pytest.raises(StudyError, match="'missing' of b: 1"):
        labels(clinical("high", empty), outcome())
    assert labels(clinical("high", empty), outcome("missing")).to_dict() == {"s0": 1}


def test_every_subject_is_counted_once_in_the_class_tables():
    found = class_tables(clinical("high", "low", "low", "n/a", "high"), outcome("n/a"))
    assert found == (ClassTable("a", 2, 1, 0), ClassTable("b", 0, 1, 1))


def test_a_subject_with_two_records_is_refused():
    twice = pd.concat([clinical("high"), clinical("low")])
    with pytest.raises(StudyError, match="more than one clinical row, as s0"):
        labels(twice, outcome())


def test_the_collections_own_workbook_maps_to_its_known_counts(real_data: Path):
    """Grades of the public collection: high 28, intermediate 15, low 5, N/A 3."""
    sheet = pd.read_excel(
        real_data / "sts-clinical" / "INFOclinical_STS.xlsx", keep_default_na=False
    )
    sheet = sheet[sheet["Patient ID"].astype(str).str.fullmatch(r"STS_\d{3}")]
    records = pd.DataFrame(
        {"subject_id": sheet["Patient ID"], "centre": "tcia", "grade": sheet["Grade"]}
    )
    mapping = OutcomeMapping(
        positive=("high",), negative=("low", "intermediate"), excluded=("n/a",)
    )
    assert class_tables(records, mapping) == (ClassTable("tcia", 28, 20, 3),)


def test_a_block_selects_by_roi_image_type_family_and_kind():
    assert block_columns(COLUMNS, Block(roi="tumour")) == COLUMNS[:2]
    assert block_columns(COLUMNS, Block(roi="tumour", families=("glcm",))) == COLUMNS[1:2]
    assert block_columns(COLUMNS, Block(roi="tumour", image_types=("original",))) == COLUMNS[:1]
    assert block_columns(COLUMNS, Block(deep=True, image_types=("layer4",))) == COLUMNS[3:4]


def test_a_clinical_block_takes_the_variables_that_it_names_and_no_other_block_takes_any():
    record = ["clinical__age_years__value", "clinical__sex__F", "clinical__sex__M"]
    there = [*COLUMNS, *record]
    assert list(block_columns(there, Block(clinical=("sex",)))) == record[1:]
    assert block_columns(there, Block(clinical=("stage",))) == ()
    others = Block(roi="clinical"), Block(deep=True), Block(deep=True, image_types=("sex",))
    assert not any(name in record for one in others for name in block_columns(there, one))


def test_a_models_columns_follow_its_blocks_whatever_the_order_of_the_frame(study: StudyConfig):
    there = model_columns(reversed(COLUMNS), study, "dlr")
    assert list(there) == list(model_columns(COLUMNS, study, "dlr"))
    assert list(dict.fromkeys(there.values())) == ["tumour", "ring", "deep"]


def test_a_block_without_columns_is_an_error_that_names_it(study: StudyConfig):
    with pytest.raises(StudyError, match="no column belongs to the block") as caught:
        model_columns(COLUMNS[:2], study, "dlr")
    assert "block ring" in caught.value.where


def test_two_blocks_may_not_share_a_column(study: StudyConfig):
    blocks = {"all": Block(roi="tumour"), "glcm": Block(roi="tumour", families=("glcm",))}
    shared = study.model_copy(update={"blocks": blocks, "models": {"m": ("all", "glcm")}})
    with pytest.raises(StudyError, match="glcm_Id also belongs to all"):
        model_columns(COLUMNS, shared, "m")


def test_the_outcome_is_no_feature_of_its_own_model(study: StudyConfig):
    """A record that holds the answer would be an AUC of 1, and look like a finding."""
    block = Block(clinical=("sex", study.outcome.column))
    told = study.model_copy(update={"blocks": {"record": block}, "models": {"m": ("record",)}})
    with pytest.raises(StudyError, match=f"{study.outcome.column} is the outcome itself") as caught:
        model_columns(["clinical__sex__F"], told, "m")
    assert "model m, block record" in caught.value.where


def test_a_column_of_another_form_is_refused():
    with pytest.raises(StudyError, match="'age_years' is not named"):
        parse_column("age_years")
