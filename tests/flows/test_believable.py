"""What stands beside a study's numbers, by the command line: controls, masks, a patient's page."""

from __future__ import annotations

import importlib
import json
import math
import re
import shutil

import numpy as np
import pytest

import radlas as package
from radlas.flows.pages.gallery import chosen
from radlas.flows.study.protocol import cost_line
from radlas.flows.study.sensitivity import against
from radlas.learn.study import StudyConfig
from radlas.store.layout import open_store
from radlas.store.stable_features import load_stable_features

from .conftest import radlas

PERTURBED = """
extractors:
  radiomics:
    feature_classes: [shape, firstorder]
    in_plane_spacing: 2
    rois: [tumour]
    rings: [[0, 10]]
    perturbations: {rotation_degrees: [0, 3], shuffle: true}
"""


@pytest.fixture(scope="module")
def results(study_store):
    return json.loads((study_store / "models" / "tiny" / "1" / "results.json").read_text())


def test_a_dry_run_tells_what_the_sample_supports_and_fits_nothing(study_store, study_file):
    other = study_file.with_name("other.yaml")
    other.write_text(study_file.read_text().replace("name: tiny", "name: dry"))
    words = ("--store", study_store, "--snapshot", "first", "--dry-run")
    said = radlas("train", other, *words)
    assert said.code == 0, said.err
    for told in (
        "in the smaller class: they carry",
        "candidate features",
        "control permuted",
        "about 1 minute on two workers",
    ):
        assert told in said.out
    assert not (study_store / "models" / "dry").exists()


def test_of_thousands_of_patients_the_cost_is_told_in_hours():
    """RFE takes the square of the patients or of the columns, of whichever there are fewer."""
    study = StudyConfig.parse(
        {
            "name": "s",
            "outcome": {"positive": ["high"], "negative": ["low"]},
            "blocks": {"tumour": {"roi": "tumour"}},
            "models": {"m": ["tumour"]},
            "primary": "m",
            "training_centres": ["a"],
            "controls": [],
        }
    )

    def minutes(rows):
        told = re.search(r"about (\d+) (minute|hour)", cost_line(study, rows, {"m": 2_000}, {}))
        return int(told[1]) * (60 if told[2] == "hour" else 1)

    assert minutes(2_000) > 3 * minutes(1_000) > 9 * minutes(500) > 9
    assert minutes(16_000) < 2.1 * minutes(8_000)
    assert "hours on two workers" in cost_line(study, 4_000, {"m": 2_000}, {})


def test_controls_stand_beside_the_models_and_absent_ones_have_their_reason(results):
    fitted = {row["control"] for row in results["honesty"]["rows"]}
    assert {"volume", "permuted"} <= fitted
    missing = results["honesty"]["missing"]
    assert "own network has random weights" in missing["random_weights"]
    assert "shuffle: true" in missing["shuffled"]
    assert fitted.isdisjoint(missing)


def test_sensitivity_analyses_stand_beside_the_primary_model(results):
    """What only drops a block is what the model of the other blocks says."""
    found = results["sensitivity"]
    (variant,) = found["variants"]
    assert (variant["name"], variant["change"]) == ("no_deep_features", "models.dlr = tumour, ring")
    twin = results["models"]["intra-peritumoral"]["external"]
    assert variant["auc"]["estimate"] == twin["auc"]["estimate"]
    assert "cannot fill 99 outer folds" in found["missing"]["three_folds_of_few"]
    assert [row["patients"] for row in found["patients"]] == [
        "no remark on image or mask",
        "no value imputed",
        "no value beyond training",
    ]


def test_a_variant_is_compared_on_the_same_patients_and_classes_or_not_at_all():
    def result(risks, labels):
        rows = zip("abcdef", labels, risks, strict=True)
        return {"predictions": [{"case": c, "label": y, "risk": r} for c, y, r in rows]}

    labels, first, second = (1, 0, 1, 0, 1, 0), (9, 3, 4, 5, 8, 1), (9, 3, 7, 5, 8, 1)
    one, other = result(first, labels), result(second, labels)
    backwards = {"predictions": other["predictions"][::-1]}
    assert against(one, other, alpha=0.05)["difference"] == pytest.approx(-1 / 9)
    assert against(one, backwards, alpha=0.05) == against(one, other, alpha=0.05)
    assert against(one, result(second, (0, 1, 1, 0, 1, 0)), alpha=0.05) is None
    assert against(one, {"predictions": other["predictions"][1:]}, alpha=0.05) is None


def test_every_analysed_case_is_in_the_gallery_with_its_slice(study_store, results):
    shown = results["gallery"]["cases"]
    analysed = sum(row["positive"] + row["negative"] for row in results["classes"])
    assert len({row["case"] for row in shown}) == results["gallery"]["total"] == analysed
    assert all(1 <= row["number"] <= row["slices"] for row in shown)
    page = (study_store / "models" / "tiny" / "1" / "report.html").read_text()
    assert page.count('<figure id="case-') == analysed


def test_before_validation_no_external_case_is_shown(own_store):
    (own_store / "models" / "tiny" / "1" / "validation.json").unlink()
    (own_store / "models" / "tiny" / "1" / "explanation.json").unlink()
    said = radlas("report", "tiny", "--store", own_store)
    assert said.code == 0, said.err
    told = json.loads((own_store / "models" / "tiny" / "1" / "results.json").read_text())
    assert {row["centre"] for row in told["gallery"]["cases"]} == {"centre-a", "centre-b"}


def test_a_variant_on_random_weights_is_refused_where_the_study_takes_none(
    study_store, study_file, tmp_path
):
    """Law 9: else a report would show a null model's number without its banner."""
    text = study_file.read_text().replace("primary: dlr", "primary: intratumoral")
    text = text.replace("  dlr: [tumour, ring, deep]\n", "")
    text = text.replace(
        "{models: {dlr: [tumour, ring]}}", "{models: {intratumoral: [tumour, deep]}}"
    )
    study = tmp_path / "study.yaml"
    study.write_text(text)
    said = radlas("train", study, "--store", study_store, "--snapshot", "first", "--dry-run")
    assert said.code == 2
    assert "of a network with random weights" in said.err


def test_a_case_of_the_training_is_told_what_models_not_of_it_said(study_store):
    sql = "select case_id from cases where centre = 'centre-a' order by 1 limit 1"
    words = ("--store", study_store, "--format", "json")
    case = radlas("query", *words, sql).data[0]["case_id"]
    said = radlas("predict", "tiny", case, "--store", study_store)
    assert "this case was trained on: models that had not seen it gave 0." in said.out


def test_another_exam_of_a_patient_of_the_training_is_told_too(study_store, monkeypatch):
    """The unit is the patient: a model that knows one exam does not judge the next as new."""
    module = importlib.import_module("radlas.flows.predict")
    cases = package.open(study_store).query("select case_id, centre from cases order by 1")
    first = {centre: rows["case_id"].iloc[0] for centre, rows in cases.groupby("centre")}
    known = {"trained_as": None, "out_of_fold": None}
    found = module.trained_on
    monkeypatch.setattr(
        module,
        "trained_on",
        lambda *words: {case: told | known for case, told in found(*words).items()},
    )
    words = {"store": study_store, "model": "tiny", "cases": list(first.values())}
    said = module.predict(module.PredictConfig.parse(words))
    told = {row["centre"]: (row["trained_on"], row["out_of_fold"]) for row in said.data["rows"]}
    assert told == {
        "centre-a": (True, None),
        "centre-b": (True, None),
        "centre-c": (False, None),
    }
    assert sum("another exam of this patient was trained on" in line for line in said.lines) == 2


def test_a_damaged_volume_takes_no_report_away(own_store, results):
    case = results["gallery"]["cases"][0]["case"]
    (commit,) = (own_store / "volumes" / case[:2]).glob(f"{case}*/commit.json")
    commit.unlink()
    said = radlas("report", "tiny", "--store", own_store)
    assert said.code == 0, said.err
    page = (own_store / "models" / "tiny" / "1" / "report.html").read_text()
    assert page.count('<div class="lost">') == 1


def test_a_large_study_shows_the_most_remarked_and_others_evenly():
    rows = [{"case": f"{i:03}", "weight": 5 if i % 7 == 0 else 0} for i in range(1000)]
    found = [row["case"] for row in chosen(rows, 100)]
    assert len(found) == len(set(found)) == 100
    assert found[:50] == [f"{7 * i:03}" for i in range(50)]
    assert {"001", "999"} <= set(found[50:])
    assert chosen(rows[:60], 100)[0] == {"case": "000"}


def test_every_figure_has_its_data_in_a_file_beside_the_page(study_store):
    folder = study_store / "models" / "tiny" / "1"
    page = (folder / "report.html").read_text()
    drawn = set(re.findall(r'<figure id="figure-([\w-]+)"', page)) - {"flow"}
    assert drawn == {path.stem for path in (folder / "figures").glob("*.csv")}


def test_no_item_of_a_checklist_is_met_without_a_section_that_shows_it(study_store, results):
    page = (study_store / "models" / "tiny" / "1" / "report.html").read_text()
    sections = set(re.findall(r'<section id="(\w+)"', page))
    for checklist in results["checklists"]:
        for item in checklist["items"]:
            assert item["state"] in {"evidence", "needs author", "not met"}
            assert (item["where"] in sections) == (item["state"] == "evidence")
            assert bool(item["why"]) == (item["state"] == "not met")
    assert [len(one["items"]) for one in results["checklists"]] == [58, 30, 27]


def test_a_patient_s_page_says_how_sure_and_how_unusual(study_store, tmp_path):
    case = radlas(
        "query", "--store", study_store, "--format", "json",
        "select case_id from cases where centre = 'centre-c' order by 1 limit 1",
    ).data[0]["case_id"]  # fmt: skip
    words = ("--store", study_store, "--out", tmp_path)
    said = radlas("predict", "tiny", case, *words)
    assert said.code == 0, said.err
    page = (tmp_path / f"{case[:12]}.html").read_text()
    assert not re.findall(r"""(?:src|href)=["']?https?:""", page)
    for told in ("Synthetic cohort", "Random network weights", "took no part in training"):
        assert told in page
    row = radlas("predict", "tiny", case, *words, "--json").data["rows"][0]
    assert 0 <= row["interval"][0] <= row["interval"][1] <= 1
    assert sum(d["logit"] for d in row["drivers"]) == pytest.approx(
        math.log(row["risk"] / (1 - row["risk"])) - row["base"], abs=1e-9
    )


def test_pages_need_a_place_that_is_there(study_store, tmp_path):
    words = ("predict", "tiny", "0", "--store", study_store, "--out")
    said = radlas(*words, tmp_path / "no" / "pages")
    assert said.code == 2
    assert "no such folder" in said.err
    (tmp_path / "file").write_text("")
    assert "this is no folder" in radlas(*words, tmp_path / "file").err


@pytest.fixture(scope="module")
def perturbed(study_store, study_file, tmp_path_factory):
    """A store whose cases have perturbed copies, and a study of their features."""
    folder = tmp_path_factory.mktemp("perturbed")
    recipe, study, store = folder / "recipe.yaml", folder / "study.yaml", folder / "store"
    shutil.copytree(study_store, store)
    shutil.copy(f"{study_store}.key", f"{store}.key")
    recipe.write_text(PERTURBED)
    here = ("--store", store)
    assert radlas("extract", *here, "--config", recipe, "--engine", "serial").code == 0
    sql = "select distinct feature_set from radiomics where perturbation = 'shuffled'"
    name = radlas("query", *here, "--format", "json", sql).data[0]["feature_set"]
    said = radlas("snapshot", "create", "copies", *here, "--feature-set", name)
    assert said.code == 0, said.err
    text = study_file.read_text().replace("name: tiny", "name: stable")
    text = text.replace("  deep: {deep: true}\n", "").replace(", deep]", "]")
    text = re.sub("controls: .*\\nsensitivity:\\n(  .*\\n)+", "controls: [shuffled]\\n", text)
    text = text.replace("  dlr: [tumour, ring]\n", "").replace(
        "primary: dlr", "primary: intratumoral"
    )
    study.write_text(text)
    return store, study


def test_a_mask_of_stable_features_is_made_of_training_patients_and_used(perturbed, tmp_path):
    store, study = perturbed
    words = ("--store", store, "--snapshot", "copies")
    said = radlas("stability", study, *words, "--threshold", 0.5, "--json")
    assert said.code == 0, said.err
    again = radlas("stability", study, *words, "--threshold", 0.5, "--json")
    assert again.data == said.data
    mask = load_stable_features(open_store(store), said.data["mask"])
    assert mask["centres"] == ["centre-a", "centre-b"]
    assert all("shuffled" not in part["raters"] for part in mask["parts"])
    assert 0 < said.data["stable"] < said.data["rated"]
    masked = tmp_path / "masked.yaml"
    text = study.read_text().replace("bootstraps: 6", f"bootstraps: 0, mask: {said.data['mask']}")
    masked.write_text(text)
    trained = radlas("train", masked, *words, "--engine", "serial", "--json")
    assert trained.code == 0, trained.err
    counted = trained.data["support"]["candidates"]["intratumoral"]
    plain = radlas("train", study, *words, "--engine", "serial", "--json")
    assert counted < plain.data["support"]["candidates"]["intratumoral"]
    assert "control-shuffled" in plain.data["controls"]


def test_what_only_external_patients_have_does_not_decide_what_is_rated(perturbed, monkeypatch):
    """A feature that no training patient's copy has is refused, whatever others have."""
    module = importlib.import_module("radlas.flows.stability")
    store, study = perturbed
    config = module.StabilityConfig.parse({"store": store, "study": study, "snapshot": "copies"})
    (task,) = module.plan(config).tasks
    cases = package.open(store).query("select case_id, centre from cases")
    external = set(cases[cases["centre"] == "centre-c"]["case_id"])
    whole, without = module.feature_matrix, set[str]()

    def rated(keep: set[str]) -> dict[str, object]:
        def changed(*words, perturbation):
            frame = whole(*words, perturbation=perturbation)
            if perturbation:
                frame.loc[~frame.index.isin(keep), frame.columns[0]] = np.nan
                without.add(frame.columns[0])
            return frame.dropna(axis=1, how="all")  # as of a whole snapshot

        monkeypatch.setattr(module, "feature_matrix", changed)
        return module.work(task)["features"]

    assert rated(external) == rated(set())
    (nowhere,) = without
    assert rated(set())[nowhere] is None


def test_a_mask_of_other_patients_is_refused(perturbed, tmp_path):
    store, study = perturbed
    words = ("--store", store, "--snapshot", "copies")
    digest = radlas("stability", study, *words, "--json").data["mask"]
    other = tmp_path / "other.yaml"
    text = study.read_text().replace("[centre-a, centre-b]", "[centre-a]")
    other.write_text(text.replace("bootstraps: 6", f"bootstraps: 0, mask: {digest}"))
    said = radlas("train", other, *words, "--engine", "serial")
    assert said.code == 2
    assert "made of patients of centre-b" in said.err


def test_without_perturbed_copies_there_is_no_mask(study_store, study_file):
    said = radlas("stability", study_file, "--store", study_store, "--snapshot", "first")
    assert said.code == 2
    assert "no feature set of the study was extracted with perturbed copies" in said.err
