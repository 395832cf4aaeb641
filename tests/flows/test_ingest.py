"""Ingest: every input ends as ok, quarantined or failed; a rerun is free; nobody is named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from tests.unit.ingest.dicom.corpus import make_series, tumour_on
from tests.unit.ingest.nifti.odd_images import write
from tests.unit.ingest.odd import save

from radlas.digests import digest_of
from radlas.engine.base import SerialEngine
from radlas.flows.cases import undone
from radlas.flows.ingest import IngestConfig, ingest, plan
from radlas.ingest import memory
from radlas.ingest.nifti.importer import NiftiImporter
from radlas.ingest.nifti.scan import scan_files
from radlas.store import delta
from radlas.store.layout import init_store, open_store
from radlas.store.sources import read_sources

from .conftest import SOURCES, radlas


def contents(store):
    """What ingest stored of the cases, without who and when."""
    opened = open_store(store)
    tables = {}
    for name in ("cases", "rois", "clinical"):
        rows = delta.read(opened, name).drop_columns(["run_id", "recorded_at"]).to_pylist()
        tables[name] = sorted(digest_of(row) for row in rows if not row.get("feature_set"))
    return tables


def test_the_three_centres_arrive_whole_and_the_ledger_adds_up(study_store):
    data = radlas("status", "--store", study_store, "--json").data
    assert sum(data["cases"].values()) == 18
    assert data["stages"]["ingest"] == {"ok": 18}
    assert data["trouble"] == []


def test_a_second_identical_run_plans_nothing_and_writes_nothing(cohort, study_store):
    before = {p: p.stat().st_mtime_ns for p in study_store.rglob("*") if p.suffix != ".lock"}
    said = radlas(
        "ingest", cohort / "centre-b", "--store", study_store, "--centre", "centre-b", "--json"
    )
    assert said.code == 0
    assert said.data["settled_before"] == said.data["inputs"] == said.data["ok"]
    after = {p: p.stat().st_mtime_ns for p in study_store.rglob("*") if p.suffix != ".lock"}
    assert before == after


def test_serial_and_dask_and_centres_beside_each_other_store_the_same(
    cohort, study_store, tmp_path
):
    """Three processes at once on one store: nothing lost, nothing twice, every source noted.

    They have one Dask worker or two; `study_store` was ingested by one process without Dask.
    """
    store = tmp_path / "store"
    assert radlas("init", store, "--key", cohort / "site.key").code == 0
    running = []
    for workers, (centre, importer) in zip((2, 1, 1), SOURCES.items(), strict=True):
        command = [sys.executable, "-m", "radlas", "ingest"]
        command += [str(cohort / centre), "--store", str(store), "--centre", centre]
        command += ["--importer", importer, "--engine", f"local:{workers}"]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in running:
        said = process.communicate(timeout=240)[1]
        assert process.returncode == 0, said
    assert contents(store) == contents(study_store)
    assert {one["centre"] for one in read_sources(open_store(store))} == set(SOURCES)
    assert radlas("verify", "--store", store).code == 0


def test_no_identifier_of_the_source_is_in_the_store(study_store):
    """Patient names, ids, dates and study descriptions stay outside, in every file."""
    canaries = [b"STS_00", b"PHANTOM^", b"B-000", b"C000", b"PELVIS", b"parascap ", b"2.25."]
    for path in study_store.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for canary in canaries:
                assert canary not in content, f"{canary!r} in {path}"


def test_a_killed_ingest_is_finished_by_the_next_with_nothing_lost_and_nothing_twice(
    cohort, study_store, tmp_path
):
    store = tmp_path / "store"
    radlas("init", store, "--key", cohort / "site.key")
    words = ["ingest", cohort / "centre-b", "--store", store, "--centre", "centre-b"]
    command = [sys.executable, "-m", "radlas", *map(str, words)]
    for delay in (1.5, 3.0, 3.5):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
    assert radlas(*words, "--engine", "serial").code == 0
    rows = delta.read(open_store(store), "cases", ["case_id", "centre", "voxel_digest"]).to_pylist()
    whole = delta.read(open_store(study_store), "cases", ["case_id", "centre", "voxel_digest"])
    expected = [row for row in whole.to_pylist() if row["centre"] == "centre-b"]
    assert sorted(map(digest_of, rows)) == sorted(map(digest_of, expected))
    assert radlas("verify", "--store", store).code == 0


def test_the_plan_is_printed_and_nothing_is_done(cohort, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "centre-a", "--importer", "tcia-sts")
    said = radlas("ingest", cohort / "centre-a", *words, "--dry-run", "--json")
    assert said.code == 0
    assert said.data["tasks"] == len(list((cohort / "centre-a").rglob("STS_*")))
    assert not delta.files(open_store(store), "outcomes")


def write_pair(folder, name, *, image=None, mask=None, spacing=(1, 1, 4)):
    rng = np.random.default_rng(0)
    voxels = rng.integers(10, 400, (6, 20, 20)).astype(np.int16) if image is None else image
    drawn = np.zeros((6, 20, 20), np.uint8) if mask is None else mask
    if mask is None:
        drawn[2:4, 5:12, 5:12] = 1
    for what, array in (("image", voxels), ("tumour", drawn)):
        volume = SimpleITK.GetImageFromArray(array)
        volume.SetSpacing(spacing if what == "image" else (1, 1, 4))
        SimpleITK.WriteImage(volume, str(folder / f"{name}_{what}.nii.gz"))


@pytest.fixture
def hospital(tmp_path):
    """One good exam and one of every common fault."""
    folder = tmp_path / "hospital"
    folder.mkdir()
    write_pair(folder, "good")
    write_pair(folder, "empty", mask=np.zeros((6, 20, 20), np.uint8))
    label = np.zeros((6, 20, 20), np.uint8)
    label[2:4, 5:12, 5:12] = 255
    write_pair(folder, "label", mask=label)
    write_pair(folder, "grid", spacing=(1.2, 1.2, 4))
    write_pair(folder, "cut")
    path = folder / "cut_image.nii.gz"
    path.write_bytes(path.read_bytes()[:400])
    return folder


def test_every_fault_is_named_the_others_finish_and_the_exit_code_is_one(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    said = radlas("ingest", hospital, *words, "--json")
    assert said.code == 1
    assert (said.data["inputs"], said.data["ok"], said.data["quarantined"]) == (5, 1, 4)
    assert sorted(said.data["reasons"]) == [
        "empty_mask",
        "label_missing",
        "mask_off_grid",
        "truncated_pixels",
    ]
    for case in said.data["cases"]:
        assert "\n  in: case " in case["message"], "where"
        assert "\n  try: " in case["message"], "what to do"
    by_reason = {case["reason"]: case["message"] for case in said.data["cases"]}
    assert "255" in by_reason["label_missing"]
    assert "--label 255" in by_reason["label_missing"]
    assert "mm" in by_reason["mask_off_grid"]


def test_an_image_beyond_memory_fails_by_itself_and_is_tried_on_a_larger_machine(
    tmp_path, monkeypatch
):
    """It was read until the system killed the worker, and whoever else took memory beside it."""
    folder, store = tmp_path / "hospital", tmp_path / "store"
    folder.mkdir()
    radlas("init", store)
    write_pair(folder, "large", image=np.arange(40 << 20, dtype=np.int16).reshape(640, 256, 256))
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    monkeypatch.setattr(memory, "memory", lambda: 100_000_000)
    said = radlas("ingest", folder, *words, "--json")
    assert (said.code, said.data["failed"], said.data["reasons"]) == (1, 1, {"memory": 1})
    (case,) = said.data["cases"]
    assert "an image of 0.1 GB when it is unpacked, for which 0.1 GB" in case["message"]
    assert "\n  in: case " in case["message"]
    monkeypatch.undo()
    assert radlas("ingest", folder, *words, "--json").data["ok"] == 1


def test_a_quarantined_case_stays_so_until_it_is_released_or_mended(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    radlas("ingest", hospital, *words)
    again = radlas("ingest", hospital, *words, "--json")
    assert again.code == 1
    assert again.data["settled_before"] == 5
    said = radlas("ingest", hospital, *words)
    assert "everything is stored already" not in said.out
    assert "stay out until they are released (radlas retry)" in said.out
    said = radlas("retry", "--store", store, "--reason", "empty_mask", "--dry-run", "--json")
    assert (said.code, said.data["redo"][0]["tasks"], said.data["redo"][0]["runs"]) == (0, 1, 1)
    options = ("--reason", "empty_mask", "--engine", "serial", "--json")
    again = radlas("retry", "--store", store, *options)  # nothing was mended: it ends as before
    assert (again.code, again.data["released"]) == (1, 1)
    assert again.data["reports"][0]["settled_before"] == 4
    assert again.data["reports"][0]["reasons"] == {"empty_mask": 1}
    write_pair(hospital, "empty")  # the hospital draws the ROI at last
    mended = radlas("ingest", hospital, *words, "--json")
    assert mended.data["ok"] == 2
    assert radlas("retry", "--store", store, "--reason", "nonsense").code == 2
    late = radlas("retry", "--store", store, "--reason", "empty_mask")
    assert (late.code, "nothing stands under 'empty_mask'" in late.err) == (2, True)
    stages = radlas("status", "--store", store, "--json").data["stages"]
    assert stages["ingest"] == {"ok": 2, "quarantined": 3}, "the mended case stays stored"


def test_one_patient_under_two_spellings_is_pointed_at_by_pseudonym(tmp_path):
    folder, store = tmp_path / "hospital", tmp_path / "store"
    folder.mkdir()
    for name in ("P-7", "p 7", "P77"):
        write_pair(folder, name)
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--dry-run")
    (told,) = [line for line in radlas("ingest", folder, *words).out.splitlines() if "!!" in line]
    assert "are spelt alike but for letter case, separators or leading zeros" in told
    assert "P-7" not in told
    assert len(re.findall(r"\b[0-9a-f]{8}\b", told)) == 2


def test_a_record_whose_zeros_a_spreadsheet_took_is_pointed_at(tmp_path):
    """It is another patient's by its name, and the exam would go without its grade in silence."""
    folder, store = tmp_path / "hospital", tmp_path / "store"
    folder.mkdir()
    for name in ("0042", "0043"):
        write_pair(folder, name)
    (folder / "patients.csv").write_text("subject,grade\n42,High\n0043,Low\n")
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    (line,) = [
        one for one in radlas("ingest", folder, *words).out.splitlines() if "!! no exam" in one
    ]
    assert re.search(r"clinical record of [0-9a-f]{8}, but [0-9a-f]{8} has one", line)
    assert "42" not in re.sub(r"[0-9a-f]{8}", "", line)


def test_tolerated_faults_do_not_raise_the_exit_code(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    assert radlas("ingest", hospital, *words, "--tolerated", 4).code == 0


def test_a_folder_without_dicom_is_wrong_use(tmp_path):
    radlas("init", tmp_path / "store")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"\xff\xd8 sand")
    said = radlas("ingest", tmp_path / "holiday", "--store", tmp_path / "store", "--centre", "c")
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert "holiday" in said.err
    assert "try:" in said.err


def test_a_centre_name_that_cannot_be_a_folder_is_refused(cohort, tmp_path):
    radlas("init", tmp_path / "store")
    said = radlas("ingest", cohort / "centre-a", "--store", tmp_path / "store", "--centre", "../up")
    assert said.code == 2
    assert "centre" in said.err


@pytest.mark.parametrize(("centre", "code"), [("C_1", 2), ("C-1", 2), ("c-1", 0), ("c-11", 0)])
def test_one_hospital_has_one_spelling(tmp_path, centre, code):
    """Else its patients would be two people each, and stand on both sides of a validation."""
    folder, store = tmp_path / "hospital", tmp_path / "store"
    folder.mkdir()
    write_pair(folder, "x")
    radlas("init", store)
    words = ("--store", store, "--importer", "nifti", "--engine", "serial")
    assert radlas("ingest", folder, *words, "--centre", "c-1").code == 0
    said = radlas("ingest", folder, *words, "--centre", centre)
    assert said.code == code
    assert ("--centre c-1" in said.err) == (code == 2)


def test_a_sequence_in_small_letters_is_the_same_task():
    rules = [
        IngestConfig(store="s", source="x", centre="c", sequence=one).rules()
        for one in ("t2fs", "T2FS")
    ]
    assert rules[0] == rules[1]


def test_a_table_of_patients_without_exams_points_at_the_centre(tmp_path):
    store, table, grades = (tmp_path / name for name in ("store", "people.csv", "grades.yaml"))
    table.write_text("subject,grade\nx,high\n")
    grades.write_text("column: grade\npositive: [high]\nnegative: [low]\n")
    radlas("init", store)
    words = ("--store", store, "--importer", "table", "--centre", "c", "--grades", grades)
    said = radlas("ingest", table, *words)
    assert "1 clinical record of centre c, 1 new or changed; 0 of patients with an exam" in said.out
    assert radlas("ingest", table, *words, "--json").data["classes"] == []


def test_a_zip_is_read_like_its_folder(cohort, study_store, tmp_path):
    source = cohort / "centre-b"
    archive = tmp_path / "b.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in source.rglob("*"):
            if path.is_file():
                packed.write(path, path.relative_to(source))
    store = tmp_path / "store"
    radlas("init", store, "--key", cohort / "site.key")
    words = ("--store", store, "--centre", "centre-b", "--engine", "serial")
    assert radlas("ingest", archive, *words).code == 0
    mine, all_ = contents(store), contents(study_store)
    assert set(mine["rois"]) <= set(all_["rois"])
    voxels = delta.read(open_store(store), "cases", ["voxel_digest"]).column(0).to_pylist()
    known = delta.read(open_store(study_store), "cases", ["voxel_digest"]).column(0).to_pylist()
    assert set(voxels) <= set(known)


OTHER_IMAGE = np.full((6, 20, 20), 7, np.int16) + np.eye(20, dtype=np.int16)


@pytest.fixture
def one_pair(tmp_path):
    """A source of one exam, the store that holds it, and the words to ingest it again."""
    folder, store = tmp_path / "f", tmp_path / "store"
    folder.mkdir()
    write_pair(folder, "x")
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    again = ("ingest", folder, *words)
    assert radlas(*again).code == 0
    return folder, store, again


def test_a_dry_run_tells_of_the_records_that_a_table_holds(one_pair, tmp_path):
    """It listed nothing, and `would run 0 tasks` was all of a table that is not stored yet."""
    folder, store, again = one_pair
    table = tmp_path / "people.csv"
    words = ("ingest", table, "--store", store, "--importer", "table", "--centre", "c")
    table.write_text("subject,grade\nx,high\ny,low\n")
    told = "2 clinical records to store, {} of them new or changed"
    assert told.format(2) in radlas(*words, "--dry-run").out
    assert "2 clinical records of centre c, 2 new or changed; 1 of" in radlas(*words).out
    table.write_text("subject,grade\nx,high\ny,high\n")
    assert told.format(1) in radlas(*words, "--dry-run").out
    shutil.copy(table, folder)
    write_pair(folder, "y", image=OTHER_IMAGE)
    cost = radlas(*again, "--dry-run", "--json").data["cost"]
    assert cost.startswith("0.0 MB to read: about ")
    assert cost.endswith(f"; {told.format(1)}")


def test_a_grade_that_a_later_table_leaves_out_stays_and_is_told(one_pair, tmp_path):
    """The run said that the grade is missing, and models went on with the old one."""
    _, store, _ = one_pair
    table = tmp_path / "people.csv"
    words = ("ingest", table, "--store", store, "--importer", "table", "--centre", "c")
    table.write_text("subject,grade,age\nx,high,61\ny,low,50\n")
    assert "stay" not in radlas(*words).out
    table.write_text("subject,grade,age\nx,not clear,61\ny,low,50\n")
    told = "stored values stay, where these records have none: 1 of grade;"
    assert told in radlas(*words, "--dry-run").out
    assert told in radlas(*words).out


@pytest.mark.parametrize("first", ["images", "table"])
def test_a_record_that_contradicts_the_header_of_its_exam_is_told(cohort, tmp_path, first):
    """A table whose rows had slipped gave patients the grades of others, without a word."""
    store, source, table = tmp_path / "store", tmp_path / "source", tmp_path / "people.csv"
    shutil.copytree(cohort / "centre-b" / "B-0001", source / "B-0001")
    radlas("init", store)
    words = ("--store", store, "--centre", "b", "--engine", "serial")
    images, people = ("ingest", source, *words), ("ingest", table, *words, "--importer", "table")
    assert radlas(*images).code == 0
    facts = delta.read(open_store(store), "cases").to_pylist()[0]
    other = "F" if facts["sex"] == "M" else "M"
    for sex, age, told in (
        (facts["sex"], facts["age_years"] - 9, []),
        (other, facts["age_years"], [facts["subject_id"]]),
        (facts["sex"], facts["age_years"] - 11, [facts["subject_id"]]),
    ):
        table.write_text(f"patient_id,sex,age,grade\nB-0001,{sex},{age},high\n")
        runs = (images, people) if first == "images" else (people, images)
        for run in runs:
            said = radlas(*run)
        assert (f": {facts['subject_id'][:8]}: see that the rows" in said.out) == bool(told)
        assert radlas(*run, "--json").data["contradicted"] == told


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_grade_that_the_mapping_lacks_is_told_before_anything_is_read(one_pair, tmp_path, dry):
    """The run ended with the error in place of its report, and that named a file of the store."""
    folder, store, again = one_pair
    write_pair(folder, "y", image=OTHER_IMAGE)
    grades = tmp_path / "grades.yaml"
    grades.write_text("column: grade\npositive: [high]\nnegative: [low]\n")
    (folder / "people.csv").write_text("subject,grade\nx,high\ny,fnclcc 3\n")
    said = radlas(*again, "--grades", grades, *dry)
    assert said.code == 2
    assert "'fnclcc 3' of c: 1" in said.err
    assert f"in: {grades}" in said.err
    assert delta.read(open_store(store), "cases").num_rows == 1
    assert delta.read(open_store(store), "clinical").num_rows == 0
    assert not list(store.glob("labels/*"))
    grades.write_text("column: grade\npositive: [high, fnclcc 3]\nnegative: [low]\n")
    assert radlas(*again, "--grades", grades, *dry).code == 0


def test_an_image_that_another_centre_brought_is_told_when_it_comes(one_pair, tmp_path):
    """Not first when a study is trained on both."""
    _, store, _ = one_pair
    folder = tmp_path / "other"
    folder.mkdir()
    write_pair(folder, "y")
    write_pair(folder, "z", image=OTHER_IMAGE)
    words = ("--store", store, "--centre", "d", "--importer", "nifti", "--engine", "serial")
    said = radlas("ingest", folder, *words)
    assert said.code == 0
    (line,) = [line for line in said.out.splitlines() if "!!" in line]
    assert re.search(r"2 cases share .*: [0-9a-f]{8} of [cd], [0-9a-f]{8} of [cd]: one pat", line)
    data = radlas("ingest", folder, *words, "--json").data
    assert {told.rpartition(" ")[2] for told in data["shared_images"]} == {"c", "d"}


def test_a_rerun_asks_the_ledger_for_its_tasks_once_and_for_each_volume_once(one_pair, monkeypatch):
    """A ledger of a million rows takes a second to read, and a volume in a bucket a question."""
    folder, store, _ = one_pair
    read, look, tables, volumes = delta.read, undone.is_committed, [], []

    def counted(store, name, *rest):
        tables.append(name)
        return read(store, name, *rest)

    monkeypatch.setattr(delta, "read", counted)
    monkeypatch.setattr(
        undone, "is_committed", lambda place, case: volumes.append(case) or look(place, case)
    )
    words = {"store": str(store), "source": folder, "centre": "c", "importer": "nifti"}
    assert not plan(IngestConfig.parse(words)).tasks
    assert tables.count("outcomes") == 2  # how its tasks stand, and what earlier runs refused
    assert len(volumes) == 1


def test_a_changed_exam_under_the_same_name_is_a_conflict(one_pair):
    folder, _, again = one_pair
    write_pair(folder, "x", image=OTHER_IMAGE)
    said = radlas(*again, "--json")
    assert said.code == 1
    assert said.data["reasons"] == {"case_conflict": 1}


def exam_of(folder, **tags):
    """A DICOM exam of the patient P1."""
    series = make_series(tags=tags, seed=len(str(folder)))
    series.write(folder)
    save(tumour_on(series), folder / "RS")
    return folder


def test_a_patient_of_another_sex_than_what_is_stored_is_another_patient(tmp_path):
    """Exports come month by month, and a number is given again, or by another hospital."""
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--engine", "serial", "--json")
    first = exam_of(tmp_path / "january", PatientSex="F")
    assert radlas("ingest", first, *words).data["ok"] == 1
    other = exam_of(tmp_path / "february", PatientSex="M")
    said = radlas("ingest", other, *words)
    assert (said.code, said.data["reasons"]) == (1, {"identity_conflict": 1})
    assert (
        "another sex than those of this patient's stored exams" in said.data["cases"][0]["message"]
    )
    for number, sex in enumerate(("F", "O", "")):
        again = exam_of(tmp_path / ("march" + number * "x"), PatientSex=sex)
        assert radlas("ingest", again, *words).data["ok"] == 1, sex


def test_a_patient_of_another_issuer_than_what_is_stored_is_another_patient(tmp_path):
    """Each hospital of a network exports its own folder; the names of issuers are not stored."""
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--engine", "serial", "--json")
    for number, (issuer, ok) in enumerate(
        [("", 1), ("HOSP_A", 1), ("HOSP_B", 0), ("hosp_a&1.2.3&ISO", 1), ("&1.2.4&ISO", 0)]
    ):
        folder = exam_of(tmp_path / ("x" * (number + 1)), IssuerOfPatientID=issuer)
        said = radlas("ingest", folder, *words)
        assert said.data["ok"] == ok, issuer
        assert said.data["reasons"] == ({} if ok else {"identity_conflict": 1})
        assert ok or "another issuer of the identifier" in said.data["cases"][0]["message"]
    told = delta.read(open_store(store), "cases", ["issuer"]).column("issuer").to_pylist()
    assert sorted(len((one or "").split(",")) for one in told if one) == [1, 2]
    assert None in told
    assert "hosp" not in str(told).lower()
    assert "1.2.3" not in str(told)


def test_what_is_out_of_reach_is_told_by_the_exit_code_until_it_is_there(one_pair):
    """Perhaps it is a patient whom nobody sees: who runs this every night is to hear of it."""
    folder, _, again = one_pair
    gone = folder / "next"
    gone.symlink_to(folder.parent / "mount")
    said = radlas(*again, "--json")
    assert (said.code, said.data["unreached"], said.data["ok"]) == (1, 1, 1)
    assert radlas(*again, "--tolerated", 1).code == 0
    gone.unlink()
    said = radlas(*again, "--json")
    assert (said.code, said.data["unreached"]) == (0, 0)


def test_a_lost_volume_comes_back_from_the_exam_it_was_made_of_and_from_no_other(one_pair):
    """Its rows are there still: other voxels or masks would be what no table speaks of."""
    folder, store, again = one_pair
    shutil.rmtree(store / "volumes")
    for other in ({"image": OTHER_IMAGE}, {"mask": (OTHER_IMAGE == 8).astype(np.uint8)}):
        write_pair(folder, "x", **other)
        said = radlas(*again, "--json")
        assert said.data["reasons"] == {"case_conflict": 1}
        assert not list(store.rglob("*.zarr"))
    write_pair(folder, "x")
    assert radlas(*again).code == 0
    assert radlas("verify", "--store", store).code == 0


@pytest.mark.parametrize("verb", ["ingest", "retry"])
def test_a_case_that_lost_its_mask_for_a_day_stands_as_stored_again(one_pair, verb):
    """Its files are those that were stored; what was said of them in between is over."""
    folder, store, again = one_pair
    mask, away = folder / "x_tumour.nii.gz", folder.parent / "mask"
    mask.rename(away)
    assert radlas(*again, "--json").data["reasons"] == {"no_mask": 1}
    away.rename(mask)
    retry = ("retry", "--store", store, "--reason", "no_mask", "--engine", "serial")
    assert radlas(*(again if verb == "ingest" else retry)).code == 0
    told = radlas("status", "--store", store, "--json").data
    assert (told["stages"]["ingest"], told["trouble"]) == ({"ok": 1}, [])
    assert radlas(*again, "--json").data["settled_before"] == 1
    assert radlas("verify", "--store", store).code == 0


def refused_alone(cohort, tmp_path, centre, what):
    """A centre of which something is refused under a name of its own; how to mend that."""
    source, away = tmp_path / "source", tmp_path / "away"
    shutil.copytree(cohort / centre, source)
    if what == "unreadable_file":
        slice_ = source / "B-0001" / "T2FS" / "1-10.dcm"
        held = slice_.read_bytes()
        slice_.write_bytes(held[:300])
        return source, lambda: slice_.write_bytes(held)
    image = {"centre-b": "B-0001/T2FS", "centre-c": "images/C0001_image.nii.gz"}[centre]
    shutil.move(source / image, away)
    return source, lambda: shutil.move(away, source / image)


@pytest.mark.parametrize("verb", ["ingest", "retry"])
@pytest.mark.parametrize(
    ("centre", "what"),
    [("centre-b", "no_image"), ("centre-b", "unreadable_file"), ("centre-c", "no_image")],
)
def test_what_was_refused_alone_is_over_once_an_exam_has_it(verb, centre, what, cohort, tmp_path):
    """A mask without its image and a damaged slice are no cases: nothing else would end them."""
    source, mend = refused_alone(cohort, tmp_path, centre, what)
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", centre, "--importer", SOURCES[centre])
    again = ("ingest", source, *words, "--engine", "serial")
    assert what in radlas(*again, "--json").data["reasons"]
    mend()
    retry = ("retry", "--store", store, "--reason", what, "--engine", "serial")
    said = radlas(*(again if verb == "ingest" else retry))
    over = "of earlier runs ended: what they told is no longer so"
    assert (said.code, over in said.out) == (0, True)
    told = radlas("status", "--store", store, "--json").data
    cases = told["cases"][centre]
    assert (told["stages"]["ingest"], told["trouble"]) == ({"ok": cases}, [])
    assert "0 not stored" in radlas("qc", "--store", store, "--out", tmp_path / "qc.html").out
    if what == "unreadable_file":  # the same damage once more is told once more
        slice_ = source / "B-0001" / "T2FS" / "1-10.dcm"
        slice_.write_bytes(slice_.read_bytes()[:300])
        radlas(*again)
        states = radlas("status", "--store", store, "--json").data["trouble"]
        assert "unreadable_file" in {one["reason"] for one in states}


def test_a_damaged_file_of_a_series_that_nobody_wants_is_over_once_it_is_whole(cohort, tmp_path):
    """Most files of an archive are of such series: no exam ever has them."""
    source, store = tmp_path / "source", tmp_path / "store"
    shutil.copytree(cohort / "centre-a", source)
    slice_ = min(source.glob("**/*AXT1*/*.dcm"))
    held = slice_.read_bytes()
    radlas("init", store)
    words = ("--store", store, "--centre", "a", "--importer", "tcia-sts", "--engine", "serial")
    for content, trouble in ((held[:300], ["unreadable_file"]), (held, [])):
        slice_.write_bytes(content)
        radlas("ingest", source, *words)
        told = radlas("status", "--store", store, "--json").data["trouble"]
        assert [one["reason"] for one in told] == trouble


def test_a_mask_file_of_nobody_is_over_once_it_is_called_as_its_refusal_says(tmp_path):
    source, store = tmp_path / "source", tmp_path / "store"
    for number, patient in enumerate(("P1", "P2")):
        series = make_series(patient=patient, seed=number).write(source / patient)
        mask = np.zeros(series.voxels.shape, np.uint8)
        mask[2:4, 10:20, 12:30] = 1
        path = source / f"{'P1' if patient == 'P1' else 'nobody'}_tumour.nii.gz"
        write(path, mask, series.geometry)
    radlas("init", store)
    words = ("--store", store, "--centre", "h", "--importer", "dicom-masks", "--engine", "serial")
    assert radlas("ingest", source, *words, "--json").data["reasons"] == {
        "no_image": 1,
        "no_mask": 1,
    }
    cases = delta.read(open_store(store), "outcomes", ["case_id", "reason"]).to_pylist()
    lost = next(one["case_id"] for one in cases if one["reason"] == "no_image")
    assert str(path) in radlas("whois", lost, "--store", store).out
    path.rename(source / "P2_tumour.nii.gz")
    assert radlas("ingest", source, *words, "--json").data["mended"] == 1
    told = radlas("status", "--store", store, "--json").data
    assert (told["stages"]["ingest"], told["trouble"]) == ({"ok": 2}, [])
    assert radlas("ingest", source, *words, "--json").data["settled_before"] == 2


def test_a_subject_without_the_wanted_sequence_is_over_once_another_is_wanted(cohort, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "a", "--importer", "tcia-sts", "--engine", "serial")
    ingest_ = ("ingest", cohort / "centre-a", *words, "--json")
    assert radlas(*ingest_, "--sequence", "STIR").data["reasons"] == {"no_sequence": 5}
    for sequence, states in ((), {"ok": 5}), (("--sequence", "STIR"), {"ok": 5, "quarantined": 5}):
        radlas(*ingest_, *sequence)
        assert radlas("status", "--store", store, "--json").data["stages"]["ingest"] == states
    for over in (5, 0):
        data = radlas(*ingest_).data
        assert (data["settled_before"], data["mended"]) == (5, over)
    assert radlas("status", "--store", store, "--json").data["stages"]["ingest"] == {"ok": 5}


@pytest.mark.parametrize("book", ["noted", "lost"])
def test_a_damaged_file_of_one_export_is_not_over_by_its_namesake_of_another(
    book, cohort, tmp_path
):
    """Nor when the list of sources was damaged, and moved away as its message says."""
    store = tmp_path / "store"
    radlas("init", store)
    first, _ = refused_alone(cohort, tmp_path, "centre-b", "unreadable_file")
    second = tmp_path / "second"
    shutil.copytree(cohort / "centre-b", second)
    for source in (first, second):
        words = ("--store", store, "--centre", "b", "--engine", "serial")
        radlas("ingest", source, *words)
        if book == "lost":
            (tmp_path / "store.sources.json").unlink()
    (told,) = radlas("status", "--store", store, "--json").data["trouble"]
    assert told["reason"] == "unreadable_file"


def test_a_damage_is_told_again_that_was_told_before_another_and_mended(cohort, tmp_path):
    """A file that is sent for hours is cut elsewhere each time: one case, and many tasks."""
    source, mend = refused_alone(cohort, tmp_path, "centre-b", "unreadable_file")
    store, slice_ = tmp_path / "store", source / "B-0001" / "T2FS" / "1-10.dcm"
    radlas("init", store)
    again = ("ingest", source, "--store", store, "--centre", "b", "--engine", "serial")
    for cut in (300, 250, None, 300):
        mend()
        slice_.write_bytes(slice_.read_bytes()[:cut])
        radlas(*again)
        trouble = radlas("status", "--store", store, "--json").data["trouble"]
        assert ("unreadable_file" in {one["reason"] for one in trouble}) == bool(cut), cut


def test_what_two_sources_see_otherwise_is_told_once_and_rereading_them_writes_nothing(
    one_pair, tmp_path
):
    """The mask alone in one export, with its image in the other: read each night, in any order."""
    folder, store, again = one_pair
    other = tmp_path / "other"
    other.mkdir()
    write_pair(other, "y")
    shutil.copy(folder / "x_tumour.nii.gz", other)
    elsewhere = ("ingest", other, *again[2:])
    assert radlas(*elsewhere, "--json").data["reasons"] == {"no_image": 1}
    radlas(*again)
    before = delta.read(open_store(store), "outcomes", ["task_key"]).num_rows
    for words in (elsewhere, again, elsewhere):
        radlas(*words)
        told = radlas("status", "--store", store, "--json").data
        assert (told["stages"]["ingest"], told["trouble"]) == ({"ok": 2}, [])
    assert delta.read(open_store(store), "outcomes", ["task_key"]).num_rows == before


def test_an_importer_may_read_a_list_of_files_that_lie_elsewhere(one_pair, tmp_path, monkeypatch):
    """Such files have no place in the source: a refusal under one is nothing that they end."""
    folder, _, again = one_pair
    listed = tmp_path / "list.txt"
    listed.write_text(str(folder))
    monkeypatch.setattr(
        NiftiImporter, "find", lambda _, source, rules: scan_files(Path(source.read_text()), rules)
    )
    image, away = folder / "x_image.nii.gz", folder.parent / "image"
    write_pair(folder, "y")
    image.rename(away)
    ingest_ = ("ingest", listed, *("d" if word == "c" else word for word in again[2:]))
    assert radlas(*ingest_, "--json").data["reasons"] == {"no_image": 1}
    away.rename(image)
    said = radlas(*ingest_)
    assert (said.code, "1 refusal of earlier runs ended" in said.out) == (0, True)


def test_a_source_that_was_noted_as_none_stops_no_ingest(one_pair, tmp_path):
    _, _, again = one_pair
    book = tmp_path / "store.sources.json"
    book.write_text(json.dumps([*json.loads(book.read_text()), {"centre": "c", "source": ["x"]}]))
    assert radlas(*again).code == 0


def test_a_retry_whose_source_is_gone_says_what_to_type(hospital, tmp_path):
    """And what it says can be typed: folders are called as people like, with blanks and more."""
    hospital = hospital.rename(tmp_path / "Dr. O'Hara's $(exams)")
    store = tmp_path / "the store's; one"
    nothing = radlas("status", "--store", store).err
    assert shlex.split(nothing.rpartition("make one: ")[2]) == ["radlas", "init", str(store)]
    made = radlas("init", store).out
    assert str(store) in shlex.split(made.partition("next: ")[2])
    next_ = radlas("status", "--store", store).out.partition("next: ")[2]
    assert shlex.split(next_)[4] == str(store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    radlas("ingest", hospital, *words)
    shutil.move(hospital, tmp_path / "elsewhere")
    said = radlas("retry", "--store", store, "--reason", "label_missing", "--engine", "serial")
    assert said.code == 0
    (told,) = (line for line in said.out.splitlines() if "out of reach, by hand: " in line)
    words = shlex.split(told.partition("by hand: ")[2])
    assert words[:5] == ["radlas", "ingest", str(hospital), "--centre", "c"]
    assert words[5:] == ["--importer", "nifti", "--store", str(store)]
    assert "1 task released" in said.out
    (released,) = (
        one
        for one in radlas("status", "--store", store, "--json").data["trouble"]
        if one["state"] == "released"
    )
    assert (released["reason"], released["tasks"]) == ("label_missing", 1)
    told = radlas("status", "--store", store).out
    assert "the next run of ingest does it again" in told
    assert "--reason label_missing" not in told, "there is nothing left to release"


def test_a_retry_by_hand_reads_a_source_as_it_was_read(hospital, tmp_path):
    """Under other rules the whole centre would be read anew, and what was stored be refused."""
    roi_map = tmp_path / "my map.yaml"
    roi_map.write_text("tumour: {patterns: [tumour]}\n")
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    rules = ("--label", "tumour=1", "--resample-masks", "1.5", "--rois", roi_map, "--tolerated", 9)
    rules += ("--minimum-voxels", 2)
    first = radlas("ingest", hospital, *words, *rules, "--json").data
    (reason, *_) = first["reasons"]
    moved = hospital.rename(tmp_path / "moved")
    said = radlas("retry", "--store", store, "--reason", reason, "--engine", "serial")
    (told,) = (line for line in said.out.splitlines() if "out of reach, by hand: " in line)
    command = shlex.split(told.partition("by hand: ")[2].replace(str(hospital), str(moved)))
    again = radlas(*command[1:], "--engine", "serial", "--json")
    assert (again.code, again.data["ok"]) == (0, first["ok"])
    assert again.data["settled_before"] == first["inputs"] - first["reasons"][reason]


def test_a_table_that_a_centre_sent_is_no_source_of_its_exams(one_pair, tmp_path):
    """Read again it does no case again; and no exam lies in it, whatever has become of it."""
    folder, store, again = one_pair
    table = tmp_path / "table.csv"
    table.write_text("patient id,grade\nx,low\n")
    words = ("--store", store, "--centre", "c", "--importer", "table", "--engine", "serial")
    assert radlas("ingest", table, *words).code == 0
    (folder / "x_tumour.nii.gz").rename(tmp_path / "mask")
    assert radlas(*again, "--json").data["reasons"] == {"no_mask": 1}
    radlas("ingest", table, *words)
    moved = folder.rename(tmp_path / "moved")
    said = radlas("retry", "--store", store, "--reason", "no_mask", "--engine", "serial", "--json")
    (redo,) = said.data["redo"]
    assert (redo["runs"], shlex.split(redo["command"])[2]) == (0, str(folder))
    moved.rename(folder)
    table.write_text("nothing\n")
    assert "of 1 reachable source is" in radlas("whois", "nobody", "--store", store).err


def test_a_retry_names_the_source_out_of_reach_beside_those_that_it_reads(one_pair, tmp_path):
    """What stands refused may lie there: that all went well would not be so."""
    folder, store, again = one_pair
    (tmp_path / "other").mkdir()
    write_pair(tmp_path / "other", "y")
    (tmp_path / "other" / "y_tumour.nii.gz").unlink()
    assert radlas("ingest", tmp_path / "other", *again[2:], "--json").data["quarantined"] == 1
    (tmp_path / "other").rename(tmp_path / "gone")
    said = radlas("retry", "--store", store, "--reason", "no_mask", "--dry-run")
    line = said.out.splitlines()[0]
    assert line.startswith("1 task of ingest c: 1 run; out of reach, by hand: ")
    assert shlex.split(line.partition("by hand: ")[2])[2] == str(tmp_path / "other")
    assert str(folder) not in line


def test_a_source_that_was_read_for_two_sequences_is_known_by_both(tmp_path):
    """Each reads other cases: the second must not take the first one's from whois and retry."""
    source, store = tmp_path / "source", tmp_path / "store"
    radlas("init", store)
    for number, (description, drawn) in enumerate({"AX T2 FS": "mass", "AX T1": "GTV"}.items()):
        series = make_series(description=description, seed=number).write(source / description)
        save(tumour_on(series, drawn), source / description / "RS")
    roi_map = tmp_path / "map.yaml"
    roi_map.write_text("tumour: {patterns: [GTV]}\n")
    words = ("--store", store, "--centre", "c", "--rois", roi_map, "--engine", "serial")
    said = radlas("ingest", source, *words, "--sequence", "T2FS", "--json")
    (case,) = (one["case_id"] for one in said.data["cases"])
    assert radlas("ingest", source, *words, "--sequence", "T1", "--json").data["ok"] == 1
    told = radlas("whois", case[:8], "--store", store, "--json")
    assert [one["pseudonym"] for one in told.data["found"]] == [case]
    roi_map.write_text("tumour: {patterns: [GTV, mass]}\n")
    said = radlas("retry", "--store", store, "--reason", "no_tumour", "--engine", "serial")
    assert "1 task of ingest c: 2 runs" in said.out
    assert radlas("status", "--store", store, "--json").data["stages"]["ingest"] == {"ok": 2}


def test_an_exam_that_is_found_by_two_ways_of_reading_is_told_once(one_pair):
    _, store, again = one_pair
    radlas(*again, "--sequence", "T1")
    assert len(radlas("whois", "x", "--store", store, "--json").data["found"]) == 1


def test_a_patient_is_known_in_either_spelling_of_unicode(one_pair):
    """What is typed, and what a folder's disk keeps, may be composed otherwise."""
    folder, store, again = one_pair
    (folder / "Mu\u0308").mkdir()
    write_pair(folder / "Mu\u0308", "")
    for path in (folder / "Mu\u0308").iterdir():
        path.rename(path.with_name(path.name.removeprefix("_")))
    assert radlas(*again).code == 0
    found = [radlas("whois", name, "--store", store, "--json") for name in ("M\xfc", "Mu\u0308")]
    assert [len(told.data["found"]) for told in found] == [1, 1]


def test_whatever_an_ingest_may_be_told_is_an_option_of_the_verb():
    """A retry by hand is typed so, also where a job's file said it first."""
    told = radlas("ingest", "--help").out
    names = IngestConfig.model_fields.keys() - {"source"}
    assert [one for one in sorted(names) if f"--{one.replace('_', '-')}" not in told] == []


def test_a_retry_from_another_folder_finds_all_files_that_the_ingest_named(
    one_pair, tmp_path, monkeypatch
):
    _, store, again = one_pair
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "map.yaml").write_text("tumour: {patterns: [mass]}\n")
    (tmp_path / "here" / "grades.yaml").write_text("positive: [high]\nnegative: [low]\n")
    named = ("--rois", "map.yaml", "--grades", "grades.yaml")
    assert radlas(*again, *named, "--json").data["reasons"] == {"no_tumour": 1}
    (tmp_path / "here" / "map.yaml").write_text("tumour: {patterns: [tumour]}\n")
    monkeypatch.chdir(tmp_path)
    said = radlas("retry", "--store", store, "--reason", "no_tumour", "--engine", "serial")
    assert (said.code, "did not run" in said.out) == (0, False)
    assert radlas("status", "--store", store, "--json").data["stages"]["ingest"] == {"ok": 1}


def test_a_volume_that_is_lost_is_told_as_that_and_its_remedy_works(one_pair):
    """The tables know the case, so that there is none such is not so."""
    _, store, again = one_pair
    (row,) = delta.read(open_store(store), "cases", ["case_id"]).to_pylist()
    shutil.rmtree(store / "volumes" / row["case_id"][:2])
    told = radlas("verify", "--store", store)
    assert (told.code, "no volume of this case is here" in told.out) == (1, True)
    query = shlex.split(told.out.rpartition("if it is one of: ")[2])
    assert row["case_id"] in radlas(*query[1:], "--store", store).out
    assert radlas(*again).code == 0  # as the message says
    assert radlas("verify", "--store", store).code == 0


def test_a_damaged_list_of_sources_stops_no_ingest_and_says_what_to_do(hospital, tmp_path):
    store, book = tmp_path / "store", tmp_path / "store.sources.json"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    book.write_text('{"centre": "c"}')
    said = radlas("ingest", hospital, *words)
    assert said.code == 1  # of the quarantined cases; the others are stored
    assert "was not noted beside the store: the list of sources is damaged" in said.out
    told = radlas("whois", "ffffffff", "--store", store)
    assert told.code == 2
    assert "move it away" in told.err


def test_a_source_that_was_emptied_stands_in_nobodys_way(hospital, tmp_path):
    store, gone = tmp_path / "store", tmp_path / "gone"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    shutil.copytree(hospital, gone)
    said = radlas("ingest", gone, *words, "--json")
    radlas("ingest", hospital, *words)
    shutil.rmtree(gone)
    gone.mkdir()
    case = said.data["cases"][0]["case_id"]
    told = radlas("whois", case[:8], "--store", store, "--json")
    assert [one["pseudonym"] for one in told.data["found"]] == [case]
    again = radlas("retry", "--store", store, "--reason", "label_missing", "--engine", "serial")
    assert again.code == 2
    assert "ingest did not run: " in again.out
    assert "1 quarantined" in again.out


def test_who_cannot_be_found_for_a_file_that_is_gone_is_told_the_file(one_pair, tmp_path):
    """Not that the digits are of nobody: the exam lies where it lay."""
    _, store, again = one_pair
    roi_map = tmp_path / "map.yaml"
    roi_map.write_text("tumour: {patterns: [tumour]}\n")
    radlas(*again, "--rois", roi_map)
    (row,) = delta.read(open_store(store), "cases", ["case_id"]).to_pylist()
    whois = ("whois", row["case_id"][:8], "--store", store)
    roi_map.rename(tmp_path / "other.yaml")
    told = radlas(*whois)
    assert (told.code, "1 more cannot be read: no such file" in told.err) == (2, True)
    assert str(roi_map) in told.err
    emptied = tmp_path / "emptied"  # noted before: it may be empty for good
    emptied.mkdir()
    book = tmp_path / "store.sources.json"
    (noted,) = json.loads(book.read_text())
    book.write_text(json.dumps([noted | {"source": str(emptied), "rois": None}, noted]))
    told = radlas(*whois)
    assert "2 more cannot be read" in told.err
    assert all(str(one) in told.err for one in (emptied, roi_map))
    assert radlas(*again).code == 0  # as the message says: it notes how a source is read
    assert radlas(*whois).code == 0


def test_the_hospital_can_tell_which_exam_a_case_is_and_nobody_else(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    said = radlas("ingest", hospital, *words, "--json")
    case = next(one for one in said.data["cases"] if one["reason"] == "label_missing")
    told = radlas("whois", case["case_id"][:8], "--store", store, "--json")
    assert [one["pseudonym"] for one in told.data["found"]] == [case["case_id"]]
    assert (tmp_path / "store.sources.json").stat().st_mode & 0o777 == 0o600
    for nobody in ("ffffffffff", case["case_id"][:3], ""):
        said = radlas("whois", nobody, "--store", store)
        assert said.code == 2
        assert "at least 4 digits" in said.err
    (tmp_path / "store.key").unlink()
    assert radlas("whois", case["case_id"][:8], "--store", store).code == 2


def test_a_patient_of_the_hospital_is_found_by_the_name_the_source_gives(hospital, tmp_path):
    """Who withdraws consent is known to the hospital by an identifier, to the store by another."""
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    radlas("ingest", hospital, *words)
    rows = delta.read(open_store(store), "cases", ["case_id", "subject_id"]).to_pylist()
    for row in rows:
        (one,) = radlas("whois", row["case_id"], "--store", store, "--json").data["found"]
        told = radlas("whois", one["subject"], "--store", store, "--json").data["found"]
        assert {mine["subject_id"] for mine in told} == {row["subject_id"]}
        assert row["case_id"] in {mine["pseudonym"] for mine in told}
    assert rows


def test_a_plan_lists_every_series_with_its_reason_and_a_time(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti")
    said = radlas("ingest", hospital, *words, "--dry-run", "--json")
    assert {one["decision"] for one in said.data["found"]} == {"read"}
    assert all(one["files"] == 2 and one["MB"] >= 0 for one in said.data["found"]), "as numbers"
    assert len(said.data["found"]) == 5
    assert "on one worker" in said.data["cost"]
    told = radlas("ingest", hospital, *words, "--dry-run").out
    assert "decision" in told
    assert "mask by file name" in told
    radlas("ingest", hospital, *words, "--engine", "serial")
    later = radlas("ingest", hospital, *words, "--dry-run", "--json").data
    assert sorted(one["decision"] for one in later["found"]) == ["quarantined"] * 4 + ["stored"]


def test_what_is_settled_is_settled_in_every_row_of_a_plan(hospital, tmp_path):
    """The rows and the sum below them come from one ledger, refusals at the scan included."""
    store = tmp_path / "store"
    radlas("init", store)
    shutil.copy(hospital / "good_image.nii.gz", hospital / "alone_image.nii.gz")  # has no mask
    words = ("--store", store, "--centre", "c", "--importer", "nifti")
    first = radlas("ingest", hospital, *words, "--dry-run", "--json").data
    assert Counter(one["decision"] for one in first["found"]) == {"read": 5, "refused": 1}
    radlas("ingest", hospital, *words, "--engine", "serial")
    later = radlas("ingest", hospital, *words, "--dry-run", "--json").data
    assert Counter(one["decision"] for one in later["found"]) == {"quarantined": 5, "stored": 1}
    assert later["settled"] == {"quarantined": 5, "ok": 1}


def test_status_tells_centres_reasons_and_what_took_long(hospital, tmp_path):
    store = tmp_path / "store"
    radlas("init", store)
    words = ("--store", store, "--centre", "c", "--importer", "nifti", "--engine", "serial")
    radlas("ingest", hospital, *words)
    data = radlas("status", "--store", store, "--json").data
    assert data["centres"] == {"ingest": {"c": {"ok": 1, "quarantined": 4}}}
    assert len(data["slowest"]) == 3
    assert data["slowest"][0]["seconds"] >= data["slowest"][-1]["seconds"] > 0
    told = radlas("status", "--store", store).out
    assert "ingest of c: 1 ok, 4 quarantined" in told
    assert f"radlas retry --store {store} --reason empty_mask" in told


@pytest.mark.parametrize("there", ["no", "another"])
def test_a_worker_that_finds_no_store_at_its_address_keeps_nothing_and_says_so(
    cohort, tmp_path, there
):
    """As where it is not mounted: the volumes would lie on that machine, and be told as stored."""
    store, moved = tmp_path / "store", tmp_path / "moved"
    init_store(store)
    other = init_store(tmp_path / "other") if there == "another" else None

    class Unmounted(SerialEngine):
        def map(self, work, tasks, *, gpu=False):
            store.rename(moved)
            if other:
                Path(str(other.place)).rename(store)
            done = list(super().map(work, tasks, gpu=gpu))
            kept.extend(path for path in store.rglob("*") if path.suffix == ".zarr")
            if other:
                store.rename(tmp_path / "other")
            moved.rename(store)
            return iter(done)

    kept = []
    config = IngestConfig(
        store=str(store), source=cohort / "centre-c", centre="centre-c", importer="nifti"
    )
    report = ingest(config, engine=Unmounted())
    assert kept == []
    assert report.data["ok"] == 0
    assert report.data["failed"] == report.data["inputs"] > 0
    assert report.data["reasons"] == {"other_store": report.data["inputs"]}
    assert f"{there} store" in report.data["cases"][0]["message"]
    assert "mount the store" in report.data["cases"][0]["message"]
    assert ingest(config).data["ok"] == report.data["inputs"]
