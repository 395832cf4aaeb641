"""One small synthetic study, made once through the command line, shared by the flow tests."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from radlas.cli import app

EXTRACT = """
extractors:
  radiomics:
    feature_classes: [shape, firstorder, glcm]
    in_plane_spacing: 1.5
    rois: [tumour]
    rings: [[0, 10]]
  deep: {size: [16, 48, 48], seed: 0}
"""

STUDY = """
name: tiny
outcome:
  positive: [high, g3]
  negative: [low, g1, g2, intermediate]
  excluded: [missing]
blocks:
  tumour: {roi: tumour}
  ring: {roi: ring_0_10}
  deep: {deep: true}
models:
  intratumoral: [tumour]
  intra-peritumoral: [tumour, ring]
  dlr: [tumour, ring, deep]
primary: dlr
training_centres: [centre-a, centre-b]
external_centre: centre-c
splits: {folds: 2, inner_folds: 2}
selection: {rfe_features: [5], c: [0.2, 1.0], one_standard_error: false}
stability: {bootstraps: 6}
controls: [volume, permuted, random_weights, shuffled]
sensitivity:
  no_deep_features: {models: {dlr: [tumour, ring]}}
  three_folds_of_few: {splits: {folds: 99}}
subgroups: {age_years: [60], sex: null, site_group: null}
minimum_per_class: 2
"""

SOURCES = {"centre-a": "tcia-sts", "centre-b": "dicom", "centre-c": "nifti"}


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def radlas(*words: object) -> Said:
    """Run the command line in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return Said(result.exit_code, result.stdout, result.stderr)


def ingest_all(cohort: Path, store: Path, engine: str = "serial") -> None:
    """A new store with the three centres of a cohort."""
    assert radlas("init", store, "--key", cohort / "site.key").code == 0
    for centre, importer in SOURCES.items():
        options = ("--store", store, "--centre", centre, "--importer", importer)
        said = radlas("ingest", cohort / centre, *options, "--engine", engine)
        assert said.code == 0, said.out + said.err


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    """Eighteen synthetic subjects in three centres."""
    out = tmp_path_factory.mktemp("phantom") / "cohort"
    assert radlas("phantom", out, "--subjects", 18).code == 0
    return out


@pytest.fixture(scope="session")
def recipe(tmp_path_factory) -> Path:
    """A light extraction recipe that needs no store of its own."""
    path = tmp_path_factory.mktemp("jobs") / "extract.yaml"
    path.write_text(EXTRACT)
    return path


@pytest.fixture(scope="session")
def study_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("jobs") / "study.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="session")
def study_store(cohort, recipe, study_file, tmp_path_factory) -> Path:
    """A store in which the whole study was run, through the verbs of the command line."""
    store = tmp_path_factory.mktemp("study") / "store"
    ingest_all(cohort, store)
    here = ("--store", store)
    for words in (
        ("extract", *here, "--config", recipe, "--engine", "serial"),
        ("snapshot", "create", "first", *here),
        ("train", study_file, *here, "--snapshot", "first", "--engine", "serial"),
        ("validate", "tiny", *here),
        ("explain", "tiny", *here, "--maps", 2, "--engine", "serial"),
        ("report", "tiny", *here),
    ):
        said = radlas(*words)
        assert said.code == 0, f"{words}\n{said.out}{said.err}"
    return store


@pytest.fixture
def own_store(study_store, tmp_path) -> Path:
    """A copy of the study's store, for tests that change it."""
    copy = tmp_path / "own"
    shutil.copytree(study_store, copy)
    shutil.copy(f"{study_store}.key", f"{copy}.key")
    return copy


@pytest.fixture
def config(own_store, study_file, tmp_path) -> Path:
    """What `retrain` and `schedule` are told of a round."""
    path = tmp_path / "retrain.yaml"
    path.write_text(f"store: {own_store}\nstudy: {study_file}\nsnapshot: first\n")
    return path
