"""What would quietly make a study wrong is refused, or told."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK

import radlas as package
from radlas.engine.base import Done, SerialEngine
from radlas.engine.isolate import Child, seal, unseal
from radlas.entry import DEFECT, guarded, plain
from radlas.errors import ConfigError, WorkerError
from radlas.flows.extract import ExtractConfig, extract
from radlas.flows.study.controls import only
from radlas.flows.study.prediction_cases import _case, gather_cases, left_out_lines
from radlas.ingest.nifti.importer import NiftiImporter
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.store import delta
from radlas.store.clinical import revisions
from radlas.store.layout import open_store
from radlas.store.ledger import case_standings
from radlas.store.models import model_folder, read_card

from .conftest import EXTRACT, radlas
from .test_ingest import write_pair


def drop_features(store: Path, centre: str) -> None:
    """Forget the last radiomics commit, as if extraction had been killed before it."""
    log = store / "lake" / "radiomics" / "_delta_log"
    for path in sorted(log.glob("*.json")):
        if f"centre={centre}" in path.read_text():
            lines = [ln for ln in path.read_text().splitlines() if f"centre={centre}" not in ln]
            path.write_text("\n".join(lines) + "\n")


def test_cases_that_were_never_extracted_are_not_imputed_in_silence(own_store, study_file):
    drop_features(own_store, "centre-b")
    radlas("snapshot", "create", "half", "--store", own_store)
    said = radlas(
        "train", study_file, "--store", own_store, "--snapshot", "half", "--engine", "serial"
    )
    assert said.code == 2
    assert "cases have no value of block" in said.err
    assert "of centre centre-b" in said.err
    assert "radlas extract" in said.err


def test_a_case_without_a_block_is_not_predicted(own_store):
    sql = "select case_id from cases where centre = 'centre-c' order by 1"
    case = package.open(own_store).query(sql)["case_id"][0]
    drop_features(own_store, "centre-c")
    said = radlas("predict", "tiny", case, "--store", own_store)
    assert said.code == 2
    assert "no value of block" in said.err


@pytest.fixture
def without_ring(monkeypatch):
    """Make the ring of a case missing, as where none could be made."""
    module = importlib.import_module("radlas.flows.study.prediction_cases")
    whole = module.study_matrix

    def blank(case: str) -> None:
        def read(*words, **more):
            X = whole(*words, **more)
            X.loc[case, [name for name in X if name.startswith("ring_")]] = np.nan
            return X

        monkeypatch.setattr(module, "study_matrix", read)

    return blank


def outside(store: Path) -> list[str]:
    sql = "select case_id from cases where centre = 'centre-c' order by 1"
    return package.open(store).query(sql)["case_id"].to_list()


def test_a_case_without_a_block_takes_no_prediction_from_others(study_store, without_ring):
    lost, other, *_ = outside(study_store)
    alone = radlas("predict", "tiny", other, "--store", study_store, "--json").data["rows"]
    without_ring(lost)
    said = radlas("predict", "tiny", lost, other, "--store", study_store, "--json")
    assert (said.code, said.data["rows"]) == (1, alone)
    (recipe,) = (
        s for s in read_card(open_store(study_store), "tiny", 1)["feature_sets"] if "py" in s
    )
    told = {"case_id": lost, "centre": "centre-c", "block": "ring", "feature_set": recipe}
    told["why"] = "no value of block ring"
    assert said.data["refused"] == [told]
    said = radlas("predict", "tiny", lost, other, "--store", study_store)
    assert f"case {lost[:8]} (centre-c): not predicted, no value of block ring" in said.out
    assert f"run radlas extract by the recipe of {recipe}, which" in said.out
    assert "with the versions it names" in said.out  # a newer extractor makes another recipe's rows


def test_first_digits_mean_the_one_case_that_has_them():
    """Whatever the store holds; and they are looked up, not sought by a query each."""
    rng = np.random.default_rng(0)
    known = sorted(f"{number:04x}" for number in rng.integers(0, 1 << 16, size=500))
    for given in ["", "0", "ff", "zz", *known, *(name[:3] for name in known)]:
        meant = [name for name in known if name.startswith(given)]
        if len(meant) == 1:
            assert _case(known, given) == meant[0]
        else:
            with pytest.raises(ConfigError, match=f"^{len(meant) or 'no'} cases start with"):
                _case(known, given)


def test_a_case_without_a_block_is_left_out_of_what_a_new_centre_is_adapted_by(
    study_store, without_ring, monkeypatch
):
    """Nobody asked for it, and it cost those who were asked for their prediction."""
    lost, other, *more = outside(study_store)
    store = open_store(study_store)
    study = StudyConfig.parse(read_card(store, "tiny", 1)["study"])
    model = load(model_folder(store, "tiny", 1) / "dlr")
    step = SimpleNamespace(on_unseen="adapt", centres_=["centre-a", "centre-b"])
    model = replace(model, pipeline=SimpleNamespace(named_steps={"harmonise": step}))
    without_ring(lost)
    monkeypatch.setattr("radlas.flows.study.prediction_cases._unharmonised", lambda *_: {})
    sets = read_card(store, "tiny", 1)["feature_sets"]
    found = gather_cases(store, sets, only(study, "dlr"), model, [other])
    assert (found.cases, sorted(found.X.index)) == ([other], sorted([other, *more]))
    (line,) = left_out_lines(found)
    assert "1 case beside them: no value of a block" in line
    assert lost[:8] in line


def test_an_image_that_was_trained_on_is_known_under_another_centres_name(own_store, cohort):
    """A patient who changed hospitals, or was sent twice, is no new patient."""
    words = ("--store", own_store, "--centre", "centre-d", "--engine", "serial")
    assert radlas("ingest", cohort / "centre-b", *words).code == 0
    recipe = cohort.parent / "again.yaml"
    recipe.write_text(EXTRACT)
    here = ("--store", own_store)
    assert radlas("extract", *here, "--config", recipe, "--engine", "serial").code == 0
    sql = (
        "select a.case_id, b.case_id twin from cases a join cases b using (voxel_digest)"
        " where a.centre = 'centre-d' and b.centre = 'centre-b' order by 1 limit 1"
    )
    case, twin = package.open(own_store).query(sql).iloc[0]
    rows = radlas("predict", "tiny", case, twin, *here, "--json").data["rows"]
    assert [row["trained_as"] for row in rows] == [twin, twin]
    assert rows[0]["trained_on"]
    assert rows[0]["out_of_fold"] == rows[1]["out_of_fold"]
    said = radlas("predict", "tiny", case, *here)
    assert f"this image was trained on, as case {twin[:8]}: models that had not seen it" in said.out


def test_the_same_patient_under_two_centres_is_refused(own_store, cohort, study_file):
    """Ingested twice, a patient would be trained on and tested on."""
    words = ("--store", own_store, "--centre", "centre-d", "--engine", "serial")
    assert radlas("ingest", cohort / "centre-b", *words).code == 0
    radlas("snapshot", "create", "double", "--store", own_store)
    study = study_file.parent / "double.yaml"
    text = study_file.read_text().replace("external_centre: centre-c", "external_centre: centre-d")
    study.write_text(text)
    said = radlas(
        "train", study, "--store", own_store, "--snapshot", "double", "--engine", "serial"
    )
    assert said.code == 2
    assert "share their image with another subject" in said.err
    assert len(re.findall(r"[0-9a-f]{8} of centre-[bd]", said.err)) == 6, "and they are named"


def record(**values):
    return {"subject_id": "s", "centre": "c", **values}


def test_a_record_that_is_corrected_back_says_again_what_it_said_first():
    known: dict = {}
    for grade in ("high", "low", "high"):
        (row,) = revisions(known, [record(grade=grade)])
        known = {"s": row}
    assert (known["s"]["grade"], known["s"]["revision"]) == ("high", 3)
    assert revisions(known, [record(grade="high")]) == []


def test_a_later_table_adds_to_a_record_and_never_blanks_it():
    (first,) = revisions({}, [record(grade="high", age_years=None)])
    (second,) = revisions({"s": first}, [record(age_years=61.0, grade=None)])
    assert (second["grade"], second["age_years"], second["revision"]) == ("high", 61.0, 2)


def test_the_store_may_lie_anywhere(study_store, tmp_path):
    """Folders that look like partitions, spaces, umlauts: the data do not change."""
    place = tmp_path / "centre=Z" / "feature_set=q" / "sp ü"
    place.mkdir(parents=True)
    shutil.copytree(study_store, place / "store")
    one, other = package.open(study_store), package.open(place / "store")
    for sql in (
        "select centre, count(*) n from cases group by 1 order by 1",
        "select feature_set, centre, count(*) n from radiomics group by all order by all",
    ):
        assert one.query(sql).equals(other.query(sql))
    assert radlas("snapshot", "verify", "first", "--store", place / "store").code == 0
    assert radlas("verify", "--store", place / "store").code == 0


def test_a_path_that_the_log_cannot_hold_is_refused_at_once(tmp_path):
    said = radlas("init", tmp_path / "a%20b")
    assert said.code == 2
    assert "%" in said.err


def test_a_key_that_somebody_may_need_is_not_overwritten(tmp_path):
    radlas("init", tmp_path / "one")
    radlas("init", tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    said = radlas("init", tmp_path / "one", "--key", tmp_path / "two.key")
    assert said.code == 2
    assert "another site key lies where" in said.err


def test_a_volume_that_was_lost_is_read_again_and_one_that_changed_is_told(own_store, cohort):
    volumes = sorted((own_store / "volumes").glob("*/*.zarr"))
    sql = "select case_id, centre from cases"
    centre = dict(package.open(own_store).query(sql).itertuples(index=False))
    (lost,) = [v for v in volumes if centre[v.stem] == "centre-b"][:1]
    shutil.rmtree(lost)
    assert radlas("verify", "--store", own_store).code == 1
    words = ("--store", own_store, "--centre", "centre-b", "--engine", "serial")
    assert radlas("ingest", cohort / "centre-b", *words).code == 0
    assert radlas("verify", "--store", own_store).code == 0


def test_a_case_is_counted_once_whatever_became_of_it_on_the_way(own_store, tmp_path):
    """Quarantined under one set of rules, stored under the next: one case, and ok."""
    folder = tmp_path / "f"
    folder.mkdir()
    write_pair(folder, "x")
    (folder / "x_tumour.nii.gz").rename(folder / "x_lump.nii.gz")
    words = ("--store", own_store, "--centre", "e", "--importer", "nifti", "--engine", "serial")
    assert radlas("ingest", folder, *words).code == 1
    rois = tmp_path / "rois.yaml"
    rois.write_text("tumour: [lump]\n")
    assert radlas("ingest", folder, *words, "--rois", rois).code == 0
    states = [s.state for s in case_standings(open_store(own_store)) if s.centre == "e"]
    assert states == ["ok"]


class LostEngine(SerialEngine):
    """Gives some results, then the scheduler is gone."""

    def map(self, work, tasks, *, gpu=False):
        for number, task in enumerate(tasks):
            if number == 5:
                raise WorkerError("the scheduler was lost", reason="scheduler_lost")
            yield Done(task, result={})


def test_what_was_finished_before_the_engine_stopped_is_in_the_ledger(own_store):
    config = ExtractConfig.parse(
        {"store": own_store, "extractors": {"radiomics": {"bin_width": 7.0}}}
    )
    before = delta.read(open_store(own_store), "outcomes").num_rows
    with pytest.raises(WorkerError, match="scheduler was lost"):
        extract(config, engine=LostEngine())
    assert delta.read(open_store(own_store), "outcomes").num_rows == before + 5


def test_a_dry_run_writes_nothing(own_store, tmp_path):
    path = tmp_path / "new.yaml"
    path.write_text("extractors: {radiomics: {bin_width: 9}}")
    before = sorted(own_store.rglob("*"))
    assert radlas("extract", "--store", own_store, "--config", path, "--dry-run").code == 0
    assert sorted(own_store.rglob("*")) == before


def test_a_defect_has_its_own_exit_code_and_is_json_where_json_was_asked_for(capsys):
    def broken() -> int:
        raise ValueError("surprise")

    assert guarded(broken, as_json=True) == DEFECT == 70
    assert json.loads(capsys.readouterr().out)["error"]["what"] == "ValueError: surprise"


def test_a_full_disk_is_an_error_with_a_hint_and_no_traceback(capsys):
    def full() -> int:
        raise OSError(28, "No space left on device", "lake/part.parquet")

    assert guarded(full) == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "running again is safe" in said


def test_an_interrupt_says_how_to_go_on(capsys):
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted) == 130
    assert "run the same command again: what was finished is stored" in capsys.readouterr().err


def test_json_knows_no_nan():
    assert plain({"a": [float("nan"), float("inf"), 1.5]}) == {"a": [None, None, 1.5]}


@pytest.mark.parametrize(
    "sql", ["select cast(case_id as int) from cases", "select error('x') from cases"]
)
def test_an_error_in_a_row_is_an_error_of_the_query(study_store, sql):
    said = radlas("query", "--store", study_store, sql)
    assert said.code == 2
    assert said.err.startswith("error: ")


def test_a_child_that_died_while_idle_costs_no_task():
    child = Child(timeout=20)
    assert unseal(child.call(seal(abs, -3))).result == 3
    os.kill(child._process.pid, signal.SIGKILL)
    time.sleep(0.3)
    assert unseal(child.call(seal(abs, -4))).result == 4
    child.stop()


def ingest_folder(folder: Path, store: Path) -> tuple[int, dict]:
    words = ("--store", store, "--centre", "x", "--importer", "nifti", "--engine", "serial")
    said = radlas("ingest", folder, *words, "--json")
    return said.code, said.data


def test_a_mask_edited_in_place_is_seen_though_name_and_size_are_the_same(tmp_path):
    folder, store = tmp_path / "f", tmp_path / "store"
    folder.mkdir()
    write_pair(folder, "x")
    image = SimpleITK.ReadImage(str(folder / "x_tumour.nii.gz"))
    (folder / "x_tumour.nii.gz").unlink()
    path = folder / "x_tumour.nii"
    SimpleITK.WriteImage(image, str(path))
    radlas("init", store)
    assert ingest_folder(folder, store)[0] == 0
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    code, data = ingest_folder(folder, store)
    assert code == 1
    assert data["reasons"] == {"case_conflict": 1}


def test_a_file_that_cannot_be_reached_is_ours_and_tried_again(tmp_path, monkeypatch):
    """A lost mount between scan and read must not settle a case as bad data."""
    folder, store = tmp_path / "patient jane doe", tmp_path / "store"
    folder.mkdir()
    write_pair(folder, "x")
    radlas("init", store)
    away, read = tmp_path / "away", NiftiImporter.read

    def lost(self, exam, rules):
        folder.rename(away)
        try:
            return read(self, exam, rules)
        finally:
            away.rename(folder)

    with monkeypatch.context() as patch:
        patch.setattr(NiftiImporter, "read", lost)
        code, data = ingest_folder(folder, store)
    assert code == 1
    assert (data["failed"], data["quarantined"]) == (1, 0)
    assert "jane" not in json.dumps(data)
    assert ingest_folder(folder, store) == (0, {**data, **_all_ok(data)})


def _all_ok(data: dict) -> dict:
    return {"ok": 1, "failed": 0, "reasons": {}, "cases": [], "settled_before": 0}


def test_two_broken_archives_of_one_name_are_two_inputs(tmp_path):
    folder, store = tmp_path / "f", tmp_path / "store"
    for name in "ab":
        (folder / name).mkdir(parents=True)
        (folder / name / "X.zip").write_bytes(b"PK no archive")
    write_pair(folder, "x")
    radlas("init", store)
    _, data = ingest_folder(folder, store)
    assert (data["ok"], data["quarantined"]) == (1, 2)
    states = [one.state for one in case_standings(open_store(store))]
    assert sorted(states) == ["ok", "quarantined", "quarantined"]
