from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from skops import io
from skops.io._trusted_types import SKLEARN_ESTIMATOR_TYPE_NAMES

from radlas.digests import canonical_json, file_digest
from radlas.errors import StoreError
from radlas.learn.persist import MANIFEST, TABLES, load, save


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory) -> Path:
    return save(fitted, tmp_path_factory.mktemp("models") / "dlr" / "1")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_loaded_model_is_the_saved_one(folder, fitted, external):
    again = load(folder)
    assert again.digest() == fitted.digest()
    assert again.threshold == fitted.threshold
    assert again.columns == fitted.columns
    assert again.risk(external.X).equals(fitted.risk(external.X))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(fitted, name), check_exact=True)


@pytest.mark.parametrize(
    "name",
    ["pipeline.skops", "model.json", "signature.csv", "oof.csv", "folds.csv", "files.json"],
)
def test_a_changed_byte_is_noticed(copy: Path, name: str):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(StoreError):
        load(copy)


def test_an_absent_file_is_named(copy: Path):
    (copy / "signature.csv").unlink()
    with pytest.raises(StoreError, match=r"signature\.csv is absent"):
        load(copy)


def test_another_pipeline_under_a_renewed_manifest_is_noticed(copy: Path):
    """The digest of the parameters still names the old model."""
    pipeline = load(copy).pipeline
    pipeline["lasso"].coef_[0, 0] += 0.5
    io.dump(pipeline, copy / "pipeline.skops")
    renew(copy)
    with pytest.raises(StoreError, match="not the one the digest names"):
        load(copy)


def altered(copy: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """A table written anew, as if the model had been saved with it."""
    path = copy / f"{name}.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    renew(copy)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("signature", lambda table: table.replace({"scale": table["scale"][0]}, 2.0), "not of its"),
        ("signature", lambda table: table.replace({"feature": table["feature"][0]}, "a"), "not of"),
        ("signature", lambda table: table.drop(columns="median"), "lacks the column median"),
        ("oof", lambda table: table.iloc[:0], "no fold is told"),
    ],
)
def test_a_table_that_the_digest_says_nothing_of_is_held_to_the_pipeline(copy, name, change, told):
    """Pages show them: another weight beside the same risks would be believed."""
    altered(copy, name, change)
    with pytest.raises(StoreError, match=told):
        load(copy)


def test_a_model_that_tells_no_fold_is_damaged_though_its_digest_is_its_own(fitted, tmp_path):
    folder = save(replace(fitted, folds=fitted.folds.iloc[:0]), tmp_path / "model")
    with pytest.raises(StoreError, match="no fold is told"):
        load(folder)


def test_a_manifest_that_is_gone_or_says_the_same_in_other_bytes_is_told(copy: Path):
    path = copy / MANIFEST
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=f"{MANIFEST} was changed"):
        load(copy)
    path.unlink()
    with pytest.raises(StoreError, match=f"no readable {MANIFEST}"):
        load(copy)


def test_a_type_that_was_not_reviewed_is_refused_before_it_is_built(copy: Path):
    io.dump(Path("/"), copy / "pipeline.skops")
    renew(copy)
    with pytest.raises(StoreError, match="types that were not reviewed"):
        load(copy)


def test_a_model_is_never_overwritten(folder, fitted):
    with pytest.raises(StoreError, match="the folder exists"):
        save(fitted, folder)


def test_nothing_but_the_pipelines_archive_differs_between_two_saves(folder, fitted, tmp_path):
    other = save(fitted, tmp_path / "again")
    for path in folder.iterdir():
        if path.suffix != ".skops" and path.name != MANIFEST:
            assert path.read_bytes() == (other / path.name).read_bytes()


def test_a_failed_save_leaves_nothing_behind(fitted, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(io, "dump", fail)
    with pytest.raises(OSError, match="disk full"):
        save(fitted, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_facts_say_how_the_model_did_out_of_fold(folder, fitted):
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert facts["parameters"] == fitted.parameters
    assert facts["internal"]["folds"]["mean"] == pytest.approx(fitted.folds["auc"].mean())


def renew(folder: Path) -> None:
    digests = {path.name: file_digest(path) for path in folder.iterdir() if path.name != MANIFEST}
    (folder / MANIFEST).write_text(canonical_json(digests) + "\n", encoding="utf-8")


def test_to_read_a_model_loads_no_torch_and_trusts_what_skops_does():
    """It takes as long as all else that a prediction loads, and a model's file holds none of it."""
    code = (
        "import sys\n"
        "from radlas.learn.persist import _skops\n"
        "_skops()\n"
        "from skops.io import _trusted_types as trusted\n"
        "print('torch' in sys.modules, len(trusted.SKLEARN_ESTIMATOR_TYPE_NAMES))\n"
        "import sklearn.externals.array_api_compat.torch as there\n"
        "print(hasattr(there, '__file__'), 'torch' in sys.modules)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == f"False {len(SKLEARN_ESTIMATOR_TYPE_NAMES)}\nTrue True\n"
