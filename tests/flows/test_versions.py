"""The registry as a person sees it: versions are listed, shown, promoted and taken back."""

from __future__ import annotations

import shutil

import pytest

from radlas.store.layout import open_store
from radlas.store.models import VALIDATION, keep_beside, publish, read_beside, read_card

from .conftest import radlas


@pytest.fixture
def own_store(own_store):
    """The study's store with its first version alone."""
    for path in (own_store / "models" / "tiny").glob("[2-9]*"):
        shutil.rmtree(path)
    return own_store


def another_version(path, *, validated: bool) -> None:
    """Version 2 of the study, with the figures of the first."""
    store = open_store(path)
    publish(store, "tiny", {**read_card(store, "tiny", 1), "key": "another"}, lambda folder: None)
    if validated:
        keep_beside(store, "tiny", 2, VALIDATION, read_beside(store, "tiny", 1, VALIDATION))


def test_versions_are_listed_newest_first_with_their_figures_and_warnings(own_store):
    another_version(own_store, validated=False)
    here = ("--store", own_store)
    listed = radlas("model", "list", *here, "--json").data["models"]
    new, old = [one for one in listed if one["model"] == "tiny"]
    assert (new["version"], old["version"]) == (2, 1)
    result = read_beside(open_store(own_store), "tiny", 1, VALIDATION)
    assert old["external"]["auc"] == result["models"]["dlr"]["auc"]["auc"]
    assert new["external"] is None
    said = radlas("model", "list", *here).out
    assert said.index("tiny@2") < said.index("tiny@1")
    assert "not validated" in said
    for warning in ("random weights: a null model", "it says nothing of patients"):  # Law 9
        assert said.count(warning) == len(listed)


def test_a_version_is_shown_with_what_made_it_and_all_its_models(study_store):
    said = radlas("model", "show", "tiny@1", "--store", study_store)
    assert said.code == 0, said.err
    for told in ("snapshot first@1", "intra-peritumoral: out of fold AUC", "look 1 at centre-c"):
        assert told in said.out
    data = radlas("model", "show", "tiny@1", "--store", study_store, "--json").data
    assert set(data["aucs"]) == {"intratumoral", "intra-peritumoral", "dlr"}
    assert data["champions"] == []


def test_the_page_of_a_version_is_named_where_there_is_one(own_store):
    words, page = ("model", "show", "tiny@1", "--store", own_store), "models/tiny/1/report.html"
    assert f"  report: {own_store}/{page}\n" in radlas(*words).out
    (own_store / page).unlink()
    assert "report:" not in radlas(*words).out


def test_a_champion_is_made_and_taken_back_and_the_reasons_stay(own_store, study_file, tmp_path):
    here = ("--store", own_store)
    config = tmp_path / "retrain.yaml"
    config.write_text(f"store: {own_store}\nstudy: {study_file}\nsnapshot: first\n")
    round_ = ("retrain", config, "--once", "--engine", "serial")
    assert "tiny@1 stands: there was no champion" in radlas(*round_).out
    another_version(own_store, validated=True)
    said = radlas("model", "promote", "tiny@2", *here, "--why", "newer scanner software")
    assert said.code == 0, said.err
    assert "tiny@2 is the champion; before: tiny@1" in said.out
    assert "a null model" in said.out
    back = radlas("model", "promote", "tiny@1", *here, "--why", "2 read masks mirrored", "--json")
    assert (back.data["champion"], back.data["champion_before"]) == (True, 2)
    assert "tiny@1 stands: 2 read masks mirrored" in radlas(*round_).out
    shown = radlas("model", "show", "tiny@champion", *here, "--json").data
    assert shown["version"] == 1
    assert [entry["version"] for entry in shown["champions"]] == [1, 2, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tiny@2", "--why", "why not"), "tiny@2 was never judged on centre-c"),
        (("tiny@2", "--why", " "), "no reason is given"),
        (("tiny@7", "--why", "x"), "its versions: 1, 2; none was promoted yet"),
        (("huge", "--why", "x"), "there are: tiny"),
    ],
)
def test_what_cannot_be_champion_is_refused(own_store, words, message):
    another_version(own_store, validated=False)
    said = radlas("model", "promote", *words, "--store", own_store)
    assert said.code == 2
    assert message in said.err
    assert radlas("model", "show", "tiny", "--store", own_store, "--json").data["champions"] == []


def test_a_champion_is_not_promoted_again(own_store):
    words = ("model", "promote", "tiny@1", "--why", "the only one", "--store", own_store)
    assert radlas(*words).code == 0
    assert "tiny@1 is the champion already" in radlas(*words).err


def test_a_store_without_models_says_what_makes_one(tmp_path):
    store = tmp_path / "empty"
    radlas("init", store)
    assert "no model yet: radlas train" in radlas("model", "list", "--store", store).out
