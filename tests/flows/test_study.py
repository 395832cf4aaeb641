"""Train, validate, explain, report, retrain, predict: honest, traceable, repeatable."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import radlas as package
from radlas.engine.base import Done
from radlas.errors import ConfigError
from radlas.flows.maps.montage import spread
from radlas.flows.report import ReportConfig, report
from radlas.flows.study import blocks
from radlas.flows.study.challenge import decide
from radlas.flows.study.protocol import class_lines, study_support, support_lines
from radlas.flows.train import TrainConfig, plan
from radlas.learn.persist import load
from radlas.learn.settings import Harmonise
from radlas.learn.study import StudyConfig
from radlas.places.folder import Folder
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.store.models import json_bytes, keep_beside, move_alias, read_card

from .conftest import radlas


def version_of(store, number=1):
    return store / "models" / "tiny" / str(number)


def test_training_never_saw_the_external_centre(study_store):
    """No subject of the external centre is in any model's out-of-fold table."""
    sql = "select subject_id from cases where centre = 'centre-c'"
    external = set(package.open(study_store).query(sql)["subject_id"])
    assert len(external) > 2
    for model in ("intratumoral", "intra-peritumoral", "dlr"):
        oof = load(version_of(study_store) / model).oof
        assert external.isdisjoint(oof["subject"])
        assert set(oof["centre"]) == {"centre-a", "centre-b"}


def test_the_three_models_take_the_blocks_they_name(study_store):
    rois = {
        model: {column.split("__")[0] for column in load(version_of(study_store) / model).columns}
        for model in ("intratumoral", "intra-peritumoral", "dlr")
    }
    assert rois == {
        "intratumoral": {"tumour"},
        "intra-peritumoral": {"tumour", "ring_0_10"},
        "dlr": {"tumour", "ring_0_10", "whole"},
    }


def test_python_hands_out_the_rows_that_a_study_trains_on(study_store, study_file):
    """The models' columns as they saw them, their cases and labels, and no one's besides."""
    frozen = package.open(study_store).snapshot("first")
    X, y, people = frozen.training(study_file)
    model = load(version_of(study_store) / "dlr")
    oof = model.oof.drop_duplicates("subject").set_index("subject")["label"]
    assert set(model.columns) <= set(X.columns)
    assert dict(zip(people["subject_id"], y, strict=True)) == oof.to_dict()
    wide = frozen.matrix().loc[X.index, list(X.columns)]
    np.testing.assert_array_equal(X, wide)
    with pytest.raises(ConfigError, match="a live store changes under a study"):
        package.open(study_store).training(study_file)


def test_training_again_is_nothing_new(study_store, study_file):
    said = radlas(
        "train", study_file, "--store", study_store, "--snapshot", "first", "--engine", "serial",
        "--json",
    )  # fmt: skip
    data = said.data
    (warning,) = data.pop("warnings")
    assert "random weights: a null model" in warning
    assert data == {"model": "tiny", "version": 1, "new": False}


def test_the_same_snapshot_and_study_give_the_same_models(study_store, study_file, tmp_path):
    """Another process count, a new version: the digests of all that was learned agree."""
    other = tmp_path / "study.yaml"
    text = study_file.read_text().replace("name: tiny", "name: twin")
    other.write_text(re.sub("controls: .*", "controls: []", text))
    said = radlas(
        "train", other, "--store", study_store, "--snapshot", "first", "--engine", "local"
    )
    assert said.code == 0, said.err
    for model in ("intratumoral", "dlr"):
        one = load(version_of(study_store) / model)
        two = load(study_store / "models" / "twin" / "1" / model)
        assert one.threshold == two.threshold
        np.testing.assert_array_equal(one.signature["coefficient"], two.signature["coefficient"])


def test_a_second_validation_is_no_second_look(study_store):
    first = radlas("validate", "tiny", "--store", study_store, "--json").data
    assert first["look"] == 1
    assert radlas("validate", "tiny", "--store", study_store, "--json").data["look"] == 1


def test_no_model_is_called_as_what_verbs_keep_beside_the_models(study_store, study_file):
    """Its folder would stand where the validation belongs: every later look would fail at it."""
    values = yaml.safe_load(study_file.read_text())
    made = {path.name for path in version_of(study_store).iterdir()}
    models = {name for name in made if (version_of(study_store) / name / "model.json").exists()}
    kept = {"validation.json", "report.html", "figures", "cam", "version.json"}
    assert kept <= made - models
    for name in made - models | {"decision.json", "explanation-whole-layer3.json"}:
        named = values | {"models": {name: ["tumour"]}, "primary": name, "sensitivity": {}}
        with pytest.raises(ConfigError, match=f"model {name} is named as a file beside the models"):
            StudyConfig.parse(named)
    for name in ("dlr v1.2", "camera", "Größe"):
        named = values | {"models": {name: ["tumour"]}, "primary": name, "sensitivity": {}}
        assert StudyConfig.parse(named).primary == name


def test_the_report_is_one_file_that_says_what_it_is(study_store):
    page = (version_of(study_store) / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["']?https?:""", page)
    assert "<script" not in page
    assert "Synthetic cohort" in page
    assert "Random network weights" in page
    assert "pre-trained" not in page.lower()


def test_no_reason_is_told_for_what_is_not_missing(study_store):
    """Who reads `results.json` does not learn that a study of three models has one."""
    results = json.loads((study_store / "models/tiny/1/results.json").read_text())
    there = {name for name in ("comparisons", "subgroups", "sensitivity", "shap") if results[name]}
    assert {"comparisons", "subgroups", "sensitivity"} <= there
    assert there.isdisjoint(results["missing"])


def test_the_same_version_gives_the_same_page(study_store):
    before = (version_of(study_store) / "report.html").read_bytes()
    assert radlas("report", "tiny", "--store", study_store).code == 0
    assert (version_of(study_store) / "report.html").read_bytes() == before


def test_a_report_that_is_ended_leaves_no_page_without_what_it_names(own_store, monkeypatch):
    page, kept = version_of(own_store) / "report.html", []
    page.unlink()

    def watched(*given):
        assert not page.exists(), "it is the last"
        keep_beside(*given)
        kept.append(given[3])

    monkeypatch.setattr("radlas.flows.report.keep_beside", watched)
    assert radlas("report", "tiny", "--store", own_store).code == 0
    assert page.exists()
    assert {"results.json", "figures/calibration.csv"} < {*kept}


def test_wherever_a_report_is_ended_no_old_page_stands_beside_newer_numbers(own_store, monkeypatch):
    """Its AUC is said to be that of the file beside it, and people pass on what they find."""
    folder, config = version_of(own_store), ReportConfig(store=str(own_store), model="tiny")
    page, numbers = folder / "report.html", folder / "results.json"
    old = {path: path.read_bytes() for path in (page, numbers)}
    (folder / "explanation.json").unlink()
    planned = report.plan(config)
    made = report.work(planned.extra)
    new = {page: made.report.html.encode(), numbers: json_bytes(made.evidence)}
    assert all(new[path] != old[path] for path in old)
    replaced, ended = Folder.replace, True
    for moment in itertools.count():
        for path, data in old.items():
            path.write_bytes(data)
        left = iter(range(moment))

        def end(place, name, data, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            replaced(place, name, data)

        with monkeypatch.context() as patch:
            patch.setattr(Folder, "replace", end)
            try:
                report.commit(config, planned, iter([Done(planned.extra, made)]))
                ended = False
            except KeyboardInterrupt:
                ended = True
        found = {path: path.read_bytes() for path in old if path.exists()}
        assert page not in found or found in (old, new)
        if not ended:
            break
    assert found == new
    assert moment > 3


def test_the_auc_of_the_report_is_that_of_the_rows(study_store):
    """From the page's results.json back to predictions, counted by hand."""
    results = json.loads((version_of(study_store) / "results.json").read_text())
    for model, found in results["models"].items():
        risks = found["external"]["risks"]
        positive = [row["risk"] for row in risks if row["label"] == 1]
        negative = [row["risk"] for row in risks if row["label"] == 0]
        wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
        expected = wins / (len(positive) * len(negative))
        assert found["external"]["auc"]["estimate"] == pytest.approx(expected), model


def test_a_prediction_says_risk_drivers_and_that_it_is_not_for_patients(study_store):
    case = radlas(
        "query", "--store", study_store, "--format", "json",
        "select case_id from cases where centre = 'centre-c' order by 1 limit 1",
    ).data[0]["case_id"]  # fmt: skip
    said = radlas("predict", "tiny", case[:10], "--store", study_store)
    assert said.code == 0, said.err
    assert "not for patients" in said.out
    assert "centre not seen in training" in said.out
    row = radlas("predict", "tiny", case, "--store", study_store, "--json").data["rows"][0]
    results = json.loads((version_of(study_store) / "validation.json").read_text())
    told = {p["case"]: p["risk"] for p in results["models"]["dlr"]["predictions"]}
    assert row["risk"] == pytest.approx(told[case], abs=1e-12)


def test_a_prediction_reads_of_the_store_its_own_case_alone(study_store, monkeypatch):
    """However many there are: one patient's risk needs no row of another who was not trained on."""
    sql = "select case_id from cases where centre = 'centre-c' limit 1"
    (case,) = package.open(study_store).query(sql)["case_id"]
    trained = set(load(version_of(study_store) / "dlr").oof["case"])
    whole, live = blocks.feature_matrix, []

    def seen(*args, only=None, **kwargs):
        live.append(only)
        return whole(*args, only=only, **kwargs)

    monkeypatch.setattr(blocks, "feature_matrix", seen)
    assert radlas("predict", "tiny", case, "--store", study_store).code == 0
    half = len(live) // 2
    assert live[:half] == [[case]] * half
    assert all(set(one) == trained for one in live[half:]), "and then what it was trained on"


def test_retraining_promotes_once_writes_why_and_then_has_nothing_to_do(
    own_store, study_file, tmp_path
):
    config = tmp_path / "retrain.yaml"
    config.write_text(f"store: {own_store}\nstudy: {study_file}\nsnapshot: first\n")
    first = radlas("retrain", config, "--once", "--engine", "serial", "--json")
    assert first.code == 0, first.err
    assert first.data["decision"] == "promote"
    assert first.data["why"] == "there was no champion"
    looks = json.loads((own_store / "models" / "looks.json").read_text())
    again = radlas("retrain", config, "--once", "--engine", "serial", "--json")
    assert again.data["new"] is False
    for told in (first, again):  # Law 9
        assert "random weights: a null model" in told.data["warnings"][0]
    said = radlas("retrain", config, "--once", "--engine", "serial").out
    assert "nothing new" in said
    assert "!! the deep features of" in said
    assert "decided with a margin" not in said
    config.write_text(config.read_text() + "margin: 0.2\n")
    said = radlas("retrain", config, "--once", "--engine", "serial").out
    assert "! decided with a margin of 0.03: 0.2 is for the next version" in said
    store = open_store(own_store)
    person = delta.read(store, "clinical").to_pylist()[0]
    changed = person | {"revision": person["revision"] + 1, "histology": "said again"}
    del changed["row_digest"], changed["recorded_at"]
    delta.append(store, "clinical", [changed], run_id="hand")
    later = radlas("retrain", config, "--once", "--engine", "serial", "--json")
    assert later.data["new"] is False, "nothing that the study uses has changed"
    assert later.data["why"] == "models and external rows are those of version 1"
    assert "tiny@1 stands" in radlas("retrain", config, "--once", "--engine", "serial").out
    assert not (own_store / "models" / "tiny" / "2" / "validation.json").exists()
    assert json.loads((own_store / "models" / "looks.json").read_text()) == looks
    history = json.loads((own_store / "models" / "tiny" / "champion.json").read_text())["history"]
    assert [entry["version"] for entry in history] == [1]


@pytest.mark.parametrize(
    ("gain", "verdict", "why"),
    [
        (-0.5, "keep", "the lower bound must exceed -0.030"),
        (0.0, "promote", "+0.000 (+0.000 to +0.000) against version 7"),
        (0.2, "promote", "the lower bound must exceed -0.030"),
    ],
)
def test_only_a_challenger_that_is_shown_not_to_be_worse_is_promoted(
    own_store, study_file, gain, verdict, why
):
    """Planted changes: the challenger's risks of positives move by a gain or a loss."""
    store, study = open_store(own_store), StudyConfig.read(study_file)
    draws = np.random.default_rng(3).uniform(0, 0.6, 60)
    rows = [
        {"subject": f"s{i:02}", "label": i % 2, "risk": float(0.5 + 0.2 * (i % 2) + draw) / 2}
        for i, draw in enumerate(draws)
    ]
    moved = [row | {"risk": row["risk"] + gain / 2 * row["label"]} for row in rows]
    for number, predictions in ((7, rows), (8, moved)):
        found = {"models": {"dlr": {"predictions": predictions}}}
        keep_beside(store, "tiny", number, "validation.json", found)
        keep_beside(store, "tiny", number, "version.json", read_card(store, "tiny", 1))
    move_alias(store, "tiny", 7, "planted")
    decision = decide(store, study, 8, 0.03)
    assert decision["decision"] == verdict
    assert why in decision["why"]
    assert decision["why"], "a decision without a reason is none"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[low, g1, g2, intermediate]", "[low]"), "g1"),
        (("external_centre: centre-c", "external_centre: centre-x"), "centre-x"),
        (("roi: ring_0_10", "roi: ring_0_20"), "block ring selects nothing"),
        (("primary: dlr", "primary: drl"), "primary model drl is not among"),
        (("c: [0.2,", "near_constant: 0.01, c: [0.2,"), "of model intratumoral varies over"),
        (("folds: 2,", "folds: 30,"), "cannot fill 30 outer folds"),
        (("name: tiny", "nmae: tiny"), "unknown key `nmae`"),
        (("{age_years: [60]", "{age: [60]"), "subgroup 'age' is not a clinical column"),
        (
            ("sex: null", "sex: [1]"),
            "subgroup 'sex' has cut points, and no value of it is a number",
        ),
        (("{folds: 99}", "{folds: 3}, outcome: {negative: [g1]}"), "does not declare"),
        (("dlr: [tumour, ring, deep]", "dlr: [tumour, ring]"), "changes nothing of the primary"),
    ],
)
def test_a_study_the_snapshot_cannot_support_is_refused_with_the_reason(
    study_store, study_file, tmp_path, change, message
):
    path = tmp_path / "wrong.yaml"
    path.write_text(study_file.read_text().replace(*change))
    said = radlas("train", path, "--store", study_store, "--snapshot", "first", "--dry-run")
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("name: tiny", "name: tiny"), "  no sensitivity three_folds_of_few: "),
        (("[volume,", "[clinical, volume,"), "  no control clinical: 'shoe_size' is not in the"),
        (("{folds: 99}", "{folds: 2}, training_centres: [centre-x]"), "no case of centre centre-x"),
        (("{folds: 99}", "{folds: 2}, blocks: {tumour: {roi: null, clinical: [eyes]}}"), "'eyes'"),
        (
            ("{folds: 99}", "{folds: 2}, blocks: {ring: {roi: ring_0_20}}"),
            ": no row is of the ROI 'ring_0_20'",
        ),
        (
            ("{folds: 99}", "{folds: 2}, blocks: {ring: {image_types: [log-9, log-8]}}"),
            ": no row of ring_0_10 is of the image type or layer 'log-8'",
        ),
    ],
)
def test_a_plan_tells_what_beside_the_models_is_sure_to_fail_and_does_not_try_it(
    study_store, study_file, tmp_path, change, line
):
    """It was told after all models were fitted."""
    path = tmp_path / "wanting.yaml"
    text = study_file.read_text().replace(*change)
    path.write_text(text + "clinical: [age_years, shoe_size]\nseed: 7\n")
    planned = plan(TrainConfig(store=str(study_store), study=path, snapshot="first"))
    (told,) = (note for note in planned.notes if line in note)
    name = told.split(":")[0].split()[-1]
    _, _, missing = planned.extra
    (model,) = (model for model in missing if model.endswith(f"-{name}"))
    assert told.endswith(f": {missing[model]}")
    assert model not in {task.model for task in planned.tasks}


@pytest.mark.parametrize(
    ("policy", "labelled", "told"),
    [
        ({"method": "combat", "on_unseen": "adapt"}, 19, "  ! 19 labelled cases of the external"),
        ({"method": "combat", "on_unseen": "adapt"}, 20, ""),
        ({"method": "none", "on_unseen": "adapt"}, 1, ""),
        ({"method": "combat", "on_unseen": "raw"}, 0, "  ! 0 labelled cases of the external"),
        ({"method": "combat", "on_unseen": "raw"}, 1, ""),
    ],
)
def test_a_plan_says_that_a_centre_is_too_small_to_validate_on(study_file, policy, labelled, told):
    """It was told by `validate`, after an hour of training."""
    study = StudyConfig.read(study_file).model_copy(update={"harmonise": Harmonise(**policy)})
    row = {"centre": "centre-c", "positive": labelled, "negative": 0, "excluded": 3}
    lines = class_lines(study, [row])
    assert len(lines) == 1 + bool(told)
    assert lines[-1].startswith(told)


@pytest.mark.parametrize(
    ("positive", "negative", "warned"), [(8, 0, 1), (9, 3, 1), (4, 4, 0), (0, 0, 0)]
)
def test_a_plan_says_that_the_external_centre_can_hardly_tell_an_auc(
    study_file, positive, negative, warned
):
    """Else the one look at it is spent before anybody knows."""
    rows = [
        {"centre": "centre-a", "positive": 20, "negative": 20, "excluded": 0},
        {"centre": "centre-c", "positive": positive, "negative": negative, "excluded": 0},
    ]
    lines = support_lines(study_support(StudyConfig.read(study_file), rows, {"dlr": 10}))
    told = [line for line in lines if line.startswith("  ! external: ")]
    assert len(told) == warned
    assert all(f"{positive + negative} subjects, of one class fewer than 4" in one for one in told)


@pytest.mark.parametrize("each", [4, 6, 10, 20, 60])
def test_a_plan_promises_no_difference_that_cannot_be(study_file, each):
    """Of four patients of each class a difference of AUC below 1.01 was to be missed."""
    classes = [
        {"centre": centre, "positive": each, "negative": each, "excluded": 0}
        for centre in ("centre-a", "centre-c")
    ]
    support = study_support(StudyConfig.read(study_file), classes, {"dlr": 10})
    (line,) = (one for one in support_lines(support) if "subgroups" in one)
    found = re.search(r"a difference below (\S+) would|any difference would", line)
    assert float(found[1]) <= 0.8 if found[1] else each < 10


def test_maps_are_chosen_by_rule_evenly_over_the_risks():
    rows = [{"risk": risk / 10, "case": str(risk)} for risk in range(11)]
    assert [row["risk"] for row in spread(rows, 3)] == [0.0, 0.5, 1.0]
    assert spread(rows, 0) == []
    assert spread(rows[::-1], None) == rows
    assert len(spread(rows[:2], 4)) == 2


def test_the_table_of_the_store_names_all_that_is_in_it(study_store):
    page = (Path(__file__).parents[2] / "docs/store.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w[\w.]*)", row)}
    found = {path.name for path in study_store.iterdir()}
    assert {"volumes", "lake", "snapshots", "models"} <= found <= told
