"""The cohort as a folder: complete or absent, the same bytes, marked as synthetic."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.no_room import no_room

from radlas.errors import ConfigError, WorkerError
from radlas.phantom import PhantomConfig, write_cohort
from radlas.phantom.picture import montage
from radlas.phantom.subjects import plan_subjects


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_one_worker_and_two_write_the_same_bytes(cohort: Path, tmp_path: Path):
    out = tmp_path / "again"
    summary = write_cohort(PhantomConfig(out=out, subjects=6, seed=3, workers=2))
    assert summary.created
    assert hashes(out) == hashes(cohort)


def test_a_finished_cohort_is_left_alone(cohort: Path):
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*")}
    calls: list[int] = []
    config = PhantomConfig(out=cohort, subjects=6, seed=3, workers=1)
    summary = write_cohort(config, lambda done, total: calls.append(done))
    assert not summary.created
    assert calls == []
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before


def test_a_cohort_with_other_settings_is_not_overwritten(cohort: Path):
    with pytest.raises(ConfigError, match=r"(?s)other settings.*try:.*new folder"):
        write_cohort(PhantomConfig(out=cohort, subjects=6, seed=4, workers=1))


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match=r"(?s)not a synthetic cohort.*try:"):
        write_cohort(PhantomConfig(out=tmp_path, subjects=6))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_an_interrupted_run_leaves_nothing_under_the_name(tmp_path: Path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cohort(PhantomConfig(out=tmp_path / "cohort", subjects=6, workers=1), stop)
    assert list(tmp_path.iterdir()) == []


def test_of_two_runs_at_once_neither_takes_from_the_other(cohort: Path, tmp_path: Path):
    """The one that ends second finds the cohort there, and says so."""
    config = PhantomConfig(out=tmp_path / "cohort", subjects=6, seed=3, workers=1)
    created: list[bool] = []

    def another(done: int, total: int) -> None:
        if done == total:
            created.append(write_cohort(config).created)

    created.append(write_cohort(config, another).created)
    assert created == [True, False]
    assert hashes(tmp_path / "cohort") == hashes(cohort)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


def test_a_process_that_is_killed_is_told_as_that_and_no_defect(tmp_path: Path):
    """As a machine without memory does it."""

    def kill(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(WorkerError, match="was killed") as caught:
        write_cohort(PhantomConfig(out=tmp_path / "cohort", subjects=12, workers=2), kill)
    assert (caught.value.where, caught.value.reason) == (str(tmp_path), "crashed")
    assert list(tmp_path.iterdir()) == []


def test_who_interrupts_a_run_does_not_wait_for_the_subjects_that_nobody_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """SIGTERM and a full disk ended a run only when the whole cohort was drawn, to be removed."""
    futures: list[Future[Any]] = []

    class Watched(ProcessPoolExecutor):
        def submit(self, *given: Any, **named: Any) -> Future[Any]:
            futures.append(super().submit(*given, **named))
            return futures[-1]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radlas.phantom.cohort.ProcessPoolExecutor", Watched)
    with pytest.raises(KeyboardInterrupt):
        write_cohort(PhantomConfig(out=tmp_path / "cohort", subjects=30, workers=2), stop)
    assert sum(one.cancelled() for one in futures) > 15
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_killed_leaves_no_process_behind(tmp_path: Path):
    """They waited for work for ever, each with its memory and its end of the run's output."""
    command = [sys.executable, "-m", "radlas", "phantom", str(tmp_path / "cohort"), "--subjects=60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        while not list(tmp_path.glob(".*/cohort/centre-*")) and run.poll() is None:
            time.sleep(0.05)
        run.kill()
        run.communicate(timeout=30)  # ends when nobody has that pipe any more
    assert run.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("centre", "told"),
    [
        ("centre-a", "File too large"),
        ("centre-b", "File too large"),
        ("centre-c", "_image.nii.gz could not be written whole"),
    ],
)
@pytest.mark.parametrize("limit", [0, 1000, 100_000])
def test_no_centre_is_made_whole_on_a_disk_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, centre: str, told: str, limit: int
):
    """ITK goes on as if nothing were, and pydicom tells its own stack: of a full disk in the
    middle of a NIfTI file a cohort was called complete that held half an image."""
    subjects = [one for one in plan_subjects(6, seed=3) if one.centre == centre]
    monkeypatch.setattr("radlas.phantom.cohort.plan_subjects", lambda *_, **__: subjects)
    config = PhantomConfig(out=tmp_path / "cohort", subjects=6, seed=3, workers=1)
    with no_room(limit), pytest.raises(OSError, match=told) as refused:
        write_cohort(config)
    assert refused.value.filename == str(tmp_path / "cohort")
    assert refused.value.strerror.count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "radlas.phantom.cohort._write_subject", lambda subject, root: (subject.name, (1.0, True))
    )
    monkeypatch.setattr("radlas.phantom.cohort._write_tables", lambda *given: None)
    calls: list[tuple[int, int]] = []
    config = PhantomConfig(out=tmp_path / "cohort", subjects=7, workers=1)
    write_cohort(config, lambda done, total: calls.append((done, total)))
    assert calls == [(done, 7) for done in range(1, 8)]


@pytest.mark.parametrize("subjects", [0, 5])
def test_fewer_than_six_subjects_are_refused(subjects: int):
    with pytest.raises(ConfigError, match="subjects"):
        PhantomConfig.parse({"out": "x", "subjects": subjects})


def test_truth_lists_every_subject_with_its_planted_signals(cohort: Path):
    rows = list(csv.DictReader((cohort / "truth.csv").open(encoding="utf-8")))
    for row, subject in zip(rows, plan_subjects(6, seed=3), strict=True):
        assert (row["subject"], row["grade"]) == (subject.name, subject.grade)
        assert float(row["deep"]) == pytest.approx(subject.deep, abs=1e-6)


def test_the_cohort_says_that_it_is_synthetic_at_every_level(cohort: Path):
    for folder in (cohort, *(cohort / f"centre-{letter}" for letter in "abc")):
        assert json.loads((folder / "phantom.json").read_text())["mark"] == "RADLAS PHANTOM"
    assert "SYNTHETIC" in (cohort / "README.txt").read_text()


def test_the_pseudonym_key_is_64_hexadecimal_digits(cohort: Path):
    assert len(bytes.fromhex((cohort / "site.key").read_text())) == 32


def test_the_picture_is_drawn_from_the_files(cohort: Path, tmp_path: Path):
    montage(cohort, tmp_path / "picture.png", per_centre=2)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_no_cohort_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="no synthetic cohort"):
        montage(tmp_path, tmp_path / "picture.png")
