from __future__ import annotations

import json
import statistics
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import t

from radlas.errors import StudyError
from radlas.learn.evaluate import compare, compare_folds, evaluate, internal
from radlas.learn.fit import fit_model
from radlas.learn.subgroups import interaction, subgroups


@pytest.fixture(scope="module")
def result(fitted, external, study):
    return evaluate(fitted, external.X, external.y, subjects=external.subjects, study=study)


def test_an_evaluation_is_plain_json_without_nan(fitted, external, result):
    json.dumps([result, internal(fitted)], allow_nan=False)
    assert len(result["predictions"]) == result["n"] == len(external.y)


def test_the_locked_threshold_decides(fitted, result):
    assert result["decision"]["threshold"] == fitted.threshold
    called = [row["risk"] >= fitted.threshold for row in result["predictions"]]
    counts = result["decision"]["counts"]
    assert sum(called) == counts["tp"] + counts["fp"]


def test_external_labels_cannot_move_risks_or_threshold(fitted, external, result, study):
    flipped = evaluate(fitted, external.X, 1 - external.y, subjects=external.subjects, study=study)
    risks = [[row["risk"] for row in found["predictions"]] for found in (result, flipped)]
    assert risks[0] == risks[1]
    assert flipped["decision"]["threshold"] == result["decision"]["threshold"]
    assert flipped["auc"]["auc"] == pytest.approx(1 - result["auc"]["auc"])


def test_planted_signal_holds_in_the_external_centre(result):
    assert result["auc"]["auc"] > 0.75
    assert any("cannot support a claim about calibration" in note for note in result["notes"])


def test_a_trained_subject_cannot_be_evaluated_on(fitted, external, study):
    subjects = ["s003", *external.subjects[1:]]
    with pytest.raises(StudyError, match="trained on 1 subject of the evaluation"):
        evaluate(fitted, external.X, external.y, subjects=subjects, study=study)


def test_a_subject_counts_once(fitted, external, study):
    subjects = ["x001", *external.subjects[1:]]
    with pytest.raises(StudyError, match="several rows of 1 subject"):
        evaluate(fitted, external.X, external.y, subjects=subjects, study=study)


def test_one_class_alone_is_reported_and_not_invented(fitted, external, study):
    rows = external.take(np.flatnonzero(external.y == 1))
    found = evaluate(fitted, rows.X, rows.y, subjects=rows.subjects, study=study)
    assert found["auc"]["auc"] is None
    assert found["roc"] is None
    assert found["decision"]["specificity"]["value"] is None
    json.dumps(found, allow_nan=False)


def test_internal_figures_name_both_estimands_and_their_optimism(fitted):
    found = internal(fitted)
    assert found["folds"]["count"] == 6
    assert found["folds"]["mean"] == pytest.approx(fitted.folds["auc"].mean())
    assert found["folds"]["sd"] == pytest.approx(statistics.stdev(fitted.folds["auc"]))
    assert any("optimistic" in note for note in found["notes"])


def scores(rows: int = 80) -> tuple[np.ndarray, dict[str, pd.Series]]:
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    cases = [f"c{i}" for i in range(rows)]
    return y, {
        name: pd.Series(y * gain + rng.normal(size=rows), cases)
        for name, gain in (("weak", 0.0), ("good", 1.5), ("best", 3.0))
    }


def test_every_pair_of_models_is_compared_and_adjusted():
    y, risks = scores()
    found = compare(risks, y)
    assert [(row["first"], row["second"]) for row in found] == [
        ("weak", "good"),
        ("weak", "best"),
        ("good", "best"),
    ]
    assert all(row["p_holm"] >= row["p"] for row in found)
    assert min(found, key=lambda row: row["p"])["p_holm"] == pytest.approx(
        3 * min(row["p"] for row in found)
    )


def test_models_of_different_cases_are_not_compared():
    y, risks = scores()
    risks["good"] = risks["good"].iloc[::-1]
    with pytest.raises(StudyError, match="different cases"):
        compare(risks, y)


@pytest.fixture
def clinical() -> pd.DataFrame:
    """80 patients in another order than the risks; two ages unknown, one rare site."""
    rows = np.arange(80)
    table = pd.DataFrame(
        {
            "age_years": np.where(rows < 2, np.nan, 20.0 + rows),
            "sex": np.where(rows % 4 < 2, "F", "M"),
            "site_group": np.where(rows < 72, "lower limb", "trunk"),
        },
        index=[f"c{i}" for i in rows],
    )
    return table.iloc[::-1]


def test_levels_of_a_subgroup_divide_all_patients(clinical):
    y, risks = scores()
    groups = {"age_years": (60,), "sex": None, "site_group": None}
    found = subgroups(risks["good"], y, clinical, groups)
    json.dumps(found, allow_nan=False)
    levels = pd.DataFrame(found["levels"])
    assert (levels.groupby("variable")["n"].sum() == 80).all()
    assert list(levels["level"]) == [
        "<60",
        ">=60",
        "missing",
        "F",
        "M",
        "lower limb",
        "trunk",
    ]
    young = (clinical["age_years"].reindex(risks["good"].index) < 60).to_numpy()
    counts = levels.iloc[0][["n", "positives", "negatives"]].tolist()
    assert counts == [young.sum(), y[young].sum(), (1 - y[young]).sum()]


def test_a_level_below_the_minimum_is_listed_but_not_estimated(clinical):
    y, risks = scores()
    found = subgroups(risks["good"], y, clinical, {"site_group": None})
    trunk = found["levels"][1]
    assert (trunk["n"], trunk["auc"]) == (8, None)
    assert trunk["note"] == "not estimable: fewer than 10 of a class"
    assert found["differences"] == []


def test_a_level_of_many_patients_of_whom_few_are_of_a_class_is_not_estimated(clinical):
    y, risks = scores()
    kind = pd.Series(np.where(y + (np.arange(80) < 9), "a", "b"), risks["good"].index)
    found = subgroups(risks["good"], y, clinical.assign(kind=kind), {"kind": None})
    counts = [(row["positives"], row["negatives"], row["auc"]) for row in found["levels"]]
    assert counts == [(40, 5, None), (0, 35, None)]


def test_a_case_without_clinical_data_is_in_no_level_and_named(clinical):
    y, risks = scores()
    with pytest.raises(StudyError, match="no clinical row of 1 case") as caught:
        subgroups(risks["good"], y, clinical.drop(index="c7"), {"sex": None})
    assert caught.value.where == "c7"


def test_a_level_that_is_told_apart_wholly_is_compared_without_a_test(clinical):
    y, risks = scores()
    female = (clinical["sex"] == "F").reindex(risks["good"].index)
    found = subgroups(risks["good"].where(~female, y), y, clinical, {"sex": None})
    (row,) = found["differences"]
    assert row["difference"] > 0
    assert {row[name] for name in ("p", "interval", "detectable", "p_alike", "alike")} == {None}
    assert "perfect separation" in row["note"]


def test_a_planted_difference_between_subgroups_is_found(clinical):
    y, risks = scores()
    female = (clinical["sex"] == "F").reindex(risks["best"].index)
    risk = risks["best"].where(female, risks["weak"])
    (row,) = subgroups(risk, y, clinical, {"sex": None})["differences"]
    assert (row["first"], row["second"]) == ("F", "M")
    assert row["difference"] > 0.2
    assert row["p_holm"] < 0.01


def test_an_unknown_variable_is_named_with_those_there_are(clinical):
    y, risks = scores()
    with pytest.raises(StudyError, match="'age' is not a clinical column") as caught:
        subgroups(risks["good"], y, clinical, {"age": (60,)})
    assert "age_years, sex, site_group" in caught.value.hint


def test_the_interaction_with_parity_equals_r(breast):
    """Likelihood ratio of texture x parity; chi2 .0842, p .772."""
    X, y = breast
    found = interaction(y, X[:, 1], np.arange(len(y)) % 2)
    assert found["statistic"] == pytest.approx(0.08416849636, abs=1e-8)
    assert found["p"] == pytest.approx(0.77173, abs=1e-5)


def test_a_level_of_a_few_does_not_take_the_interaction_of_the_others(clinical):
    y, risks = scores()
    odd = clinical.copy()
    odd.loc[odd.index[:2], "sex"] = ["", " F "]
    found = subgroups(risks["good"], y, odd, {"sex": None})
    assert [row["level"] for row in found["levels"]] == ["F", "M", "missing"]
    sex = odd["sex"].reindex(risks["good"].index).str.strip()
    kept = (sex != "").to_numpy()
    expected = interaction(
        np.asarray(y)[kept], logit(risks["good"][kept].clip(1e-12, 1 - 1e-12)), sex[kept]
    )
    (told,) = found["interactions"]
    assert told == {"variable": "sex", **expected, "note": "without missing"}
    assert told["p"] is not None


def test_words_among_numbers_are_missing_numbers(clinical):
    y, risks = scores()
    worded = clinical.astype({"age_years": object})
    worded.loc[worded.index[:3], "age_years"] = ["unknown", pd.NA, "61"]
    levels = subgroups(risks["good"], y, worded, {"age_years": (60,)})["levels"]
    assert [row["level"] for row in levels] == ["<60", ">=60", "missing"]
    assert sum(row["n"] for row in levels) == 80


def test_where_no_level_is_large_enough_there_is_no_interaction(clinical):
    y, risks = scores()
    found = subgroups(risks["good"], y, clinical, {"sex": None}, minimum_per_class=70)
    assert found["interactions"][0]["p"] is None
    assert found["interactions"][0]["df"] == 0
    assert found["interactions"][0]["note"] == "not estimable: no group holds 70 of each class"


def test_alike_is_shown_and_not_assumed(clinical):
    """Eighty patients cannot show that two halves are alike within 0.1; the margin decides."""
    y, risks = scores()
    (narrow,) = subgroups(risks["good"], y, clinical, {"sex": None}, margin=0.05)["differences"]
    (wide,) = subgroups(risks["good"], y, clinical, {"sex": None}, margin=0.49)["differences"]
    assert (narrow["alike"], wide["alike"]) == (False, True)
    (row,) = subgroups(risks["good"], y, clinical, {"sex": None}, alpha=0.1)["differences"]
    farthest = max(map(abs, row["interval"]))  # two tests at 5 % are one interval of 90 %
    (just,) = subgroups(risks["good"], y, clinical, {"sex": None}, margin=farthest)["differences"]
    assert just["p_alike"] == pytest.approx(0.05)
    assert narrow["detectable"] == pytest.approx(2.801585 * narrow["error"], rel=1e-6)


def test_one_score_for_all_is_not_called_separation():
    """A signature without a feature separates nobody: its scores have no slope to compare."""
    groups = ["a"] * 4 + ["b"] * 4
    told = interaction([0, 1] * 4, [0.3] * 8, groups)
    assert told["p"] is None
    assert told["note"] == "not estimable: the scores of a group are all the same"
    separated = interaction([0, 0, 1, 1] * 2, [0.1, 0.2, 0.3, 0.4] * 2, groups)
    assert separated["note"] == "not estimable: a group's classes are separated or missing"


def test_one_level_has_no_interaction():
    found = interaction([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.2], ["a"] * 4)
    assert (found["p"], found["note"]) == (None, "one group only")


def test_every_declared_figure_comes_with_its_interval(result, study):
    for name in ("brier", "f1", "average_precision"):
        low, high = result["intervals"][name]["interval"]
        assert low <= result["intervals"][name]["value"] <= high
    assert [row["prevalence"] for row in result["elsewhere"]] == list(study.prevalences)
    errors = result["calibration_errors"]
    assert errors["e50"] <= errors["e90"] <= errors["emax"]
    curve = result["decision_curve"]
    assert (curve["threshold"][0], curve["threshold"][-1]) == study.decision_range


def test_models_over_five_folds_are_compared_by_nadeau_and_bengio():
    """By hand: folds share rows, so a mean of ten varies by 1/10 + 1/4 of a fold's variance."""
    rng = np.random.default_rng(0)
    keys = pd.MultiIndex.from_product([range(2), range(5)], names=["repeat", "fold"])
    areas = rng.uniform(0.6, 0.9, (2, 10))
    models = [
        SimpleNamespace(model=name, folds=pd.DataFrame({"auc": area}, index=keys).reset_index())
        for name, area in zip("ab", areas, strict=True)
    ]
    models[1].folds = models[1].folds.iloc[::-1]
    (row,) = compare_folds(models, alpha=0.1)
    gap = areas[0] - areas[1]
    error = np.sqrt((1 / 10 + 1 / 4) * gap.var(ddof=1))
    assert row["statistic"] == pytest.approx(gap.mean() / error)
    assert row["df"] == 9
    assert row["p"] == pytest.approx(2 * t.sf(abs(gap.mean()) / error, 9)) == row["p_holm"]
    assert row["interval"] == pytest.approx(gap.mean() + t.ppf([0.05, 0.95], 9) * error)


def test_models_are_compared_over_the_folds_they_share(cohort, study):
    small = study.model_copy(update={"splits": study.splits.model_copy(update={"repeats": 1})})
    models = [
        fit_model(cohort.X, cohort.y, cohort.subjects, cohort.centres, small, name)
        for name in ("intratumoral", "dlr")
    ]
    (row,) = compare_folds(models)
    gap = models[0].folds["auc"].mean() - models[1].folds["auc"].mean()
    assert row["difference"] == pytest.approx(gap)
    assert row["df"] == 2
