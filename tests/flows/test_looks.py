"""A holdout wears out: looks at the same patients are counted whatever hides that they are."""

from __future__ import annotations

import errno
import json
import os
import re

import pytest

from .conftest import radlas

SMALL = {
    "controls: .*": "controls: []",
    "sensitivity:\n.*\n.*\n": "",
    "bootstraps: 6": "bootstraps: 0",
    r"  intra-peritumoral: .*\n  dlr: .*\n": "",
    "primary: dlr": "primary: intratumoral",
}


@pytest.fixture
def trained(own_store, study_file, tmp_path):
    """Train a light study by another name, with some of its lines changed."""

    def make(name: str, snapshot: str = "first", **changes: str) -> None:
        text = study_file.read_text().replace("name: tiny", f"name: {name}")
        for pattern, words in SMALL.items():
            text = re.sub(pattern, words, text)
        for key, value in changes.items():
            text = re.sub(f"{key}: .*", value and f"{key}: {value}", text)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        said = radlas(
            "train", path, "--store", own_store, "--snapshot", snapshot, "--engine", "serial"
        )
        assert said.code == 0, said.err

    return make


def test_looks_are_counted_though_their_list_was_lost(own_store, trained):
    """Validations that stand beside models are looks too."""
    (own_store / "models" / "looks.json").unlink()
    trained("other")
    assert radlas("validate", "other", "--store", own_store, "--json").data["look"] == 2
    looks = json.loads((own_store / "models" / "looks.json").read_text())["looks"]
    assert [one["model"] for one in looks] == ["tiny@1", "other@1"]


def test_the_same_patients_under_another_centres_name_are_no_new_patients(
    own_store, cohort, recipe, trained
):
    here = ("--store", own_store)
    again = ("--centre", "centre-d", "--importer", "nifti", "--engine", "serial")
    assert radlas("ingest", cohort / "centre-c", *here, *again).code == 0
    assert radlas("extract", *here, "--config", recipe, "--engine", "serial").code == 0
    chosen = "select case_id from cases where centre <> 'centre-c'"
    assert radlas("snapshot", "create", "renamed", *here, "--cohort", chosen).code == 0
    trained("other", "renamed", external_centre="centre-d")
    assert radlas("validate", "other", *here, "--json").data["look"] == 2


def test_who_was_trained_on_the_external_patients_is_told(own_store, trained):
    """A model that leaves their centre out is judged on it, and that is no look."""
    here = ("--store", own_store)
    trained("peek", external_centre="", training_centres="[centre-a, centre-b, centre-c]")
    trained("other")
    said = radlas("validate", "other", *here)
    assert "!! patients of centre-c were training patients of peek@1" in said.out
    assert radlas("report", "other", *here).code == 0
    results = json.loads((own_store / "models" / "other" / "1" / "results.json").read_text())
    assert "training patients of peek@1" in " ".join(results["limits"])


def test_a_card_that_no_longer_parses_keeps_no_other_version_from_being_judged(own_store, trained):
    """Whom it was fitted on is told all the same, those of its sensitivity analyses too."""
    trained("other")
    card = own_store / "models" / "tiny" / "1" / "version.json"
    old = json.loads(card.read_text())
    old["study"]["of_earlier_days"] = 1
    wider = {"training_centres": ["centre-a", "centre-c"], "unknown_since": 1}
    old["study"]["sensitivity"] = {"wider": wider}
    card.write_text(json.dumps(old))
    said = radlas("validate", "other", "--store", own_store)
    assert said.code == 0, said.err
    assert "!! patients of centre-c were training patients of tiny@1" in said.out


def test_a_centre_that_nobody_else_used_is_told_of_nobody(study_store):
    """Training centres of the same study are not those it is judged on."""
    stored = json.loads((study_store / "models" / "tiny" / "1" / "validation.json").read_text())
    assert (stored["look"], stored["trained_on"]) == (1, [])


def test_a_look_that_was_interrupted_before_anybody_saw_it_is_counted_once(own_store, trained):
    """Nor is it lost: whoever looks in between is the second."""
    here, looks = ("--store", own_store, "--json"), own_store / "models" / "looks.json"
    (own_store / "models" / "tiny" / "1" / "validation.json").unlink()
    looks.unlink()
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("radlas.flows.validate.keep_beside", _full)
            assert radlas("validate", "tiny", *here).code == 2
    trained("other")
    assert radlas("validate", "other", *here).data["look"] == 2
    assert radlas("validate", "tiny", *here).data["look"] == 1
    assert len(json.loads(looks.read_text())["looks"]) == 2


def test_another_version_of_the_same_number_is_another_look(own_store):
    """One that was trained after the first was removed."""
    version = own_store / "models" / "tiny" / "1"
    card = json.loads((version / "version.json").read_text())
    (version / "version.json").write_text(json.dumps(card | {"key": "of another snapshot"}))
    (version / "validation.json").unlink()
    assert radlas("validate", "tiny", "--store", own_store, "--json").data["look"] == 2


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
