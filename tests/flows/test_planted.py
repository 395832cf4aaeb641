"""Studies of planted features, without images: harmonised centres, and readers who differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from radlas import open as open_radlas
from radlas.digests import digest_of
from radlas.engine.base import Done, measure
from radlas.errors import StudyError, WorkerError
from radlas.flows.maps.montage import NO_PART
from radlas.flows.pages.evidence_origin import limits
from radlas.flows.pages.gallery import remarks
from radlas.flows.pages.intervals import of_gap, of_pair
from radlas.flows.study.looks import trained_on
from radlas.flows.study.sensitivity import changes
from radlas.flows.train import TrainConfig, TrainTask, _gathered, plan, work
from radlas.learn.parts import Part
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.store import delta
from radlas.store.frozen import load_snapshot
from radlas.store.layout import init_store, open_store
from radlas.store.recipes import save_recipe
from radlas.store.snapshots import create_snapshot
from radlas.store.stable_features import load_stable_features, save_stable_features

from .conftest import radlas

STUDY = """
name: brought
outcome: {positive: [high], negative: [low]}
blocks:
  tumour: {roi: tumour, feature_set: p-1}
  record: {clinical: [age_years, sex]}
models:
  intratumoral: [tumour]
  mixed: [tumour, record]
primary: mixed
training_centres: [a, b]
external_centre: c
splits: {folds: 3, inner_folds: 2}
selection: {rfe_features: [2], c: [0.5], one_standard_error: false}
stability: {bootstraps: 5}
harmonise: {method: combat, on_unseen: adapt, minimum: 5}
clinical: [age_years, sex]
controls: [clinical, centre]
sensitivity:
  as_it_comes: {harmonise: {on_unseen: raw}}
  too_few: {harmonise: {minimum: 99}}
"""
BLOCKS = """
  tumour: {roi: tumour, feature_set: x-1}
  edema: {roi: edema, feature_set: x-2}
"""
FEATURES = ("firstorder_Mean", "firstorder_Entropy", "shape_MeshVolume", "glcm_Contrast")
SCANNERS = {"a": (0.0, 1.0), "b": (4.0, 2.0), "c": (-7.0, 3.0)}  # what each adds, and multiplies by
READERS = np.array([0.1, 0.1, 0.1, 3.0])  # how much two of them differ [SD of a scanner's patients]
EACH = 24


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three centres of like patients; scanners shift and stretch every feature. No images.

    Two more readers drew the tumour: they agree on all features but one. By the first of them a
    tumour of centre c has no volume. A third reader drew half of them.
    """
    store = init_store(tmp_path_factory.mktemp("brought") / "store")
    rng, now = np.random.default_rng(0), {"run_id": "r", "recorded_at": datetime.now(UTC)}
    cases, records, rows = [], [], []
    for centre, (added, times) in SCANNERS.items():
        for number in range(EACH):
            high = number % 2 == 0
            who = {"centre": centre, "subject_id": f"s-{centre}{number}"}
            case = {"case_id": digest_of([centre, number])[:32], **who, **now}
            cases.append({**case, "voxel_digest": digest_of(who), "synthetic": False})
            age = None if centre == "a" and number < 2 else 40.0 + number % 7
            sex = None if centre == "c" else "FM"[number % 3 > 0]
            record = {"grade": "high" if high else "low", "age_years": age, "sex": sex}
            records.append({**who, **record, "revision": 1, **now})
            values = rng.normal(high, 1, len(FEATURES)) * times + added
            for name in ("p-1", "r-1", "r-2", "r-3"):
                read = values + (name != "p-1") * rng.normal(0, READERS * times)
                row = {"feature_set": name, "roi": "tumour", "image_type": "original", "reason": ""}
                if name == "r-3" and number >= EACH // 2:
                    continue
                told = dict(zip(FEATURES, read, strict=True))
                if (name, centre, number) == ("r-1", "c", 0):
                    told["shape_MeshVolume"] = None
                rows.append({**case, **row, "input_digest": "x", **told})
    for name in ("p-1", "r-1", "r-2", "r-3"):
        save_recipe(store, name, {"table": "radiomics", "versions": {}, "settings": {}})
    for table, given in (("cases", cases), ("clinical", records), ("radiomics", rows)):
        delta.append(store, table, given, run_id="r")
    create_snapshot(store, "first")
    return store


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("brought") / "study.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def brought(store, study):
    """The folder of the version that all verbs were run for."""
    for words in (
        ("train", study, "--snapshot", "first"),
        ("validate", "brought"),
        ("explain", "brought", "--maps", 0),
        ("report", "brought"),
    ):
        said = radlas(*words, "--store", store.place)
        assert said.code == 0, said.out + said.err
    return Path(str(store.place)) / "models" / "brought" / "1"


def test_a_harmonised_model_stands_beside_the_one_that_was_not(brought):
    results = json.loads((brought / "results.json").read_text())
    assert [row["method"] for row in results["harmonising"]] == ["none", "combat"]
    plain, harmonised = results["harmonising"]
    assert harmonised["youden"] > plain["youden"] + 0.3, "the locked threshold travels"
    controls = {row["control"]: row for row in results["honesty"]["rows"]}
    assert set(controls) == {"clinical", "centre", "unharmonised"}
    judged = {name for name, row in controls.items() if row["external"] is not None}
    assert judged == set(controls) - {"centre"}, "a centre alone says nothing of a new one"
    assert [row["features"] for row in results["centres"]] == ["raw", "harmonised"]
    page = (brought / "report.html").read_text()
    assert "not for one who comes alone" in page
    assert "adapted to by its own unlabelled cases" in page


def test_the_curve_that_is_drawn_has_the_area_that_is_told(brought):
    results = json.loads((brought / "results.json").read_text())
    for model in results["models"].values():
        x, y = np.array(model["external"]["roc"]).T
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert np.trapezoid(y, x) == pytest.approx(model["external"]["auc"]["estimate"])


def test_the_table_of_patients_is_that_of_the_records(brought, store):
    """Two patients of centre a have no age, all of centre c no sex; nobody has a site."""
    results = json.loads((brought / "results.json").read_text())
    rows = {row["centre"]: row for row in results["table1"]}
    sql = "select * from clinical where centre = '{}'"
    opened = open_radlas(str(store.place))
    for centre, row in rows.items():
        given = opened.query(sql.format(centre))
        ages = given["age_years"].dropna()
        assert row["subjects"] == len(given) == EACH
        assert row["age_median"] == np.median(ages)
        assert row["age_iqr"] == list(np.quantile(ages, [0.25, 0.75]))
        unknown = {"age": EACH - len(ages), "sex": EACH * (centre == "c"), "site": EACH}
        assert (row["unrecorded"], row["sites"]) == (unknown, {})
        assert row["female"] == (None if centre == "c" else sum(given["sex"] == "F"))
    assert rows["a"]["unrecorded"]["age"] == 2


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [([-1.2, 0.3], -1.0, 0.3), ([0.1, 1.4], 0.1, 1.0), ([0.1, 0.2], 0.1, 0.2), (None, None, None)],
)
def test_no_difference_of_two_areas_is_beyond_one(interval, low, high):
    row = {"first": "a", "second": "b", "difference": 0.15, "interval": interval}
    assert of_pair(row) == {"a": "a", "b": "b", "delta": 0.15, "low": low, "high": high}
    told = of_gap({"difference": 0.15, "interval": interval, "note": ""})
    assert told == {"estimate": 0.15, "low": low, "high": high}, "nor of a control or variant"


def test_what_one_variant_lacks_outside_takes_no_validation_away(brought, store):
    results = json.loads((brought / "results.json").read_text())
    (variant,) = (row for row in results["sensitivity"]["variants"] if row["auc"])
    assert variant["name"] == "as_it_comes"
    found = json.loads((brought / "validation.json").read_text())["sensitivity"]["variants"]
    assert "99" in (why := found["variant-too_few"]["missing"])
    said = radlas("validate", "brought", "--store", store.place).out
    assert f"  variant-too_few: {why}\n" in said
    assert "  intratumoral: AUC " in said
    assert "  mixed: AUC " in said
    assert f"  variant-as_it_comes: AUC {variant['auc']['estimate']:.3f} (" in said


def test_a_change_is_told_as_a_protocol_writes_it(study):
    """`excluded = ` and `value = None` stood in the plan and on the page."""
    values = yaml.safe_load(study.read_text())
    values["threshold"] = {"rule": "sensitivity", "value": 0.9}
    values["outcome"] |= {"excluded": ["g2"]}
    values["sensitivity"] = {
        "all": {"outcome": {"excluded": [], "negative": ["low", "g2"]}},
        "best": {"threshold": {"rule": "youden", "value": None}},
        "kept": {"impute_missing_blocks": True},
    }
    assert changes(StudyConfig.parse(values)) == {
        "variant-all": "outcome.excluded = []; outcome.negative = low, g2",
        "variant-best": "threshold.rule = youden; threshold.value = null",
        "variant-kept": "impute_missing_blocks = true",
    }


def test_a_control_that_one_patient_takes_away_outside_is_told_with_the_reason(store, study):
    """What a model must beat may not vanish because of one value that is not there."""
    lone = study.with_name("lone.yaml")
    text = STUDY.partition("sensitivity:")[0].replace("bootstraps: 5", "bootstraps: 0")
    text = text.replace("name: brought", "name: lone").replace("p-1", "r-1")
    lone.write_text(text.replace("[clinical, centre]", "[volume, centre]"))
    at = ("--store", store.place)
    assert radlas("train", lone, "--snapshot", "first", *at).code == 0
    why = f"1 of {EACH} cases have no value of block control-volume-tumour: 1 of centre c"
    assert f"  control-volume: {why}\n" in radlas("validate", "lone", *at).out
    assert radlas("report", "lone", *at).code == 0
    made = Path(str(store.place)) / "models" / "lone" / "1"
    results = json.loads((made / "results.json").read_text())
    rows = {row["control"]: row for row in results["honesty"]["rows"]}
    assert (rows["volume"]["external"], rows["volume"]["note"]) == (None, why)
    assert results["scored"] == 3, "two models, and the one without harmonising"
    told = f'not judged<small class="why">{why}</small>'
    assert told in (made / "report.html").read_text()
    drawn = (made / "figures" / "controls.csv").read_text().splitlines()
    outside = {row.partition(",")[0]: row.rpartition(",")[2] for row in drawn}
    assert (outside["centre"], outside["volume"]) == ("no meaning there", "not judged")


def test_what_stands_beside_a_model_is_told_with_as_many_features_as_it_has(brought):
    results = json.loads((brought / "results.json").read_text())
    rows = {f"control-{one['control']}": one for one in results["honesty"]["rows"]}
    rows |= {f"variant-{one['name']}": one for one in results["sensitivity"]["variants"]}
    assert len(rows) == 5
    for name, row in rows.items():
        model = load(brought / name)
        assert row["features"] == np.count_nonzero(model.signature["feature"] != "(intercept)")


def test_a_patient_has_the_risk_that_validation_gave(brought, store):
    """Adapted to by the same cases of the centre; and who asks for one is told by how many."""
    told = json.loads((brought / "validation.json").read_text())
    risks = {row["case"]: row["risk"] for row in told["models"]["mixed"]["predictions"]}
    for case, risk in list(risks.items())[:2]:
        words = ("predict", "brought", case, "--store", store.place)
        (row,) = radlas(*words, "--json").data["rows"]
        assert row["risk"] == pytest.approx(risk, abs=1e-12)
        assert row["adapted_by"] == len(risks)
        assert f"with the {len(risks)} cases of its centre" in radlas(*words).out


def test_a_new_centre_of_too_few_takes_no_prediction_from_others(brought, store, tmp_path):
    """One patient of a fourth hospital, and nobody of the third was told a risk."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own = open_store(str(tmp_path / "store"))
    now = {"run_id": "r", "recorded_at": datetime.now(UTC)}
    alone = {"case_id": "f" * 32, "centre": "d", "subject_id": "s-d0", **now}
    delta.append(own, "cases", [{**alone, "voxel_digest": "v", "synthetic": False}], run_id="r")
    row = {"feature_set": "p-1", "roi": "tumour", "image_type": "original", "reason": ""}
    values = dict.fromkeys(FEATURES, 1.0)
    delta.append(own, "radiomics", [{**alone, **row, "input_digest": "x", **values}], run_id="r")
    told = json.loads((brought / "validation.json").read_text())
    first = told["models"]["mixed"]["predictions"][0]
    words = ("predict", "brought", first["case"], "f" * 32, "--store", own.place)
    said = radlas(*words, "--json")
    assert said.code == 1, said.err
    assert [row["risk"] for row in said.data["rows"]] == pytest.approx([first["risk"]])
    (refused,) = said.data["refused"]
    assert refused["why"] == "1 row of the new centre d, 5 are needed to adapt to it"
    assert "case ffffffff (d): not predicted, 1 row of the new centre d" in radlas(*words).out
    said = radlas("predict", "brought", "f" * 32, "--store", own.place)
    assert said.code == 2
    assert "nobody can be predicted: ffffffff: 1 row of the new centre d" in said.err


def test_a_plan_says_that_the_external_centre_was_not_extracted(store, study, tmp_path):
    """It was told by `validate`, after an hour of training, and a snapshot is never mended."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own, path = open_store(str(tmp_path / "store")), tmp_path / "study.yaml"
    now = {"run_id": "r", "recorded_at": datetime.now(UTC)}
    for number, grade in enumerate(["high", "low"] * 5):
        who = {"centre": "e", "subject_id": f"s-e{number}", **now}
        case = {"case_id": f"{number:032x}", "voxel_digest": f"v{number}", "synthetic": False}
        delta.append(own, "cases", [{**who, **case}], run_id="r")
        delta.append(own, "clinical", [{**who, "grade": grade, "revision": 1}], run_id="r")
    create_snapshot(own, "wider")
    words = ("train", path, "--store", own.place, "--snapshot", "wider", "--dry-run")
    path.write_text(study.read_text().replace("external_centre: c", "external_centre: e"))
    said = radlas(*words)
    assert said.code == 0, said.err
    assert "  ! 10 of 10 cases of the external centre e without block tumour (p-1): " in said.out
    path.write_text(study.read_text())
    assert "without block" not in radlas(*words).out


def test_who_scores_by_no_network_gets_no_map_and_is_told_why(brought, store, tmp_path):
    """Maps of nothing would be black pictures, each of them the work of a second."""
    kept = brought / "explanation.json"
    before = kept.read_bytes()
    assert json.loads(before)["missing"]["cam"] == "no map was asked for"
    kept.unlink()
    assert f"  no map: {NO_PART}\n" in radlas("explain", "brought", "--store", store.place).out
    assert json.loads(kept.read_text())["missing"]["cam"] == NO_PART
    again = radlas("explain", "brought", "--layer", "layer3", "--store", store.place)
    assert f"  no map: {NO_PART}\n" in again.out, "it said `explained already`, and no more"
    kept.write_bytes(before)
    validated = json.loads((brought / "validation.json").read_text())
    case = validated["models"]["mixed"]["predictions"][0]["case"]
    words = ("predict", "brought", case, "--store", store.place, "--out", tmp_path)
    assert radlas(*words).code == 0
    page = (tmp_path / f"{case[:12]}.html").read_text()
    assert "There is no map: the signature holds no feature of a network" in page


def test_a_gate_warns_or_refuses_as_it_is_told_to(store):
    """A snapshot of too few patients is a study of too few, an hour later."""
    words = ("snapshot", "create", "gated", "--store", store.place, "--min-cases", EACH + 1)
    refused = radlas(*words, "--refuse", "cases_per_centre")
    assert refused.code == 2
    assert f"cases_per_centre (number of cases of a centre): {EACH} at " in refused.err
    assert "gated" not in radlas("snapshot", "list", "--store", store.place).out
    warned = radlas(*words)
    assert warned.code == 0
    assert f"  warning: cases_per_centre (number of cases of a centre): {EACH} at " in warned.out
    assert "'nonsense'" in radlas(*words, "--refuse", "nonsense").err
    enough = ("snapshot", "create", "enough", "--store", store.place, "--min-cases", EACH)
    assert "warning: cases_per_centre" not in radlas(*enough).out


def test_what_readers_do_not_agree_on_is_refused(store, study):
    """Of the training centres: in the external one nobody may look yet."""
    words = ("stability", study, "--store", store.place, "--snapshot", "first")
    said = radlas(*words, "--readers", "r-1,r-2", "--json")
    assert said.code == 0, said.err
    assert (said.data["stable"], said.data["rated"]) == (3, 4)
    mask = load_stable_features(store, said.data["mask"])
    assert mask["refused"] == ["tumour__original__glcm_Contrast"]
    assert mask["parts"][0]["raters"] == ["r-1", "r-2"]
    assert mask["parts"][0]["subjects"] == 2 * EACH
    swapped = radlas(*words, "--readers", "r-2, r-1")
    assert f"r-2, r-1: 2 readers, of {2 * EACH} training subjects" in swapped.out


def test_a_mask_that_says_nothing_of_a_feature_is_refused(store, study, tmp_path):
    """A ROI that was taken up since, or another recipe: nobody knows whether it is stable."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own, masked = open_store(str(tmp_path / "store")), tmp_path / "masked.yaml"
    words = ("--store", own.place, "--snapshot", "first")
    digest = radlas("stability", study, *words, "--readers", "r-1,r-2", "--json").data["mask"]
    mask = load_stable_features(own, digest)
    del mask["parts"][0]["features"]["tumour__original__firstorder_Mean"]
    for found, told in (
        (mask, "says nothing of 1 feature, as tumour__original__firstorder_Mean"),
        (
            {**mask, "refused": [f"tumour__original__{name}" for name in FEATURES]},
            "the mask of stable features refuses every feature of block tumour",
        ),
    ):
        other = save_stable_features(own, found)
        text = study.read_text().replace("bootstraps: 5", f"bootstraps: 5, mask: {other}")
        masked.write_text(text)
        said = radlas("train", masked, *words, "--dry-run")
        assert said.code == 2
        assert told in said.err
    masked.write_text(text.replace(other, digest))
    assert radlas("train", masked, *words, "--dry-run").code == 0


def test_a_mask_of_one_recipe_says_nothing_of_another_with_other_settings(store, study, tmp_path):
    """Of a name alone it would be told: by other bins the same feature is another number."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own, masked = open_store(str(tmp_path / "store")), tmp_path / "masked.yaml"
    recipe = {"table": "radiomics", "versions": {}}
    save_recipe(own, "bins", {**recipe, "settings": {"bin_width": 5.0}})
    save_recipe(own, "drawn", {**recipe, "settings": {"reader": "r2", "rings": [[0, 10]]}})
    rows = delta.read(own, "radiomics").to_pylist()
    for name in ("bins", "drawn"):
        again = [{**row, "feature_set": name} for row in rows if row["feature_set"] == "p-1"]
        delta.append(own, "radiomics", again, run_id="r")
    create_snapshot(own, "bins")
    words = ("--store", own.place, "--snapshot", "bins")
    digest = radlas("stability", study, *words, "--readers", "r-1,r-2", "--json").data["mask"]
    text = study.read_text().replace("bootstraps: 5", f"bootstraps: 5, mask: {digest}")
    masked.write_text(text.replace("p-1", "bins"))
    said = radlas("train", masked, *words, "--dry-run")
    assert said.code == 2
    assert "says nothing of 3 features, as tumour__original__firstorder_Entropy of bins" in said.err
    masked.write_text(text.replace("p-1", "drawn"))
    assert radlas("train", masked, *words, "--dry-run").code == 0, "another reader, the same bins"
    said = radlas("stability", study, *words, "--readers", "r-1,bins")
    assert said.code == 2
    assert "r-1 and bins differ in more than who drew" in said.err
    changed = "sensitivity:\n  bins: {blocks: {tumour: {feature_set: bins}}}"
    masked.write_text(text.replace("sensitivity:", changed))
    said = radlas("train", masked, *words, "--json")
    assert said.code == 0, said.err
    assert "variant-bins" in said.data["sensitivity"], "its one change is just that"


def test_of_two_recipes_each_is_rated_in_what_the_study_takes_from_it(store, study, tmp_path):
    """Both describe the tumour and the edema; a feature's name tells not whose number it is."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own, both, rng = (
        open_store(str(tmp_path / "store")),
        tmp_path / "both.yaml",
        np.random.default_rng(1),
    )
    rows = [row for row in delta.read(own, "radiomics").to_pylist() if row["feature_set"] == "p-1"]
    rough = {("x-1", "edema"), ("x-2", "tumour")}  # of a copy nothing is left there
    for name in ("x-1", "x-2"):
        save_recipe(
            own, name, {"table": "radiomics", "versions": {}, "settings": {"bin_width": name}}
        )
        copies = [
            {**row, "feature_set": name, "roi": roi, "perturbation": change}
            | {one: rng.normal() for one in FEATURES if change and (name, roi) in rough}
            for row in rows
            for roi in ("tumour", "edema")
            for change in ("", "noise")
        ]
        delta.append(own, "radiomics", copies, run_id="r")
    create_snapshot(own, "two")
    text = study.read_text().replace("  tumour: {roi: tumour, feature_set: p-1}\n", BLOCKS)
    both.write_text(text.replace("[tumour]", "[tumour, edema]"))
    said = radlas("stability", both, "--store", own.place, "--snapshot", "two", "--json")
    assert said.code == 0, said.err
    assert (said.data["stable"], said.data["rated"]) == (8, 8), "each where it is not rough"
    first, second = load_stable_features(own, said.data["mask"])["parts"]
    assert {name.split("__")[0] for name in first["features"]} == {"tumour"}
    assert {name.split("__")[0] for name in second["features"]} == {"edema"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"reader": "r1"}, ()),
        ({"reader": "r2"}, ("tumour of reader r2 touches the border of the image",)),
        ({"reader": None}, ("tumour of reader r2 touches the border of the image",)),
    ],
)
def test_a_study_is_remarked_on_by_the_masks_that_its_recipe_takes(
    store, study, tmp_path, settings, told
):
    """A patient whom another reader drew oddly is none about whom this study has a doubt."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own = open_store(str(tmp_path / "store"))
    save_recipe(own, "named", {"table": "radiomics", "versions": {}, "settings": settings})
    rows = [row for row in delta.read(own, "radiomics").to_pylist() if row["feature_set"] == "p-1"]
    delta.append(own, "radiomics", [{**row, "feature_set": "named"} for row in rows], run_id="r")
    case = next(row for row in rows if row["centre"] == "c")
    drawn = {name: case[name] for name in ("case_id", "centre", "subject_id", "recorded_at")}
    drawn |= {"roi": "tumour", "feature_set": "", "components": 1, "slices": 5, "voxels": 900}
    masks = [{**drawn, "reader": name, "touches_border": name == "r2"} for name in ("r1", "r2")]
    delta.append(own, "rois", masks, run_id="r")
    create_snapshot(own, "drawn")
    protocol = study.with_name("named.yaml")
    protocol.write_text(study.read_text().replace("p-1", "named"))
    asked = [case["case_id"]]
    found = remarks(own, load_snapshot(own, "drawn"), StudyConfig.read(protocol), asked)
    assert list(found) == asked, "of a hundred thousand cases a study asks of a few"
    assert tuple(one.text for one in found[case["case_id"]]) == told


def test_readers_are_compared_by_as_many_subjects_as_all_of_them_drew(store, study):
    words = ("stability", study, "--store", store.place, "--snapshot", "first")
    said = radlas(*words, "--readers", "r-1,r-3")
    assert f"r-1, r-3: 2 readers, of {EACH} training subjects" in said.out


@pytest.mark.parametrize(
    ("readers", "message"),
    [
        ("r-1", "one reader cannot be compared"),
        ("r-1,r-1", "one reader cannot be compared"),
        ("r-1,r-2,r-1", "a reader is named twice"),
        ("r-1,r-4", "no feature set r-4 in the snapshot"),
    ],
)
def test_readers_who_cannot_be_compared_are_refused(store, study, readers, message):
    words = ("stability", study, "--store", store.place, "--snapshot", "first")
    said = radlas(*words, "--readers", readers)
    assert said.code == 2
    assert message in said.err


def test_no_mask_is_made_of_a_centre_that_is_not_there(store, study, tmp_path):
    """Else half of the patients, or none, would be said to be those of the study."""
    other = tmp_path / "study.yaml"
    other.write_text(
        study.read_text().replace("training_centres: [a, b]", "training_centres: [a, B]")
    )
    words = ("--store", store.place, "--snapshot", "first", "--readers", "r-1,r-2")
    said = radlas("stability", other, *words)
    assert said.code == 2
    assert "no case of centre B" in said.err
    assert "its centres: a, b, c" in said.err


def test_two_exams_of_a_patient_are_not_rated_as_two_subjects(store, study, tmp_path):
    shutil.copytree(str(store.place), tmp_path / "store")
    own = open_store(str(tmp_path / "store"))
    now = {"run_id": "r", "recorded_at": datetime.now(UTC)}
    again = {"case_id": "f" * 32, "centre": "a", "subject_id": "s-a0", "voxel_digest": "v"}
    delta.append(own, "cases", [{**again, **now, "synthetic": False}], run_id="r")
    create_snapshot(own, "twice")
    words = ("--store", own.place, "--snapshot", "twice", "--readers", "r-1,r-2")
    said = radlas("stability", study, *words)
    assert said.code == 2
    assert "several cases of 1 subject" in said.err


def test_one_patient_under_two_names_is_known_by_an_exam_that_the_snapshot_left_out(
    store, study, brought, tmp_path
):
    """Of each another exam was chosen; the one that both have is in the store."""
    shutil.copytree(str(store.place), tmp_path / "store")
    own = open_store(str(tmp_path / "store"))
    now = {"run_id": "r", "recorded_at": datetime.now(UTC), "synthetic": False}
    assert trained_on(own, "c", "brought@1") == []
    once = {**now, "case_id": "e" * 32, "centre": "a", "subject_id": "s-a0", "voxel_digest": "v"}
    between = {**once, "case_id": "d" * 32, "centre": "d", "subject_id": "s-d0"}
    second = {**between, "case_id": "b" * 32, "voxel_digest": "w"}
    again = {**second, "case_id": "f" * 32, "centre": "c", "subject_id": "s-c0"}
    delta.append(own, "cases", [once, between], run_id="r")
    words = ("train", study, "--store", own.place, "--snapshot", "first", "--dry-run")
    assert radlas(*words).code == 0, "a third name, of whom the snapshot has nothing"
    delta.append(own, "cases", [second, again], run_id="r")
    said = radlas(*words)
    assert said.code == 2
    assert "2 cases are of subjects who share an image in other exams: " in said.err
    delta.append(own, "cases", [{**once, "case_id": "9" * 32, "voxel_digest": "w"}], run_id="r")
    assert "brought@1" in trained_on(own, "c", "brought@1")


@pytest.mark.parametrize(
    ("card", "looks", "others", "told"),
    [
        ({}, 1, (), None),
        ({"pretraining": ["  the network saw 3 of them"]}, 1, (), "The network saw 3 of them."),
        ({}, 2, (), "looked at 2 times; it is no longer untouched"),
        ({}, 1, ("m@1",), "Patients of the external centre were training patients of m@1"),
    ],
)
def test_the_limits_of_a_study_are_those_that_it_has(study, card, looks, others, told):
    cohort = {"classes": [{"role": "external", "positive": 4, "negative": 3}]}
    shown = {"shap": {"model": "m"}, "cam": {"model": "m"}}
    made = {"feature_sets": ["pyradiomics-1a2b"], **card}
    found = limits(StudyConfig.read(study), made, cohort, looks, others, explained=shown)
    assert "One external centre with 7 labelled subjects" in found[0]
    assert len(found) == 3 + bool(told)
    assert told is None or told in found[-1]


def test_a_control_that_cannot_be_fitted_is_told_and_a_model_ends_the_run():
    def ended(model, error):
        task = TrainTask("s", "x@1", None, model, Part(), {})
        return Done(task, result=None if error else model, error=error)

    wrong, lost = StudyError("no column varies"), WorkerError("it crashed")
    done = [ended("m", None), ended("control-volume", wrong), ended("variant-z", None)]
    assert _gathered(iter(done)) == (
        {"m": ["m"], "variant-z": ["variant-z"]},
        {"control-volume": "no column varies"},
    )
    for one in (ended("m", wrong), ended("control-volume", lost)):
        with pytest.raises(type(one.error), match=one.error.what):
            _gathered(iter([*done, one]))


def test_no_worker_of_other_libraries_fits_a_part_of_a_model(store, study):
    """A version says by which libraries it was made, and its key that they make it again."""
    new = study.with_name("elsewhere.yaml")
    new.write_text(STUDY.replace("name: brought", "name: elsewhere"))
    task = plan(TrainConfig(store=str(store.place), study=new, snapshot="first")).tasks[0]
    here = task.fitted_by["scikit-learn"]
    done = measure(work, replace(task, fitted_by={**task.fitted_by, "scikit-learn": "0.1"}))
    assert done.error.reason == "other_software"
    assert (
        done.error.what
        == f"this worker would make different models: it has scikit-learn {here} instead of 0.1"
    )
