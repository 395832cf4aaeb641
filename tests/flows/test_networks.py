"""Who a network has seen is found out, however its weights were carried around."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from radlas.errors import StudyError
from radlas.flows.cases.pretraining import PretrainConfig, all_exams, first_cases
from radlas.flows.pages.evidence_origin import banners
from radlas.flows.pretrain import _figures, _note, _same_run
from radlas.flows.study.controls import find_controls
from radlas.flows.study.networks import check_pretraining, network_warnings, null_sets
from radlas.learn.study import StudyConfig
from radlas.store import delta
from radlas.store.layout import init_store
from radlas.store.pretraining import note_pretraining
from radlas.store.recipes import save_recipe
from radlas.store.travel import export, merge

from .conftest import STUDY as STUDY_FILE

STUDY = SimpleNamespace(name="tiny", external_centre="centre-c")
PEOPLE = pd.DataFrame(
    {
        "subject_id": ["a1", "a2", "c1"],
        "centre": ["centre-a", "centre-a", "centre-c"],
        "voxel_digest": ["1" * 64, "2" * 64, None],
    }
)
SEEN = {"subjects": ["a1"], "images": ["1" * 16], "centres": ["centre-a"]}


@pytest.fixture
def store(tmp_path):
    return init_store(tmp_path / "store")


def asked(store, *, provenance=None, weights="f" * 64, people=PEOPLE):
    recipe = {"table": "deep", "versions": {"weights": weights}}
    save_recipe(store, "net", recipe | ({"provenance": provenance} if provenance else {}))
    return check_pretraining(store, ["net"], people, STUDY)


def test_a_network_of_training_patients_is_told_and_one_of_nobody_here_is_not(store):
    (line,) = asked(store, provenance=SEEN)
    assert "on images of 1 of the training subjects" in line


def test_a_file_of_somebody_elses_says_nothing(store):
    assert asked(store, provenance={"source": "resnet_18.pth"}) == []


def test_an_external_patient_is_known_by_the_pseudonym(store):
    with pytest.raises(
        StudyError, match=r"the external centre centre-c \(subjects of the study: 1\)"
    ):
        asked(store, provenance={**SEEN, "subjects": ["c1"]})


def test_a_file_saved_again_without_its_note_is_known_by_its_values(store):
    note_pretraining(store, "f" * 64, {**SEEN, "subjects": ["c1"]})
    with pytest.raises(StudyError, match="external centre"):
        asked(store, provenance={"source": "again.pth"})


def test_a_file_saved_again_in_lower_precision_is_known_by_what_both_have_in_common(store):
    note = {**SEEN, "subjects": ["c1"], "untrained": True, "recast": ["h" * 64, "b" * 64]}
    note_pretraining(store, "f" * 64, note)
    again = {"source": "half.pth", "recast": ["h" * 64, "d" * 64]}
    with pytest.raises(StudyError, match="external centre"):
        asked(store, weights="e" * 64, provenance=again)
    assert "taught it next to nothing" in network_warnings(store, ["net"])[0]


def test_a_network_that_saw_the_external_centre_is_refused_where_its_features_were_merged(
    store, tmp_path
):
    """Its file says nothing; the site that made it knew."""
    asked(store, provenance={"source": "again.pth"})
    note_pretraining(store, "f" * 64, {**SEEN, "subjects": ["c1"], "untrained": True})
    case = {"case_id": "c", "centre": "centre-c", "subject_id": "c1"}
    delta.append(store, "cases", [case | {"voxel_digest": "v"}], run_id="r")
    row = case | {"feature_set": "net", "roi": "whole", "layer": "layer4", "vector": [1.0]}
    delta.append(store, "deep", [row | {"reason": "", "input_digest": "x"}], run_id="r")
    export(store, tmp_path / "out.zip")
    there = init_store(tmp_path / "there")
    merge(there, tmp_path / "out.zip")
    with pytest.raises(StudyError, match="external centre"):
        check_pretraining(there, ["net"], PEOPLE, STUDY)
    assert null_sets(there, ["net"]) == ["net"]


def test_in_a_store_of_other_pseudonyms_an_image_is_known_by_its_voxels(store):
    people = PEOPLE.assign(voxel_digest=["3" * 64, "2" * 64, "1" * 64])
    with pytest.raises(StudyError, match="external centre"):
        asked(store, provenance=SEEN | {"subjects": ["elsewhere"]}, people=people)


def test_where_pseudonym_and_voxels_differ_the_centres_name_is_enough(store):
    with pytest.raises(StudyError, match=r"external centre centre-c \(known by its name\)"):
        asked(store, provenance=SEEN | {"centres": ["centre-a", "centre-c"]})


@pytest.mark.parametrize(
    ("weights", "provenance", "said"),
    [
        ("random", None, "random weights"),
        ("f" * 64, {**SEEN, "untrained": True}, "taught it next to nothing"),
        ("f" * 64, {**SEEN, "untrained": False}, ""),
    ],
)
def test_a_network_that_learned_nothing_is_a_null_model(store, weights, provenance, said):
    asked(store, provenance=provenance, weights=weights)
    assert null_sets(store, ["net"]) == (["net"] if said else [])
    assert all(said in line and "a null model" in line for line in network_warnings(store, ["net"]))


def test_a_network_of_synthetic_images_is_told(store):
    asked(store, provenance={**SEEN, "synthetic": True})
    assert "trained on synthetic images" in network_warnings(store, ["net"])[0]


@pytest.mark.parametrize(
    ("patients", "images", "weights", "kinds"),
    [
        (False, False, "f" * 64, []),
        (False, True, "f" * 64, ["other"]),
        (True, True, "f" * 64, ["synthetic"]),
        (True, False, "random", ["synthetic", "random_weights"]),
    ],
)
def test_a_report_opens_with_what_is_not_real(store, patients, images, weights, kinds):
    """Synthetic images go without saying where the whole cohort is."""
    asked(store, provenance={**SEEN, "synthetic": images}, weights=weights)
    found = banners(store, {"synthetic": patients, "feature_sets": ["net"]})
    assert [one["kind"] for one in found] == kinds
    assert {one["level"] for one in found} <= {"danger"}


@pytest.mark.parametrize(
    ("found", "untaught", "untrained"),
    [(0.9, 0.3, False), (0.9, 0.9, True), (0.5, 0.45, True), (0.3, 0.0, True)],
    ids=["trained", "stood still", "within the doubt", "no better than chance"],
)
def test_training_finds_more_than_random_weights_and_than_chance(found, untaught, untrained):
    """Random weights find the like of many crops: a rate of 1e-30 is no training."""
    last = [(1.0, found)] * 10
    assert _figures(last, batch=3, untaught=untaught)["untrained"] is untrained


@pytest.fixture
def config(store, tmp_path):
    """Two exams of one patient; the network is shown the first."""
    patient = {"centre": "centre-a", "subject_id": "a1", "synthetic": False}
    rows = [
        patient | {"case_id": case, "voxel_digest": digit * 64}
        for case, digit in (("c1", "1"), ("c2", "2"))
    ]
    delta.append(store, "cases", rows, run_id="r")
    values = {"store": str(store.place), "out": str(tmp_path / "own.safetensors")}
    return PretrainConfig.parse(values | {"centres": ["centre-a"]})


def test_a_patient_who_was_seen_is_known_by_any_exam(store, config):
    """Where the pseudonym is another, the second exam's image is all that is left."""
    shown = first_cases(store, config)
    assert [case["case_id"] for case in shown] == ["c1"]
    note = _note(config, all_exams(store, shown))
    assert (note["subjects"], note["images"]) == (["a1"], ["1" * 16, "2" * 16])


def test_a_kill_while_a_run_is_noted_down_leaves_no_half_of_it(
    store, config, tmp_path, monkeypatch
):
    def killed(path, text):
        path.write_bytes(text[:9].encode())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            _same_run(tmp_path, config, first_cases(store, config))
    for _ in range(2):
        _same_run(tmp_path, config, first_cases(store, config))


SIGHT = {"variant": "medicalnet", "size": [48, 224, 224], "regions": ["whole"], "seed": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 7}, ""),
        ({"size": [16, 32, 32]}, "settings of net: size differ"),
        ({"variant": "monai", "axes": "acquisition"}, "settings of net: axes, variant differ"),
        ({"methods": "1"}, "settings of net: methods differ"),  # of an older radlas
        (None, "no deep features with random weights and the settings of net"),
    ],
)
def test_the_untrained_control_sees_what_the_network_sees(store, change, said):
    """Else the two would differ by more than by having learned."""
    net = {"table": "deep", "settings": SIGHT}
    save_recipe(store, "net", net | {"versions": {"weights": "f" * 64, "methods": "3"}})
    changed = SIGHT | (change or {})
    versions = {"weights": "random", "methods": changed.pop("methods", "3")}
    save_recipe(store, "control", net | {"settings": changed, "versions": versions})
    available = ["net", "control"] if change is not None else ["net"]
    values = yaml.safe_load(STUDY_FILE) | {"models": {"dlr": ["deep"]}, "sensitivity": {}}
    study = StudyConfig.parse(values | {"controls": ["random_weights"]})
    found = find_controls(store, available, study)
    assert said in found.missing.get("random_weights", "")
    assert bool(said) == bool(found.missing)
    if not said:
        taken = found.study.blocks["control-random_weights-deep"].feature_set
        assert taken == "control"
